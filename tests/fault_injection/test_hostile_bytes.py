"""Hostile bytes, end to end: a member is fed damaged and malicious records among good ones, and goes on."""

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
from tests.fault_injection.canary_search import OF_THE_SHOP, SearchedOutput
from tests.fault_injection.order_producer import OrderProducer
from tests.kafka_clusters import RealBroker
from tests.unit.avro_bomb import HUGE, LOWEST, array, record
from tests.unit.avro_bomb_cases import chain, doubling

_BAD = 300
_GOOD_FOR_EACH = 2
"""Good records for each bad one: the guard against floods of undecodable ones must have no reason to close."""

# Each is called like the event that the mapping knows, so that its records are decoded.
_CHAIN, _EMPTIES, _NULLS, _LARGE, _DEEP, _NO_SCHEMA, _COLLIDES = range(901, 908)
_BOMBS: dict[int, object] = {
    _CHAIN: record(ORDER, event_id=["null", "string"], next=["null", ORDER]),
    _EMPTIES: [*doubling(40, record("bomb.R0"), "bomb."), record(ORDER, event_id="bomb.R39")],
    _NULLS: record(ORDER, event_id=["null", "string"], lines=array("null")),
    _LARGE: {**record(ORDER, event_id="string"), "doc": "x" * 2_000_000},
    _DEEP: chain(2_000, "int"),
    _NO_SCHEMA: ["no", {"schema": ["at all"]}],
    _COLLIDES: record(ORDER, a=record("shop.A", x="int"), b=record("shop.A", x="string")),
}
_TIMEOUT_S = 12.0
"""Reading a schema takes a moment, in which no answer is: on a slow machine that must not look like a late one."""

_CROWD: Headers = [*((f"header-{number}", b"\xff\x00 raw") for number in range(1_000)), ("huge", b"\xff" * 200_000)]


def _framed(number: int, datum: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + datum


_DATA: tuple[tuple[int, bytes, str | None], ...] = (
    (_CHAIN, b"\x00" + b"\x02\x00" * 50_000 + b"\x00", ORDER),
    (_EMPTIES, b"\x50", ORDER),
    (_NULLS, b"\x00" + HUGE, ORDER),
    (_NULLS, b"\x00" + LOWEST + b"\x00", ORDER),
    (_LARGE, b"\x02a", None),
    (_DEEP, b"\x02", None),
    (_NO_SCHEMA, b"\x02", None),
    (_COLLIDES, b"\x02", None),
)


class _Hostile:
    """Makes records that cannot be decoded, by dice."""

    def __init__(self, shop: OrderProducer, dice: random.Random) -> None:
        self._shop = shop
        self._dice = dice

    def make(self, turn: int) -> None:
        """Make one, of each sort in turn."""
        sorts = (self._cut, self._longer, self._length, self._noise, self._shop.unknown_schema)
        sort = turn % (len(sorts) + len(_DATA))
        if sort < len(sorts):
            sorts[sort]()
        else:
            self._bomb(*_DATA[sort - len(sorts)])
        if turn % 50 == 0:
            self._shop.records[-1].headers.extend(_CROWD)

    def _cut(self) -> None:
        good = self._good()
        self._order(good[: self._dice.randrange(len(good))])

    def _longer(self) -> None:
        self._order(self._good() + self._dice.randbytes(self._dice.randrange(1, 200)))

    def _length(self) -> None:
        self._order(self._dice.choice((HUGE, LOWEST, b"\x01", b"\xff" * 50)) + self._good())

    def _noise(self) -> None:
        first = self._dice.choice([byte for byte in range(256) if byte not in {0x00, 0xC3}])
        self._shop.undecodable(bytes([first]) + self._dice.randbytes(self._dice.randrange(500)), None)

    def _bomb(self, number: int, datum: bytes, event_type: str | None) -> None:
        self._shop.undecodable(_framed(number, datum), event_type)
        made = self._shop.records[-1]
        made.owed = [replace(one, schema_id=str(number)) for one in made.owed]

    def _order(self, datum: bytes) -> None:
        self._shop.undecodable(_framed(IDS[ORDER], datum), ORDER)

    def _good(self) -> bytes:
        event: dict[str, Any] = {
            "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "occurred_at": self._dice.getrandbits(40),
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
    world = World(apache_broker, tmp_path, ISOLATED)
    texts: dict[int, object] = {IDS[name]: schema for name, schema in schemas.SCHEMAS.items() if name != schemas.MERGE}
    world.registry.close()
    world.registry = SchemaRegistry(schemas.registered({**texts, **_BOMBS}))
    with world:
        world.configure(timeout_s=_TIMEOUT_S)
        shop, said = OrderProducer(world, 71), SearchedOutput()
        hostile = _Hostile(shop, random.Random(72))
        for turn in range(_BAD):
            hostile.make(turn)
            shop.ordinary(_GOOD_FOR_EACH)
            if turn % 50 == 0:
                shop.order()
                shop.records[-1].headers.extend(_CROWD)
        with world.member() as member:
            member.wait_for_partitions(world.partitions)
            shop.produce()
            shop.wait_until_delivered(within_s=120)
            member.wait_until(lambda: _settled(member, len(shop.records)), 180, "records are still open")
            disagreements = accounting.differences(shop.records, member.status(), member.metrics())
            said.pages(member)
            assert member.stop() == 0
        said.files(world.folder)
        evidence = gather(world, timeout_s=_TIMEOUT_S)
        print(f"\n{len(shop.records)} records: {dict(shop.kinds)}; letters: {len(evidence.dead_letters)}")
        assert oracle.violations(shop.records, evidence) == []
        assert disagreements == []
        assert "log" in said.channels
        assert said.leaks(OF_THE_SHOP) == []


def _settled(member: Member, count: int) -> bool:
    """Tell whether every pipeline has settled this many records."""
    return all(pipeline["records"]["settled"] == count for pipeline in member.status().values())
