"""Fault injection: real members on a real broker, faults of every part, and an oracle at the end.

Each scenario is a test file in this folder. Its building blocks:

* `tests.e2e.world.World` has the broker's topics, the three strict servers (`world.servers`, with rules in
  `server.faults`) and a registry (`world.registry`). It starts members (`world.member()`).
* `tests.e2e.shop.Shop` creates records and knows the deliveries owed by each. `tests.e2e.kafka_io` produces them.
* `members.JournaledMember` is a member with a journal (assignments, commits and deferrals with monotonic times), kill
  points (`kill_points.POINTS`) and deliberate bugs (`bugs.BUGS`). The product contains none of these.
* `verdict.judge(shop, evidence, journals)` returns every violation. `tests.e2e.accounting.mismatches` returns the
  errors in a member's accounting.
* `storm.Storm` combines all of these: members (`storm_members.py`), a stream of records (`stream.py`), faults, and a
  report at the end (`report.py`). `make faults` and `make soak` are storms that a seed reproduces.
* `catalogue.FAULTS` lists the faults as data. Each further line adds a kind to the short run (`test_storm.py`), to
  `make faults` and to `make soak`. A fault locks what it needs, so that no two faults use one thing at the same time.
  It counts its hits, and a kind without hits fails the run.
"""
