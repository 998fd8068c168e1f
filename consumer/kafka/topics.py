"""Which topics a subscription means, and which of them are not there."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Consumer, KafkaException, Producer


def matches(topics: Iterable[str], name: str) -> bool:
    """Whether a subscription, of names and of regular expressions beginning with `^`, takes in this topic."""
    return any(_pattern(topic).match(name) if topic.startswith("^") else topic == name for topic in topics)


def matching(topics: Iterable[str], existing: Mapping[str, int]) -> dict[str, int]:
    """Return the existing topics of a subscription with their numbers of partitions."""
    wanted = tuple(topics)
    return {name: partitions for name, partitions in existing.items() if matches(wanted, name)}


def missing(topics: Iterable[str], existing: Iterable[str]) -> list[str]:
    """Return what of a subscription is not there: names without a topic, patterns that match none."""
    names = tuple(existing)
    return [topic for topic in topics if not any(matches((topic,), name) for name in names)]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        return _NOTHING  # librdkafka has its own dialect and its own complaint


_NOTHING = re.compile(r"(?!)")


class TopicWatch:
    """What is known of the subscribed topics; asks again while one of them is missing.

    Args:
        topics: the subscription.
        missed: told each topic (or pattern) that is not there, whenever it was looked for in vain.
        found: told each of those once it is there.
        every_s: the least time between two looks, in seconds.
    """

    def __init__(
        self,
        topics: tuple[str, ...],
        on_missing: Callable[[str], None],
        on_found: Callable[[str], None],
        interval_s: float = 30.0,
    ) -> None:
        self._topics = topics
        self._missed = on_missing
        self._found = on_found
        self._every_s = interval_s
        self._absent: set[str] = set()
        self._next_s: float | None = 0.0
        self.partitions: dict[str, int] = {}
        """The subscribed topics that exist, with their numbers of partitions, as last seen."""

    @property
    def total(self) -> int:
        """Partitions of all subscribed topics, as far as known."""
        return sum(self.partitions.values())

    def report_missing(self) -> None:
        """Look at the next turn: the client says that a topic is not there."""
        if self._next_s is None:
            self._next_s = 0.0

    def refresh_soon(self) -> None:
        """Look at the next turn, however short ago the last look was."""
        self._next_s = 0.0

    def refresh_if_due(self, client: Consumer | Producer, now_s: float, timeout_s: float) -> None:
        """Look, if something is missing and it is time."""
        if self._next_s is None or now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s  # also if the brokers do not answer: a thread that only asks does not poll
        with contextlib.suppress(KafkaException):  # reported through the client's error callback
            self.refresh(client, timeout_s)

    def refresh(self, client: Consumer | Producer, timeout_s: float) -> None:
        """Ask which topics exist.

        Raises:
            KafkaException: the brokers did not answer in time.
        """
        # All topics, never one by name: asking for a name makes some clusters create it.
        found = client.list_topics(timeout=timeout_s).topics
        existing = {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}
        self.partitions = matching(self._topics, existing)
        absent = missing(self._topics, existing)
        for topic in absent:
            self._missed(topic)
        for topic in self._absent.difference(absent):
            self._found(topic)
        self._absent = set(absent)
        if not absent:
            self._next_s = None
        elif self._next_s is None:
            self._next_s = time.monotonic() + self._every_s
