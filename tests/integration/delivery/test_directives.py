"""Pauses and quarantines over real sockets. They also apply to deliveries that wait already."""

import asyncio

import pytest

from consumer.delivery.guards.circuit_breaker import OpenCircuit
from consumer.delivery.keyed_queue import WaitReason
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Gate, Respond, WaitForGate, contains
from consumer.model import DeadLetterCause
from consumer.model.directives import NONE, Directives, Pause, Quarantine
from tests.integration.delivery.dispatcher_harness import DispatcherHarness, dispatcher_harness, lane_with_poison


def quarantine(lanes: DispatcherHarness, slot: int) -> Directives:
    """Return the directive that quarantines the record at a slot of the only partition."""
    partition = lanes.ledger.partition
    return Directives([Quarantine(9, "", partition.topic, partition.index, lanes.ledger.record(slot).offset())])


def test_paused_deliveries_continue_in_order_after_pause() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 2}) as lanes,
        ):
            (before,) = lanes.owe(["before"], [1], "track")
            await lanes.until(lambda: fake.stored_ids() == {before})
            lanes.dispatcher.apply_directives(Directives([Pause(9, "", "customerio")]))
            ids = lanes.owe([str(n) for n in range(6)], [1, 2, 1, 2, 3, 1], "track")
            await lanes.until(lambda: lanes.dispatcher.count_waiting(("paused", "")) == 6)
            assert not lanes.dispatcher.can_make_progress()
            lanes.dispatcher.apply_directives(Directives([Pause(9, "", event_type="shop.Other")]))
            await lanes.all_ended()
            arrived = [arrival.id for arrival in fake.received]
            assert sorted(arrived) == sorted([before, *ids])
            for of_key in ([0, 2, 5], [1, 3]):
                places = [arrived.index(ids[n]) for n in of_key]
                assert places == sorted(places)

    asyncio.run(run())


def test_pause_stops_retries_of_its_destination_only() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1) as lanes:
            down = fake.faults.add(Respond(500))
            ids = lanes.owe(["a", "b"], [1, 2], "track")
            await lanes.until(lambda: down.hits >= 3)
            lanes.dispatcher.apply_directives(
                Directives([Pause(9, "", "yotpo"), Pause(9, "", event_type="shop.Order")])
            )
            await lanes.until(lambda: lanes.dispatcher.count_waiting(("paused", "")) == 2)
            fake.faults.remove(down)
            lanes.dispatcher.apply_directives(Directives([Pause(9, "", "yotpo")]))
            await lanes.all_ended()
            assert fake.stored_ids() == set(ids)

    asyncio.run(run())


def test_paused_delivery_does_not_probe_held_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1, probe_s=0.02) as lanes:
            fake.faults.add(Respond(404))
            ids = lanes.owe(["a"], [1], "track")
            await lanes.until(lambda: bool(lanes.observer.holds) and len(fake.requests) >= 3)
            lanes.dispatcher.apply_directives(Directives([Pause(9, "", "customerio")]))
            await lanes.until(
                lambda: not lanes.dispatcher.requests_in_flight and lanes.dispatcher.count_waiting(("paused", "")) == 1
            )
            before = len(fake.requests)
            fake.faults.clear()
            attempts = 0
            request_probe = lanes.dispatcher.prober._request_probe

            def counted(scope: WaitReason, hold: OpenCircuit) -> bool:
                nonlocal attempts
                attempts += 1
                return request_probe(scope, hold)

            # Private: a probe that is due and not sent leaves no other trace.
            monkeypatch.setattr(lanes.dispatcher.prober, "_request_probe", counted)
            await lanes.until(lambda: attempts >= 10 or len(fake.requests) > before)  # the probe was due, several times
            assert len(fake.requests) == before
            assert not lanes.dispatcher.requests_in_flight
            lanes.dispatcher.apply_directives(NONE)
            await lanes.all_ended()
            assert fake.stored_ids() == set(ids)

    asyncio.run(run())


def test_quarantined_offset_is_dead_lettered_without_request() -> None:
    """Its key continues."""

    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1) as lanes:
            lanes.dispatcher.apply_directives(Directives([Pause(9, "", "customerio")]))
            rule = fake.faults.add(Respond(500), when=contains("bad one"))
            ids = lanes.owe(["bad one", "behind it", "other"], [1, 1, 2], "track")
            await lanes.until(lambda: lanes.dispatcher.count_waiting(("paused", "")) == 3)
            lanes.dispatcher.apply_directives(quarantine(lanes, 0))
            await lanes.all_ended()
            assert fake.stored_ids() == {ids[1], ids[2]}
            assert not rule.hits
            (dead_letter,) = lanes.dead_letter_topic.dead_letters
            assert (dead_letter.delivery_id, dead_letter.fault.cause, dead_letter.attempts) == (
                ids[0],
                DeadLetterCause.QUARANTINED,
                0,
            )
            assert lanes.settlement.accounting.accounts["customerio"].dead_lettered == 1

    asyncio.run(run())


def test_quarantined_key_is_dead_lettered_until_lifted() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=2) as lanes:
            partition = lanes.ledger.partition
            key = hash((partition.topic, partition.index, "customer-7"))
            lanes.dispatcher.apply_directives(Directives([Quarantine(9, "", partition.topic, key="customer-7")]))
            ids = lanes.owe(["a", "b", "other", "c"], [key, key, 2, key], "track")
            await lanes.all_ended()
            assert fake.stored_ids() == {ids[2]}
            assert [each.delivery_id for each in lanes.dead_letter_topic.dead_letters] == [
                ids[0],
                ids[1],
                ids[3],
            ]
            lanes.dispatcher.apply_directives(NONE)
            (later,) = lanes.owe(["d"], [key], "track")
            await lanes.all_ended()
            assert fake.stored_ids() == {ids[2], later}

    asyncio.run(run())


def test_quarantine_ends_wait_of_isolated_delivery() -> None:
    async def run() -> None:
        async with lane_with_poison(1) as (fake, lanes, poison):
            ids = lanes.owe(["POISON", "behind it"], [1, 1], "track")
            await lanes.until(lambda: poison.hits >= 2)
            lanes.dispatcher.apply_directives(quarantine(lanes, 0))
            await lanes.all_ended()
            assert fake.stored_ids() == {ids[1]}
            assert lanes.causes() == [DeadLetterCause.QUARANTINED]

    asyncio.run(run())


def test_request_in_flight_at_pause_is_settled() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1) as lanes:
            gate = Gate()
            fake.faults.add(WaitForGate(gate), when=contains("note"), times=1)
            (first,) = lanes.owe(["a"], [1], "track")
            await lanes.until(lambda: fake.stored_ids() == {first})
            lanes.dispatcher.apply_directives(Directives([Pause(9, "", "customerio")]))
            lanes.owe(["b"], [1], "track")
            gate.open()
            await lanes.until(lambda: lanes.ledger.settled == 1 and lanes.dispatcher.count_waiting(("paused", "")) == 1)
            lanes.dispatcher.apply_directives(NONE)
            await lanes.all_ended()

    asyncio.run(run())
