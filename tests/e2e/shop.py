"""A shop whose every record is known beforehand: what it is, what it owes, and how that must end."""

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
"""Tags at which a server answers 400 for the whole call without saying who."""
INVALID = "invalid-copilot"
"""The tag that Copilot lists among `invalid_events`."""
OVERSIZE = "x" * 40_000
OLD_MS = 31 * 24 * 3600 * 1000
"""Older than what Copilot takes, younger than what the others mind."""
LONG_AGO_MS = 3600 * 1000
"""A record of an unknown schema is judged by its age: this is beyond any grace."""
ISOLATED = {f"cdp-{name}": (name,) for name in ("customerio", "copilot", "yotpo")}


class Shop:
    """Makes records for one topic, in order, and says for each what must become of it.

    It is the topic's only producer, so it knows every offset before there is one.

    Args:
        topic: the topic's name; events without an id of their own are called by it.
        partitions: how many it has.
        pipelines: pipeline → its destinations.
        dice: what the customers do.
        customers: how many there are, each a key.
        now_ms: the wall clock; none: ours.
    """

    def __init__(
        self,
        topic: str,
        partitions: int,
        pipelines: Mapping[str, tuple[str, ...]],
        dice: random.Random,
        *,
        customers: int = 60,
        now_ms: int | None = None,
    ) -> None:
        self.topic = topic
        self.partitions = partitions
        self.records: list[ProducedRecord] = []
        self._pipelines = pipelines
        self._of = {destination: name for name, members in pipelines.items() for destination in members}
        self._dice = dice
        self._customers = [f"customer-{number:03}" for number in range(customers)]
        self._now_ms = int(time.time() * 1000) if now_ms is None else now_ms
        self._next = [0] * partitions

    @property
    def owed(self) -> list[OwedDelivery]:
        """Everything owed."""
        return [owed for record in self.records for owed in record.owed]

    @property
    def kinds(self) -> Counter[str]:
        """How many records there are of each kind."""
        return Counter(record.kind for record in self.records)

    def ordinary(self, count: int) -> None:
        """Make ordinary business of `count` records."""
        kinds = (self.order, self.profile, self.consent, self.merge, self.page, self.heartbeat, self.tombstone)
        for make in self._dice.choices(kinds, (50, 20, 8, 2, 14, 4, 2), k=count):
            make()

    def one_of_each_defect(self) -> None:
        """Make one record of every bad kind."""
        self.undecodable(b"", None)
        self.undecodable(b"\x07 neither frame", None)
        self.undecodable(b"\0" + IDS[ORDER].to_bytes(4, "big") + b"\x02", ORDER)
        self.unknown_schema()
        for destination in self._of:
            self.order(tag=POISON[destination], vip=True, kind=f"poison for {destination}")
        if "copilot" in self._of:
            self.order(tag=INVALID, kind="listed invalid")
            self.order(age_ms=OLD_MS, kind="out of window")
            self.order(customer="with a space", kind="breaks the contract")
        if "customerio" in self._of:
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
        """An order: a track, one more for each line, a custom event, and for a few customers Yotpo."""
        who, own = customer or self._customer(), self._uuid()
        at_ms = self._now_ms - (self._dice.randrange(60_000, 3_600_000) if age_ms is None else age_ms)
        if lines is None:
            lines = ("one", "two")[: self._dice.choices((0, 1, 2), (6, 3, 1))[0]]
        to_yotpo = self._dice.random() < 0.05 if vip is None else vip
        event = {
            "event_id": own,
            "occurred_at": at_ms,
            "customer": who,
            "tag": tag,
            "note": note,
            "total": Decimal(self._dice.randrange(100, 100_000)) / 100,
            "vip": to_yotpo,
            "lines": [{"line_id": line, "quantity": 1} for line in lines],
        }
        record = self._record(kind, who, schemas.confluent(ORDER, event))
        makes = OwedBuilder(self._pipelines, record, ORDER, who, own_id_parts(own), at_ms, str(IDS[ORDER]), own)
        large = "too_large" if note and len(note) >= len(OVERSIZE) else None
        makes.deliver(
            "customerio", "track:Order Completed", *((large, None) if large else _poisoned("customerio", tag))
        )
        seen: set[str] = set()
        for position, line in enumerate(lines):
            repeated = ("#", str(position)) if line in seen else None
            makes.deliver(
                "customerio",
                "track:Line Bought",
                "repeated_element" if repeated else None,
                element=repeated or (line,),
                mark=f"{own}:{line}",
            )
            seen.add(line)
        if age_ms is not None:
            bad: tuple[str | None, int | None] = ("out_of_window", None)
        elif " " in who:
            bad = ("contract", None)
        else:
            bad = ("refused", 200) if tag == INVALID else _poisoned("copilot", tag)
        makes.deliver("copilot", "custom_event:order_placed", *bad)
        if to_yotpo:
            makes.deliver("yotpo", "event:order_placed", *_poisoned("yotpo", tag))
        else:
            makes.skip("yotpo", "filtered")

    def profile(self) -> None:
        """A profile that changed; its schema's id stands in a header. Not everyone agrees to marketing."""
        who, own, agreed = self._customer(), self._uuid(), self._dice.choice((True, True, False, None))
        at_ms = self._now_ms - self._dice.randrange(60_000, 3_600_000)
        event = {"event_id": own, "occurred_at": at_ms, "customer": who, "tag": None, "marketing_ok": agreed}
        header: Headers = [("__value_schema_id", b"\0" + IDS[PROFILE].to_bytes(4, "big"))]
        record = self._record("profile", who, schemas.datum(PROFILE, event), header)
        makes = OwedBuilder(self._pipelines, record, PROFILE, who, own_id_parts(own), at_ms, str(IDS[PROFILE]), own)
        if agreed:
            makes.deliver("customerio", "identify")
        else:
            makes.skip("customerio", "no_consent")
        makes.deliver("copilot", "user_updated")
        makes.unmapped("yotpo")

    def consent(self) -> None:
        """A consent given or withdrawn: the endpoint that takes it knows no ids, so each is about somebody else."""
        who, own, granted = self._customer(), self._uuid(), self._dice.random() < 0.5
        at_ms = self._now_ms - self._dice.randrange(60_000, 3_600_000)
        subject = f"subject-{own}"
        event = {"event_id": own, "occurred_at": at_ms, "customer": who, "subject": subject, "granted": granted}
        record = self._record("consent", who, schemas.confluent(CONSENT, event))
        makes = OwedBuilder(self._pipelines, record, CONSENT, who, own_id_parts(own), at_ms, str(IDS[CONSENT]), own)
        makes.deliver("copilot", "consent", kept_as=consent_id(subject, granted))
        makes.deliver("customerio", "unsubscribed")
        makes.unmapped("yotpo")

    def merge(self) -> None:
        """Two accounts that were one, in single-object encoding: a call that no batch can carry."""
        who, own = self._customer(), self._uuid()
        at_ms = self._now_ms - self._dice.randrange(60_000, 3_600_000)
        event = {"event_id": own, "occurred_at": at_ms, "customer": who}
        record = self._record("merge", who, schemas.single_object(MERGE, event))
        who_id = own_id_parts(own)
        makes = OwedBuilder(self._pipelines, record, MERGE, who, who_id, at_ms, schemas.fingerprint(MERGE), own)
        makes.deliver("customerio", "alias")
        makes.unmapped("copilot", "yotpo")

    def page(self) -> None:
        """A page seen by somebody unknown: no id, no time and no key of its own."""
        who, ref = self._customer(), self._uuid()
        record = self._record("page", who, schemas.confluent(PAGE, {"cookie": who, "ref": ref}))
        place = coordinates_parts(self.topic, record.partition, record.offset)
        makes = OwedBuilder(self._pipelines, record, PAGE, who, place, record.timestamp_ms, str(IDS[PAGE]), ref)
        makes.deliver("customerio", "page:Shop")
        makes.unmapped("copilot", "yotpo")

    def heartbeat(self) -> None:
        """An event that no mapping speaks of."""
        record = self._record("unmapped", self._customer(), schemas.confluent(BEAT, {"occurred_at": self._now_ms}))
        self._all_skip(record, "no_mapping")

    def tombstone(self) -> None:
        """A null value."""
        self._all_skip(self._record("tombstone", self._customer(), None), "tombstone")

    def undecodable(self, value: bytes, event_type: str | None) -> None:
        """Bytes that are no event; `event_type` is what their frame promises."""
        record = self._record("undecodable", self._customer(), value, [("trace", b"\xff\0raw"), ("cdp-cause", b"mine")])
        self._letters(record, "undecodable", event_type, None if event_type is None else str(IDS[event_type]))

    def unknown_schema(self) -> None:
        """A record of a schema that the registry has never heard of, and old enough to be sure."""
        value = b"\0" + (99_999).to_bytes(4, "big") + b"\x02"
        record = self._record("unknown schema", self._customer(), value, age_ms=LONG_AGO_MS)
        self._letters(record, "unknown_schema", None, "99999")

    # ── how they are made ──

    def _customer(self) -> str:
        return self._dice.choice(self._customers)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))

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

    def _letters(self, record: ProducedRecord, cause: str, event_type: str | None, schema_id: str | None) -> None:
        place = coordinates_parts(self.topic, record.partition, record.offset)
        name = delivery_digest("", "", "", place).hex()
        at, last = (record.partition, record.offset, 0), (event_type, schema_id)
        record.owed += [
            OwedDelivery(one, None, None, name, "", "", *at, b"", cause, None, *last) for one in self._pipelines
        ]


def _poisoned(destination: str, tag: str | None) -> tuple[str | None, int | None]:
    return ("refused", 400) if tag == POISON[destination] else (None, None)
