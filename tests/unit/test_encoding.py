"""Values as JSON, times as text, identities as UUID and ULID."""

from decimal import Decimal
from enum import IntEnum

import orjson
import pytest

from consumer.destinations.encoding import canonical, dumps, encoding_fault, exact, safe_field_name, why_not
from consumer.destinations.id_formats import ulid_text, uuid_text
from consumer.model import DeadLetterCause, Fault
from consumer.model.values import Instant, Value, iso_text

IDENTITY = bytes.fromhex("00112233445566778899aabbccddeeff")


class Named(dict[str, Value]):
    """A record that knows its name."""


class Level(IntEnum):
    HIGH = 3


def test_identity_golden_vectors() -> None:
    assert uuid_text(IDENTITY) == "00112233-4455-8677-8899-aabbccddeeff"
    assert uuid_text(b"\xff" * 16) == "ffffffff-ffff-8fff-bfff-ffffffffffff"
    assert ulid_text(IDENTITY, 1_469_918_176_385) == "01ARYZ6S41CSVRH6DAQF6DVVQZ"
    assert ulid_text(b"\x00" * 16, 0) == "0" * 26
    assert ulid_text(b"\xff" * 16, 2**48 - 1) == "7" + "Z" * 25


def test_time_outside_ulid_range_is_clamped() -> None:
    assert ulid_text(IDENTITY, -5) == ulid_text(IDENTITY, 0)
    assert ulid_text(IDENTITY, 2**60) == ulid_text(IDENTITY, 2**48 - 1)


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_123_000_000, "2023-11-14T22:13:20.123Z"),
        (1_700_000_000_000_001_000, "2023-11-14T22:13:20.000001Z"),
        (1_700_000_000_000_000_001, "2023-11-14T22:13:20.000000001Z"),
        (-1_000_000, "1969-12-31T23:59:59.999Z"),
        (-62_135_596_800 * 10**9, "0001-01-01T00:00:00Z"),
        (-62_135_596_801 * 10**9, None),
        (253_402_300_800 * 10**9, None),
        (10**40, None),
    ],
)
def test_times_are_iso_8601_in_utc(time_ns: int, text: str | None) -> None:
    assert iso_text(time_ns) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("12.50", "12.50"),
        ("-0.000", "-0.000"),
        ("1E+3", "1000"),
        ("1E-3", "0.001"),
        ("1E-9", "0.000000001"),
        ("1E+99", "1" + "0" * 99),
        ("1E+100", None),
        ("1E+999999", None),
        ("1E-999999", None),
        ("9" * 101, None),
        ("1." + "1" * 101, None),
        ("1.23E-99", None),
        ("NaN", None),
        ("sNaN", None),
        ("-Infinity", None),
    ],
)
def test_decimals_are_exact_texts_without_exponent(number: str, text: str | None) -> None:
    assert exact(Decimal(number)) == text


def test_every_value_has_one_json_form() -> None:
    value = {
        "decimal": Decimal("10.10"),
        "time": Instant(1_500_000_000),
        "bytes": b"\x00\xff",
        "record": Named(inner=[Named(), Decimal(1)]),
        "enum": Level.HIGH,
        "null": None,
        "text": "null",
    }
    body = (
        b'{"decimal":10.10,"time":"1970-01-01T00:00:01.500Z","bytes":"AP8=","record":{"inner":[{},1]},'
        b'"enum":3,"null":null,"text":"null"}'
    )
    assert dumps(value) == body
    assert canonical(value) == canonical(dict(reversed(value.items())))
    assert why_not(value) is None


def deep(levels: int) -> dict[str, Value]:
    value: dict[str, Value] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ({"a": {"JaneDoe": [1, float("nan")]}}, "a: the number is not finite"),
        ({"a": {"JaneDoe": {"\ud800": 1}}}, "a: the text is not valid Unicode"),
        ({"a": float("-inf")}, "a: the number is not finite"),
        ({"a": Decimal("NaN")}, "a: the number is not finite, or has too many digits"),
        ({"a": 2**64}, "a: the integer does not fit in 64 bits"),
        ({"a": "\ud800"}, "a: the text is not valid Unicode"),
        ({"\ud800": 1}, "(unusual name): the text is not valid Unicode"),
        ({"jane@acme.test": float("nan")}, "(unusual name): the number is not finite"),
        ({"a": Instant(10**40)}, "a: the time lies outside the years 1 to 9999"),
        ({"a": object()}, "a: a value of this type has no JSON form"),
        ({1: 1}, "(unusual name): a name must be text"),
        (deep(300), "the fields are nested too deeply"),
    ],
)
def test_encoding_fault_names_the_field_and_not_the_value(value: dict[str, Value], detail: str) -> None:
    assert dumps(value) is None
    assert canonical(value) is None
    assert encoding_fault(value) == Fault(DeadLetterCause.CONTRACT, detail)


def test_why_not_finds_nothing_in_good_values() -> None:
    assert why_not({"a": ["ü", "plain", True, 1.5, Decimal(1), 3, b"", Instant(0)]}) is None
    assert encoding_fault({"a": 1}) == Fault(DeadLetterCause.CONTRACT, "the fields cannot be written as JSON")


def test_only_usual_field_names_are_quoted() -> None:
    assert safe_field_name("order_total") == "order_total"
    assert safe_field_name("customer 4711") == "(unusual name)"
    assert safe_field_name(7) == "(unusual name)"


def test_nan_in_a_subclass_of_float_is_found_too() -> None:
    class Weight(float):
        pass

    assert dumps({"a": Weight(1.5)}) == b'{"a":1.5}'
    assert dumps({"a": Weight("nan")}) is None
    assert orjson.dumps(float("nan")) == b"null"  # the reason for the slow check
