"""Answers that name what they refuse, and times that are past hope."""

import asyncio
import time

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import MarkInvalid, Respond
from consumer.model import DeadLetterCause
from tests.integration.delivery.dispatcher_harness import dispatcher_harness


def test_what_an_answer_lists_is_dead_lettered_and_the_rest_of_the_call_is_delivered() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as lanes,
        ):
            bad = {2, 5}
            fake.faults.add(MarkInvalid(which=lambda item: b"BAD" in item.raw))
            texts = ["BAD" if n in bad else "fine" for n in range(8)]
            ids = lanes.owe(texts, [n % 3 for n in range(8)], "custom_event")
            await lanes.all_ended()
            assert {letter.delivery_id for letter in lanes.dead_letter_topic.dead_letters} == {ids[n] for n in bad}
            assert lanes.causes() == [DeadLetterCause.REFUSED] * 2
            assert lanes.observer.partial == [(8, 2)]
            assert fake.stored_ids() == {ids[n] for n in range(8) if n not in bad}
            account = lanes.settlement.accounting.accounts["copilot"]
            assert (account.delivered, account.dead_lettered) == (6, 2)

    asyncio.run(run())


def test_a_key_with_a_listed_event_waits_for_the_letter_before_its_next_call() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as lanes,
        ):
            lanes.dead_letter_topic.at_once = False
            fake.faults.add(MarkInvalid(which=lambda item: b"BAD" in item.raw))
            lanes.owe(["BAD"], [1], "custom_event")
            await lanes.until(lambda: bool(lanes.dead_letter_topic.waiting))
            behind = lanes.owe(["behind"], [1], "custom_event")
            other = lanes.owe(["other"], [2], "custom_event")
            await fake.wait_until_async(lambda: set(other) <= fake.stored_ids())
            assert not set(behind) & fake.stored_ids()
            lanes.dead_letter_topic.acknowledge()
            await lanes.all_ended()
            assert set(behind) <= fake.stored_ids()

    asyncio.run(run())


def test_an_answer_longer_than_any_contracts_is_no_delivery() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1, probe_s=0.05) as lanes:
            fake.faults.add(Respond(200, {}, b'{"success":true}' + b" " * 5_000_000), times=1)
            ids = lanes.owe(["x"], [1], "track")
            await lanes.all_ended()
            assert [fault.cause for _, fault in lanes.observer.holds] == ["unintelligible"]
            assert fake.stored_ids() == set(ids)
            assert not lanes.dead_letter_topic.dead_letters

    asyncio.run(run())


def test_an_event_far_ahead_of_a_clock_that_agrees_with_theirs_is_dead_lettered() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as lanes,
        ):
            lanes.owe(["fine"], [1], "custom_event")
            await lanes.all_ended()
            lanes.owe(["far"], [1], "custom_event", int(time.time() * 1000) + 3_600_000)
            await lanes.all_ended()
            assert lanes.causes() == [DeadLetterCause.OUT_OF_WINDOW]
            assert not lanes.observer.holds

    asyncio.run(run())
