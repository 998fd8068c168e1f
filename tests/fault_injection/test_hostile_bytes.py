"""Hostile bytes, end to end: a member reads damaged and malicious records among good ones, and continues."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from consumer.demo.registry import SchemaRegistry
from tests.e2e import accounting, oracle, schemas
from tests.e2e.evidence import gather
from tests.e2e.member import Member
from tests.e2e.produced import Headers
from tests.e2e.schemas import IDS, ORDER
from tests.e2e.shop import ISOLATED
from tests.e2e.world import World
from tests.fault_injection.canary_search import SHOP_CANARIES, SearchedOutput
from tests.fault_injection.order_producer import OrderProducer
from tests.kafka_clusters import RealBroker
from tests.unit.avro_bomb import HUGE, LOWEST, array, record
from tests.unit.avro_bomb_cases import chain, doubling

_BAD_RECORDS = 300
_GOOD_PER_BAD = 2
"""Good records per bad one, so that undecodable records do not trip the flood guard."""

# Each has the name of an event type of the mapping, so that its records are decoded.
_CHAIN, _EMPTIES, _NULLS, _LARGE, _DEEP, _NO_SCHEMA, _COLLIDES = range(901, 908)
_BOMBS: dict[int, object] = {
    _CHAIN: record(ORDER, event_id=["null", "string"], next=["null", ORDER]),
    _EMPTIES: [*doubling(40, record("bomb.R0"), "bomb."), record(ORDER, event_id="bomb.R39")],
    _NULLS: record(ORDER, event_id=["null", "string"], lines=array("null")),
    _LARGE: {**record(ORDER, event_id="string"), "doc": "x" * 2_000_000},
    _DEEP: [*chain(2_000, "int"), record(ORDER, event_id="R1999")],
    _NO_SCHEMA: ["no", {"schema": ["at all"]}],
    _COLLIDES: record(ORDER, a=record("shop.A", x="int"), b=record("shop.A", x="string")),
}
_TIMEOUT_S = 12.0
"""While a schema is parsed, no response is read. On a slow machine this must not cause timeouts."""

_MANY_HEADERS: Headers = [
    *((f"header-{number}", b"\xff\x00 raw") for number in range(1_000)),
    ("huge", b"\xff" * 200_000),
]


def _framed(number: int, datum: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + datum


_DATA: tuple[tuple[int, bytes, str | None], ...] = (
    (_CHAIN, b"\x00" + b"\x02\x00" * 50_000 + b"\x00", ORDER),
    (_EMPTIES, b"\x50", ORDER),
    (_NULLS, b"\x00" + HUGE, ORDER),
    (_NULLS, b"\x00" + LOWEST + b"\x00", ORDER),
    (_LARGE, b"\x02a", None),
    (_DEEP, b"\xa0\x1f\x02", None),  # its last branch: an unused branch would be skipped
    (_NO_SCHEMA, b"\x02", None),
    (_COLLIDES, b"\x02", None),
)


class _HostileRecords:
    """Creates random records that cannot be decoded."""

    def __init__(self, producer: OrderProducer, generator: random.Random) -> None:
        self._producer = producer
        self._random = generator

    def make(self, number: int) -> None:
        """Create record `number`; the kinds take turns."""
        kinds = (self._cut, self._longer, self._length, self._noise, self._producer.unknown_schema)
        kind = number % (len(kinds) + len(_DATA))
        if kind < len(kinds):
            kinds[kind]()
        else:
            self._bomb(*_DATA[kind - len(kinds)])
        if number % 50 == 0:
            self._producer.records[-1].headers.extend(_MANY_HEADERS)

    def _cut(self) -> None:
        good = self._good()
        self._order(good[: self._random.randrange(len(good))])

    def _longer(self) -> None:
        self._order(self._good() + self._random.randbytes(self._random.randrange(1, 200)))

    def _length(self) -> None:
        self._order(self._random.choice((HUGE, LOWEST, b"\x01", b"\xff" * 50)) + self._good())

    def _noise(self) -> None:
        first = self._random.choice([byte for byte in range(256) if byte not in {0x00, 0xC3}])
        self._producer.undecodable(bytes([first]) + self._random.randbytes(self._random.randrange(500)), None)

    def _bomb(self, number: int, datum: bytes, event_type: str | None) -> None:
        self._producer.undecodable(_framed(number, datum), event_type)
        created = self._producer.records[-1]
        created.owed = [replace(one, schema_id=str(number)) for one in created.owed]

    def _order(self, datum: bytes) -> None:
        self._producer.undecodable(_framed(IDS[ORDER], datum), ORDER)

    def _good(self) -> bytes:
        event: dict[str, Any] = {
            "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "occurred_at": self._random.getrandbits(40),
            "customer": "customer-0-secret",
            "tag": None,
            "note": "customer-0-secret",
            "total": Decimal(1),
            "vip": True,
            "lines": [{"line_id": "one", "quantity": 1}] * 3,
        }
        return schemas.datum(ORDER, event)


@pytest.mark.timeout(900)
def test_hostile_records_are_dead_lettered_unchanged(apache_broker: RealBroker, tmp_path: Path) -> None:
    """Each dead letter has the original bytes and headers, and every good record is delivered."""
    world = World(apache_broker, tmp_path, ISOLATED)
    texts: dict[int, object] = {IDS[name]: schema for name, schema in schemas.SCHEMAS.items() if name != schemas.MERGE}
    world.registry.close()
    world.registry = SchemaRegistry(schemas.registered({**texts, **_BOMBS}))
    with world:
        world.configure(timeout_s=_TIMEOUT_S)
        producer, output = OrderProducer(world, 71), SearchedOutput()
        hostile = _HostileRecords(producer, random.Random(72))
        for number in range(_BAD_RECORDS):
            hostile.make(number)
            producer.ordinary(_GOOD_PER_BAD)
            if number % 50 == 0:
                producer.order()
                producer.records[-1].headers.extend(_MANY_HEADERS)
        with world.member() as member:
            member.wait_for_partitions(world.partitions)
            producer.produce()
            producer.wait_until_delivered(within_s=120)
            member.wait_until(lambda: _settled(member, len(producer.records)), 180, "records are still open")
            differences = accounting.differences(producer.records, member.status(), member.metrics())
            output.pages(member)
            assert member.stop() == 0
        output.files(world.folder)
        evidence = gather(world, timeout_s=_TIMEOUT_S)
        print(f"\n{len(producer.records)} records: {dict(producer.kinds)}; dead letters: {len(evidence.dead_letters)}")
        assert oracle.violations(producer.records, evidence) == []
        assert differences == []
        assert "log" in output.channels
        assert output.leaks(SHOP_CANARIES) == []


def _settled(member: Member, count: int) -> bool:
    """Return True if every pipeline has settled this many records."""
    return all(pipeline["records"]["settled"] == count for pipeline in member.status().values())
