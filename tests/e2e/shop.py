"""A shop that makes records with known offsets, owed deliveries and outcomes."""

from __future__ import annotations

import random
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from consumer.demo.fakes.copilot import consent_id
from consumer.demo.oracle import coordinates_parts, delivery_digest, own_id_parts
from tests.e2e import schemas
from tests.e2e.owed_builder import OwedBuilder
from tests.e2e.produced import Headers, OwedDelivery, ProducedRecord
from tests.e2e.schemas import BEAT, CONSENT, IDS, MERGE, ORDER, PAGE, PROFILE

POISON = {name: f"poison-{name}" for name in ("customerio", "copilot", "yotpo")}
"""Tags for which a server responds 400 to the whole request without naming the event."""
INVALID = "invalid-copilot"
"""The tag that Copilot lists among `invalid_events`."""
OVERSIZE = "x" * 40_000
OLD_MS = 31 * 24 * 3600 * 1000
"""Older than Copilot accepts, accepted by the others."""
LONG_AGO_MS = 3600 * 1000
"""Older than any `schemas.grace`: a record of an unknown schema is dead-lettered at once."""
ISOLATED = {f"cdp-{name}": (name,) for name in ("customerio", "copilot", "yotpo")}


class Shop:
    """Makes records for one topic, in order, each with its expected outcomes.

    It is the topic's only producer, so it knows every offset in advance.

    Args:
        topic: the topic's name, which is part of the id of events without an own id.
        partitions: its number of partitions.
        pipelines: pipeline → its destinations.
        rng: makes the random choices.
        customers: the number of customers. Each is a key.
        now_ms: the time of the records, epoch milliseconds; `None` = now.
    """

    def __init__(
        self,
        topic: str,
        partitions: int,
        pipelines: Mapping[str, tuple[str, ...]],
        rng: random.Random,
        *,
        customers: int = 60,
        now_ms: int | None = None,
    ) -> None:
        self.topic = topic
        self.partitions = partitions
        self.records: list[ProducedRecord] = []
        self._pipelines = pipelines
        self._pipeline_of = {destination: name for name, members in pipelines.items() for destination in members}
        self._rng = rng
        self._customers = [f"customer-{number:03}" for number in range(customers)]
        self._now_ms = int(time.time() * 1000) if now_ms is None else now_ms
        self._next = [0] * partitions

    @property
    def owed(self) -> list[OwedDelivery]:
        """All owed deliveries."""
        return [owed for record in self.records for owed in record.owed]

    @property
    def kinds(self) -> Counter[str]:
        """The number of records of each kind."""
        return Counter(record.kind for record in self.records)

    def ordinary(self, count: int) -> None:
        """Make `count` records without a defect."""
        kinds = (self.order, self.profile, self.consent, self.merge, self.page, self.heartbeat, self.tombstone)
        for make in self._rng.choices(kinds, (50, 20, 8, 2, 14, 4, 2), k=count):
            make()

    def one_of_each_defect(self) -> None:
        """Make one record with each kind of defect."""
        self.undecodable(b"", None)
        self.undecodable(b"\x07 neither frame", None)
        self.undecodable(b"\0" + IDS[ORDER].to_bytes(4, "big") + b"\x02", ORDER)
        self.unknown_schema()
        for destination in self._pipeline_of:
            self.order(tag=POISON[destination], vip=True, kind=f"poison for {destination}")
        if "copilot" in self._pipeline_of:
            self.order(tag=INVALID, kind="listed invalid")
            self.order(age_ms=OLD_MS, kind="out of window")
            self.order(customer="with a space", kind="breaks the contract")
        if "customerio" in self._pipeline_of:
            self.order(note=OVERSIZE, kind="oversize")
            self.order(lines=("one", "two", "one"), kind="repeated element")

    # ── kinds of records ──

    def order(
        self,
        *,
        kind: str = "order",
        customer: str | None = None,
        tag: str | None = None,
        note: str | None = None,
        lines: tuple[str, ...] | None = None,
        vip: bool | None = None,
        age_ms: int | None = None,
    ) -> None:
        """An order: a track call, one more for each line, a custom event, and for a few customers a Yotpo event."""
        customer_id, own = customer or self._customer(), self._uuid()
        at_ms = self._now_ms - (self._rng.randrange(60_000, 3_600_000) if age_ms is None else age_ms)
        if lines is None:
            lines = ("one", "two")[: self._rng.choices((0, 1, 2), (6, 3, 1))[0]]
        to_yotpo = self._rng.random() < 0.05 if vip is None else vip
        event = {
            "event_id": own,
            "occurred_at": at_ms,
            "customer": customer_id,
            "tag": tag,
            "note": note,
            "total": Decimal(self._rng.randrange(100, 100_000)) / 100,
            "vip": to_yotpo,
            "lines": [{"line_id": line, "quantity": 1} for line in lines],
        }
        record = self._record(kind, customer_id, schemas.confluent(ORDER, event))
        builder = OwedBuilder(
            self._pipelines, record, ORDER, customer_id, own_id_parts(own), at_ms, str(IDS[ORDER]), own
        )
        large = "too_large" if note and len(note) >= len(OVERSIZE) else None
        builder.deliver(
            "customerio", "track:Order Completed", *((large, None) if large else _poisoned("customerio", tag))
        )
        seen: set[str] = set()
        for position, line in enumerate(lines):
            repeated = ("#", str(position)) if line in seen else None
            builder.deliver(
                "customerio",
                "track:Line Bought",
                "repeated_element" if repeated else None,
                element=repeated or (line,),
                marker=f"{own}:{line}",
            )
            seen.add(line)
        if age_ms is not None:
            bad: tuple[str | None, int | None] = ("out_of_window", None)
        elif " " in customer_id:
            bad = ("contract", None)
        else:
            bad = ("refused", 200) if tag == INVALID else _poisoned("copilot", tag)
        builder.deliver("copilot", "custom_event:order_placed", *bad)
        if to_yotpo:
            builder.deliver("yotpo", "event:order_placed", *_poisoned("yotpo", tag))
        else:
            builder.skip("yotpo", "filtered")

    def profile(self) -> None:
        """A changed profile, with the schema id in a header. Some customers have not consented to marketing."""
        customer_id, own, agreed = self._customer(), self._uuid(), self._rng.choice((True, True, False, None))
        at_ms = self._now_ms - self._rng.randrange(60_000, 3_600_000)
        event = {"event_id": own, "occurred_at": at_ms, "customer": customer_id, "tag": None, "marketing_ok": agreed}
        header: Headers = [("__value_schema_id", b"\0" + IDS[PROFILE].to_bytes(4, "big"))]
        record = self._record("profile", customer_id, schemas.datum(PROFILE, event), header)
        builder = OwedBuilder(
            self._pipelines, record, PROFILE, customer_id, own_id_parts(own), at_ms, str(IDS[PROFILE]), own
        )
        if agreed:
            builder.deliver("customerio", "identify")
        else:
            builder.skip("customerio", "no_consent")
        builder.deliver("copilot", "user_updated")
        builder.unmapped("yotpo")

    def consent(self) -> None:
        """A given or withdrawn consent. Its endpoint takes no id, so each one has a new subject."""
        customer_id, own, granted = self._customer(), self._uuid(), self._rng.random() < 0.5
        at_ms = self._now_ms - self._rng.randrange(60_000, 3_600_000)
        subject = f"subject-{own}"
        event = {"event_id": own, "occurred_at": at_ms, "customer": customer_id, "subject": subject, "granted": granted}
        record = self._record("consent", customer_id, schemas.confluent(CONSENT, event))
        builder = OwedBuilder(
            self._pipelines, record, CONSENT, customer_id, own_id_parts(own), at_ms, str(IDS[CONSENT]), own
        )
        builder.deliver("copilot", "consent", stored_id=consent_id(subject, granted))
        builder.deliver("customerio", "unsubscribed")
        builder.unmapped("yotpo")

    def merge(self) -> None:
        """Two merged accounts, in single-object encoding: a call that is not allowed in a batch."""
        customer_id, own = self._customer(), self._uuid()
        at_ms = self._now_ms - self._rng.randrange(60_000, 3_600_000)
        event = {"event_id": own, "occurred_at": at_ms, "customer": customer_id}
        record = self._record("merge", customer_id, schemas.single_object(MERGE, event))
        event_parts = own_id_parts(own)
        builder = OwedBuilder(
            self._pipelines, record, MERGE, customer_id, event_parts, at_ms, schemas.fingerprint(MERGE), own
        )
        builder.deliver("customerio", "alias")
        builder.unmapped("copilot", "yotpo")

    def page(self) -> None:
        """A page viewed by an unknown visitor: without an own id, time and key."""
        customer_id, ref = self._customer(), self._uuid()
        record = self._record("page", customer_id, schemas.confluent(PAGE, {"cookie": customer_id, "ref": ref}))
        place = coordinates_parts(self.topic, record.partition, record.offset)
        builder = OwedBuilder(
            self._pipelines, record, PAGE, customer_id, place, record.timestamp_ms, str(IDS[PAGE]), ref
        )
        builder.deliver("customerio", "page:Shop")
        builder.unmapped("copilot", "yotpo")

    def heartbeat(self) -> None:
        """An event without a mapping entry."""
        record = self._record("unmapped", self._customer(), schemas.confluent(BEAT, {"occurred_at": self._now_ms}))
        self._all_skip(record, "no_mapping")

    def tombstone(self) -> None:
        """A null value."""
        self._all_skip(self._record("tombstone", self._customer(), None), "tombstone")

    def undecodable(self, value: bytes, event_type: str | None) -> None:
        """Bytes that are no event. `event_type` is the type that their schema id names."""
        record = self._record("undecodable", self._customer(), value, [("trace", b"\xff\0raw"), ("cdp-cause", b"mine")])
        self._dead_letters(record, "undecodable", event_type, None if event_type is None else str(IDS[event_type]))

    def unknown_schema(self) -> None:
        """A record whose schema id is not registered, older than the grace."""
        value = b"\0" + (99_999).to_bytes(4, "big") + b"\x02"
        record = self._record("unknown schema", self._customer(), value, age_ms=LONG_AGO_MS)
        self._dead_letters(record, "unknown_schema", None, "99999")

    # ── helpers ──

    def _customer(self) -> str:
        return self._rng.choice(self._customers)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _record(
        self, kind: str, key: str, value: bytes | None, headers: Headers | None = None, age_ms: int = 0
    ) -> ProducedRecord:
        partition = zlib.crc32(key.encode()) % self.partitions
        offset = self._next[partition]
        self._next[partition] += 1
        record = ProducedRecord(kind, partition, offset, key.encode(), value, headers or [], self._now_ms - age_ms)
        self.records.append(record)
        return record

    def _all_skip(self, record: ProducedRecord, reason: str) -> None:
        for pipeline in self._pipelines:
            record.skips[pipeline, "none", reason] += 1

    def _dead_letters(self, record: ProducedRecord, cause: str, event_type: str | None, schema_id: str | None) -> None:
        place = coordinates_parts(self.topic, record.partition, record.offset)
        delivery_id = delivery_digest("", "", "", place).hex()
        at, last = (record.partition, record.offset, 0), (event_type, schema_id)
        record.owed += [
            OwedDelivery(one, None, None, delivery_id, "", "", *at, b"", cause, None, *last) for one in self._pipelines
        ]


def _poisoned(destination: str, tag: str | None) -> tuple[str | None, int | None]:
    return ("refused", 400) if tag == POISON[destination] else (None, None)
