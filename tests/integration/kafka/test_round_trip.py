"""The fixture's own proof: what every later test takes for granted holds on both brokers."""

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from tests.kafka_clusters import Broker

_WITHIN_S = 120.0


def produce(broker: Broker, topic: str, values: list[bytes]) -> None:
    """Write each value to the partition of its place in the list, modulo two, and wait for every ack."""
    refused: list[object] = []
    producer = Producer(broker.client())
    for place, value in enumerate(values):
        producer.produce(
            topic,
            value,
            key=b"k%d" % place,
            partition=place % 2,
            headers=[("n", b"%d" % place)],
            on_delivery=lambda error, _: refused.append(error) if error else None,
        )
    assert producer.flush(_WITHIN_S) == 0
    assert refused == []


def take(consumer: Consumer, count: int) -> list[Message]:
    """Poll until so many records are there; each wait has an end."""
    taken: list[Message] = []
    while len(taken) < count:
        message = consumer.poll(_WITHIN_S)
        assert message is not None, f"only {len(taken)} of {count} records came"
        assert message.error() is None
        taken.append(message)
    return taken


def member(broker: Broker, group: str) -> Consumer:
    return Consumer(broker.client(group_id=group, auto_offset_reset="earliest", enable_auto_commit=False))


def test_what_is_produced_is_consumed_with_key_value_headers_and_offsets(broker: Broker) -> None:
    topic = broker.create_topic("round-trip", partitions=2)
    produce(broker, topic, [b"a", b"b", b"c", b"d"])

    consumer = member(broker, broker.unique("round-trip"))
    consumer.subscribe([topic])
    taken = take(consumer, 4)
    consumer.close()

    seen = {(m.partition(), m.offset(), m.key(), m.value(), str(m.headers())) for m in taken}
    assert seen == {
        (place % 2, place // 2, b"k%d" % place, value, f"[('n', b'{place}')]")
        for place, value in enumerate([b"a", b"b", b"c", b"d"])
    }


def test_the_next_member_of_a_group_starts_where_the_last_one_committed(broker: Broker) -> None:
    topic = broker.create_topic("hand-over", partitions=2)
    group = broker.unique("hand-over")
    produce(broker, topic, [b"0", b"1", b"2", b"3"])

    first = member(broker, group)
    first.subscribe([topic])
    take(first, 4)
    first.commit(offsets=[TopicPartition(topic, 0, 1), TopicPartition(topic, 1, 2)], asynchronous=False)
    first.close()

    second = member(broker, group)
    second.subscribe([topic])
    (left,) = take(second, 1)
    second.close()
    assert (left.partition(), left.offset(), left.value()) == (0, 1, b"2")


def test_the_commits_metadata_come_back(broker: Broker) -> None:
    topic = broker.create_topic("metadata", partitions=1)
    consumer = member(broker, broker.unique("metadata"))
    consumer.commit(offsets=[TopicPartition(topic, 0, 7, metadata="start=earliest")], asynchronous=False)
    (committed,) = consumer.committed([TopicPartition(topic, 0)], timeout=_WITHIN_S)
    consumer.close()
    assert (committed.offset, committed.metadata) == (7, "start=earliest")


def test_a_restarted_broker_still_has_what_it_held(broker: Broker) -> None:
    topic = broker.create_topic("restart", partitions=2)
    produce(broker, topic, [b"before", b"before too"])

    broker.restart()

    produce(broker, topic, [b"after"])
    consumer = member(broker, broker.unique("restart"))
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = [m.value() for m in take(consumer, 2)]
    consumer.close()
    assert values == [b"before", b"after"]


def test_a_stopped_broker_does_not_answer(broker: Broker) -> None:
    broker.stop()
    try:
        with pytest.raises(KafkaException):
            Producer(broker.client(log_level=0)).list_topics(timeout=1.0)
    finally:
        broker.start()
    assert Producer(broker.client()).list_topics(timeout=_WITHIN_S).brokers


@pytest.mark.needs_real_broker("the mock accepts transactions and isolates nothing")
def test_a_reader_of_committed_records_never_sees_an_aborted_one(broker: Broker) -> None:
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
    (only,) = take(reader, 1)
    reader.close()
    assert only.value() == b"kept"


@pytest.mark.needs_real_broker("the mock has no topic settings")
def test_a_topic_has_the_settings_it_was_created_with(broker: Broker) -> None:
    topic = broker.create_topic("small", partitions=1, max_message_bytes="1000")
    refused: list[str] = []
    producer = Producer(broker.client())
    producer.produce(
        topic, b"x" * 2000, on_delivery=lambda error, _: refused.append(error.name() if error else "accepted")
    )
    producer.flush(_WITHIN_S)
    assert refused == ["MSG_SIZE_TOO_LARGE"]


def test_settings_for_a_topic_of_the_embedded_cluster_are_refused_aloud(embedded_broker: Broker) -> None:
    with pytest.raises(ValueError, match="needs_real_broker"):
        embedded_broker.create_topic("small", 1, cleanup_policy="compact")
