"""The topics of a subscription: which exist, with how many partitions, and which are missing.

Patterns are resolved here, from the list of all topics, and the consumer subscribes by names.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Producer

from consumer.kafka.topic_pattern import INTERNAL_PREFIX, InvalidPattern, TopicPattern, is_pattern, parse_pattern

_FIRST_RETRY_S = 1.0
"""Between attempts to resolve the patterns for the first time. Before that the member is in no group."""


@dataclass(frozen=True, slots=True)
class ResolvedTopics:
    """The existing topics of a subscription with their partition counts; its names and patterns without a topic."""

    partitions: Mapping[str, int]
    missing: tuple[str, ...]


class Subscription:
    """The topics to read.

    Args:
        topics: names, and patterns that begin with `^`.
        own_topics: topics that the service writes itself. No pattern matches them: it would read its own dead letters.

    Raises:
        ValueError: a pattern is invalid. The configuration refuses it before.
    """

    def __init__(self, topics: Iterable[str], own_topics: Collection[str] = ()) -> None:
        self._topics = {topic: _pattern(topic) if is_pattern(topic) else None for topic in topics}
        self._own_topics = frozenset(own_topics)
        self.names = tuple(topic for topic, pattern in self._topics.items() if pattern is None)
        self.has_patterns = len(self.names) < len(self._topics)

    def matches(self, name: str) -> bool:
        """Return whether a topic belongs to the subscription."""
        return bool(self.resolve({name: 1}).partitions)

    def resolve(self, existing: Mapping[str, int]) -> ResolvedTopics:
        """Find the topics of the subscription among the existing ones.

        Args:
            existing: the partition count of each existing topic.
        """
        open_to_patterns = [
            name for name in existing if name not in self._own_topics and not name.startswith(INTERNAL_PREFIX)
        ]
        partitions: dict[str, int] = {}
        missing: list[str] = []
        for topic, pattern in self._topics.items():
            names = (
                [topic] * (topic in existing) if pattern is None else list(filter(pattern.matches, open_to_patterns))
            )
            partitions.update((name, existing[name]) for name in names)
            if not names:
                missing.append(topic)
        return ResolvedTopics(partitions, tuple(missing))


def _pattern(text: str) -> TopicPattern:
    pattern = parse_pattern(text)
    if isinstance(pattern, InvalidPattern):
        raise ValueError(f"{text}: is not a regular expression of RE2 ({pattern.reason})")  # noqa: TRY004 - of the text
    return pattern


class TopicWatch:
    """The existing topics of a subscription. They are listed again while one is missing, and at intervals for patterns.

    Args:
        subscription: the topics.
        on_missing: called with each missing topic or pattern, after each listing.
        on_found: called with each of those once it exists.
        interval_s: the minimum time between two listings while a topic is missing, in seconds.
        pattern_interval_s: the time in which a topic that newly matches a pattern is found, in seconds.
    """

    def __init__(
        self,
        subscription: Subscription,
        on_missing: Callable[[str], None],
        on_found: Callable[[str], None],
        interval_s: float = 30.0,
        pattern_interval_s: float = 30.0,
    ) -> None:
        self._subscription = subscription
        self._on_missing = on_missing
        self._on_found = on_found
        self._interval_s = interval_s
        self._pattern_interval_s = pattern_interval_s
        self._absent: frozenset[str] = frozenset()
        self._due_s: float | None = 0.0
        self._is_resolved = not subscription.has_patterns
        self.partitions: Mapping[str, int] = {}
        """The existing subscribed topics with their partition counts, as of the last listing."""
        self.names = () if subscription.has_patterns else subscription.names
        """The topics to subscribe to; none until the patterns are resolved.

        The names of the subscription, existing or not, and what matched a pattern in one of the last two listings: a
        broker that has just started may for a moment not list a topic whose partitions are being read.
        """

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
        self._due_s = now_s + (self._interval_s if self._is_resolved else _FIRST_RETRY_S)
        with contextlib.suppress(KafkaException):  # reported through the client's error callback
            self.refresh(client, timeout_s)
            self._due_s = self._due_at(now_s)

    def refresh(self, client: Consumer | Producer, timeout_s: float) -> None:
        """List the topics.

        Raises:
            KafkaException: the brokers did not respond in time.
        """
        # All topics, never one by name: a request for one name makes some clusters create it.
        found = client.list_topics(timeout=timeout_s).topics
        existing = {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}
        resolved = self._subscription.resolve(existing)
        if self._subscription.has_patterns:
            matched = {*self.partitions, *resolved.partitions}.difference(self._subscription.names)
            self.names = (*self._subscription.names, *sorted(matched))
        self.partitions = resolved.partitions
        self._is_resolved = True
        for topic in resolved.missing:
            self._on_missing(topic)
        for topic in self._absent.difference(resolved.missing):
            self._on_found(topic)
        self._absent = frozenset(resolved.missing)
        if self._due_s is None:
            self._due_s = self._due_at(time.monotonic())

    def _due_at(self, now_s: float) -> float | None:
        """Return when to list again; `None`: not before a topic is reported missing."""
        intervals_s = [self._interval_s] * bool(self._absent)
        intervals_s += [self._pattern_interval_s] * self._subscription.has_patterns
        return now_s + min(intervals_s) if intervals_s else None
