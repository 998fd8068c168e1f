"""Dead letters on both brokers: written until acknowledged, as complete as the topic accepts, records unchanged."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from consumer.kafka.dead_letters.writer import DeadLetterWriter
from consumer.model import DeadLetter, DeadLetterCause, Entry, Fault
from tests.integration.kafka.recording_handler import WITHIN_S, RecordingObserver
from tests.kafka_clusters import Broker


class Original:
    """A consumed record."""

    def __init__(self, value: bytes | None, key: bytes | None = b"\x00k", offset: int = 7) -> None:
        self._value, self._key, self._offset = value, key, offset

    def topic(self) -> str:
        return "shop.orders"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes | None]]:
        return [("trace", b"1"), ("cdp-cause", b"old"), ("trace", b"\xff\x00"), ("empty", None), ("cdp-redrives", b"2")]

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_793_000_000_123)


def dead_letter(value: bytes | None = b"\x00\xffvalue", number: int = 0) -> DeadLetter:
    return DeadLetter(
        message=Original(value, offset=number),
        fault=Fault(DeadLetterCause.REFUSED, "name is too long", 400),
        delivery_id=f"id-{number}",
        entry=Entry("com.acme.OrderPlaced", "copilot", "copilot.custom_event:order", "copilot.custom_event"),
        event_type="com.acme.OrderPlaced",
        schema_id="17",
        attempts=2,
        first_failed_ms=1_793_000_001_000,
        last_failed_ms=1_793_000_002_000,
    )


def written(broker: Broker, topic: str, count: int) -> list[Message]:
    """Read `count` records of partition 0."""
    reader = Consumer({**broker.client(group_id=broker.unique("reader")), "auto.offset.reset": "earliest"})
    reader.assign([TopicPartition(topic, 0, 0)])
    found: list[Message] = []
    try:
        while len(found) < count:
            message = reader.poll(WITHIN_S)
            assert message is not None, f"{len(found)} of {count} dead letters after {WITHIN_S} s"
            assert message.error() is None
            found.append(message)
    finally:
        reader.close()
    return found


def headers_in(message: Message) -> list[tuple[str, bytes | None]]:
    return cast("list[tuple[str, bytes | None]]", message.headers() or [])


class WriterHarness:
    """A dead-letter writer with the numbers of the acknowledged dead letters."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.observer = RecordingObserver()
        self.acknowledged: list[int] = []
        loop = asyncio.get_running_loop()
        self.writer = DeadLetterWriter(broker.client(), topic, "cdp-copilot", "f00d", loop, self.observer)

    def write(self, one: DeadLetter) -> None:
        self.writer.write(one, lambda: self.acknowledged.append(one.message.offset()))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                if self.writer.done.done():
                    self.writer.done.result()
                await asyncio.sleep(0.02)


def test_dead_letter_keeps_the_record_and_adds_headers(broker: Broker) -> None:
    topic = broker.create_topic("letters")

    async def run() -> None:
        harness = WriterHarness(broker, topic)
        harness.writer.start()
        harness.write(dead_letter())
        await harness.until(lambda: harness.acknowledged == [0])
        assert harness.observer.dead_letters == [("copilot", "refused", 1)]
        assert harness.writer.stalled_reason() is None
        assert await harness.writer.close(5) == 0

    asyncio.run(run())
    (one,) = written(broker, topic, 1)
    assert (one.key(), one.value()) == (b"\x00k", b"\x00\xffvalue")
    headers = headers_in(one)
    assert headers[:3] == [("trace", b"1"), ("trace", b"\xff\x00"), ("empty", None)]
    assert dict(headers[3:])["cdp-cause"] == b"refused"
    assert dict(headers[3:])["cdp-redrives"] == b"2"
    assert [name for name, _ in headers].count("cdp-cause") == 1


