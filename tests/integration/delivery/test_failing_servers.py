"""A destination with failing servers: healthy events are never given up, and arrive in the end."""

import asyncio
import random
from collections import Counter
from itertools import cycle

from consumer.delivery.backoff import Backoff
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Respond, chance
from tests.integration.delivery.dispatcher_harness import dispatcher_harness
from tests.integration.delivery.test_hostile_responses import listening

FAILURES = 3


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_lane_reconnects_once_a_batch_keeps_failing() -> None:
    """A load balancer may have tied its connection to the one broken server."""

    async def run() -> None:
        never = PoisonDetectionOptions(failures=FAILURES, give_up_after_s=3600)
        async with FakeCustomerio(api_key="key") as broken, FakeCustomerio(api_key="key") as healthy:
            broken.faults.add(Respond(500), name="broken")
            servers = cycle([broken, healthy])

            async def balance(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                """Forward each connection to the next server in turn, as a load balancer does."""
                reader_there, writer_there = await asyncio.open_connection("127.0.0.1", next(servers).port)
                try:
                    await asyncio.gather(pipe(reader, writer_there), pipe(reader_there, writer))
                finally:
                    writer_there.close()

            async with (
                listening(balance) as url,
                dispatcher_harness(
                    healthy, url=url + healthy.prefix, lanes=1, poison_detection=never, timeout_s=60.0
                ) as harness,
            ):
                ids = harness.owe([f"fine-{n}" for n in range(20)], list(range(20)), "track")
                await harness.all_ended()
                assert [len(broken.requests), len(broken.received)] == [FAILURES, 0]
                assert Counter(arrival.id for arrival in healthy.received) == Counter(ids)
                assert not harness.dispatcher.poison_candidates

    asyncio.run(run())


def test_destination_with_one_success_in_five_gives_up_nothing() -> None:
    async def run() -> None:
        soon = PoisonDetectionOptions(give_up_after_s=0.2)
        quick = Backoff(0.001, 0.005)
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, {"events": 1}, poison_detection=soon, backoff=quick, timeout_s=60.0) as harness,
        ):
            failing = fake.faults.add(Respond(500), when=chance(0.8, random.Random(1)), name="failing")
            ids: list[str] = []
            while failing.hits < 2000:
                missing = 200 - harness.ledger.open_records
                ids += harness.owe(["fine"] * missing, list(range(len(ids), len(ids) + missing)), "track")
                await asyncio.sleep(0.01)
            fake.faults.remove(failing)
            await harness.all_ended()
            assert not harness.dead_letter_topic.dead_letters
            assert Counter(arrival.id for arrival in fake.received) == Counter(ids)

    asyncio.run(run())
