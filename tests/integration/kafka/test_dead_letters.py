"""Letters on both brokers: written until acknowledged, as whole as the topic takes them, with the record untouched."""

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
    """A record as it was read."""

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


def letter(value: bytes | None = b"\x00\xffvalue", number: int = 0) -> DeadLetter:
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
    """Read so many records of partition 0."""
    reader = Consumer({**broker.client(group_id=broker.unique("reader")), "auto.offset.reset": "earliest"})
    reader.assign([TopicPartition(topic, 0, 0)])
    found: list[Message] = []
    try:
        while len(found) < count:
            message = reader.poll(WITHIN_S)
            assert message is not None, f"{len(found)} of {count} letters after {WITHIN_S} s"
            assert message.error() is None
            found.append(message)
    finally:
        reader.close()
    return found


def headers_in(message: Message) -> list[tuple[str, bytes | None]]:
    return cast("list[tuple[str, bytes | None]]", message.headers() or [])


class WriterHarness:
    """Dead letters with what was acknowledged of them."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.heard = RecordingObserver()
        self.acked: list[int] = []
        loop = asyncio.get_running_loop()
        self.letters = DeadLetterWriter(broker.client(), topic, "cdp-copilot", "f00d", loop, self.heard)

    def shelve(self, one: DeadLetter) -> None:
        self.letters.write(one, lambda: self.acked.append(one.message.offset()))

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not what():
                if self.letters.done.done():
                    self.letters.done.result()
                await asyncio.sleep(0.02)


def test_a_letter_keeps_the_record_and_says_what_happened(broker: Broker) -> None:
    topic = broker.create_topic("letters")

    async def run() -> None:
        desk = WriterHarness(broker, topic)
        desk.letters.start()
        desk.shelve(letter())
        await desk.until(lambda: desk.acked == [0])
        assert desk.heard.shelf == [("copilot", "refused", 1)]
        assert desk.letters.stalled_reason() is None
        assert await desk.letters.close(5) == 0

    asyncio.run(run())
    (one,) = written(broker, topic, 1)
    assert (one.key(), one.value()) == (b"\x00k", b"\x00\xffvalue")
    headers = headers_in(one)
    assert headers[:3] == [("trace", b"1"), ("trace", b"\xff\x00"), ("empty", None)]
    assert dict(headers[3:])["cdp-cause"] == b"refused"
    assert dict(headers[3:])["cdp-redrives"] == b"2"
    assert [name for name, _ in headers].count("cdp-cause") == 1


def test_letters_are_written_in_order_and_each_is_acknowledged_once(broker: Broker) -> None:
    topic = broker.create_topic("letters")

    async def run() -> None:
        desk = WriterHarness(broker, topic)
        desk.letters.start()
        for number in range(500):
            desk.shelve(letter(number=number))
        await desk.until(lambda: len(desk.acked) == 500)
        assert desk.acked == list(range(500))
        assert await desk.letters.close(5) == 0

    asyncio.run(run())
    ids = [dict(headers_in(one))["cdp-delivery-id"] for one in written(broker, topic, 500)]
    assert ids == [b"id-%d" % number for number in range(500)]


@pytest.mark.needs_real_broker("the embedded cluster makes up a topic that is missing")
def test_a_missing_topic_is_said_and_waited_for(broker: Broker) -> None:
    topic = broker.unique("letters-later")

    async def run() -> None:
        desk = WriterHarness(broker, topic)
        desk.letters.start()
        await desk.until(lambda: desk.heard.missing == [topic])
        desk.shelve(letter(number=1))
        desk.shelve(letter(number=2))
        await desk.until(lambda: desk.heard.shelf_codes)
        said = desk.letters.stalled_reason()
        assert said is not None
        assert topic in said
        assert desk.acked == []
        await asyncio.to_thread(broker.create_topic, topic, exact=True)
        await desk.until(lambda: desk.acked == [1, 2])
        assert desk.heard.found == [topic]
        assert desk.letters.stalled_reason() is None
        assert await desk.letters.close(5) == 0

    asyncio.run(run())
    assert len(written(broker, topic, 2)) == 2


@pytest.mark.needs_real_broker("the embedded cluster has no topic configuration")
def test_only_the_letter_that_does_not_fit_loses_its_value(broker: Broker) -> None:
    topic = broker.create_topic("letters", max_message_bytes="20000")

    async def run() -> None:
        desk = WriterHarness(broker, topic)
        desk.letters.start()
        for number in range(40):  # together they are larger than the topic's limit, and so is their batch
            desk.shelve(letter(b"x" * 1000, number))
        desk.shelve(letter(b"x" * 50_000, 40))
        desk.shelve(letter(b"small", 41))
        await desk.until(lambda: len(desk.acked) == 42)
        assert await desk.letters.close(5) == 0

    asyncio.run(run())
    found = {dict(headers_in(one))["cdp-delivery-id"]: one for one in written(broker, topic, 42)}
    omitted = [name for name, one in found.items() if "cdp-value-omitted" in dict(headers_in(one))]
    assert omitted == [b"id-40"]
    assert found[b"id-40"].value() is None
    assert found[b"id-40"].key() == b"\x00k"
    assert found[b"id-41"].value() == b"small"
    assert {len(found[b"id-%d" % number].value() or b"") for number in range(40)} == {1000}


def test_letters_of_a_broker_that_is_down_are_written_when_it_is_back(broker: Broker) -> None:
    topic = broker.create_topic("letters")

    async def run() -> None:
        desk = WriterHarness(broker, topic)
        desk.letters.start()
        desk.shelve(letter(number=1))
        await desk.until(lambda: desk.acked == [1])
        await asyncio.to_thread(broker.stop)
        try:
            desk.shelve(letter(number=2))
            await desk.until(lambda: any(code != "" for code, _ in desk.heard.errors))
            assert desk.acked == [1]
        finally:
            await asyncio.to_thread(broker.start)
        await desk.until(lambda: desk.acked == [1, 2])
        assert await desk.letters.close(5) == 0

    asyncio.run(run())


@pytest.mark.needs_real_broker("the embedded cluster makes up a topic that is missing")
def test_what_was_not_acknowledged_at_the_end_is_counted_and_never_said_to_be_written(broker: Broker) -> None:
    async def run() -> None:
        desk = WriterHarness(broker, broker.unique("letters-never"))
        desk.letters.start()
        desk.shelve(letter(number=1))
        await desk.until(lambda: desk.heard.shelf_codes)
        assert await desk.letters.close(0.1) == 1
        assert desk.acked == []
        assert desk.letters.done.result() is None

    asyncio.run(run())
