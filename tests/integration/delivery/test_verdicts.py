"""Responses that refuse events by name, and events outside the time window."""

import asyncio
import time

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import MarkInvalid, Respond
from consumer.model import DeadLetterCause
from tests.integration.delivery.dispatcher_harness import dispatcher_harness


def test_listed_events_are_dead_lettered_and_the_rest_delivered() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as harness,
        ):
            bad = {2, 5}
            fake.faults.add(MarkInvalid(which=lambda item: b"BAD" in item.raw))
            texts = ["BAD" if n in bad else "fine" for n in range(8)]
            ids = harness.owe(texts, [n % 3 for n in range(8)], "custom_event")
            await harness.all_ended()
            assert {each.delivery_id for each in harness.dead_letter_topic.dead_letters} == {ids[n] for n in bad}
            assert harness.causes() == [DeadLetterCause.REFUSED] * 2
            assert harness.observer.partial == [(8, 2)]
            assert fake.stored_ids() == {ids[n] for n in range(8) if n not in bad}
            account = harness.settlement.accounting.accounts["copilot"]
            assert (account.delivered, account.dead_lettered) == (6, 2)

    asyncio.run(run())


def test_key_of_a_listed_event_waits_for_its_dead_letter() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as harness,
        ):
            harness.dead_letter_topic.at_once = False
            fake.faults.add(MarkInvalid(which=lambda item: b"BAD" in item.raw))
            harness.owe(["BAD"], [1], "custom_event")
            await harness.until(lambda: bool(harness.dead_letter_topic.waiting))
            behind = harness.owe(["behind"], [1], "custom_event")
            other = harness.owe(["other"], [2], "custom_event")
            await fake.wait_until_async(lambda: set(other) <= fake.stored_ids())
            assert not set(behind) & fake.stored_ids()
            harness.dead_letter_topic.acknowledge()
            await harness.all_ended()
            assert set(behind) <= fake.stored_ids()

    asyncio.run(run())


def test_response_longer_than_the_contract_is_no_success() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1, probe_s=0.05) as harness:
            fake.faults.add(Respond(200, {}, b'{"success":true}' + b" " * 5_000_000), times=1)
            ids = harness.owe(["x"], [1], "track")
            await harness.all_ended()
            assert [fault.cause for _, fault in harness.observer.holds] == ["unintelligible"]
            assert fake.stored_ids() == set(ids)
            assert not harness.dead_letter_topic.dead_letters

    asyncio.run(run())


def test_event_far_ahead_of_agreeing_clocks_is_dead_lettered() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as harness,
        ):
            harness.owe(["fine"], [1], "custom_event")
            await harness.all_ended()
            harness.owe(["far"], [1], "custom_event", int(time.time() * 1000) + 3_600_000)
            await harness.all_ended()
            assert harness.causes() == [DeadLetterCause.OUT_OF_WINDOW]
            assert not harness.observer.holds

    asyncio.run(run())
