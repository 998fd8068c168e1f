"""A flood guard is reset once its cause is fixed, whatever else waits and however fast new deliveries arrive."""

import asyncio
import time
from itertools import count, islice

import pytest

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.fault_rules import IncomingRequest, MarkInvalid, Respond
from consumer.model import DeadLetterCause, Entry
from tests.integration.delivery.dispatcher_harness import dispatcher_harness
from tests.integration.delivery.test_flood_guard import (
    GUARD,
    ORDER,
    REFUSED,
    RETURN,
    flood,
    is_invalid,
    refusing_copilot,
)
from tests.property.test_batch import ENVELOPES, FakeLedger, delivery


def is_consent(incoming: IncomingRequest) -> bool:
    return "consent" in incoming.path


@pytest.mark.parametrize("harmless_first", [1, 3])
def test_new_keys_faster_than_probes_do_not_prevent_reset(harmless_first: int) -> None:
    """New keys arrive faster than probes, each beginning with deliveries that prove nothing."""

    async def run() -> None:
        async with refusing_copilot(lanes=2) as (fake, lanes, _):
            flood(lanes, "custom_event", 9)
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and not lanes.dispatcher.requests_in_flight)
            lanes.revoke()  # without the deliveries that tripped it, every key begins with one that proves nothing
            fake.faults.clear()
            keys, text = count(1000), "invalid"

            def owe_five_keys(_: IncomingRequest) -> bool:
                for key in islice(keys, 5):
                    lanes.owe(["yes"] * harmless_first, [key] * harmless_first, "consent", event_type=RETURN)
                    lanes.owe([text] * 2, [key] * 2, "custom_event", event_type=RETURN)
                return False

            fake.faults.add(Respond(500), when=owe_five_keys)
            rule = fake.faults.add(MarkInvalid(which=is_invalid))
            lanes.owe(["invalid"], [999], "custom_event", event_type=RETURN)
            await fake.wait_until_async(lambda: len(fake.requests) >= 20)
            assert not lanes.observer.guard_resets
            fake.faults.remove(rule)
            text, before = "fine", len(fake.requests)
            # No waiting delivery is refused now, so the first probe resets the guard.
            await fake.wait_until_async(lambda: bool(lanes.observer.guard_resets) or len(fake.requests) > before + 60)
            assert lanes.observer.guard_resets == [(RETURN, REFUSED, "probe")]
            assert len(lanes.dead_letter_topic.dead_letters) == 4
            fake.faults.clear()
            await lanes.all_ended()
            assert len(lanes.dead_letter_topic.dead_letters) == 4

    asyncio.run(run())


def test_deliveries_ahead_of_only_proof_go_first_in_order() -> None:
    async def run() -> None:
        async with refusing_copilot(lanes=1) as (fake, lanes, rule):
            flood(lanes, "custom_event", 5)
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and not lanes.dispatcher.requests_in_flight)
            lanes.revoke()
            fake.faults.remove(rule)
            lanes.owe(["yes", "no", "yes"], [7, 7, 7], "consent", event_type=RETURN)
            lanes.owe(["fine", "fine"], [7, 7], "custom_event", event_type=RETURN)
            await lanes.all_ended()
            assert [arrival.kind for arrival in fake.received] == ["consent"] * 3 + ["custom_event"] * 2
            assert lanes.observer.guard_resets == [(RETURN, REFUSED, "probe")]

    asyncio.run(run())


def test_passthrough_goes_one_by_one_until_one_fails() -> None:
    async def run() -> None:
        async with refusing_copilot(lanes=2, probe_s=600.0) as (fake, lanes, _):
            flood(lanes, "custom_event", 9)
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and not lanes.dispatcher.requests_in_flight)
            before = len(fake.requests)
            lanes.owe(["yes"] * 12, range(100, 112), "consent", event_type=RETURN)
            await fake.wait_until_async(lambda: len(fake.requests) >= before + 12)
            assert [request.events for request in fake.requests[before:]] == [1] * 12
            assert sum(arrival.kind == "consent" for arrival in fake.received) == 12
            down = fake.faults.add(Respond(500), when=is_consent)
            lanes.owe(["yes"] * 12, range(200, 212), "consent", event_type=RETURN)
            await lanes.until(lambda: down.hits >= 1 and not lanes.dispatcher.requests_in_flight)
            ((_, hold),) = lanes.dispatcher.flood_guard.circuit_breakers
            assert hold.is_passthrough
            assert hold.next_passthrough - hold.since > 300, "a failed pass-through delays the next like a probe"
            assert not lanes.observer.guard_resets
            assert len(lanes.dead_letter_topic.dead_letters) == 4

    asyncio.run(run())


def test_lane_with_single_key_takes_no_probe_from_other_lane() -> None:
    async def run() -> None:
        async with refusing_copilot(lanes=2, probe_s=0.02) as (fake, lanes, _):
            flood(lanes, "custom_event", 9)
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and not lanes.dispatcher.requests_in_flight)
            lanes.revoke()
            lanes.owe(["invalid"], [0], "custom_event", event_type=RETURN)
            lanes.owe(["invalid", "invalid"], [1, 3], "custom_event", event_type=RETURN)
            (fine,) = lanes.owe(["fine"], [5], "custom_event", event_type=RETURN)
            await lanes.all_ended()
            assert fake.stored_ids() == {fine}
            assert lanes.observer.guard_resets == [(RETURN, REFUSED, "probe")]

    asyncio.run(run())


def test_other_event_types_are_sent_under_rate_limit() -> None:
    """Under a rate limit, other event types go between the deliveries that wait for the guard."""

    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.1, flood_guard=GUARD, rate_per_s=20) as lanes,
        ):
            lanes.dispatcher.rate_limiter.set_share(1.0, time.monotonic() - 1.0)
            rule = fake.faults.add(MarkInvalid(which=is_invalid))
            flood(lanes, "custom_event", 9)
            await lanes.until(lambda: bool(lanes.observer.guard_trips))
            lanes.owe(["yes"] * 30, range(100, 130), "consent", event_type=RETURN)
            await lanes.until(lambda: lanes.dispatcher.count_waiting(("guard", RETURN)) > 20)
            (order,) = lanes.owe(["fine"], [999], "custom_event", event_type=ORDER)
            await fake.wait_until_async(lambda: order in fake.stored_ids())
            assert sum(arrival.kind == "consent" for arrival in fake.received) < 30
            fake.faults.remove(rule)
            await lanes.all_ended()

    asyncio.run(run())


def test_exempt_refusal_marks_key_only_if_it_was_proof() -> None:
    """An exempt refusal leaves its key marked as probed only if the delivery could have proved something."""

    async def run() -> None:
        async with refusing_copilot(lanes=1, probe_s=600.0) as (_, lanes, _):
            flood(lanes, "custom_event", 9)
            await lanes.until(lambda: bool(lanes.observer.guard_trips) and not lanes.dispatcher.requests_in_flight)
            ((_, hold),) = lanes.dispatcher.flood_guard.circuit_breakers
            hold.probed_keys["a lane"] |= {1, 2}
            for key, target in ((1, "consent"), (2, "custom_event")):
                each = delivery(key, ENVELOPES[0], "", b"x", FakeLedger())
                each.entry = Entry(RETURN, "copilot", f"copilot.{target}", target)
                assert not lanes.dispatcher.flood_guard.record_refusal(each, DeadLetterCause.OUT_OF_WINDOW)
            assert hold.probed_keys["a lane"] == {2}

    asyncio.run(run())
