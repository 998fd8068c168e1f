"""The headers of a dead letter: the dead-letter contract, version 1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from consumer.model import DeadLetter, DeadLetterCause, Message, record_timestamp_ms

Headers: TypeAlias = list[tuple[str, bytes | None]]

VERSION = "1"
PREFIX = "cdp-"
REDRIVES = "cdp-redrives"
CONNECT_PREFIX = "__connect.errors."

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def headers_of(
    dead_letter: DeadLetter,
    pipeline: str,
    mapping_version: str,
    *,
    value_omitted: bool = False,
    own_headers_only: bool = False,
    connect_headers: bool = False,
) -> Headers:
    """Return a dead letter's headers: the original's, in order and unchanged, then ours.

    Headers of the original that begin with `cdp-` are replaced; the count in `cdp-redrives` is kept. All of ours are
    UTF-8 text. `cdp-original-timestamp` is epoch milliseconds, as in Kafka, and absent if the record has no timestamp.
    The times of the failures are RFC 3339.

    Args:
        dead_letter: the delivery, or the undecodable record.
        pipeline: the name of its pipeline.
        mapping_version: SHA-256 of the mapping.
        value_omitted: whether the value does not fit the topic. The original's coordinates locate it.
        own_headers_only: whether the original's headers are left out as well, because they do not fit either.
        connect_headers: whether to write the names of Kafka Connect's dead-letter queue (KIP-298) as well.
    """
    message = dead_letter.message
    original = message.headers() or []
    replaced = (PREFIX, CONNECT_PREFIX) if connect_headers else (PREFIX,)
    kept = [header for header in original if not own_headers_only and not header[0].startswith(replaced)]
    texts = _contract(dead_letter, pipeline, mapping_version, _redrives(original))
    if value_omitted:
        texts["cdp-value-omitted"] = "true"
    if connect_headers:
        texts |= _connect(dead_letter, pipeline)
    return kept + [(name, text.encode()) for name, text in texts.items()]


def _contract(dead_letter: DeadLetter, pipeline: str, mapping_version: str, redrives: str) -> dict[str, str]:
    message, fault, entry = dead_letter.message, dead_letter.fault, dead_letter.entry
    texts = {"cdp-dlq-version": VERSION, "cdp-pipeline": pipeline}
    if entry is not None:
        texts |= {"cdp-destination": entry.destination, "cdp-delivery-label": entry.label}
    texts["cdp-cause"] = str(fault.cause)
    if fault.detail:
        texts["cdp-detail"] = fault.detail
    if fault.status is not None:
        texts["cdp-http-status"] = str(fault.status)
    texts |= {
        "cdp-attempts": str(dead_letter.attempts),
        "cdp-first-failed-at": _rfc3339(dead_letter.first_failed_ms),
        "cdp-last-failed-at": _rfc3339(dead_letter.last_failed_ms),
    }
    if dead_letter.event_type is not None:
        texts["cdp-event-type"] = dead_letter.event_type
    if dead_letter.schema_id is not None:
        texts["cdp-schema-id"] = dead_letter.schema_id
    return texts | {
        "cdp-mapping-version": mapping_version,
        "cdp-delivery-id": dead_letter.delivery_id,
        "cdp-original-topic": message.topic(),
        "cdp-original-partition": str(message.partition()),
        "cdp-original-offset": str(message.offset()),
        **_original_timestamp(message),
        REDRIVES: redrives,
    }


def _original_timestamp(message: Message) -> dict[str, str]:
    timestamp_ms = record_timestamp_ms(message)
    return {} if timestamp_ms is None else {"cdp-original-timestamp": str(timestamp_ms)}


def _connect(dead_letter: DeadLetter, pipeline: str) -> dict[str, str]:
    """Return Kafka Connect's headers: the stage is the nearest of Connect's, and the cause stands in for the class."""
    message, fault = dead_letter.message, dead_letter.fault
    texts = {
        "topic": message.topic(),
        "partition": str(message.partition()),
        "offset": str(message.offset()),
        "connector.name": pipeline,
        "stage": "VALUE_CONVERTER"
        if fault.cause in (DeadLetterCause.UNDECODABLE, DeadLetterCause.UNKNOWN_SCHEMA)
        else "TASK_PUT",
        "exception.class.name": str(fault.cause),
    }
    if fault.detail:
        texts["exception.message"] = fault.detail
    return {CONNECT_PREFIX + name: text for name, text in texts.items()}


def _redrives(original: Headers) -> str:
    """Return the number of redrives from the record's own header, `0` if it is no number."""
    for name, value in reversed(original):
        if name == REDRIVES and value is not None and value.isdigit():
            return value.decode()
    return "0"


def _rfc3339(time_ms: int) -> str:
    instant = _EPOCH + timedelta(milliseconds=time_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
