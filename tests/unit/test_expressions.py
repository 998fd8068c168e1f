"""JMESPath with exact numbers and times, and the reasons of expressions without a result."""

from __future__ import annotations

from decimal import Decimal

import pytest

from consumer.model.values import Instant, Value
from consumer.translation.avro.named_record import AvroRecord
from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.record_scope import Scope
from consumer.translation.unmappable import UnmappableError
from tests.unit.translator_harness import FakeMessage

EVENT: Value = {
    "status": "PAID",
    "total": Decimal("12.34"),
    "long": Decimal("1234567890123456789012345678901234.5"),
    "none": None,
    "zero": 0,
    "float": 0.1,
    "nan": float("nan"),
    "at": Instant(1_000_000_000),
    "raw": b"\x00",
    "customer": AvroRecord({"id": "c"}, "shop.Known"),
    "items": [
        {"n": "a", "p": Decimal("1.50"), "at": Instant(2)},
        {"n": "b", "p": 2, "at": Instant(1)},
        {"n": "c", "p": 0.5, "at": Instant(3)},
    ],
}


def compiled(text: str) -> Expression:
    result = compile_expression(text)
    assert isinstance(result, Expression), result
    return result


def value_of(text: str, event: Value = EVENT, message: FakeMessage | None = None) -> Value:
    return compiled(text).evaluate(event, Scope(message or FakeMessage(b""), event))


