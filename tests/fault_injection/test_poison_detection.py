"""An event that always fails is dead-lettered as poison; in an outage, where all requests fail, no event is."""

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
_HANG_TIMEOUT_S = 0.8
"""Timeout of the destination with hanging requests. A good event fails only if it takes longer six times in a row."""
_GIVE_UP_AFTER_S = 0.5
_DETECTION = {"failures": 2, "other_successes": 1, "give_up_after": f"{_GIVE_UP_AFTER_S:g}s", "give_up_successes": 10}
_BATCH = {"batch": {"events": 8, "linger": "50ms"}}
_TAG = "unbearable"
_FAULTS: Mapping[str, Action] = {"customerio": Respond(500), "copilot": Hang(600), "yotpo": Respond(403)}
_OUTAGE_REQUESTS = 12
"""Failed requests that make an outage long enough: three in each of four lanes; two make a poison candidate."""


@pytest.mark.timeout(900)
def test_poison_event_is_dead_lettered_and_outage_is_not(apache_broker: RealBroker, tmp_path: Path) -> None:
    """The poison event is isolated from its batch, and the same faults for all events are treated as an outage."""
    with World(apache_broker, tmp_path, ISOLATED) as world:
        world.configure(timeout_s=_TIMEOUT_S)
        change(
            world,
            every={"poison_detection": _DETECTION, "probe": "200ms", "backoff": {"first": "50ms", "cap": "300ms"}},
            destinations={"copilot": {"timeout": f"{_HANG_TIMEOUT_S:g}s", **_BATCH}, "customerio": _BATCH},
        )
        producer = OrderProducer(world, 81)
        producer.orders(100)
        (poison,) = producer.orders(1, tag=_TAG, lines=())
        producer.orders(100)
        _expect_dead_letters(poison)
        rules = {name: world.servers[name].faults.add(action, when=contains(_TAG)) for name, action in _FAULTS.items()}
        with JournaledMember(world, "member") as member:
            member.wait_for_partitions(PARTITIONS)
            began = time.monotonic()
            _order_until(
                producer,
                member,
                lambda: _dead_lettered(member) == dict.fromkeys(_FAULTS, 1.0),
                "an event was not given up",
            )
            print(f"\ndead-lettered everywhere {time.monotonic() - began:.1f} s after the assignment")
            producer.wait_until_delivered()
            tried = {name: rule.hits for name, rule in rules.items()}

            outages = {
                name: world.servers[name].faults.add(action, when=_is_delivery) for name, action in _FAULTS.items()
            }
            down_since = time.monotonic()
            _order_until(
                producer, member, lambda: _is_long_enough(down_since, outages), "too few requests in the outage"
            )
            for name, rule in outages.items():
                world.servers[name].faults.remove(rule)
            producer.wait_until_delivered()
            print(f"requests with it: {tried}; in the outage: { {name: rule.hits for name, rule in outages.items()} }")
            member.wait_until(lambda: not any(_candidates(member)), 180, "a poison candidate is left")
            assert leaks(world, member) == []
            assert member.stop() == 0
        evidence = gather(world, timeout_s=_HANG_TIMEOUT_S)
        # Exactly the expected dead letters and arrivals, each once.
        complaints, without_response = judge_and_count(producer, evidence, [member.journal()])
        assert complaints == []
        late = [line for line in member.journal("deferred") if line["cause"] == "timed_out"]
        hung = tried["copilot"] + outages["copilot"].hits
        assert not without_response or len(late) >= hung, "a delivery arrived twice without a timeout"
        for name in ("customerio", "copilot"):
            (id_,) = (one.stored_id for one in poison.owed if one.destination == name)
            together = [len(request.ids) for request in evidence.requests[name] if id_ in request.ids]
            assert together[0] > 1, "it was never in a batch with others"
            assert together[-1] == 1


def _expect_dead_letters(record: ProducedRecord) -> None:
    """Expect a dead letter for each delivery of a record, with the status of its last response."""
    for index, one in enumerate(record.owed):
        action = _FAULTS[str(one.destination)]
        status = action.status if isinstance(action, Respond) else None
        record.owed[index] = dataclasses.replace(one, cause="never_accepted", status=status)


def _order_until(producer: OrderProducer, member: JournaledMember, true: Callable[[], bool], otherwise: str) -> None:
    """Produce orders until `true`: poison detection needs successes of other events."""

    def ordered() -> bool:
        producer.orders(3)
        time.sleep(0.15)  # the rate of the orders
        return true()

    member.wait_until(ordered, 180, otherwise)


def _dead_lettered(member: JournaledMember) -> dict[str, float]:
    """Return the number of dead letters by destination. Their cause must be `never_accepted`."""
    dead_letters = {
        (dict(labels)["destination"], dict(labels)["cause"]): value
        for (name, labels), value in member.metrics().items()
        if name == "cdp_dead_letters_total" and value
    }
    assert {cause for _, cause in dead_letters} <= {"never_accepted"}
    return {destination: value for (destination, _), value in dead_letters.items()}


def _is_long_enough(since: float, outages: Mapping[str, Rule]) -> bool:
    """Return True if an outage has lasted long enough for a wrong poison detection to dead-letter an event."""
    hits = [rule.hits for rule in outages.values()]
    return time.monotonic() - since > 3 * _GIVE_UP_AFTER_S and min(hits) >= _OUTAGE_REQUESTS


def _is_delivery(request: IncomingRequest) -> bool:
    return not request.path.endswith("access_tokens")


def _candidates(member: JournaledMember) -> list[int]:
    return [one["poison_candidates"] for pipeline in member.status().values() for one in pipeline["destinations"]]
