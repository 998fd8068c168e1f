"""The dead-letter topic is looked up before any dead letter needs it, and again while it is missing."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.kafka.dead_letters.producer import DeadLetterProducer, PendingDeadLetter
from consumer.model import Partition
from consumer.pipeline.status import ConsumerStateObserver
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_dead_letters import dead_letter

TOPIC = "cdp-dead-letters"


class Cluster:
    """A producer whose brokers can be unresponsive or lack the topic. It acknowledges dead letters at once."""

    def __init__(self) -> None:
        self.unresponsive = False
        self.topic_exists = False
        self.listings = 0
        self.reports: list[Callable[[], None]] = []

    def __call__(self, *_: object, **__: object) -> "Cluster":
        return self

    def list_topics(self, *, timeout: float) -> Any:  # noqa: ANN401 - the library's own signature
        assert timeout > 0
        self.listings += 1
        if self.unresponsive:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return SimpleNamespace(
            topics={TOPIC: SimpleNamespace(partitions={0: None}, error=None)} if self.topic_exists else {}
        )

    def produce(self, _: str, *, on_delivery: Callable[[None, None], None], **__: object) -> None:
        if not self.topic_exists:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))
        self.reports.append(lambda: on_delivery(None, None))

    def poll(self, _: float) -> None:
        while self.reports:
            self.reports.pop()()


class TopicHarness:
    """A dead-letter producer with a fake clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self.cluster = Cluster()
        self.observer = RecordingObserver()
        monkeypatch.setattr("consumer.kafka.dead_letters.producer.Producer", self.cluster)
        monkeypatch.setattr("consumer.kafka.dead_letters.producer.time", SimpleNamespace(monotonic=lambda: self.now_s))
        self.producer = DeadLetterProducer({}, TOPIC, lambda *_: [], self.observer)

    def serve(self, after_s: float = 0.0) -> int:
        self.now_s += after_s
        return len(self.producer.serve())


def test_missing_topic_is_reported_at_start_and_every_30_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This needs no dead letter."""
    harness = TopicHarness(monkeypatch)
    for after_s in (0.0, 1.0, 28.0, 2.0, 1.0, 30.0):
        harness.serve(after_s)
    assert harness.observer.missing == [TOPIC] * 3
    harness.cluster.topic_exists = True
    harness.serve(31.0)
    harness.serve(31.0)
    assert (len(harness.observer.missing), harness.observer.found, harness.cluster.listings) == (3, [TOPIC], 4)


def test_topic_is_looked_up_again_after_no_response(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = TopicHarness(monkeypatch)
    harness.cluster.unresponsive = True
    harness.serve()
    harness.serve(1.0)
    assert (harness.cluster.listings, harness.observer.missing) == (1, [])
    harness.cluster.unresponsive = False
    harness.serve(30.0)
    assert harness.observer.missing == [TOPIC]


def test_unknown_topic_error_looks_it_up_and_found_topic_ends_back_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness = TopicHarness(monkeypatch)
    harness.cluster.topic_exists = True
    harness.serve()
    harness.cluster.topic_exists = False  # deleted since
    harness.producer.add(PendingDeadLetter(1, dead_letter(), lambda: None))
    assert harness.serve(1.0) == 0
    assert harness.serve(0.1) == 0
    assert (harness.observer.missing, harness.observer.dead_letter_failures) == ([TOPIC], ["_UNKNOWN_TOPIC"])
    for _ in range(6):  # its back-off grows
        harness.serve(20.0)
    harness.cluster.topic_exists = True
    harness.producer._topic_watch.refresh_soon()
    assert harness.serve(0.1) == 1
    assert harness.observer.found == [TOPIC]


def test_found_topic_is_no_longer_missing_in_status() -> None:
    observer = ConsumerStateObserver()
    for topic in (TOPIC, "shop.orders", "shop.customers"):
        observer.topic_missing(topic)
    observer.topic_found(TOPIC)
    observer.topic_found("never missing")
    observer.partitions_assigned({Partition("shop.orders", 0): 0})
    assert set(observer.missing_topics) == {"shop.customers"}