def test_dead_letters_are_in_order_and_acknowledged_once(broker: Broker) -> None:
    topic = broker.create_topic("letters")

    async def run() -> None:
        harness = WriterHarness(broker, topic)
        harness.writer.start()
        for number in range(500):
            harness.write(dead_letter(number=number))
        await harness.until(lambda: len(harness.acknowledged) == 500)
        assert harness.acknowledged == list(range(500))
        assert await harness.writer.close(5) == 0

    asyncio.run(run())
    ids = [dict(headers_in(one))["cdp-delivery-id"] for one in written(broker, topic, 500)]
    assert ids == [b"id-%d" % number for number in range(500)]


@pytest.mark.needs_real_broker("the embedded cluster makes up a topic that is missing")
def test_missing_dead_letter_topic_is_reported_and_awaited(broker: Broker) -> None:
    topic = broker.unique("letters-later")

    async def run() -> None:
        harness = WriterHarness(broker, topic)
        harness.writer.start()
        await harness.until(lambda: harness.observer.missing == [topic])
        harness.write(dead_letter(number=1))
        harness.write(dead_letter(number=2))
        await harness.until(lambda: harness.observer.dead_letter_failures)
        reason = harness.writer.stalled_reason()
        assert reason is not None
        assert topic in reason
        assert harness.acknowledged == []
        await asyncio.to_thread(broker.create_topic, topic, exact=True)
        await harness.until(lambda: harness.acknowledged == [1, 2])
        assert harness.observer.found == [topic]
        assert harness.writer.stalled_reason() is None
        assert await harness.writer.close(5) == 0

    asyncio.run(run())
    assert len(written(broker, topic, 2)) == 2


@pytest.mark.needs_real_broker("the embedded cluster has no topic configuration")
def test_only_a_too_large_dead_letter_loses_its_value(broker: Broker) -> None:
    topic = broker.create_topic("letters", max_message_bytes="20000")

    async def run() -> None:
        harness = WriterHarness(broker, topic)
        harness.writer.start()
        for number in range(40):  # their batch is larger than the topic's limit
            harness.write(dead_letter(b"x" * 1000, number))
        harness.write(dead_letter(b"x" * 50_000, 40))
        harness.write(dead_letter(b"small", 41))
        await harness.until(lambda: len(harness.acknowledged) == 42)
        assert await harness.writer.close(5) == 0

    asyncio.run(run())
    found = {dict(headers_in(one))["cdp-delivery-id"]: one for one in written(broker, topic, 42)}
    omitted = [name for name, one in found.items() if "cdp-value-omitted" in dict(headers_in(one))]
    assert omitted == [b"id-40"]
    assert found[b"id-40"].value() is None
    assert found[b"id-40"].key() == b"\x00k"
    assert found[b"id-41"].value() == b"small"
    assert {len(found[b"id-%d" % number].value() or b"") for number in range(40)} == {1000}


def test_dead_letters_wait_for_a_broker_that_is_down(broker: Broker) -> None:
    topic = broker.create_topic("letters")

    async def run() -> None:
        harness = WriterHarness(broker, topic)
        harness.writer.start()
        harness.write(dead_letter(number=1))
        await harness.until(lambda: harness.acknowledged == [1])
        await asyncio.to_thread(broker.stop)
        try:
            harness.write(dead_letter(number=2))
            await harness.until(lambda: any(code != "" for code, _ in harness.observer.errors))
            assert harness.acknowledged == [1]
        finally:
            await asyncio.to_thread(broker.start)
        await harness.until(lambda: harness.acknowledged == [1, 2])
        assert await harness.writer.close(5) == 0

    asyncio.run(run())


@pytest.mark.needs_real_broker("the embedded cluster makes up a topic that is missing")
def test_unacknowledged_dead_letters_are_counted_at_close(broker: Broker) -> None:
    async def run() -> None:
        harness = WriterHarness(broker, broker.unique("letters-never"))
        harness.writer.start()
        harness.write(dead_letter(number=1))
        await harness.until(lambda: harness.observer.dead_letter_failures)
        assert await harness.writer.close(0.1) == 1
        assert harness.acknowledged == []
        assert harness.writer.done.result() is None

    asyncio.run(run())