CASES: list[tuple[str, Value]] = [
    ("status", "PAID"),
    ("customer.id", "c"),
    ("customer.id.deeper.still", None),
    ("status.length", None),
    ("@", EVENT),
    ("customer.id.x", None),
    ("none.id.x", None),
    ("@.status", "PAID"),
    ('"status"', "PAID"),
    ("items[0].p", Decimal("1.50")),
    ("items[-1].n", "c"),
    ("items[7]", None),
    ("items[*].n", ["a", "b", "c"]),
    ("items[1:].n", ["b", "c"]),
    ("items[?p > `1`].n", ["a", "b"]),
    ("{a: status, b: total}", {"a": "PAID", "b": Decimal("12.34")}),
    ("[status, total]", ["PAID", Decimal("12.34")]),
    ("none || status", "PAID"),
    ("zero || status", 0),
    ("status && total", Decimal("12.34")),
    ("!none", True),
    ("!zero", False),
    ("!raw", False),
    ("items | length(@)", 3),
    # exact comparisons
    ("total == `12.34`", True),
    ("total == `12.340`", True),
    ("float == `0.1`", True),
    ("total > `12.339999999999999`", True),
    ("zero == `0.0`", True),
    ("zero == `false`", False),
    ("nan == nan", False),
    ("nan != nan", True),
    ("nan < `1`", None),
    ("at < time('2026-01-01T00:00:00Z')", True),
    ("at == time(`1000`)", True),
    ("at == `1000000000`", False),
    ("at > status", None),
    ("status > `1`", None),
    ("status > 'OPEN'", True),
    ("none < `1`", None),
    ("items == items", True),
    ("{a: zero} == {a: `0.0`}", True),
    ("{a: zero} == {a: `false`}", False),
    ("raw == raw", True),
    ("`1.10`", Decimal("1.10")),
    ("`1e400`", Decimal("1E+400")),
    ('`[1.5, {"a": 0.1}]`', [Decimal("1.5"), {"a": Decimal("0.1")}]),
    # the standard functions
    ("abs(`-1.5`)", Decimal("1.5")),
    ("abs(long)", Decimal("1234567890123456789012345678901234.5")),
    ("sum(items[].p)", Decimal("4.00")),
    ("sum([long, `0.5`])", Decimal("1234567890123456789012345678901235.0")),
    ("sum([`1`, `2`])", 3),
    ("avg([`1`, `3`])", 2),
    ("avg([`1`, `2`])", Decimal("1.5")),
    ("avg(`[]`)", None),
    ("ceil(total)", 13),
    ("floor(`-0.5`)", -1),
    ("max(items[].p)", 2),
    ("min(items[].p)", 0.5),
    ("max(items[].at)", Instant(3)),
    ("sort(items[].p)", [0.5, Decimal("1.50"), 2]),
    ("sort_by(items, &at)[].n", ["b", "a", "c"]),
    ("max_by(items, &p).n", "b"),
    ("min_by(items, &p).n", "c"),
    ("min_by(`[]`, &p)", None),
    ("contains(items[].p, `1.5`)", True),
    ("contains(`[true]`, `1`)", False),
    ("contains(status, 'AI')", True),
    ("contains(status, `1`)", False),
    ("join('-', items[].n)", "a-b-c"),
    ("map(&n, items)", ["a", "b", "c"]),
    ("not_null(none, status)", "PAID"),
    ("to_number('1.10')", Decimal("1.10")),
    ("to_number('7')", 7),
    ("to_number('1e999999999')", None),
    ("to_number('x')", None),
    ("to_number('true')", None),
    ("to_number(total)", Decimal("12.34")),
    ("sort_by(items, &n)[0].n", "a"),
    ("to_number(`true`)", None),
    ("to_string(total)", "12.34"),
    ("to_string(at)", "1970-01-01T00:00:01Z"),
    ("to_string(items[0])", '{"n":"a","p":1.50,"at":"1970-01-01T00:00:00.000000002Z"}'),
    ("to_string(`[null, true]`)", "[null,true]"),
    ("to_string(none)", None),
    ("concat('c-', to_string(none))", None),
    ("to_array(status)", ["PAID"]),
    ("type(at)", "time"),
    ("type(total)", "number"),
    ("type(raw)", "bytes"),
    ("keys(customer)", ["id"]),
    ("reverse(status)", "DIAP"),
    ("starts_with(status, 'P')", True),
    ("merge(customer, {a: zero})", {"id": "c", "a": 0}),
    # our own functions
    ("if(status == 'PAID', 'yes', 'no')", "yes"),
    ("if(none, 'yes', 'no')", "no"),
    ("if(status == 'OPEN', 'yes')", None),
    ("if(status == 'PAID', 'yes', cents(status))", "yes"),
    ("concat(status, '-', total, '-', zero, at, status == 'PAID')", "PAID-12.34-01970-01-01T00:00:01Ztrue"),
    ("concat(`1e3`, float)", "10000.1"),
    ("concat(status, none)", None),
    ("cents(total)", 1234),
    ("cents(zero)", 0),
    ("cents(`1.5e2`)", 15000),
    ("cents(float)", 10),
    ("cents(none)", None),
    ("time('2026-11-01T10:00:00.123456789+02:00')", Instant(1_793_520_000_123_456_789)),
    ("time(`1000`)", Instant(1_000_000_000)),
    ("time(at)", Instant(1_000_000_000)),
    ("time(none)", None),
    ("is(customer, 'shop.Known')", True),
    ("is(customer, 'shop.Other')", False),
    ("is(items, 'shop.Known')", False),
    ("is(none, 'shop.Known')", False),
    ("items[0] | event().status", "PAID"),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_expression_has_exact_jmespath_result(text: str, expected: Value) -> None:
    found = value_of(text)
    assert found == expected
    assert type(found) is type(expected)


def test_meta_and_header_read_the_record() -> None:
    message = FakeMessage(b"", 41, ("shop.orders", 3), b"k1", [("h", b"old"), ("h", b"new"), ("null", None)], 1000)
    text = "[meta('topic'), meta('partition'), meta('offset'), meta('timestamp'), meta('key'), header('h')]"
    assert value_of(text, EVENT, message) == ["shop.orders", 3, 41, Instant(1_000_000_000), "k1", "new"]
    assert value_of("[header('null'), header('absent')]", EVENT, message) == [None, None]
    assert value_of("meta('key')", EVENT, FakeMessage(b"", key_bytes=None)) is None


UNMAPPABLE = [
    ("cents(status)", "cents() takes null or number, not string"),
    ("cents(`0.001`)", "cents() needs an amount with at most two decimals"),
    ("cents(nan)", "cents() needs a finite amount"),
    ("time('yesterday')", "time() needs ISO 8601 with an offset"),
    ("time('2026-11-01T10:00:00')", "time() needs ISO 8601 with an offset"),
    ("time('2026-11-01T24:00:00Z')", "time() needs ISO 8601 with an offset"),
    ("time('2026-11-01T10:00:00+01:60')", "time() needs ISO 8601 with an offset"),
    ("time(`1.5`)", "time() needs"),
    ("if(status, 'a')", "if() takes a boolean condition, not string"),
    ("concat(items)", "concat() joins texts, not array"),
    ("concat(nan)", "not finite"),
    ("length(none)", "length() takes array or object or string, not null"),
    ("sum([status])", "sum() takes array-number, not array of string"),
    ("max([status, zero])", "not array of number and string"),
    ("sort_by(items, &none)", "sort_by() takes number or string or time, not null"),
    ("sort([nan, zero])", "sort() has no result for its arguments"),
    ("ceil(nan)", "not finite"),
    ("to_string(raw)", "bytes cannot be written as JSON"),
    ("join('-', [zero])", "join() takes array-string, not array of number"),
]


@pytest.mark.parametrize(("text", "reason"), UNMAPPABLE, ids=[text for text, _ in UNMAPPABLE])
def test_unmappable_reason_names_function_but_no_value(text: str, reason: str) -> None:
    with pytest.raises(UnmappableError) as caught:
        value_of(text)
    assert reason in caught.value.reason
    assert "PAID" not in caught.value.reason


def test_header_or_key_that_is_not_utf8_is_unmappable() -> None:
    message = FakeMessage(b"", key_bytes=b"\xff", header_list=[("h", b"\xff")])
    for text in ("header('h')", "meta('key')"):
        with pytest.raises(UnmappableError, match="not UTF-8"):
            value_of(text, EVENT, message)


def test_cached_literal_keeps_its_exact_value() -> None:
    """The library caches syntax trees by text."""
    assert value_of("`1.5`") == value_of("`1.5`") == Decimal("1.5")
