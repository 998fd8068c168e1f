"""Order per key, one request per lane at a time, and splitting that finds poison events, over real sockets."""

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from math import ceil, log2

import pytest

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Gate, Hang, LoseResponse, Reset, Respond, WaitForGate, chance
from consumer.model import DeadLetterCause
from tests.integration.delivery.dispatcher_harness import dispatcher_harness


def check_order(fake: Fake, keys: Mapping[str, int], identities: Sequence[str]) -> None:
    """Check that first and last arrivals of every key follow the order in which the events were owed."""
    arrived = [arrival.id for arrival in fake.received]
    for key in set(keys.values()):
        of_key = [identity for identity in identities if keys[identity] == key and identity in arrived]
        firsts = [arrived.index(identity) for identity in of_key]
        lasts = [len(arrived) - arrived[::-1].index(identity) for identity in of_key]
        assert firsts == sorted(firsts)
        assert lasts == sorted(lasts)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)


def test_keys_keep_order_through_errors_resets_and_timeouts(rng: random.Random) -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, timeout_s=0.25, destination={"events": 5}) as harness,
        ):
            rules = [
                fake.faults.add(Respond(500), when=chance(0.15, rng)),
                fake.faults.add(Reset(), when=chance(0.1, rng)),
                fake.faults.add(LoseResponse(), when=chance(0.1, rng)),
                fake.faults.add(Hang(5), when=chance(0.1, rng), times=4),
            ]
            keys = [rng.randrange(12) for _ in range(200)]
            ids: list[str] = []
            for start in range(0, 200, 40):
                ids += harness.owe([str(n) for n in range(start, start + 40)], keys[start : start + 40], "track")
                await harness.until(lambda: harness.ledger.settled * 2 >= harness.ledger.accepted - 40)
            await harness.all_ended()
            assert fake.stored_ids() == set(ids)
            assert all(rule.hits for rule in rules)
            assert not harness.dead_letter_topic.dead_letters
            check_order(fake, dict(zip(ids, keys, strict=True)), ids)

    asyncio.run(run())


def test_requests_of_one_lane_never_overlap() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as harness,
        ):
            fake.faults.add(Respond(503), when=chance(0.3, random.Random(3)))
            harness.owe([str(n) for n in range(40)], [n % 7 for n in range(40)], "track")
            await harness.all_ended()
            requests = sorted(fake.requests, key=lambda request: request.started)
            assert len(requests) > 40
            for one, other in itertools.pairwise(requests):
                assert one.ended < other.started

    asyncio.run(run())


@pytest.mark.parametrize(
    ("count", "bad"),
    [
        *[(13, {place}) for place in range(13)],
        (13, {0, 12}),
        (13, {5, 6, 7}),
        (13, set(range(13))),
        (64, {3, 4, 40, 63}),
        (48, set(range(48))),
    ],
    ids=lambda value: ",".join(map(str, sorted(value))) if isinstance(value, set) and len(value) < 5 else None,
)
def test_bad_events_are_found_in_few_requests_and_cost_no_other(count: int, bad: set[int]) -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": count}) as harness,
        ):
            fake.poison("POISON")
            texts = ["POISON" if n in bad else f"fine-{n}" for n in range(count)]
            ids = harness.owe(texts, [n % 3 for n in range(count)], "track")
            await harness.all_ended()
            good = [ids[n] for n in range(count) if n not in bad]
            assert sorted(arrival.id for arrival in fake.received) == sorted(good)
            assert fake.stored_ids() == set(good)
            assert {each.delivery_id for each in harness.dead_letter_topic.dead_letters} == {ids[n] for n in bad}
            assert harness.causes() == [DeadLetterCause.REFUSED] * len(bad)
            limit = len(bad) * (ceil(log2(count)) + 1)
            assert len([1 for request in fake.requests if request.status == 400]) <= limit
            assert len(fake.requests) <= 2 * limit
            check_order(fake, {identity: ids.index(identity) % 3 for identity in good}, good)

    asyncio.run(run())


def test_refused_event_blocks_only_its_key_until_acknowledged() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as harness,
        ):
            harness.dead_letter_topic.at_once = False
            fake.poison("POISON")
            ids = harness.owe(["POISON", "behind", "other"], [1, 1, 2], "track")
            await harness.until(lambda: fake.stored_ids() == {ids[2]} and len(harness.dead_letter_topic.waiting) == 1)
            assert harness.ledger.committable_offset() == 0
            more = harness.owe(["other again"], [2], "track")
            await harness.until(lambda: fake.stored_ids() == {ids[2], more[0]})
            harness.dead_letter_topic.acknowledge()
            await harness.all_ended()
            assert fake.stored_ids() == {ids[1], ids[2], more[0]}

    asyncio.run(run())


def test_refused_event_of_revoked_partition_blocks_until_acknowledged() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as harness,
        ):
            harness.dead_letter_topic.at_once = False
            fake.poison("POISON")
            harness.owe(["POISON"], [1], "track")
            await harness.until(lambda: bool(harness.dead_letter_topic.waiting))
            harness.revoke()
            (later,) = harness.owe(["later"], [1], "track")
            harness.dead_letter_topic.acknowledge()
            await harness.all_ended()
            assert fake.stored_ids() == {later}
            assert harness.settlement.accounting.accounts["customerio"].dead_lettered == 0
            assert harness.settlement.accounting.accounts["customerio"].released == 1

    asyncio.run(run())


def test_delivery_revoked_in_flight_is_not_sent_again_nor_settled() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as harness,
        ):
            fake.faults.add(Hang(0.2), times=1)
            harness.owe(["in flight", "waiting"], [1, 2], "track")
            await fake.wait_until_async(lambda: fake.in_flight == 1)
            harness.ledger.may_send = False
            (request_done,) = harness.dispatcher.drop_revoked([harness.ledger])
            assert not request_done.done()
            await asyncio.wait_for(request_done, 120)
            harness.revoke()
            (later,) = harness.owe(["later"], [1], "track")
            await harness.all_ended()
            assert fake.stored_ids() == {later}
            assert len(fake.requests) == 2
            assert harness.closed_ledgers[0].committable_offset() == 0

    asyncio.run(run())


def test_late_response_of_a_revoked_partition_settles_nothing() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1) as harness:
            gate = Gate()
            fake.faults.add(WaitForGate(gate), times=1)
            (first,) = harness.owe(["a"], [1], "track")
            await fake.wait_until_async(lambda: fake.stored_ids() == {first})
            harness.revoke()
            gate.open()
            (later,) = harness.owe(["b"], [1], "track")
            await harness.all_ended()
            assert fake.stored_ids() == {first, later}
            account = harness.settlement.accounting.accounts["customerio"]
            assert (account.owed, account.delivered, account.released) == (2, 1, 1)

    asyncio.run(run())
