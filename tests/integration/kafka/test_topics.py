"""The subscribed topics are listed at intervals while one of them is missing."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from consumer.kafka.topics import Subscription, TopicWatch


class FakeClient:
    """A consumer with topics by partition count. `None` is a topic that cannot be described."""

    def __init__(self, **topics: int | None) -> None:
        self.topics = topics
        self.listings = 0
        self.unresponsive = False

    def list_topics(self, *, timeout: float) -> Any:  # noqa: ANN401, ARG002 - the library's own signature
        self.listings += 1
        if self.unresponsive:
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


class WatchHarness:
    def __init__(self, cluster: FakeClient, *topics: str, pattern_interval_s: float = 30.0) -> None:
        self.client = cluster
        self.missing: list[str] = []
        self.found: list[str] = []
        self.watch = TopicWatch(
            Subscription(topics), self.missing.append, self.found.append, 30.0, pattern_interval_s=pattern_interval_s
        )

    def names(self) -> list[str]:
        return list(self.watch.names)

    def refresh_if_due(self, now_s: float) -> None:
        self.watch.refresh_if_due(cast("Consumer", self.client), now_s, 1.0)


def test_missing_topic_is_listed_at_intervals_and_reported_each_time() -> None:
    harness = WatchHarness(FakeClient(orders=4, other=9, broken=None), "orders", "late", "^broken")
    for now_s in (1.0, 2.0, 30.0, 31.5):
        harness.refresh_if_due(now_s)
    assert harness.client.listings == 2
    assert harness.missing == ["late", "^broken"] * 2
    assert harness.watch.partitions == {"orders": 4}
    assert harness.watch.total == 4


def test_complete_topics_are_listed_again_only_after_a_report() -> None:
    harness = WatchHarness(FakeClient(orders=4, late=2), "orders", "late")
    harness.refresh_if_due(1.0)
    harness.refresh_if_due(100.0)
    assert (harness.client.listings, harness.watch.total, harness.missing) == (1, 6, [])
    del harness.client.topics["late"]
    harness.watch.report_missing()
    harness.refresh_if_due(101.0)
    assert (harness.client.listings, harness.watch.total, harness.missing) == (2, 4, ["late"])


def test_found_topic_is_reported_once() -> None:
    harness = WatchHarness(FakeClient(orders=4), "orders", "late", "^cust.*")
    harness.refresh_if_due(1.0)
    harness.client.topics.update({"late": 1})
    harness.refresh_if_due(32.0)
    assert (harness.missing, harness.found) == (["late", "^cust.*", "^cust.*"], ["late"])
    harness.client.topics.update({"customers": 1})
    harness.refresh_if_due(63.0)
    harness.refresh_if_due(94.0)
    assert harness.found == ["late", "^cust.*"]


def test_topic_missing_in_an_extra_listing_is_listed_again() -> None:
    harness = WatchHarness(FakeClient(orders=4), "orders")
    harness.refresh_if_due(1.0)
    del harness.client.topics["orders"]
    harness.watch.refresh(cast("Consumer", harness.client), 1.0)
    harness.refresh_if_due(time.monotonic() + 31.0)
    assert harness.missing == ["orders", "orders"]


def test_refresh_soon_lists_at_the_next_call() -> None:
    harness = WatchHarness(FakeClient(), "orders")
    harness.refresh_if_due(1.0)
    harness.watch.refresh_soon()
    harness.refresh_if_due(2.0)
    assert harness.client.listings == 2


def test_report_does_not_hasten_a_scheduled_listing() -> None:
    harness = WatchHarness(FakeClient(), "orders")
    harness.refresh_if_due(1.0)
    harness.watch.report_missing()
    harness.refresh_if_due(2.0)
    assert harness.client.listings == 1


def test_unresponsive_brokers_are_asked_at_intervals() -> None:
    harness = WatchHarness(FakeClient(orders=4), "orders")
    harness.client.unresponsive = True
    for now_s in (1.0, 2.0, 3.0):
        harness.refresh_if_due(now_s)
    assert harness.client.listings == 1
    harness.client.unresponsive = False
    harness.refresh_if_due(32.0)
    assert harness.watch.total == 4
    harness.client.unresponsive = True
    with pytest.raises(KafkaException):
        harness.watch.refresh(cast("Consumer", harness.client), 1.0)


def test_patterns_are_resolved_at_intervals_and_after_failures() -> None:
    harness = WatchHarness(FakeClient(orders=4, other=1), "named", "^ord", pattern_interval_s=10.0)
    assert harness.names() == [], "an unresolved subscription is no subscription"
    harness.client.unresponsive = True
    harness.refresh_if_due(1.0)
    harness.refresh_if_due(1.5)
    assert (harness.client.listings, harness.names()) == (1, []), "a member without topics is in no group"
    harness.client.unresponsive = False
    harness.refresh_if_due(2.5)
    assert harness.names() == ["named", "orders"]
    harness.client.topics.update({"ordinary": 2})
    harness.refresh_if_due(12.0)
    assert harness.names() == ["named", "orders"]
    harness.refresh_if_due(12.6)
    assert harness.names() == ["named", "orders", "ordinary"]
    harness.client.unresponsive = True
    harness.refresh_if_due(23.0)
    assert harness.names() == ["named", "orders", "ordinary"], "as long as the brokers do not respond"


def test_missing_topic_does_not_wait_for_a_longer_pattern_interval() -> None:
    harness = WatchHarness(FakeClient(orders=4), "late", "^ord", pattern_interval_s=300.0)
    harness.refresh_if_due(1.0)
    harness.client.topics.update({"late": 1})
    harness.refresh_if_due(32.0)
    assert harness.found == ["late"]
    harness.refresh_if_due(63.0)
    assert harness.client.listings == 2


def test_matched_topic_is_given_up_after_two_listings_without_it() -> None:
    harness = WatchHarness(FakeClient(orders=4, ordinary=2), "^ord")
    harness.refresh_if_due(1.0)
    del harness.client.topics["ordinary"]
    harness.refresh_if_due(32.0)
    assert (harness.names(), harness.watch.total) == (["orders", "ordinary"], 4)
    harness.refresh_if_due(63.0)
    assert harness.names() == ["orders"]
    harness.client.topics.clear()
    harness.refresh_if_due(94.0)
    harness.refresh_if_due(125.0)
    assert (harness.names(), harness.missing) == ([], ["^ord", "^ord"])
