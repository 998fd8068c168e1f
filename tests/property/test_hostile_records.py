"""Records of any bytes with any headers: each has exactly one outcome, nothing raises, and no content leaks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumer.model import UNREADABLE_HEADERS, DeadLetterCause, Fault
from consumer.translation.avro.wire_format import writer_schema_key
from tests.examples import examples
from tests.unit.translator_harness import NOW_MS, FakeMessage, Json, encode, new_translator, record, with_schema_id

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
    """Return a valid event with some bytes replaced, removed or inserted."""
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
    """Return a record: a damaged event of the schema, or any bytes."""
    value = draw(st.one_of(datum().map(lambda one: with_schema_id(1, one)), st.none() | st.binary(max_size=60)))
    key = draw(st.none() | st.binary(max_size=10))
    stamp_ms = draw(st.sampled_from([-1, 0, NOW_MS, 2**62]))
    return FakeMessage(value, draw(st.integers(0, 2**62)), ("shop", 0), key, draw(HEADERS), stamp_ms)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(messages(), max_size=6))
@example(
    [FakeMessage(with_schema_id(1, encode(SCHEMA, {**LEAF, "kind": "OAK"})), header_list=[("trace", b"\xff")])]
)  # only one entry fails
def test_record_of_any_bytes_has_one_outcome(batch: list[FakeMessage]) -> None:
    out = new_translator(MAPPING, SCHEMA).translate(batch)
    outcomes = [out.columns["vendor"].records.count(index) for index in range(len(batch))]
    whole = [int(index in out.waiting) for index in range(len(batch))]
    for fault in out.faults:
        if fault.entry is None:
            whole[fault.record] += 1
        else:
            outcomes[fault.record] += 1
    gated = sum(count for (name, _, _), count in out.skipped.items() if name)
    alone = sum(count for (name, _, _), count in out.skipped.items() if not name)
    assert sum(outcomes) + gated == 2 * sum(out.decoded.values())
    assert sum(whole) + alone + sum(out.decoded.values()) == len(batch)
    assert all(count <= 1 for count in whole)
    assert not any(count and index in out.waiting for index, count in enumerate(outcomes))


@settings(max_examples=examples(200), deadline=None)
@given(messages(), st.binary(min_size=12, max_size=20))
def test_fault_detail_has_no_content_of_the_record(message: FakeMessage, secret: bytes) -> None:
    value = None if message.content is None else message.content + secret
    out = new_translator(MAPPING, SCHEMA).translate([replace(message, content=value)])
    for found in out.faults:
        assert repr(secret)[2:-1] not in found.fault.detail


def test_many_and_large_headers_are_translated_as_usual() -> None:
    """Ten thousand headers and one of five megabytes change nothing."""
    crowd: list[tuple[str, bytes | None]] = [(f"h{number}", b"x") for number in range(10_000)]
    crowd.append(("huge", b"\xff" * 5_000_000))
    translator, good = new_translator(MAPPING, SCHEMA), encode(SCHEMA, LEAF)
    out = translator.translate(
        [
            FakeMessage(with_schema_id(1, good), 1, header_list=crowd),
            FakeMessage(good, 2, header_list=[("__value_schema_id", b"\x00\x00\x00\x00\x01"), *crowd]),
            FakeMessage(with_schema_id(1, good), 3, header_list=[*crowd, (UNREADABLE_HEADERS, None)]),
        ]
    )
    assert out.columns["vendor"].records == [0, 1]
    assert [(found.record, found.fault.cause) for found in out.faults] == [(2, DeadLetterCause.UNDECODABLE)]


def test_last_schema_id_header_counts_and_malformed_is_a_fault() -> None:
    """A malformed schema id in a header is a fault; the value's first bytes are not used instead."""
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
