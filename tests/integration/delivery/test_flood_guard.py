"""The flood guard over real sockets: what waits, what continues, how much is dead-lettered, and what resets it."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import MarkInvalid, Respond, Rule, endpoint
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.model import DeadLetterCause
from consumer.model.directives import NONE, AcceptRefusals, Directives
from tests.integration.delivery.dispatcher_harness import DispatcherHarness, dispatcher_harness

ORDER, RETURN = "shop.Order", "shop.Return"
GUARD = FloodGuardOptions(refusals=5)
REFUSED = DeadLetterCause.REFUSED


def is_invalid(item: object) -> bool:
    return b"invalid" in item.raw  # type: ignore[attr-defined]


@asynccontextmanager
async def refusing_copilot(
    lanes: int, probe_s: float = 0.1
) -> AsyncIterator[tuple[FakeCopilot, DispatcherHarness, Rule]]:
    """A fake Copilot with the rule by which it refuses events that are marked invalid."""
    async with (
        FakeCopilot(client_id="id", client_secret="secret") as fake,
        dispatcher_harness(fake, lanes=lanes, probe_s=probe_s, flood_guard=GUARD) as harness,
    ):
        yield fake, harness, fake.faults.add(MarkInvalid(which=is_invalid), when=endpoint("/v2/collect"))


@asynccontextmanager
async def refusing_yotpo(lanes: int, probe_s: float = 0.1) -> AsyncIterator[tuple[FakeYotpo, DispatcherHarness, Rule]]:
    """A fake Yotpo with the rule by which it refuses every event."""
    async with (
        FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
        dispatcher_harness(
            fake, {"store_id": "store"}, lanes=lanes, probe_s=probe_s, flood_guard=GUARD, rate_per_s=None
        ) as harness,
    ):
        yield fake, harness, fake.faults.add(Respond(400), when=lambda request: "access_tokens" not in request.path)


def flood(lanes: DispatcherHarness, target: str, count: int = 30) -> list[str]:
    return lanes.owe(["invalid"] * count, range(count), target, event_type=RETURN)


def accept_all(cause: DeadLetterCause = REFUSED) -> Directives:
    return Directives([AcceptRefusals(until_ms=0, reason="", cause=cause, destination=None, event_type=RETURN)])


def test_flood_trips_guard_until_probe_is_accepted() -> None:
    """Other event types continue meanwhile."""

    async def run() -> None:
        async with refusing_copilot(lanes=2) as (fake, lanes, rule):
            returns = flood(lanes, "custom_event")
            orders = lanes.owe(["fine"] * 20, list(range(20)), "custom_event")
            # Keys without a waiting delivery continue at once. The others follow their waiting deliveries.
            free = lanes.owe(["fine"] * 20, list(range(100, 120)), "custom_event")
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and set(free) <= fake.stored_ids())
            assert lanes.observer.guard_trips == [(RETURN, REFUSED, 5, 5)]
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            await lanes.until(lambda: lanes.ledger.open_records == lanes.dispatcher.count_waiting(("guard", RETURN)))
            before = len(fake.requests)
            await fake.wait_until_async(lambda: len(fake.requests) >= before + 4)
            probes = fake.requests[before : before + 4]
            assert all(request.events == 1 for request in probes)
            assert all(b.started - a.started >= 0.08 for a, b in itertools.pairwise(probes))
            assert len({request.ids[0] for request in probes}) == 4, "probes take different keys in turn"
            assert len(lanes.dead_letter_topic.dead_letters) == 4, "a refused probe was dead-lettered"
            (tripped,) = lanes.dispatcher.flood_guard.tripped()
            assert (tripped.kind, tripped.cause, tripped.refused, tripped.of) == (RETURN, REFUSED, 5, 5)
            assert tripped.waiting >= 20
            fake.faults.remove(rule)
            await lanes.all_ended()
            assert lanes.observer.guard_resets == [(RETURN, REFUSED, "probe")]
            assert not lanes.dispatcher.flood_guard.tripped()
            dead_lettered = {each.delivery_id for each in lanes.dead_letter_topic.dead_letters}
            assert dead_lettered < set(returns)
            assert len(dead_lettered) == 4
            assert fake.stored_ids() == ({*returns} - dead_lettered) | {*orders, *free}

    asyncio.run(run())


def test_late_refusals_wait_after_trip() -> None:
    """Refusals of requests that were in flight at the trip wait too."""

    async def run() -> None:
        async with refusing_yotpo(lanes=8, probe_s=600.0) as (fake, lanes, _):
            returns = flood(lanes, "event", 64)
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and not lanes.dispatcher.requests_in_flight)
            await lanes.until(lambda: lanes.dispatcher.count_waiting(("guard", RETURN)) == len(returns) - 4)
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            assert lanes.causes() == [REFUSED] * 4
            assert len(fake.requests) < 4 + 8 * 2, "it sent more requests"
            assert not lanes.dispatcher.can_make_progress(time.monotonic() + 3600), "shutdown would wait for it"

    asyncio.run(run())


def test_refused_batch_is_not_split_after_trip() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.1, flood_guard=GUARD) as lanes,
        ):
            rule = fake.poison("invalid")
            returns = flood(lanes, "track", 32)
            others = lanes.owe(["fine"] * 8, list(range(100, 108)), "track")
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and set(others) <= fake.stored_ids())
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            fake.faults.remove(rule)
            await lanes.all_ended()
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            assert len(fake.stored_ids()) == len(returns) - 4 + 8
            assert len(fake.received) == len(fake.stored_ids()), "one arrived twice"

    asyncio.run(run())


def test_waiting_deliveries_keep_order_of_their_key() -> None:
    """Later deliveries of the key wait behind them."""

    async def run() -> None:
        async with refusing_yotpo(lanes=1) as (fake, lanes, rule):
            flood(lanes, "event", 5)
            await lanes.until(lambda: bool(lanes.observer.guard_trips))
            first = lanes.owe(["a", "b"], [77, 77], "event", event_type=RETURN)
            later = lanes.owe(["c"], [77], "event", event_type=ORDER)
            again = lanes.owe(["d"], [77], "event", event_type=RETURN)
            await lanes.until(lambda: lanes.dispatcher.count_waiting(("guard", RETURN)) == 5)
            fake.faults.remove(rule)
            await lanes.all_ended()
            of_key = [*first, *later, *again]
            assert [arrival.id for arrival in fake.received if arrival.id in of_key] == of_key

    asyncio.run(run())


def test_accepted_delivery_of_other_entry_does_not_reset() -> None:
    """It is delivered all the same."""

    async def run() -> None:
        async with refusing_copilot(lanes=1) as (fake, lanes, rule):
            flood(lanes, "custom_event", 9)
            await lanes.until(lambda: bool(lanes.observer.guard_trips))
            lanes.owe(["yes"] * 6, list(range(100, 106)), "consent", event_type=RETURN)
            await fake.wait_until_async(lambda: sum(arrival.kind == "consent" for arrival in fake.received) == 6)
            assert not lanes.observer.guard_resets
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            fake.faults.remove(rule)
            await lanes.all_ended()
            assert lanes.observer.guard_resets == [(RETURN, REFUSED, "probe")]

    asyncio.run(run())


def test_directive_resets_guard_and_counting_restarts() -> None:
    """A directive resets the guard at once, and everything that waited is dead-lettered."""

    async def run() -> None:
        async with refusing_copilot(lanes=2, probe_s=600.0) as (_, lanes, _):
            returns = flood(lanes, "custom_event")
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and not lanes.dispatcher.requests_in_flight)
            lanes.dispatcher.apply_directives(accept_all(DeadLetterCause.CONTRACT))
            assert lanes.dispatcher.flood_guard.tripped(), "the directive covers another cause"
            lanes.dispatcher.apply_directives(accept_all())
            await lanes.all_ended()
            assert lanes.observer.guard_resets == [(RETURN, REFUSED, "directive")]
            assert {each.delivery_id for each in lanes.dead_letter_topic.dead_letters} == set(returns)
            lanes.dispatcher.apply_directives(NONE)
            flood(lanes, "custom_event")
            await lanes.until(lambda: len(lanes.observer.guard_trips) == 2 and not lanes.dispatcher.requests_in_flight)
            assert len(lanes.dead_letter_topic.dead_letters) == len(returns) + 4

    asyncio.run(run())


def test_out_of_window_events_never_trip_guard() -> None:
    async def run() -> None:
        async with refusing_copilot(lanes=1) as (_, lanes, _):
            lanes.owe(["fine"], [1], "custom_event")
            await lanes.all_ended()
            long_ago = int(time.time() * 1000) - 400 * 86_400_000
            lanes.owe(["old"] * 30, list(range(30)), "custom_event", long_ago, RETURN)
            await lanes.all_ended()
            assert lanes.causes() == [DeadLetterCause.OUT_OF_WINDOW] * 30
            assert not lanes.observer.guard_trips

    asyncio.run(run())


def test_revocation_keeps_guard_tripped_until_next_probe() -> None:
    """The first probe of the next assignment epoch resets the guard if it is accepted."""

    async def run() -> None:
        async with refusing_copilot(lanes=2) as (fake, lanes, rule):
            flood(lanes, "custom_event")
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and not lanes.dispatcher.requests_in_flight)
            await lanes.until(lambda: lanes.ledger.open_records == 26)
            lanes.revoke()
            (tripped,) = lanes.dispatcher.flood_guard.tripped()
            assert tripped.waiting == 0
            fake.faults.remove(rule)
            later = flood(lanes, "custom_event", 10)
            await lanes.all_ended()
            assert set(later) <= fake.stored_ids()
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            assert lanes.settlement.accounting.accounts["copilot"].released == 26

    asyncio.run(run())


def test_endpoint_held_during_trip_is_probed_first() -> None:
    """Both the hold and the trip end."""

    async def run() -> None:
        async with refusing_copilot(lanes=2) as (fake, lanes, rule):
            returns = flood(lanes, "custom_event")
            await lanes.until(lambda: bool(lanes.observer.guard_trips))
            fake.faults.remove(rule)
            gone = fake.faults.add(Respond(404), when=endpoint("/v2/collect"))
            behind_it = fake.faults.add(MarkInvalid(which=is_invalid))
            orders = lanes.owe(["fine"] * 5, list(range(100, 105)), "custom_event")
            await lanes.until(lambda: bool(lanes.observer.holds))
            before = len(fake.requests)
            await fake.wait_until_async(lambda: len(fake.requests) >= before + 4)
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            fake.faults.remove(gone)
            await fake.wait_until_async(lambda: set(orders) <= fake.stored_ids())
            assert not lanes.observer.guard_resets
            fake.faults.remove(behind_it)
            await lanes.all_ended()
            assert len(fake.stored_ids()) == len(returns) - 4 + 5
            assert lanes.observer.guard_resets == [(RETURN, REFUSED, "probe")]

    asyncio.run(run())


def test_key_behind_dead_letter_guard_and_hold_ends() -> None:
    """A key waits for a dead letter, a tripped guard and a held endpoint; it ends once all three do."""

    async def run() -> None:
        async with refusing_copilot(lanes=1) as (fake, lanes, rule):
            gone = fake.faults.add(Respond(404), when=lambda request: "consent" in request.path)
            lanes.owe(["yes"], [900], "consent")
            await lanes.until(lambda: bool(lanes.observer.holds))
            lanes.revoke()  # the hold stays, without waiting deliveries
            lanes.dead_letter_topic.at_once = False
            # The fourth is dead-lettered. The fifth, of the same key, trips the guard.
            events = lanes.owe(["invalid"] * 5, [1, 2, 3, 7, 7], "custom_event", event_type=RETURN)
            lanes.owe(["yes"], [7], "consent")
            await lanes.until(lambda: bool(lanes.observer.guard_trips))
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            lanes.dead_letter_topic.at_once = True
            lanes.dead_letter_topic.acknowledge()
            fake.faults.remove(gone)
            fake.faults.remove(rule)
            await lanes.all_ended()
            assert fake.stored_ids() == {events[4], "u7=true"}
            assert not lanes.dispatcher.circuit_breakers
            assert not lanes.dispatcher.flood_guard.tripped()

    asyncio.run(run())
