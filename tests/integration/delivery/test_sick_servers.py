"""A destination that is ill, wholly or in one of its servers: whoever meets that is healthy, and arrives in the end."""

import asyncio
import random
from collections import Counter
from itertools import cycle

from consumer.delivery.backoff import Backoff
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions
from consumer.delivery.http.client import HttpConnection
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Respond, chance
from tests.integration.delivery.dispatcher_harness import dispatcher_harness
from tests.integration.delivery.test_hostile_answers import listening

FAILURES = 3


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()
    writer.close()


def test_a_lane_whose_connection_leads_to_the_one_sick_server_takes_another_once_a_batch_keeps_failing() -> None:
    async def run() -> None:
        never = PoisonDetectionOptions(failures=FAILURES, give_up_after_s=3600)
        async with FakeCustomerio(api_key="key") as sick, FakeCustomerio(api_key="key") as sound:
            sick.faults.add(Respond(500), name="sick")
            servers = cycle([sick, sound])

            async def balance(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                """Lead each connection to a server in turn, as a balancer of connections does."""
                there, back = await asyncio.open_connection("127.0.0.1", next(servers).port)
                await asyncio.gather(pipe(reader, back), pipe(there, writer))

            async with listening(balance) as url, dispatcher_harness(sound, lanes=1, poison_detection=never) as lanes:
                lanes.dispatcher.lanes[0]._wire = wire = HttpConnection(
                    url + sound.prefix, lanes.destination.headers, 60.0
                )
                ids = lanes.owe([f"fine-{n}" for n in range(20)], list(range(20)), "track")
                await lanes.all_ended()
                assert [len(sick.requests), len(sick.received)] == [FAILURES, 0]
                assert Counter(arrival.id for arrival in sound.received) == Counter(ids)
                assert not lanes.dispatcher.poison_candidates
                await wire.close()

    asyncio.run(run())


def test_a_destination_that_answers_every_fifth_call_only_has_nothing_given_up_however_long_it_is_so() -> None:
    async def run() -> None:
        soon = PoisonDetectionOptions(give_up_after_s=0.2)
        quick = Backoff(0.001, 0.005)
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, {"events": 1}, poison_detection=soon, backoff=quick, timeout_s=60.0) as lanes,
        ):
            ill = fake.faults.add(Respond(500), when=chance(0.8, random.Random(1)), name="ill")
            ids: list[str] = []
            while ill.hits < 2000:
                missing = 200 - lanes.ledger.open_records
                ids += lanes.owe(["fine"] * missing, list(range(len(ids), len(ids) + missing)), "track")
                await asyncio.sleep(0.01)
            fake.faults.remove(ill)
            await lanes.all_ended()
            assert not lanes.dead_letter_topic.dead_letters
            assert Counter(arrival.id for arrival in fake.received) == Counter(ids)

    asyncio.run(run())
