"""Fault injection: real members on a real broker, faults of every part, and an oracle at the end.

A *scenario* of your own is a test file here. What there is for it:

* `tests.e2e.world.World` has the broker's topics, the three strict servers (`world.servers`, rules in
  `server.faults`), a registry (`world.registry`), and starts members (`world.member()`).
* `tests.e2e.shop.Shop` makes records and knows what each owes; `tests.e2e.kafka_io.produce` produces them.
* `members.JournaledMember` is a member with a journal (assignments, commits, deferrals by monotonic time), kill points
  (`points.POINTS`) and deliberate bugs (`bugs.BUGS`); in the product there is nothing of these.
* `judged.judge(shop, evidence, journals)` says everything that is wrong, `tests.e2e.accounting.unbalanced` what is
  wrong with a member's books.
* `storm.Storm` is all of that at work: a crew of members on a stream of records (`crew.py`, `stream.py`), faults
  striking, and at the end a report (`report.py`). `make faults` and `make soak` are storms of a seed.
* `catalogue.FAULTS` are the faults as data; one more line there is one more kind in the short form (`test_storm.py`),
  in `make faults` and in `make soak`. A fault locks what it needs, so that two never fight over one thing; it counts
  its hits, and a kind that was never hit fails the run.
"""
