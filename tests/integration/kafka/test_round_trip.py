"""The broker fixture itself: the assumptions of all other tests hold on both brokers."""

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from tests.kafka_clusters import Broker

_WITHIN_S = 120.0


def produce(broker: Broker, topic: str, values: list[bytes]) -> None:
    """Produce each value to the partition of its index modulo two, and wait for every acknowledgement."""
    failures: list[object] = []
    producer = Producer(broker.client())
    for place, value in enumerate(values):
        producer.produce(
            topic,
            value,
            key=b"k%d" % place,
            partition=place % 2,
            headers=[("n", b"%d" % place)],
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    assert producer.flush(_WITHIN_S) == 0
    assert failures == []


def read(consumer: Consumer, count: int) -> list[Message]:
    """Poll until `count` records are there. Each wait is bounded."""
    records: list[Message] = []
    while len(records) < count:
        message = consumer.poll(_WITHIN_S)
        assert message is not None, f"only {len(records)} of {count} records arrived"
        assert message.error() is None
        records.append(message)
    return records


def member(broker: Broker, group: str) -> Consumer:
    return Consumer(broker.client(group_id=group, auto_offset_reset="earliest", enable_auto_commit=False))


def test_produced_records_are_consumed_unchanged(broker: Broker) -> None:
    topic = broker.create_topic("round-trip", partitions=2)
    produce(broker, topic, [b"a", b"b", b"c", b"d"])

    consumer = member(broker, broker.unique("round-trip"))
    consumer.subscribe([topic])
    records = read(consumer, 4)
    consumer.close()

    seen = {(m.partition(), m.offset(), m.key(), m.value(), str(m.headers())) for m in records}
    assert seen == {
        (place % 2, place // 2, b"k%d" % place, value, f"[('n', b'{place}')]")
        for place, value in enumerate([b"a", b"b", b"c", b"d"])
    }


def test_next_member_starts_at_the_commit(broker: Broker) -> None:
    topic = broker.create_topic("hand-over", partitions=2)
    group = broker.unique("hand-over")
    produce(broker, topic, [b"0", b"1", b"2", b"3"])

    first = member(broker, group)
    first.subscribe([topic])
    read(first, 4)
    first.commit(offsets=[TopicPartition(topic, 0, 1), TopicPartition(topic, 1, 2)], asynchronous=False)
    first.close()

    second = member(broker, group)
    second.subscribe([topic])
    (rest,) = read(second, 1)
    second.close()
    assert (rest.partition(), rest.offset(), rest.value()) == (0, 1, b"2")


def test_commit_metadata_round_trip(broker: Broker) -> None:
    topic = broker.create_topic("metadata", partitions=1)
    consumer = member(broker, broker.unique("metadata"))
    consumer.commit(offsets=[TopicPartition(topic, 0, 7, metadata="start=earliest")], asynchronous=False)
    (committed,) = consumer.committed([TopicPartition(topic, 0)], timeout=_WITHIN_S)
    consumer.close()
    assert (committed.offset, committed.metadata) == (7, "start=earliest")


def test_restarted_broker_keeps_its_records(broker: Broker) -> None:
    topic = broker.create_topic("restart", partitions=2)
    produce(broker, topic, [b"before", b"before too"])

    broker.restart()

    produce(broker, topic, [b"after"])
    consumer = member(broker, broker.unique("restart"))
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = [m.value() for m in read(consumer, 2)]
    consumer.close()
    assert values == [b"before", b"after"]


def test_stopped_broker_does_not_respond(broker: Broker) -> None:
    broker.stop()
    try:
        with pytest.raises(KafkaException):
            Producer(broker.client(log_level=0)).list_topics(timeout=1.0)
    finally:
        broker.start()
    assert Producer(broker.client()).list_topics(timeout=_WITHIN_S).brokers


@pytest.mark.needs_real_broker("the mock accepts transactions and isolates nothing")
def test_read_committed_skips_aborted_records(broker: Broker) -> None:
    topic = broker.create_topic("transactions", partitions=1)
    writer = Producer(broker.client(transactional_id=broker.unique("writer")))
    writer.init_transactions(_WITHIN_S)
    for value, keep in ((b"aborted", False), (b"kept", True)):
        writer.begin_transaction()
        writer.produce(topic, value)
        writer.flush(_WITHIN_S)
        if keep:
            writer.commit_transaction(_WITHIN_S)
        else:
            writer.abort_transaction(_WITHIN_S)

    reader = Consumer(broker.client(group_id=broker.unique("reader"), isolation_level="read_committed"))
    reader.assign([TopicPartition(topic, 0, 0)])
    (only,) = read(reader, 1)
    reader.close()
    assert only.value() == b"kept"


@pytest.mark.needs_real_broker("the mock has no topic settings")
def test_topic_has_its_settings(broker: Broker) -> None:
    topic = broker.create_topic("small", partitions=1, max_message_bytes="1000")
    failures: list[str] = []
    producer = Producer(broker.client())
    producer.produce(
        topic, b"x" * 2000, on_delivery=lambda error, _: failures.append(error.name() if error else "accepted")
    )
    producer.flush(_WITHIN_S)
    assert failures == ["MSG_SIZE_TOO_LARGE"]


def test_embedded_cluster_rejects_topic_settings(embedded_broker: Broker) -> None:
    with pytest.raises(ValueError, match="needs_real_broker"):
        embedded_broker.create_topic("small", 1, cleanup_policy="compact")
