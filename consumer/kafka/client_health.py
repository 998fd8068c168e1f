"""Errors after which the client never works again: how they are recognised, and what an operator is told.

Non-obvious:

* Among the records a fatal error comes as `_FATAL`, which says of itself that it is not fatal, and the error behind it
  is in its text only (confluent-kafka 2.16.1). A member that took it for one of many would go on as a ghost: outside
  the group, with its partitions another member's.
* A lone broker that starts or stops says for a moment that there is no broker at all, and a cluster that starts as a
  whole may say so, too. librdkafka 2.16 then lets all of them go, can lose those it was configured with as well, and
  asks nobody ever after (https://github.com/confluentinc/librdkafka/issues/5301; tried: one restart in thirty). It
  reports no error; only its statistics show it. While brokers are merely down they stay in its list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaError

_SAME_NAME = (KafkaError(KafkaError.FENCED_INSTANCE_ID), KafkaError(KafkaError.UNRELEASED_INSTANCE_ID))
"""Two members of one static name: the classic protocol ends the older one, the new one refuses the younger."""

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
"""After these the next record of the partition need not be the next one of the log: it stops, nothing is skipped."""

MISSING_TOPIC_ERRORS = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
"""The topic, or the partition, is not there."""


class PollError(Exception):
    """The poll thread cannot go on; the text is one sentence for a person."""


def is_fatal(error: KafkaError) -> bool:
    """Whether the client can do nothing any more."""
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001 - librdkafka's constants begin so


def error_name(error: KafkaError) -> str:
    """Return the client's name for an error, or for the one behind it."""
    return (_behind(error) or error).name()


def describe_fatal(error: KafkaError, group: str, properties: Mapping[str, str]) -> str:
    """Return what a person is told of a fatal error."""
    same_name = _behind(error)
    if same_name is None:
        return f"group {group}: the Kafka client cannot go on: {error.str()}"
    return (
        f"group {group}: there is another member of the name group.instance.id={properties.get('group.instance.id')} "
        f"({same_name.name()}): give each member a name of its own; after a crash it is free again once the session "
        "has ended"
    )


def _behind(error: KafkaError) -> KafkaError | None:
    for known in _SAME_NAME:
        if error.code() == known.code() or (error.code() == KafkaError._FATAL and known.str() in error.str()):  # noqa: SLF001
            return known
    return None


STATISTICS_PROPERTY: Final = "statistics.interval.ms"
"""Ours on every client that is looked at, whatever else it is given: without it nothing is ever seen."""

STATISTICS_INTERVAL_MS = "10000"
"""How often: the text is not parsed, only searched."""

_KNOWN = ('"source":"learned"', '"source":"configured"')
"""Where a real broker is known from; what else is listed, coordinators for instance, only points to one."""
_LOOKS = 3
"""It forgets brokers for a moment when it begins anew, and that mends itself."""


class BrokerLossDetector:
    """Looks at one client's statistics.

    Attributes:
        for_good: whether it has known of no broker three times in a row.
    """

    def __init__(self) -> None:
        self.brokers_lost = False
        self._looks = 0

    def properties(self) -> dict[str, str | Callable[[str], None]]:
        """Return what has the client looked at; given to it after all else, so that nothing replaces it."""
        return {STATISTICS_PROPERTY: STATISTICS_INTERVAL_MS, "stats_cb": self.read_statistics}

    def read_statistics(self, statistics: str) -> None:
        """Take a client's statistics, as JSON text: its `stats_cb`."""
        if any(known in statistics for known in _KNOWN):
            self._looks = 0
        else:
            self._looks += 1
            self.brokers_lost = self._looks >= _LOOKS
