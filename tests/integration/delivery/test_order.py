"""Order per key, one call of a lane at a time, and halving that finds the poison, over real sockets."""

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
    """First arrivals and last arrivals of every key rise in the order they were owed."""
    arrived = [arrival.id for arrival in fake.received]
    for key in set(keys.values()):
        mine = [identity for identity in identities if keys[identity] == key and identity in arrived]
        firsts = [arrived.index(identity) for identity in mine]
        lasts = [len(arrived) - arrived[::-1].index(identity) for identity in mine]
        assert firsts == sorted(firsts)
        assert lasts == sorted(lasts)


@pytest.fixture
def dice() -> random.Random:
    return random.Random(7)


def test_every_key_keeps_its_order_through_errors_resets_lost_answers_and_timeouts(dice: random.Random) -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, timeout_s=0.25, destination={"events": 5}) as lanes,
        ):
            rules = [
                fake.faults.add(Respond(500), when=chance(0.15, dice)),
                fake.faults.add(Reset(), when=chance(0.1, dice)),
                fake.faults.add(LoseResponse(), when=chance(0.1, dice)),
                fake.faults.add(Hang(5), when=chance(0.1, dice), times=4),
            ]
            keys = [dice.randrange(12) for _ in range(200)]
            ids: list[str] = []
            for start in range(0, 200, 40):
                ids += lanes.owe([str(n) for n in range(start, start + 40)], keys[start : start + 40], "track")
                await lanes.until(lambda: lanes.ledger.settled * 2 >= lanes.ledger.accepted - 40)
            await lanes.all_ended()
            assert fake.stored_ids() == set(ids)
            assert all(rule.hits for rule in rules)
            assert not lanes.dead_letter_topic.dead_letters
            check_order(fake, dict(zip(ids, keys, strict=True)), ids)

    asyncio.run(run())


def test_calls_of_one_lane_never_overlap() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as lanes,
        ):
            fake.faults.add(Respond(503), when=chance(0.3, random.Random(3)))
            lanes.owe([str(n) for n in range(40)], [n % 7 for n in range(40)], "track")
            await lanes.all_ended()
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
def test_bad_events_at_any_places_are_found_alone_in_few_calls_and_cost_no_other(count: int, bad: set[int]) -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": count}) as lanes,
        ):
            fake.poison("POISON")
            texts = ["POISON" if n in bad else f"fine-{n}" for n in range(count)]
            ids = lanes.owe(texts, [n % 3 for n in range(count)], "track")
            await lanes.all_ended()
            good = [ids[n] for n in range(count) if n not in bad]
            assert sorted(arrival.id for arrival in fake.received) == sorted(good)
            assert fake.stored_ids() == set(good)
            assert {letter.delivery_id for letter in lanes.dead_letter_topic.dead_letters} == {ids[n] for n in bad}
            assert lanes.causes() == [DeadLetterCause.REFUSED] * len(bad)
            most = len(bad) * (ceil(log2(count)) + 1)
            assert len([1 for request in fake.requests if request.status == 400]) <= most
            assert len(fake.requests) <= 2 * most
            check_order(fake, {identity: ids.index(identity) % 3 for identity in good}, good)

    asyncio.run(run())


def test_a_refused_event_blocks_its_key_until_its_letter_is_acknowledged_and_no_other_key() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as lanes,
        ):
            lanes.dead_letter_topic.at_once = False
            fake.poison("POISON")
            ids = lanes.owe(["POISON", "behind", "other"], [1, 1, 2], "track")
            await lanes.until(lambda: fake.stored_ids() == {ids[2]} and len(lanes.dead_letter_topic.waiting) == 1)
            assert lanes.ledger.committable_offset() == 0
            more = lanes.owe(["other again"], [2], "track")
            await lanes.until(lambda: fake.stored_ids() == {ids[2], more[0]})
            lanes.dead_letter_topic.acknowledge()
            await lanes.all_ended()
            assert fake.stored_ids() == {ids[1], ids[2], more[0]}

    asyncio.run(run())


def test_a_refused_event_whose_partition_went_holds_its_key_no_longer_than_its_letter() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as lanes,
        ):
            lanes.dead_letter_topic.at_once = False
            fake.poison("POISON")
            lanes.owe(["POISON"], [1], "track")
            await lanes.until(lambda: bool(lanes.dead_letter_topic.waiting))
            lanes.revoke()
            (later,) = lanes.owe(["later"], [1], "track")
            lanes.dead_letter_topic.acknowledge()
            await lanes.all_ended()
            assert fake.stored_ids() == {later}
            assert lanes.settlement.accounting.accounts["customerio"].dead_lettered == 0
            assert lanes.settlement.accounting.accounts["customerio"].released == 1

    asyncio.run(run())


def test_what_is_withdrawn_during_a_call_is_not_sent_again_and_moves_nothing() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as lanes,
        ):
            fake.faults.add(Hang(0.2), times=1)
            lanes.owe(["on the wire", "waiting"], [1, 2], "track")
            await fake.wait_until_async(lambda: fake.in_flight == 1)
            lanes.ledger.may_send = False
            (answered,) = lanes.dispatcher.drop_revoked([lanes.ledger])
            assert not answered.done()
            await asyncio.wait_for(answered, 120)
            lanes.revoke()
            (later,) = lanes.owe(["later"], [1], "track")
            await lanes.all_ended()
            assert fake.stored_ids() == {later}
            assert len(fake.requests) == 2
            assert lanes.closed_ledgers[0].committable_offset() == 0

    asyncio.run(run())


def test_a_call_answered_after_its_partition_was_released_settles_nothing() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1) as lanes:
            gate = Gate()
            fake.faults.add(WaitForGate(gate), times=1)
            (first,) = lanes.owe(["a"], [1], "track")
            await fake.wait_until_async(lambda: fake.stored_ids() == {first})
            lanes.revoke()
            gate.open()
            (later,) = lanes.owe(["b"], [1], "track")
            await lanes.all_ended()
            assert fake.stored_ids() == {first, later}
            account = lanes.settlement.accounting.accounts["customerio"]
            assert (account.owed, account.delivered, account.released) == (2, 1, 1)

    asyncio.run(run())
