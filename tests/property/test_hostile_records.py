"""Records of any bytes under any headers: each ends exactly once, nothing raises, and nothing of them is told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumer.model import UNREADABLE_HEADERS, DeadLetterCause, Fault
from consumer.translation.avro.wire_format import writer_schema_key
from tests.examples import examples
from tests.unit.translator_harness import NOW_MS, FakeMessage, Json, encode, record, translator, with_schema_id

SCHEMA: Json = record(
    "shop.Tree",
    name="string",
    kind={"type": "enum", "name": "shop.Kind", "symbols": ["OAK", "ELM"]},
    rings={"type": "array", "items": "long"},
    notes={"type": "map", "values": ["null", "bytes"]},
    grown={"type": "long", "logicalType": "timestamp-millis"},
    price={"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    branches={"type": "array", "items": "shop.Tree"},
)
MAPPING = """
version: 1
events:
  shop.Tree:
    deliver:
      - {to: vendor.add, label: whole, fields: {name: name, kind: kind, rings: rings, price: price, all: branches}}
      - {to: vendor.add, label: gated, when: kind == 'OAK', fields: {first: "branches[0].name", trace: header('trace')}}
"""
LEAF = {"name": "x", "kind": "ELM", "rings": [], "notes": {}, "grown": 0, "price": Decimal(1), "branches": []}
NAMES = st.sampled_from(["__value_schema_id", "trace", "cdp-cause", "", UNREADABLE_HEADERS]) | st.text(max_size=20)
CONTENTS = (
    st.none()
    | st.binary(max_size=30)
    | st.sampled_from([b"\x00\x00\x00\x00\x01", b"\x01" + bytes(16), b"\xff" * 100_000])
)
HEADERS = st.none() | st.lists(st.tuples(NAMES, CONTENTS), max_size=5)


@st.composite
def datum(draw: st.DrawFn) -> bytes:
    """Return a good event with some of its bytes replaced, cut out or put in between."""
    leaf = {**LEAF, "name": draw(st.text(max_size=5)), "rings": draw(st.lists(st.integers(-9, 9), max_size=4))}
    leaf["kind"] = draw(st.sampled_from(["ELM", "OAK"]))
    tree = {**leaf, "branches": [leaf] * draw(st.integers(0, 2)), "notes": {"a": None, "b": b"\xff"}}
    good = encode(SCHEMA, tree)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(good)))
        good = good[:at] + draw(st.binary(max_size=12)) + good[at + draw(st.integers(0, 3)) :]
    return good


@st.composite
def messages(draw: st.DrawFn) -> FakeMessage:
    """Return a record: a damaged event of the schema, or bytes of any kind."""
    value = draw(st.one_of(datum().map(lambda one: with_schema_id(1, one)), st.none() | st.binary(max_size=60)))
    key = draw(st.none() | st.binary(max_size=10))
    stamp_ms = draw(st.sampled_from([-1, 0, NOW_MS, 2**62]))
    return FakeMessage(value, draw(st.integers(0, 2**62)), ("shop", 0), key, draw(HEADERS), stamp_ms)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(messages(), max_size=6))
@example(
    [FakeMessage(with_schema_id(1, encode(SCHEMA, {**LEAF, "kind": "OAK"})), header_list=[("trace", b"\xff")])]
)  # one entry alone
def test_a_record_of_any_bytes_ends_exactly_once(lot: list[FakeMessage]) -> None:
    out = translator(MAPPING, SCHEMA).translate(lot)
    ended = [out.columns["vendor"].records.count(index) for index in range(len(lot))]
    whole = [int(index in out.waiting) for index in range(len(lot))]
    for fault in out.faults:
        if fault.entry is None:
            whole[fault.record] += 1
        else:
            ended[fault.record] += 1
    gated = sum(count for (name, _, _), count in out.skipped.items() if name)
    alone = sum(count for (name, _, _), count in out.skipped.items() if not name)
    assert sum(ended) + gated == 2 * sum(out.decoded.values())
    assert sum(whole) + alone + sum(out.decoded.values()) == len(lot)
    assert all(count <= 1 for count in whole)
    assert not any(count and index in out.waiting for index, count in enumerate(ended))


@settings(max_examples=examples(200), deadline=None)
@given(messages(), st.binary(min_size=12, max_size=20))
def test_what_is_said_of_a_record_holds_nothing_of_it(message: FakeMessage, secret: bytes) -> None:
    value = None if message.content is None else message.content + secret
    out = translator(MAPPING, SCHEMA).translate([replace(message, content=value)])
    for found in out.faults:
        assert repr(secret)[2:-1] not in found.fault.detail


def test_ten_thousand_headers_and_a_huge_one_cost_nothing_but_their_reading() -> None:
    crowd: list[tuple[str, bytes | None]] = [(f"h{number}", b"x") for number in range(10_000)]
    crowd.append(("huge", b"\xff" * 5_000_000))
    made, good = translator(MAPPING, SCHEMA), encode(SCHEMA, LEAF)
    out = made.translate(
        [
            FakeMessage(with_schema_id(1, good), 1, header_list=crowd),
            FakeMessage(good, 2, header_list=[("__value_schema_id", b"\x00\x00\x00\x00\x01"), *crowd]),
            FakeMessage(with_schema_id(1, good), 3, header_list=[*crowd, (UNREADABLE_HEADERS, None)]),
        ]
    )
    assert out.columns["vendor"].records == [0, 1]
    assert [(found.record, found.fault.cause) for found in out.faults] == [(2, DeadLetterCause.UNDECODABLE)]


def test_the_last_schema_id_in_the_headers_counts_and_one_that_is_none_is_no_reason_to_guess() -> None:
    number = b"\x00\x00\x00\x00\x07"
    both = FakeMessage(
        b"\x00\x00\x00\x00\x01",
        header_list=[("__value_schema_id", b"\x00\x00\x00\x00\x01"), ("__value_schema_id", number)],
    )
    assert writer_schema_key(both, both.content or b"") == (7, 0)
    for content in (b"", b"\x00", b"\x02" + bytes(4), b"\x00" * 6, b"\xff" * 17, b"\x01" + bytes(15)):
        found = writer_schema_key(
            FakeMessage(b"\x00\x00\x00\x00\x01", header_list=[("__value_schema_id", content)]), b"\x00\x00\x00\x00\x01"
        )
        assert isinstance(found, Fault)
