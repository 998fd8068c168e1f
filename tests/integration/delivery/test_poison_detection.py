"""Poison detection over real sockets: one event is found among its neighbours, and never in an outage."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumer.delivery.guards.poison_detector import PoisonDetectionOptions
from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Action, Hang, Respond, Rule, contains
from consumer.model import DeadLetterCause, TransientCause
from tests.integration.delivery.dispatcher_harness import DispatcherHarness, dispatcher_harness, lane_with_poison

EVENTS = 8
OPTIONS = PoisonDetectionOptions(failures=2, other_successes=1, give_up_after_s=0.2, give_up_successes=10)


@asynccontextmanager
async def traffic(lanes: DispatcherHarness, ids: list[str]) -> AsyncIterator[None]:
    """Send deliveries of new keys all the time. Their successes make the failures of another delivery count."""

    async def owe_new_keys() -> None:
        for key in itertools.count(1000):
            ids.extend(lanes.owe([f"passing-{key}"], [key], "track"))
            await asyncio.sleep(0.01)

    task = asyncio.create_task(owe_new_keys())
    try:
        yield
    finally:
        task.cancel()


async def find(fake: Fake, lanes: DispatcherHarness, action: Action) -> tuple[str, list[str], Rule]:
    """Let `action` handle every request with one event of eight until it is given up.

    Return its id, the ids of the others, and the fault rule.
    """
    rule = fake.faults.add(action, when=contains("POISON"), name="poison")
    texts = ["POISON" if n == EVENTS // 2 else f"fine-{n}" for n in range(EVENTS)]
    ids = lanes.owe([*texts, "behind it"], [*range(EVENTS), EVENTS // 2], "track")
    bad = ids.pop(EVENTS // 2)
    async with traffic(lanes, ids):
        await lanes.until(lambda: bool(lanes.dead_letter_topic.dead_letters))
    await lanes.all_ended()
    return bad, ids, rule


async def outage(fake: Fake, lanes: DispatcherHarness, status: int, calls: int) -> list[str]:
    """Let all requests fail for longer than it takes to give an event up. Then end the outage."""
    down = fake.faults.add(Respond(status), name="down")
    began = asyncio.get_running_loop().time()
    ids = lanes.owe([f"down-{n}" for n in range(EVENTS)], list(range(EVENTS)), "track")
    await lanes.until(
        lambda: down.hits >= calls and asyncio.get_running_loop().time() - began > 3 * OPTIONS.give_up_after_s,
        60,
    )
    fake.faults.remove(down)
    await lanes.all_ended()
    return ids


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize(
    ("status", "headers"), [(500, {}), (403, {}), (503, {"Retry-After": "0"})], ids=["500", "403", "503 and a wait"]
)
def test_never_accepted_event_is_given_up(status: int, headers: dict[str, str], count: int) -> None:
    """Its neighbours arrive once, and an outage gives nothing up."""

    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(
                fake, lanes=count, timeout_s=10.0, poison_detection=OPTIONS, destination={"events": EVENTS}
            ) as lanes,
        ):
            bad, ids, _ = await find(fake, lanes, Respond(status, headers))
            (dead_letter,) = lanes.dead_letter_topic.dead_letters
            assert (dead_letter.delivery_id, dead_letter.fault.cause) == (bad, DeadLetterCause.NEVER_ACCEPTED)
            assert dead_letter.fault.status == status
            assert dead_letter.attempts > OPTIONS.failures
            # Probes go one by one. With 403, every counted failure may be that of a probe, and nothing is split.
            assert sum(lanes.observer.isolations) >= 2 or status == 403
            assert not lanes.dispatcher.poison_candidates
            ids += await outage(fake, lanes, 500, calls=30)
            ids += await outage(fake, lanes, 403, calls=3)
            assert len(lanes.dead_letter_topic.dead_letters) == 1
            assert Counter(arrival.id for arrival in fake.received) == Counter(ids)

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, 4])
def test_event_without_response_is_given_up(count: int) -> None:
    """An outage gives nothing up."""

    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(
                fake, lanes=count, timeout_s=0.5, poison_detection=OPTIONS, destination={"events": EVENTS}
            ) as lanes,
        ):
            bad, ids, poison = await find(fake, lanes, Hang(60))
            (dead_letter,) = lanes.dead_letter_topic.dead_letters
            assert (dead_letter.delivery_id, dead_letter.fault.cause) == (bad, DeadLetterCause.NEVER_ACCEPTED)
            assert dead_letter.fault.status is None
            assert TransientCause.TIMED_OUT.value in dead_letter.fault.detail
            ids += await outage(fake, lanes, 500, calls=30)
            assert len(lanes.dead_letter_topic.dead_letters) == 1
            arrived = Counter(arrival.id for arrival in fake.received)
            assert set(arrived) == set(ids)
            # A machine slower than the timeout repeats other requests, too.
            late = [fault for fault, _ in lanes.observer.retries if fault.cause is TransientCause.TIMED_OUT]
            assert max(arrived.values()) == 1 or len(late) >= poison.hits

    asyncio.run(run())


def test_isolated_delivery_does_not_block_its_lane() -> None:
    async def run() -> None:
        async with lane_with_poison(2) as (fake, lanes, poison):
            (bad,) = lanes.owe(["POISON"], [1], "track")
            await lanes.until(lambda: poison.hits >= 2)
            ids = lanes.owe(["behind it", "other"], [1, 2], "track")
            await lanes.until(lambda: fake.stored_ids() == {ids[1]})
            hits = poison.hits
            await lanes.until(lambda: poison.hits >= hits + 2)  # the first of them came after the response to the other
            more = lanes.owe(["another"], [3], "track")
            await lanes.until(lambda: fake.stored_ids() == {ids[1], *more})
            await lanes.until(lambda: lanes.dispatcher.poison_candidates == 1)
            assert not lanes.dead_letter_topic.dead_letters
            fake.faults.remove(poison)
            await lanes.all_ended()
            assert [arrival.id for arrival in fake.received if arrival.id in {bad, ids[0]}] == [bad, ids[0]]

    asyncio.run(run())


def test_forbidden_poison_candidate_starts_no_more_holds() -> None:
    async def run() -> None:
        async with lane_with_poison(2, 403, probe_s=0.05) as (fake, lanes, poison):
            lanes.owe(["POISON"], [1], "track")
            ids: list[str] = []
            async with traffic(lanes, ids):
                await lanes.until(lambda: lanes.dispatcher.poison_candidates == 1)
                holds = lanes.observer.holds
                not_held = poison.hits - len(holds)
                assert holds
                # At times no other request succeeds between two of its failures. Such a failure starts a hold.
                await lanes.until(lambda: poison.hits - len(holds) >= not_held + 5)
            await lanes.until(lambda: fake.stored_ids() == set(ids))
            fake.faults.remove(poison)
            await lanes.all_ended()

    asyncio.run(run())


def test_isolated_delivery_of_revoked_partition_is_not_sent() -> None:
    async def run() -> None:
        async with lane_with_poison(1) as (fake, lanes, poison):
            lanes.owe(["POISON", "behind it"], [1, 1], "track")
            await lanes.until(lambda: poison.hits >= 3 and not lanes.dispatcher.requests_in_flight)
            lanes.revoke()
            hits = poison.hits
            (later,) = lanes.owe(["later"], [1], "track")
            await lanes.all_ended()
            assert fake.stored_ids() == {later}
            assert poison.hits == hits
            account = lanes.settlement.accounting.accounts["customerio"]
            assert (account.owed, account.delivered, account.released) == (3, 1, 2)

    asyncio.run(run())
