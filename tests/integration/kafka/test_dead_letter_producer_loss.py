"""A lost producer is replaced once it returned its dead letters. Each is acknowledged once, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.kafka.dead_letters.producer import DeadLetterProducer, PendingDeadLetter
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_dead_letters import dead_letter

Report = Callable[[KafkaError | None, Message], None]
TOPIC = "cdp-dead-letters"


class FakeProducer:
    """A producer that reports three dead letters at each poll: as written, or as purged after a purge."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self.properties = properties
        self.produced: list[int] = []
        self.in_flight: list[Report] = []
        self.on_poll: Callable[[], None] = lambda: None
        self.purged = False

    def produce(self, _: str, *, headers: list[tuple[str, bytes]], on_delivery: Report, **__: object) -> None:
        assert not self.purged, "a lost producer must not be used"
        self.produced += [int(number) for _, number in headers]
        self.in_flight.append(on_delivery)

    def poll(self, _: float) -> None:
        self.on_poll()
        reports, self.in_flight = self.in_flight[:3], self.in_flight[3:]
        for report in reports:
            report(KafkaError(KafkaError._PURGE_QUEUE) if self.purged else None, cast("Message", None))

    def purge(self, *, blocking: bool) -> None:
        assert not blocking, "a blocking purge waits for reports that only this thread serves"
        self.purged = True

    def list_topics(self, *, timeout: float) -> object:  # noqa: ARG002 - the library's own signature
        return SimpleNamespace(topics={TOPIC: SimpleNamespace(partitions={0: None}, error=None)})


class ProducerHarness:
    """A dead-letter producer with fake producers and a fake clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fakes: list[FakeProducer] = []
        self.now_s = 1000.0
        self.failures = 0
        """How many of the next producers cannot be created."""
        monkeypatch.setattr("consumer.kafka.dead_letters.producer.Producer", self.create)
        monkeypatch.setattr("consumer.kafka.dead_letters.producer.time", SimpleNamespace(monotonic=lambda: self.now_s))
        self.producer = DeadLetterProducer(
            {}, TOPIC, lambda one, _: [("number", b"%d" % one.message.offset())], RecordingObserver()
        )
        self.acknowledged: list[int] = []

    def create(self, properties: Mapping[str, Any], **_: object) -> FakeProducer:
        if self.failures:
            self.failures -= 1
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "ssl.ca.location failed: No such file"))
        assert all(not fake.in_flight for fake in self.fakes), "a second producer would overtake dead letters in flight"
        self.fakes.append(FakeProducer(properties))
        return self.fakes[-1]

    def serve(self) -> None:
        self.now_s += 1.0
        self.acknowledged += [pending.number for pending in self.producer.serve()]


def forget_every_broker(fake: FakeProducer) -> None:
    for _ in range(3):
        fake.properties["stats_cb"]('{"brokers":{}}')


def fail_for_good(fake: FakeProducer) -> None:
    # The used parts of the client's fatal error.
    error = SimpleNamespace(fatal=lambda: True, name=lambda: "_FATAL", str=lambda: "fatal")
    fake.properties["error_cb"](error)


@pytest.mark.parametrize("lose", [forget_every_broker, fail_for_good])
def test_lost_producer_is_replaced_after_it_returned_dead_letters(
    monkeypatch: pytest.MonkeyPatch, lose: Callable[[FakeProducer], None]
) -> None:
    harness = ProducerHarness(monkeypatch)
    for number in range(10):
        harness.producer.add(PendingDeadLetter(number, dead_letter(number=number), lambda: None))
    harness.serve()
    first = harness.fakes[0]
    assert (harness.acknowledged, first.produced) == ([0, 1, 2], list(range(10)))
    first.on_poll = lambda: lose(first)
    for number in range(10, 14):
        harness.producer.add(PendingDeadLetter(number, dead_letter(number=number), lambda: None))
    for _ in range(30):
        harness.serve()
    assert harness.producer.is_idle
    assert harness.acknowledged == list(range(14))
    assert [fake.produced for fake in harness.fakes] == [list(range(14)), list(range(6, 14))]


def test_dead_letters_wait_while_no_producer_can_be_created(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = ProducerHarness(monkeypatch)
    harness.producer.add(PendingDeadLetter(0, dead_letter(number=0), lambda: None))
    harness.serve()
    harness.fakes[0].on_poll = lambda: forget_every_broker(harness.fakes[0])
    harness.serve()
    harness.failures = 2
    harness.producer.add(PendingDeadLetter(1, dead_letter(number=1), lambda: None))
    for _ in range(2):
        harness.serve()
        assert (harness.acknowledged, len(harness.fakes)) == ([0], 1)
        assert harness.producer.failing == ("_INVALID_ARG", 1003.0)
        assert harness.producer.wait_s > 0, "there is no back-off"
    for _ in range(3):
        harness.serve()
    assert harness.acknowledged == [0, 1]
    assert [fake.produced for fake in harness.fakes] == [[0], [1]]
