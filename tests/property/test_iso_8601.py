"""Every time that a text can show is valid ISO 8601, and reads back as the same time."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.model import DeadLetterCause
from consumer.model.values import Instant, iso_text
from consumer.translation.avro.decoder import decode
from consumer.translation.expressions.timestamps import parse_instant
from tests.unit.order_event import sent_fields
from tests.unit.translator_harness import (
    FakeMessage,
    Json,
    encode,
    mapping_with,
    new_translator,
    record,
    with_schema_id,
    writer_schema,
)

FIRST_NS = -62_135_596_800 * 1_000_000_000
END_NS = 253_402_300_800 * 1_000_000_000
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG = (-(2**63), 2**63 - 1)
UNITS_NS = {"millis": 1_000_000, "micros": 1_000, "nanos": 1}


@given(st.integers(FIRST_NS, END_NS - 1))
@example(FIRST_NS)
@example(END_NS - 1)
@example(-1)
@example(Instant(-30_999_999_999_000_000_001))
def test_instant_of_every_year_reads_back_from_its_text(time_ns: int) -> None:
    text = Instant(time_ns).iso()
    assert MOMENT.fullmatch(text)
    assert parse_instant(text) == time_ns
    assert datetime.fromisoformat(text) == EPOCH + timedelta(microseconds=time_ns // 1000)


@pytest.mark.parametrize("time_ns", [FIRST_NS - 1, END_NS, 2**80, -(2**80)])
def test_instant_outside_the_years_has_no_text(time_ns: int) -> None:
    assert iso_text(time_ns) is None
    with pytest.raises(OverflowError):
        Instant(time_ns).iso()


def decoded(kind: str, logical: str, value: int) -> Json:
    """Decode a record's field that was written by a producer that does not know the logical type."""
    datum = encode(record("hut.Stay", at=kind), {"at": value})
    schema = writer_schema(record("hut.Stay", at={"type": kind, "logicalType": logical}))
    result = decode(schema.branches[0], datum, 0)
    assert isinstance(result, dict), result
    return result["at"]


@pytest.mark.parametrize("unit", UNITS_NS)
@given(data=st.data())
def test_avro_timestamp_in_the_years_is_iso_8601(unit: str, data: st.DataObject) -> None:
    scale = UNITS_NS[unit]
    value = data.draw(st.integers(max(LONG[0], FIRST_NS // scale), min(LONG[1], END_NS // scale - 1)))
    moment = decoded("long", f"timestamp-{unit}", value)
    assert moment == value * scale
    assert parse_instant(moment.iso()) == moment
    assert decoded("long", f"local-timestamp-{unit}", value) + "Z" == moment.iso()


@given(st.integers(date.min.toordinal(), date.max.toordinal()))
def test_avro_date_in_the_years_is_iso_8601(day: int) -> None:
    text = decoded("int", "date", day - date(1970, 1, 1).toordinal())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", text)
    assert date.fromisoformat(text).toordinal() == day


@given(st.integers(0, 86_400_000_000 - 1))
@example(86_400_000_000 - 1)
def test_avro_time_of_day_is_iso_8601(micros: int) -> None:
    for text, passed in (
        (decoded("long", "time-micros", micros), micros),
        (decoded("int", "time-millis", micros // 1000), micros // 1000 * 1000),
    ):
        assert re.fullmatch(r"\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?", text)
        moment = time.fromisoformat(text)
        assert ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond == passed


OUTSIDE: list[tuple[str, str, int]] = [
    ("int", "date", date.min.toordinal() - date(1970, 1, 1).toordinal() - 1),
    ("int", "date", date.max.toordinal() - date(1970, 1, 1).toordinal() + 1),
    ("int", "time-millis", 86_400_000),
    ("int", "time-millis", -1),
    ("long", "time-micros", 86_400_000_000),
    *(
        ("long", f"{prefix}timestamp-{unit}", edge // UNITS_NS[unit] - before)
        for prefix in ("", "local-")
        for unit in ("millis", "micros")
        for edge, before in ((FIRST_NS, 1), (END_NS, 0))
    ),
]


@pytest.mark.parametrize(("kind", "logical", "value"), OUTSIDE)
def test_used_time_without_a_text_is_unmappable(kind: str, logical: str, value: int) -> None:
    """An entry that does not read it is not affected."""
    datum = encode(record("hut.Stay", at=kind, guest="string"), {"at": value, "guest": "g-1"})
    schema = record("hut.Stay", at={"type": kind, "logicalType": logical}, guest="string")
    text = mapping_with("{guest: guest, at: at}", name="hut.Stay") + (
        "      - to: vendor.add\n        label: other\n        fields: {guest: guest}\n"
    )
    out = new_translator(text, schema).translate([FakeMessage(with_schema_id(1, datum))])
    assert sent_fields(out) == [{"guest": "g-1"}]
    [failure] = out.faults
    assert failure.fault.cause is DeadLetterCause.UNMAPPABLE
    assert failure.fault.detail.startswith("add: fields.at: ")
    assert str(value) not in failure.fault.detail
