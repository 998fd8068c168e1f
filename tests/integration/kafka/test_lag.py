"""The lag from the brokers, on both of them, whatever is paused."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.kafka.lag import LagMonitor
from consumer.model import Partition
from tests.integration.kafka.recording_handler import WITHIN_S, produce
from tests.kafka_clusters import Broker, EmbeddedBroker


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def commit(broker: Broker, group: str, offset: TopicPartition) -> None:
    client = Consumer({**broker.client(), "group.id": group})
    client.commit(offsets=[offset], asynchronous=False)
    client.close()


def test_log_end_and_commit_come_from_the_brokers(broker: Broker) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    first, second = Partition(topic, 0), Partition(topic, 1)
    produce(broker, topic, 10)
    commit(broker, group, TopicPartition(topic, 0, 4))
    assigned = [first, second]
    lag = LagMonitor(broker.client(), group, lambda: tuple(assigned), interval_s=0.05)
    assert lag.updated_at == 0.0
    lag.start()
    try:
        until(lambda: lag.snapshot() == {first: (10, 4)})  # the second has no commit, so it has no figures
        assert abs(time.time() - lag.updated_at) < WITHIN_S
        produce(broker, topic, 5)
        commit(broker, group, TopicPartition(topic, 1, 0))
        until(lambda: lag.snapshot() == {first: (15, 4), second: (0, 0)})
        assigned.remove(first)
        until(lambda: lag.snapshot() == {second: (0, 0)})
    finally:
        lag.close()


class Client:
    """A consumer whose responses the test sets. It counts its polls, one per round."""

    def __init__(self) -> None:
        self.rounds = 0
        self.error: KafkaError | None = None
        self.unresponsive = False

    def __call__(self, _: object) -> "Client":
        return self

    def poll(self, _: float) -> None:
        self.rounds += 1

    def committed(self, partitions: list[TopicPartition], _: float) -> list[object]:
        if self.unresponsive:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return [
            SimpleNamespace(topic=one.topic, partition=one.partition, offset=4, error=self.error) for one in partitions
        ]

    def get_watermark_offsets(self, *_: object, cached: bool) -> tuple[int, int]:
        assert not cached
        return (0, 10)

    def close(self) -> None:
        pass


def test_only_a_response_changes_updated_at(monkeypatch: pytest.MonkeyPatch) -> None:
    client, assigned = Client(), list[Partition]()
    monkeypatch.setattr("consumer.kafka.lag.Consumer", client)
    lag = LagMonitor({}, "group", lambda: tuple(assigned), interval_s=0.01)

    def some_rounds() -> None:
        seen = client.rounds
        until(lambda: client.rounds > seen + 2)

    lag.start()
    try:
        some_rounds()
        assert lag.updated_at == 0.0, "without partitions no broker is asked"
        client.unresponsive = True
        assigned.append(Partition("orders", 0))
        some_rounds()
        assert lag.updated_at == 0.0
        client.unresponsive, client.error = False, KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)
        some_rounds()
        assert (lag.updated_at, lag.snapshot()) == (0.0, {})
        client.error = None
        until(lambda: lag.snapshot() == {Partition("orders", 0): (10, 4)})
        assert lag.updated_at > 0
        assigned.clear()
        until(lambda: lag.snapshot() == {})
        before = lag.updated_at
        some_rounds()
        assert lag.updated_at == before
    finally:
        lag.close()


def test_unresponsive_brokers_leave_old_figures_and_their_age(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    only = Partition(topic, 0)
    produce(broker, topic, 10)
    commit(broker, group, TopicPartition(topic, 0, 4))
    lag = LagMonitor(broker.client(), group, lambda: [only], interval_s=0.05)
    lag.start()
    try:
        until(lambda: lag.snapshot() == {only: (10, 4)})
        broker.stop()
        try:
            before = lag.updated_at
            until(lambda: time.time() - lag.updated_at > 1)
            assert lag.snapshot() == {only: (10, 4)}
        finally:
            broker.start()
        until(lambda: lag.updated_at > before + 1)
    finally:
        lag.close()


def test_client_is_created_once_its_missing_file_is_back(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failures = list[KafkaException]()

    def client(properties: Mapping[str, object]) -> Consumer:
        if len(failures) < 3:
            try:
                return Consumer({**properties, "security.protocol": "ssl", "ssl.ca.location": str(tmp_path / "ca.pem")})
            except KafkaException as error:
                failures.append(error)
                raise
        return Consumer(dict(properties))

    topic, group = embedded_broker.create_topic("orders"), embedded_broker.unique("group")
    only = Partition(topic, 0)
    produce(embedded_broker, topic, 10)
    commit(embedded_broker, group, TopicPartition(topic, 0, 4))
    monkeypatch.setattr("consumer.kafka.lag.Consumer", client)
    lag = LagMonitor(embedded_broker.client(), group, lambda: [only], interval_s=0.05)
    lag.start()
    try:
        until(lambda: lag.snapshot() == {only: (10, 4)})
    finally:
        lag.close()
    assert len(failures) == 3


def test_close_is_prompt_while_no_client_can_be_created(tmp_path: Path) -> None:
    properties = {"bootstrap.servers": "127.0.0.1:1", "security.protocol": "ssl"}
    lag = LagMonitor({**properties, "ssl.ca.location": str(tmp_path / "ca.pem")}, "group", list, interval_s=3600)
    lag.start()
    lag.close()
    lag._thread.join(WITHIN_S)
    assert not lag._thread.is_alive()
    assert lag.updated_at == 0.0
