"""For any batch, each record and each entry has exactly one outcome: delivery, skip, fault or waiting."""

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
    new_translator,
    record,
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
    """Return a record: valid, of another event type, damaged, empty, or of an unknown schema."""
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
def test_each_record_and_entry_has_one_outcome(batch: list[FakeMessage]) -> None:
    destinations = {"vendor": FakeDestination(), "off": FakeDestination("off")}
    translator = new_translator(MAPPING, SCHEMA, destinations=destinations, disabled=["off"])
    translator.learn_unknown(8, NOW_MS)
    out = translator.translate(batch)

    outcomes: Counter[tuple[int, str]] = Counter()
    whole: Counter[int] = Counter(out.waiting)
    for column in out.columns.values():
        lengths = {len(getattr(column, name)) for name in column.__slots__}
        assert len(lengths) == 1
        assert column.records == sorted(column.records)
        outcomes.update((index, entry.label) for index, entry in zip(column.records, column.entries, strict=True))
    for fault in out.faults:
        if fault.entry is None:
            whole[fault.record] += 1
        else:
            outcomes[fault.record, fault.entry.label] += 1
    assert all(count == 1 for count in [*outcomes.values(), *whole.values()])
    assert not {index for index, _ in outcomes} & set(whole)

    decoded = sum(out.decoded.values())
    skipped_whole = sum(count for (name, _, _), count in out.skipped.items() if not name)
    assert len(batch) == decoded + skipped_whole + sum(whole.values())
    skipped = sum(count for (name, _, _), count in out.skipped.items() if name)
    assert decoded * len(LABELS) == sum(outcomes.values()) + skipped
    assert out.skipped.get(("off", "shop.E", SkipReason.DISABLED), 0) == decoded

    assert out.waiting == sorted(out.waiting)
    for index, message in enumerate(batch):
        earlier = any(batch[each].topic_partition == message.topic_partition for each in out.waiting if each < index)
        assert not earlier or index in out.waiting
    assert out.missing <= {7}


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(messages(), max_size=8))
def test_translating_again_gives_the_same_deliveries(batch: list[FakeMessage]) -> None:
    destinations = {"vendor": FakeDestination(), "off": FakeDestination("off")}
    first, second = (new_translator(MAPPING, SCHEMA, destinations=destinations).translate(batch) for _ in range(2))
    for name, column in first.columns.items():
        assert column.identities == second.columns[name].identities
        assert column.bodies == second.columns[name].bodies
    assert first.faults == second.faults
