"""The dead-letter topic is looked for before any letter needs it, and again for as long as it is missing."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.kafka.dead_letters.producer import DeadLetterProducer, PendingDeadLetter
from consumer.model import Partition
from consumer.pipeline.status import ConsumerStateObserver
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_dead_letters import letter

TOPIC = "cdp-dead-letters"


class Cluster:
    """A producer's view of brokers that can be silent, or lack the topic; letters are acknowledged at once."""

    def __init__(self) -> None:
        self.silent = False
        self.there = False
        self.looks = 0
        self.reports: list[Callable[[], None]] = []

    def __call__(self, *_: object, **__: object) -> "Cluster":
        return self

    def list_topics(self, *, timeout: float) -> Any:  # noqa: ANN401 - the library's own signature
        assert timeout > 0
        self.looks += 1
        if self.silent:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return SimpleNamespace(topics={TOPIC: SimpleNamespace(partitions={0: None}, error=None)} if self.there else {})

    def produce(self, _: str, *, on_delivery: Callable[[None, None], None], **__: object) -> None:
        if not self.there:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))
        self.reports.append(lambda: on_delivery(None, None))

    def poll(self, _: float) -> None:
        while self.reports:
            self.reports.pop()()


class World:
    """Writing with a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self.cluster = Cluster()
        self.heard = RecordingObserver()
        monkeypatch.setattr("consumer.kafka.dead_letters.producer.Producer", self.cluster)
        monkeypatch.setattr("consumer.kafka.dead_letters.producer.time", SimpleNamespace(monotonic=lambda: self.now_s))
        self.writing = DeadLetterProducer({}, TOPIC, lambda *_: [], self.heard)

    def turn(self, after_s: float = 0.0) -> int:
        self.now_s += after_s
        return len(self.writing.serve())


def test_a_missing_topic_is_said_at_start_and_every_half_minute_without_any_letter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    for after_s in (0.0, 1.0, 28.0, 2.0, 1.0, 30.0):
        world.turn(after_s)
    assert world.heard.missing == [TOPIC] * 3
    world.cluster.there = True
    world.turn(31.0)
    world.turn(31.0)
    assert (len(world.heard.missing), world.heard.found, world.cluster.looks) == (3, [TOPIC], 4)


def test_brokers_that_answer_late_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.cluster.silent = True
    world.turn()
    world.turn(1.0)
    assert (world.cluster.looks, world.heard.missing) == (1, [])
    world.cluster.silent = False
    world.turn(30.0)
    assert world.heard.missing == [TOPIC]


def test_a_letter_that_finds_no_topic_has_it_looked_for_at_once_and_goes_as_soon_as_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.cluster.there = True
    world.turn()
    world.cluster.there = False  # deleted since
    world.writing.add(PendingDeadLetter(1, letter(), lambda: None))
    assert world.turn(1.0) == 0
    assert world.turn(0.1) == 0
    assert (world.heard.missing, world.heard.shelf_codes) == ([TOPIC], ["_UNKNOWN_TOPIC"])
    for _ in range(6):  # its waits grow
        world.turn(20.0)
    world.cluster.there = True
    world.writing._topic_watch.refresh_soon()
    assert world.turn(0.1) == 1
    assert world.heard.found == [TOPIC]


def test_a_topic_that_is_there_again_is_not_shown_as_missing_any_longer() -> None:
    heard = ConsumerStateObserver()
    for topic in (TOPIC, "shop.orders", "shop.customers"):
        heard.topic_missing(topic)
    heard.topic_found(TOPIC)
    heard.topic_found("never said")
    heard.partitions_assigned({Partition("shop.orders", 0): 0})
    assert set(heard.missing_topics) == {"shop.customers"}
