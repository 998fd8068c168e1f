"""The embedded cluster of the demo: partitions, faults, and an end together with its parent process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from consumer.demo.embedded_kafka import ApiKey, EmbeddedKafka, EmbeddedKafkaError
from tests.processes import ended

_WITHIN_S = 120.0
_REBALANCE_IN_PROGRESS = 27

_PARENT = """
from consumer.demo.embedded_kafka import EmbeddedKafka
with EmbeddedKafka() as kafka:
    print(kafka.pid, flush=True)
    input()
"""


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        yield kafka


def alive(pid: int) -> bool:
    """Return whether a process runs. A zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_topic_has_the_requested_partitions(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("shop.orders", 7)
    topics = Producer({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=_WITHIN_S).topics
    assert {name: len(topic.partitions) for name, topic in topics.items()} == {"shop.orders": 7}


def test_existing_topic_is_an_error(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("shop.orders", 1)
    with pytest.raises(EmbeddedKafkaError, match=r"create topic shop\.orders: Broker: Topic already exists"):
        kafka.create_topic("shop.orders", 1)


def test_cluster_responds_only_while_it_is_up(kafka: EmbeddedKafka) -> None:
    client = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    kafka.broker_down()
    with pytest.raises(KafkaException):
        client.list_topics(timeout=0.5)
    kafka.broker_up()
    assert client.list_topics(timeout=_WITHIN_S).brokers


def test_pushed_errors_apply_to_the_next_requests_only(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("t", 1)
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "g", "enable.auto.commit": False})
    kafka.push_request_errors(ApiKey.OFFSET_COMMIT, [_REBALANCE_IN_PROGRESS])
    with pytest.raises(KafkaException) as refused:
        consumer.commit(offsets=[TopicPartition("t", 0, 1)], asynchronous=False)
    assert refused.value.args[0].code() == _REBALANCE_IN_PROGRESS
    consumer.commit(offsets=[TopicPartition("t", 0, 1)], asynchronous=False)

    kafka.push_request_errors(ApiKey.OFFSET_COMMIT, [_REBALANCE_IN_PROGRESS])
    kafka.clear_request_errors(ApiKey.OFFSET_COMMIT)
    consumer.commit(offsets=[TopicPartition("t", 0, 2)], asynchronous=False)
    consumer.close()


def test_round_trip_takes_the_set_time(kafka: EmbeddedKafka) -> None:
    client = Producer({"bootstrap.servers": kafka.bootstrap})
    client.list_topics(timeout=_WITHIN_S)
    kafka.set_rtt(400)
    began = time.monotonic()
    client.list_topics(timeout=_WITHIN_S)
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_cluster_ends_with_its_parent(how: signal.Signals) -> None:
    with ended(
        subprocess.Popen([sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(how)
        parent.wait(_WITHIN_S)
    deadline = time.monotonic() + _WITHIN_S
    while alive(child):
        assert time.monotonic() < deadline, "the cluster's process still runs"
        time.sleep(0.02)


def test_ended_cluster_process_is_an_error() -> None:
    with EmbeddedKafka() as kafka:
        os.kill(kafka.pid, signal.SIGKILL)
        with pytest.raises(EmbeddedKafkaError, match="has ended"):
            kafka.create_topic("t", 1)


def test_cluster_that_is_not_started_is_an_error() -> None:
    kafka = EmbeddedKafka()
    with pytest.raises(EmbeddedKafkaError, match="not running"):
        kafka.create_topic("t", 1)
    kafka.close()
