"""Whatever a lot holds, each record and entry ends as exactly one of: row, skip, fault, waiting."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.model import SkipReason
from tests.examples import examples
from tests.unit.translator_harness import (
    NOW_MS,
    FakeDestination,
    FakeMessage,
    Json,
    encode,
    record,
    translator,
    with_schema_id,
)

SCHEMA = [
    record("shop.E", id=["null", "string"], ok=["null", "boolean", "string"], n="int"),
    record("shop.Other", a="int"),
]
MAPPING = """
version: 1
events:
  shop.E:
    id: id
    deliver:
      - {to: vendor.add, label: plain, fields: {n: n}}
      - {to: vendor.add, label: gated, when: ok, fields: {n: n}}
      - {to: vendor.add, label: consented, consent: ok, fields: {n: n}}
      - {to: vendor.add, label: counted, fields: {n: cents(ok)}}
      - {to: vendor.add, label: unwanted, fields: {forbidden: id}}
      - {to: off.add, label: off, fields: {n: n}}
"""
LABELS = ("plain", "gated", "consented", "counted", "unwanted", "off")


@st.composite
def messages(draw: st.DrawFn) -> FakeMessage:
    """Return a record of any kind: good, foreign, damaged, empty, unknown."""
    event: dict[str, Json] = {
        "id": draw(st.none() | st.text(max_size=3)),
        "ok": draw(st.none() | st.booleans() | st.just("text")),
        "n": draw(st.integers(0, 9)),
    }
    datum = draw(
        st.sampled_from(
            [encode(SCHEMA, ("shop.E", event))] * 5 + [encode(SCHEMA, ("shop.Other", {"a": 1})), b"\x00", b""]
        )
    )
    key = draw(st.sampled_from([1, 1, 1, 1, 7, 8]))
    value = draw(st.sampled_from([with_schema_id(key, datum)] * 6 + [None, b"", b"{}"]))
    stamp = NOW_MS - draw(st.sampled_from([0, 120_000]))
    return FakeMessage(value, draw(st.integers(0, 10**6)), ("shop", draw(st.integers(0, 2))), timestamp_ms=stamp)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(messages(), max_size=12))
def test_each_record_and_entry_ends_exactly_once(lot: list[FakeMessage]) -> None:
    destinations = {"vendor": FakeDestination(), "off": FakeDestination("off")}
    made = translator(MAPPING, SCHEMA, destinations=destinations, disabled=["off"])
    made.learn_unknown(8, NOW_MS)
    out = made.translate(lot)

    ended: Counter[tuple[int, str]] = Counter()
    whole: Counter[int] = Counter(out.waiting)
    for column in out.columns.values():
        lengths = {len(getattr(column, name)) for name in column.__slots__}
        assert len(lengths) == 1
        assert column.records == sorted(column.records)
        ended.update((index, entry.label) for index, entry in zip(column.records, column.entries, strict=True))
    for fault in out.faults:
        if fault.entry is None:
            whole[fault.record] += 1
        else:
            ended[fault.record, fault.entry.label] += 1
    assert all(count == 1 for count in [*ended.values(), *whole.values()])
    assert not {index for index, _ in ended} & set(whole)

    decoded = sum(out.decoded.values())
    skipped_whole = sum(count for (name, _, _), count in out.skipped.items() if not name)
    assert len(lot) == decoded + skipped_whole + sum(whole.values())
    skipped = sum(count for (name, _, _), count in out.skipped.items() if name)
    assert decoded * len(LABELS) == sum(ended.values()) + skipped
    assert out.skipped.get(("off", "shop.E", SkipReason.DISABLED), 0) == decoded

    assert out.waiting == sorted(out.waiting)
    for index, message in enumerate(lot):
        earlier = any(lot[each].topic_partition == message.topic_partition for each in out.waiting if each < index)
        assert not earlier or index in out.waiting
    assert out.missing <= {7}


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(messages(), max_size=8))
def test_translating_again_says_the_same(lot: list[FakeMessage]) -> None:
    destinations = {"vendor": FakeDestination(), "off": FakeDestination("off")}
    first, second = (translator(MAPPING, SCHEMA, destinations=destinations).translate(lot) for _ in range(2))
    for name, column in first.columns.items():
        assert column.identities == second.columns[name].identities
        assert column.bodies == second.columns[name].bodies
    assert first.faults == second.faults
