"""The producer keeps to its limits, notes all coordinates, and stops before the embedded cluster drops records."""

from collections.abc import Iterator

import pytest

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


def run_to_end(kafka: EmbeddedKafka, rate: ProductionRate, **limits: int) -> EventProducer:
    one = EventProducer(Shop(7), SCHEMAS, rate, kafka.bootstrap, 4, **limits)
    one.start()
    assert one.finished.wait(180)
    one.join(60)
    assert one.records.failure is None
    return one


def test_event_limit_is_exact_and_each_record_is_noted_once(kafka: EmbeddedKafka) -> None:
    done = run_to_end(kafka, ProductionRate(per_s=5000, for_s=None, events=500, poison=0.0))
    assert len(done.records) == done.records.produced == sum(done.records.log_ends().values()) == 500
    assert len({(each.partition, each.offset) for each in done.records}) == 500


def test_producer_stops_before_a_partition_is_full(kafka: EmbeddedKafka) -> None:
    rate = ProductionRate(per_s=5000, for_s=30, events=None, poison=0.0)
    done = run_to_end(kafka, rate, max_partition_bytes=60_000)
    assert done.stop_reason == "the log of the embedded cluster is full"
    assert done.records.largest_partition_bytes() < 60_000 + 50_000


def test_producer_stops_before_the_dead_letter_log_is_full(kafka: EmbeddedKafka) -> None:
    rate = ProductionRate(per_s=5000, for_s=30, events=None, poison=1.0)
    done = run_to_end(kafka, rate, max_partition_bytes=2_000_000, dead_letter_overhead=100_000)
    assert done.stop_reason == "the log of the embedded cluster is full"
    assert done.records.produced < 200
