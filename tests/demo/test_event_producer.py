"""The till writes at its pace, notes every place, and stops before the embedded cluster would forget."""

from collections.abc import Iterator

import pytest

from consumer.demo import event_producer
from consumer.demo.embedded_kafka import EmbeddedKafka
from consumer.demo.event_producer import EventProducer, ProductionRate
from consumer.demo.events import TOPICS
from consumer.demo.shop import Shop
from tests.demo.placed_records import SCHEMAS


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        for topic, partitions in TOPICS.items():
            kafka.create_topic(topic, partitions)
        yield kafka


def ended(kafka: EmbeddedKafka, pace: ProductionRate) -> EventProducer:
    one = EventProducer(Shop(7), SCHEMAS, pace, kafka.bootstrap, 4)
    one.start()
    assert one.ended.wait(180)
    one.join(60)
    assert one.notes.failed is None
    return one


def test_it_writes_as_many_as_asked_for_and_notes_each_once(kafka: EmbeddedKafka) -> None:
    done = ended(kafka, ProductionRate(per_s=5000, for_s=None, events=500, poison=0.0))
    assert len(done.notes) == done.notes.made == sum(done.notes.ends().values()) == 500
    assert len({(each.partition, each.offset) for each in done.notes}) == 500


def test_it_stops_before_a_partition_is_full(kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_producer, "MOST_BYTES", 60_000)
    done = ended(kafka, ProductionRate(per_s=5000, for_s=30, events=None, poison=0.0))
    assert done.why == "the embedded cluster keeps no more than this"
    assert done.notes.largest() < 60_000 + 50_000


def test_it_stops_before_the_dead_letters_are_too_many(kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_producer, "MOST_BYTES", 2_000_000)
    monkeypatch.setattr(event_producer, "_LETTER_OVERHEAD", 100_000)
    done = ended(kafka, ProductionRate(per_s=5000, for_s=30, events=None, poison=1.0))
    assert done.why == "the embedded cluster keeps no more than this"
    assert done.notes.made < 200
