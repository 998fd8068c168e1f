"""Errors after which the client never works again: how they are known, and what a person is told.

Non-obvious: among the records a fatal error comes as `_FATAL`, which says of itself that it is not fatal, and the
error behind it stands in its text only (confluent-kafka 2.16.1). A member that took it for one of many would go on as a
ghost: outside the group, with its partitions another member's.
"""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError

_SAME_NAME = (KafkaError(KafkaError.FENCED_INSTANCE_ID), KafkaError(KafkaError.UNRELEASED_INSTANCE_ID))
"""Two members of one static name: the classic protocol ends the older one, the new one refuses the younger."""

STOPS = frozenset(
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

NO_TOPIC = frozenset(
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


def name_of(error: KafkaError) -> str:
    """Return the client's name for an error, or for the one behind it."""
    return (_behind(error) or error).name()


def in_words(error: KafkaError, group: str, properties: Mapping[str, str]) -> str:
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
