"""What a dead letter says about itself: the headers of the dead-letter contract, version 1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from consumer.model import DeadLetter, DeadLetterCause

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
    """Return a letter's headers: the original's, in order and untouched, then ours.

    Headers of the original that begin with `cdp-` are replaced; `cdp-redrives` is carried over. All of ours are UTF-8
    text. `cdp-original-timestamp` is epoch milliseconds, as Kafka has it; the times of the failures are RFC 3339.

    Args:
        dead_letter: the delivery, or the undecodable record.
        pipeline: whose letter it is.
        mapping_version: SHA-256 of the mapping.
        value_omitted: the value would not fit the topic: the letter has the original's coordinates only.
        own_headers_only: leave out the original's headers, too: without its value the letter still would not fit.
        connect_headers: also write the names of Kafka Connect's dead-letter queue (KIP-298).
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


def _contract(letter: DeadLetter, pipeline: str, mapping_version: str, redrives: str) -> dict[str, str]:
    message, fault, entry = letter.message, letter.fault, letter.entry
    texts = {"cdp-dlq-version": VERSION, "cdp-pipeline": pipeline}
    if entry is not None:
        texts |= {"cdp-destination": entry.destination, "cdp-delivery-label": entry.label}
    texts["cdp-cause"] = str(fault.cause)
    if fault.detail:
        texts["cdp-detail"] = fault.detail
    if fault.status is not None:
        texts["cdp-http-status"] = str(fault.status)
    texts |= {
        "cdp-attempts": str(letter.attempts),
        "cdp-first-failed-at": _rfc3339(letter.first_failed_ms),
        "cdp-last-failed-at": _rfc3339(letter.last_failed_ms),
    }
    if letter.event_type is not None:
        texts["cdp-event-type"] = letter.event_type
    if letter.schema_id is not None:
        texts["cdp-schema-id"] = letter.schema_id
    return texts | {
        "cdp-mapping-version": mapping_version,
        "cdp-delivery-id": letter.delivery_id,
        "cdp-original-topic": message.topic(),
        "cdp-original-partition": str(message.partition()),
        "cdp-original-offset": str(message.offset()),
        "cdp-original-timestamp": str(message.timestamp()[1]),
        REDRIVES: redrives,
    }


def _connect(letter: DeadLetter, pipeline: str) -> dict[str, str]:
    """Return Kafka Connect's names, with our words for what has no stage or class here."""
    message, fault = letter.message, letter.fault
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
    """Return how often the record was redriven: what it says of itself, if that is a number."""
    for name, value in reversed(original):
        if name == REDRIVES and value is not None and value.isdigit():
            return value.decode()
    return "0"


def _rfc3339(time_ms: int) -> str:
    instant = _EPOCH + timedelta(milliseconds=time_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
