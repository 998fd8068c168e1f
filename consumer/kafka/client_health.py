"""Errors after which the Kafka client never works again: how they are recognised and how they are reported.

Non-obvious:

* A fatal error arrives among the records as `_FATAL`, whose `fatal()` returns False. The error behind it is only in its
  text (confluent-kafka 2.16.1). A member that treated it as an ordinary error would go on outside the group, while
  its partitions belong to another member.
* A lone broker that starts or stops reports, for a moment, that there is no broker at all. So may a cluster that starts
  as a whole. librdkafka 2.16 then drops all brokers, can lose the configured ones as well, and never contacts any again
  (https://github.com/confluentinc/librdkafka/issues/5301; reproduced: one restart in thirty). It reports no error: only
  its statistics show it. Brokers that are merely down stay in its list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaError

_SAME_INSTANCE_ID = (KafkaError(KafkaError.FENCED_INSTANCE_ID), KafkaError(KafkaError.UNRELEASED_INSTANCE_ID))
"""Two members with one `group.instance.id`. The classic protocol fences the older, the new one rejects the younger."""

STOPPING_ERRORS = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001 - librdkafka's constants begin with an underscore
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._LOG_TRUNCATION,  # noqa: SLF001
        KafkaError._BAD_MSG,  # noqa: SLF001
        KafkaError._BAD_COMPRESSION,  # noqa: SLF001
        KafkaError.INVALID_MSG,
    }
)
"""After these the next record need not be the next one of the log. The partition stops, so that nothing is skipped."""

MISSING_TOPIC_ERRORS = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
"""The topic or the partition does not exist."""


class PollError(Exception):
    """The poll thread cannot continue. The text is for an operator."""


def is_fatal(error: KafkaError) -> bool:
    """Return whether the client has stopped working for good."""
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001 - librdkafka's constants begin so


def error_name(error: KafkaError) -> str:
    """Return the client's name for an error, or for the known error behind a `_FATAL`."""
    return (_same_instance_id(error) or error).name()


def describe_fatal(error: KafkaError, group: str, properties: Mapping[str, str]) -> str:
    """Return the text that an operator reads about a fatal error."""
    same_instance_id = _same_instance_id(error)
    if same_instance_id is None:
        return f"group {group}: the Kafka client failed permanently ({error.str()}). Restart the process."
    return (
        f"group {group}: group.instance.id={properties.get('group.instance.id')} is used by another member "
        f"({same_instance_id.name()}). Use a unique id per pod. After a crash the id is free again once the session "
        "times out."
    )


def _same_instance_id(error: KafkaError) -> KafkaError | None:
    for known in _SAME_INSTANCE_ID:
        if error.code() == known.code() or (error.code() == KafkaError._FATAL and known.str() in error.str()):  # noqa: SLF001
            return known
    return None


STATISTICS_PROPERTY: Final = "statistics.interval.ms"
"""Set on every watched client, whatever its other properties: without statistics a loss is never detected."""

STATISTICS_INTERVAL_MS = "10000"
"""The interval. Each text is only searched, not parsed."""

_BROKER_SOURCES = ('"source":"learned"', '"source":"configured"')
"""The sources of a real broker. Other entries, such as a group coordinator, only point to one."""
_INTERVALS = 3
"""A client that reconnects knows no broker for a moment, and recovers by itself."""


class BrokerLossDetector:
    """Searches one client's statistics for its brokers.

    Attributes:
        brokers_lost: True once three statistics in a row have listed no broker.
    """

    def __init__(self) -> None:
        self.brokers_lost = False
        self._without_broker = 0

    def properties(self) -> dict[str, str | Callable[[str], None]]:
        """Return the properties of a watched client. Apply them last, so that no other property replaces them."""
        return {STATISTICS_PROPERTY: STATISTICS_INTERVAL_MS, "stats_cb": self.read_statistics}

    def read_statistics(self, statistics: str) -> None:
        """Search a client's statistics, which are JSON text; its `stats_cb`."""
        if any(source in statistics for source in _BROKER_SOURCES):
            self._without_broker = 0
        else:
            self._without_broker += 1
            self.brokers_lost = self._without_broker >= _INTERVALS
