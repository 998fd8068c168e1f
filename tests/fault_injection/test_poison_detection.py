"""One event that a destination cannot bear is found and given up; where nothing is taken at all, nothing is."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from consumer.demo.fakes.fault_rules import Action, Hang, IncomingRequest, Respond, Rule, contains
from tests.e2e.evidence import gather
from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import ISOLATED
from tests.e2e.world import PARTITIONS, World
from tests.fault_injection.leak_check import leaks
from tests.fault_injection.members import JournaledMember
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.settings import change
from tests.fault_injection.verdict import judge_and_count
from tests.kafka_clusters import RealBroker

_TIMEOUT_S = 5.0
_HANGS_FOR_S = 0.8
"""Allowed where calls hang: an innocent event would have to be delayed for so long six times in a row."""
_AFTER_S = 0.5
_SURE = {"failures": 2, "other_successes": 1, "give_up_after": f"{_AFTER_S:g}s", "give_up_successes": 10}
_BATCH = {"batch": {"events": 8, "linger": "50ms"}}
_TAG = "unbearable"
_BAD: Mapping[str, Action] = {"customerio": Respond(500), "copilot": Hang(600), "yotpo": Respond(403)}
_OUTAGE_CALLS = 12
"""In an outage so many calls fail at the least: of each of four lanes three, where two failures make a suspect."""


@pytest.mark.timeout(900)
def test_poison_event_is_dead_lettered_and_outage_is_not(apache_broker: RealBroker, tmp_path: Path) -> None:
    with World(apache_broker, tmp_path, ISOLATED) as world:
        world.configure(timeout_s=_TIMEOUT_S)
        change(
            world,
            every={"poison_detection": _SURE, "probe": "200ms", "backoff": {"first": "50ms", "cap": "300ms"}},
            destinations={"copilot": {"timeout": f"{_HANGS_FOR_S:g}s", **_BATCH}, "customerio": _BATCH},
        )
        shop = OrderProducer(world, 81)
        shop.orders(100)
        (unbearable,) = shop.orders(1, tag=_TAG, lines=())
        shop.orders(100)
        _must_be_given_up(unbearable)
        rules = {name: world.servers[name].faults.add(action, when=contains(_TAG)) for name, action in _BAD.items()}
        with JournaledMember(world, "member") as member:
            member.wait_for_partitions(PARTITIONS)
            began = time.monotonic()
            _trade_until(shop, member, lambda: _given_up(member) == dict.fromkeys(_BAD, 1.0), "an event is kept")
            print(f"\nall were given up {time.monotonic() - began:.1f} s after the member was there")
            shop.wait_until_delivered()
            tried = {name: rule.hits for name, rule in rules.items()}

            outages = {name: world.servers[name].faults.add(action, when=_delivers) for name, action in _BAD.items()}
            down = time.monotonic()
            _trade_until(shop, member, lambda: _has_lasted(down, outages), "nobody calls")
            for name, rule in outages.items():
                world.servers[name].faults.remove(rule)
            shop.wait_until_delivered()
            print(f"calls with it: {tried}; in the outage: { {name: rule.hits for name, rule in outages.items()} }")
            member.wait_until(lambda: not any(_suspects(member)), 180, "a suspect is left")
            assert leaks(world, member) == []
            assert member.stop() == 0
        evidence = gather(world, timeout_s=_HANGS_FOR_S)
        # All letters there are, and no other; all arrivals, and each once.
        complaints, unheard = judge_and_count(shop, evidence, [member.journal()])
        assert complaints == []
        late = [line for line in member.journal("deferred") if line["cause"] == "timed_out"]
        hung = tried["copilot"] + outages["copilot"].hits
        assert not unheard or len(late) >= hung, "only calls that the machine kept waiting may have been made again"
        for name in ("customerio", "copilot"):
            (id_,) = (one.stored_id for one in unbearable.owed if one.destination == name)
            together = [len(request.ids) for request in evidence.requests[name] if id_ in request.ids]
            assert together[0] > 1, "it had no neighbours"
            assert together[-1] == 1


def _must_be_given_up(record: ProducedRecord) -> None:
    """Note of what a record owes that it must become letters, with the last status there was."""
    for index, one in enumerate(record.owed):
        action = _BAD[str(one.destination)]
        status = action.status if isinstance(action, Respond) else None
        record.owed[index] = dataclasses.replace(one, cause="never_accepted", status=status)


def _trade_until(shop: OrderProducer, member: JournaledMember, true: Callable[[], bool], otherwise: str) -> None:
    """Let orders come until something is true: what others get through is what an event is judged by."""

    def traded() -> bool:
        shop.orders(3)
        time.sleep(0.15)  # it is the pace of the trade
        return true()

    member.wait_until(traded, 180, otherwise)


def _given_up(member: JournaledMember) -> dict[str, float]:
    """Return how many letters there are, by destination; they must be of this cause."""
    letters = {
        (dict(labels)["destination"], dict(labels)["cause"]): value
        for (name, labels), value in member.metrics().items()
        if name == "cdp_dead_letters_total" and value
    }
    assert {cause for _, cause in letters} <= {"never_accepted"}
    return {destination: value for (destination, _), value in letters.items()}


def _has_lasted(since: float, outages: Mapping[str, Rule]) -> bool:
    """Tell whether an outage has gone on for long enough that whatever could be suspected would have been given up."""
    hits = [rule.hits for rule in outages.values()]
    return time.monotonic() - since > 3 * _AFTER_S and min(hits) >= _OUTAGE_CALLS


def _delivers(call: IncomingRequest) -> bool:
    return not call.path.endswith("access_tokens")


def _suspects(member: JournaledMember) -> list[int]:
    return [one["poison_candidates"] for pipeline in member.status().values() for one in pipeline["destinations"]]
