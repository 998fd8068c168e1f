"""Hand-made evidence of a faultless run. The oracle's own tests change it in one place each."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable

from consumer.demo.fakes.recorder import Arrival, ReceivedRequest
from tests.e2e.evidence import Evidence
from tests.e2e.kafka_io import DeadLetter
from tests.e2e.produced import OwedDelivery, ProducedRecord
from tests.e2e.shop import ISOLATED, Shop

_NAMES = ("customerio", "copilot", "yotpo")


def small_shop() -> Shop:
    shop = Shop("events", 4, ISOLATED, random.Random(5), customers=6, now_ms=1_790_000_000_000)
    shop.ordinary(60)
    shop.one_of_each_defect()
    return shop


def request_of(
    number: int, owed: Iterable[OwedDelivery], started: float, ended: float, status: int | None = 200
) -> ReceivedRequest:
    ids = tuple(one.stored_id for one in owed)
    return ReceivedRequest(number, "POST", "/", status, started, ended, len(ids), 100, ids, None)


def arrival(one: OwedDelivery, request: int, at: float) -> Arrival:
    return Arrival(one.stored_id, "", None, None, {}, at, request, b"{" + one.marker + b"}")


def dead_letter_of(one: OwedDelivery, sent: ProducedRecord) -> DeadLetter:
    headers = {
        "cdp-dlq-version": "1",
        "cdp-pipeline": one.pipeline,
        "cdp-destination": one.destination,
        "cdp-delivery-label": one.label,
        "cdp-cause": one.cause,
        "cdp-http-status": None if one.status is None else str(one.status),
        "cdp-attempts": "1",
        "cdp-first-failed-at": "2026-11-01T00:00:00.000Z",
        "cdp-last-failed-at": "2026-11-01T00:00:01.000Z",
        "cdp-event-type": one.event_type,
        "cdp-schema-id": one.schema_id,
        "cdp-mapping-version": "0" * 64,
        "cdp-delivery-id": one.delivery_id,
        "cdp-original-topic": "events",
        "cdp-original-partition": str(one.partition),
        "cdp-original-offset": str(one.offset),
        "cdp-original-timestamp": str(sent.timestamp_ms),
        "cdp-redrives": "0",
    }
    own = [header for header in sent.headers if not header[0].startswith("cdp-")]
    return DeadLetter(
        sent.key, sent.value, own + [(name, text.encode()) for name, text in headers.items() if text is not None]
    )


def faultless_evidence(shop: Shop) -> Evidence:
    """Return the evidence of a faultless run: one request for each delivery, one after another."""
    arrivals: dict[str, list[Arrival]] = {name: [] for name in _NAMES}
    requests: dict[str, list[ReceivedRequest]] = {name: [] for name in _NAMES}
    now = 0.0
    for one in shop.owed:
        if one.destination is not None and one.cause is None:
            number = len(requests[one.destination]) + 1
            requests[one.destination].append(request_of(number, [one], now, now + 0.5))
            arrivals[one.destination].append(arrival(one, number, now + 0.4))
            now += 1.0
    ends = dict.fromkeys(range(4), 0)
    for record in shop.records:
        ends[record.partition] = record.offset + 1
    dead_letters = [dead_letter_of(one, record) for record in shop.records for one in record.owed if one.cause]
    return Evidence("events", arrivals, requests, dead_letters, ends, {name: dict(ends) for name in ISOLATED})


def changed(evidence: Evidence, **changes: object) -> Evidence:
    return dataclasses.replace(evidence, **changes)  # type: ignore[arg-type]
