"""The topics of a subscription: which exist, with how many partitions, and which are missing."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Consumer, KafkaException, Producer


def matches(topics: Iterable[str], name: str) -> bool:
    """Return whether a subscription, of names and of regular expressions beginning with `^`, includes a topic."""
    return any(_pattern(topic).match(name) if topic.startswith("^") else topic == name for topic in topics)


def matching(topics: Iterable[str], existing: Mapping[str, int]) -> dict[str, int]:
    """Return the existing topics of a subscription with their partition counts."""
    subscribed = tuple(topics)
    return {name: partitions for name, partitions in existing.items() if matches(subscribed, name)}


def missing(topics: Iterable[str], existing: Iterable[str]) -> list[str]:
    """Return the names of a subscription without a topic, and its patterns that match none."""
    names = tuple(existing)
    return [topic for topic in topics if not any(matches((topic,), name) for name in names)]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        return _NO_MATCH  # librdkafka has its own dialect, and reports its own errors


_NO_MATCH = re.compile(r"(?!)")


class TopicWatch:
    """The subscribed topics. They are listed again while one of them is missing.

    Args:
        topics: the subscription.
        on_missing: called with each missing topic or pattern, after each listing.
        on_found: called with each of those once it exists.
        interval_s: the minimum time between two listings, in seconds.
    """

    def __init__(
        self,
        topics: tuple[str, ...],
        on_missing: Callable[[str], None],
        on_found: Callable[[str], None],
        interval_s: float = 30.0,
    ) -> None:
        self._topics = topics
        self._on_missing = on_missing
        self._on_found = on_found
        self._interval_s = interval_s
        self._absent: set[str] = set()
        self._due_s: float | None = 0.0
        self.partitions: dict[str, int] = {}
        """The existing subscribed topics with their partition counts, as of the last listing."""

    @property
    def total(self) -> int:
        """The partitions of all subscribed topics, as far as known."""
        return sum(self.partitions.values())

    def report_missing(self) -> None:
        """Note that the client reported a missing topic: list at the next call, unless a listing is scheduled."""
        if self._due_s is None:
            self._due_s = 0.0

    def refresh_soon(self) -> None:
        """List at the next call, however recent the last listing is."""
        self._due_s = 0.0

    def refresh_if_due(self, client: Consumer | Producer, now_s: float, timeout_s: float) -> None:
        """List the topics if a listing is due."""
        if self._due_s is None or now_s < self._due_s:
            return
        # Also after a failure: a thread that lists topics at every call does not poll.
        self._due_s = now_s + self._interval_s
        with contextlib.suppress(KafkaException):  # reported through the client's error callback
            self.refresh(client, timeout_s)

    def refresh(self, client: Consumer | Producer, timeout_s: float) -> None:
        """List the topics.

        Raises:
            KafkaException: the brokers did not respond in time.
        """
        # All topics, never one by name: a request for one name makes some clusters create it.
        found = client.list_topics(timeout=timeout_s).topics
        existing = {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}
        self.partitions = matching(self._topics, existing)
        absent = missing(self._topics, existing)
        for topic in absent:
            self._on_missing(topic)
        for topic in self._absent.difference(absent):
            self._on_found(topic)
        self._absent = set(absent)
        if not absent:
            self._due_s = None
        elif self._due_s is None:
            self._due_s = time.monotonic() + self._interval_s
