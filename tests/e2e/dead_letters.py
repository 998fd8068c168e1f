"""Checks dead letters against their contract, version 1: every header, and the unchanged bytes of the original."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.e2e.kafka_io import DeadLetter
from tests.e2e.produced import Headers, OwedDelivery, ProducedRecord

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_REQUIRED = frozenset(
    {
        "cdp-dlq-version",
        "cdp-pipeline",
        "cdp-cause",
        "cdp-attempts",
        "cdp-first-failed-at",
        "cdp-last-failed-at",
        "cdp-mapping-version",
        "cdp-delivery-id",
        "cdp-original-topic",
        "cdp-original-partition",
        "cdp-original-offset",
        "cdp-original-timestamp",
        "cdp-redrives",
    }
)
_OPTIONAL = frozenset(
    {"cdp-destination", "cdp-delivery-label", "cdp-detail", "cdp-http-status", "cdp-event-type", "cdp-schema-id"}
)


def violations(dead_letter: DeadLetter, owed: OwedDelivery, sent: ProducedRecord, topic: str) -> Iterator[str]:
    """Yield every violation in the dead letter of one owed delivery."""
    where = f"dead letter of partition {owed.partition}, offset {owed.offset}"
    if dead_letter.key != sent.key or dead_letter.value != sent.value:
        yield f"{where}: its key or value differs from the record's"
    if own_headers(dead_letter.headers) != own_headers(sent.headers):
        yield f"{where}: the record's own headers have changed"
    contract_headers = [name for name, _ in dead_letter.headers if name.startswith("cdp-")]
    if len(set(contract_headers)) < len(contract_headers) or not _is_complete(set(contract_headers)):
        yield f"{where}: a header is missing, repeated, or not in the contract: {sorted(contract_headers)}"
        return
    expected: dict[str, str | None] = {
        "cdp-dlq-version": "1",
        "cdp-pipeline": owed.pipeline,
        "cdp-destination": owed.destination,
        "cdp-delivery-label": owed.label,
        "cdp-cause": owed.cause,
        "cdp-http-status": None if owed.status is None else str(owed.status),
        "cdp-event-type": owed.event_type,
        "cdp-schema-id": owed.schema_id,
        "cdp-delivery-id": owed.delivery_id,
        "cdp-original-topic": topic,
        "cdp-original-partition": str(owed.partition),
        "cdp-original-offset": str(owed.offset),
        "cdp-original-timestamp": str(sent.timestamp_ms),
        "cdp-redrives": "0",
    }
    for name, value in expected.items():
        if dead_letter.header(name) != value:
            yield f"{where}: {name} is {dead_letter.header(name)!r}, not {value!r}"
    yield from _history(dead_letter, owed, where)
    if not _SHA256.fullmatch(dead_letter.header("cdp-mapping-version") or ""):
        yield f"{where}: cdp-mapping-version is not a SHA-256"
    if sent.key and sent.key.decode() in (dead_letter.header("cdp-detail") or ""):
        yield f"{where}: cdp-detail contains the record's key"


def _history(dead_letter: DeadLetter, owed: OwedDelivery, where: str) -> Iterator[str]:
    first, last = dead_letter.header("cdp-first-failed-at") or "", dead_letter.header("cdp-last-failed-at") or ""
    if not (_INSTANT.fullmatch(first) and _INSTANT.fullmatch(last) and first <= last):
        yield f"{where}: its times are not RFC 3339, or the last failure is before the first"
    attempts = dead_letter.header("cdp-attempts") or ""
    if not attempts.isdigit() or (owed.status is not None and int(attempts) == 0):
        yield f"{where}: cdp-attempts is {attempts!r}"


def _is_complete(contract_headers: set[str]) -> bool:
    return contract_headers >= _REQUIRED and contract_headers <= _REQUIRED | _OPTIONAL


def own_headers(headers: Headers) -> Headers:
    """Return the headers of the record itself, in order."""
    return [header for header in headers if not header[0].startswith("cdp-")]
