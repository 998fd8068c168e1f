"""Which subscribed topics are there: looked for while one is missing, and never oftener than it is time."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from consumer.kafka.topics import TopicWatch


class Cluster:
    """A consumer that knows topics by their numbers of partitions; `None` is a topic that cannot be described."""

    def __init__(self, **topics: int | None) -> None:
        self.topics = topics
        self.looks = 0
        self.silent = False

    def list_topics(self, *, timeout: float) -> Any:  # noqa: ANN401, ARG002 - the library's own signature
        self.looks += 1
        if self.silent:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return SimpleNamespace(
            topics={
                name: SimpleNamespace(
                    partitions=dict.fromkeys(range(count or 0)), error=error if count is None else None
                )
                for name, count in self.topics.items()
            }
        )


class Watched:
    def __init__(self, cluster: Cluster, *topics: str) -> None:
        self.cluster = cluster
        self.missed: list[str] = []
        self.found: list[str] = []
        self.watch = TopicWatch(topics, self.missed.append, self.found.append, interval_s=30.0)

    def turn(self, now_s: float) -> None:
        self.watch.refresh_if_due(cast("Consumer", self.cluster), now_s, 1.0)


def test_while_a_topic_is_missing_it_is_looked_for_when_it_is_time_and_said_each_time() -> None:
    watched = Watched(Cluster(orders=4, other=9, broken=None), "orders", "late", "^broken")
    for now_s in (1.0, 2.0, 30.0, 31.5):
        watched.turn(now_s)
    assert watched.cluster.looks == 2
    assert watched.missed == ["late", "^broken"] * 2
    assert watched.watch.partitions == {"orders": 4}
    assert watched.watch.total == 4


def test_once_all_are_there_nobody_is_asked_until_one_is_suspected_gone() -> None:
    watched = Watched(Cluster(orders=4, late=2), "orders", "late")
    watched.turn(1.0)
    watched.turn(100.0)
    assert (watched.cluster.looks, watched.watch.total, watched.missed) == (1, 6, [])
    del watched.cluster.topics["late"]
    watched.watch.report_missing()
    watched.turn(101.0)
    assert (watched.cluster.looks, watched.watch.total, watched.missed) == (2, 4, ["late"])


def test_a_topic_that_was_missing_is_said_once_when_it_is_there() -> None:
    watched = Watched(Cluster(orders=4), "orders", "late", "^cust.*")
    watched.turn(1.0)
    watched.cluster.topics.update({"late": 1})
    watched.turn(32.0)
    assert (watched.missed, watched.found) == (["late", "^cust.*", "^cust.*"], ["late"])
    watched.cluster.topics.update({"customers": 1})
    watched.turn(63.0)
    watched.turn(94.0)
    assert (watched.cluster.looks, watched.found) == (3, ["late", "^cust.*"])


def test_a_topic_that_a_look_out_of_turn_finds_gone_is_looked_for_until_it_is_back() -> None:
    watched = Watched(Cluster(orders=4), "orders")
    watched.turn(1.0)
    del watched.cluster.topics["orders"]
    watched.watch.refresh(cast("Consumer", watched.cluster), 1.0)
    watched.turn(time.monotonic() + 31.0)
    assert watched.missed == ["orders", "orders"]


def test_a_look_can_be_hurried() -> None:
    watched = Watched(Cluster(), "orders")
    watched.turn(1.0)
    watched.watch.refresh_soon()
    watched.turn(2.0)
    assert watched.cluster.looks == 2


def test_a_suspicion_does_not_hurry_a_look_that_is_due_anyway() -> None:
    watched = Watched(Cluster(), "orders")
    watched.turn(1.0)
    watched.watch.report_missing()
    watched.turn(2.0)
    assert watched.cluster.looks == 1


def test_brokers_that_do_not_answer_are_asked_again_in_a_while_and_not_at_every_turn() -> None:
    watched = Watched(Cluster(orders=4), "orders")
    watched.cluster.silent = True
    for now_s in (1.0, 2.0, 3.0):
        watched.turn(now_s)
    assert watched.cluster.looks == 1
    watched.cluster.silent = False
    watched.turn(32.0)
    assert watched.watch.total == 4
    watched.cluster.silent = True
    with pytest.raises(KafkaException):
        watched.watch.refresh(cast("Consumer", watched.cluster), 1.0)
