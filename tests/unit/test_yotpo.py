"""Yotpo's encoding, its faults, and the verdicts on Yotpo's responses."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from consumer.destinations import Encoded, EntryError, OptionError
from consumer.destinations.yotpo import Yotpo, YotpoOptions
from consumer.model import Blocked, DeadLetterCause, Deferred, Delivered, Fault, HttpResponse, Refused, TransientCause
from consumer.model.values import Fields, Instant, Value

URL = "https://api.yotpo.com/core/v3"
YOTPO = Yotpo(YotpoOptions(url=URL, store_id="store/1 "))
IDENTITY = bytes(range(16))
EVENT_ID = "00010203-0405-8607-8809-0a0b0c0d0e0f"
TIME_NS = 1_700_000_000_123_000_000


def encode(fields: Fields, yotpo: Yotpo = YOTPO, time_ns: int = TIME_NS) -> Encoded | Fault:
    return yotpo.encoder("event", "order_placed")(fields, IDENTITY, time_ns)


def detail(fields: Fields) -> str:
    encoded = encode(fields)
    assert isinstance(encoded, Fault), encoded
    assert encoded.cause is DeadLetterCause.CONTRACT
    return encoded.detail


def test_event_with_every_field() -> None:
    encoded = encode(
        {
            "customer": {
                "external_id": "c-1",
                "phone_number": "+491711234567",
                "email": "jane@acme.test",
                "custom_properties": {"tier": "gold", "points": Decimal("7.10")},
            },
            "properties": {"number": 5, "paid": True, "at": Instant(0), "ratio": 0.5, "raw": b"\x00"},
        }
    )
    assert isinstance(encoded, Encoded)
    assert b'"points":7.10' in encoded.body
    assert json.loads(encoded.body) == {
        "source": "cdp_consumer",
        "type": "order_placed",
        "id": EVENT_ID,
        "occurred_at": "2023-11-14T22:13:20.123Z",
        "customer": {
            "external_id": "c-1",
            "phone_number": "+491711234567",
            "email": "jane@acme.test",
            "custom_properties": {"tier": "gold", "points": 7.1},
        },
        "properties": {"number": 5, "paid": True, "at": "1970-01-01T00:00:00Z", "ratio": 0.5, "raw": "AA=="},
    }
    assert encoded.identity == EVENT_ID
    assert encoded.envelope.endpoint == ("customer_events", "PATCH", "/stores/store%2F1/customer_events")
    assert (encoded.envelope.max_events, encoded.envelope.prefix, encoded.envelope.suffix) == (1, b"", b"")


def test_properties_that_are_empty_are_left_out() -> None:
    for fields in ({"customer": {"external_id": "c"}}, {"customer": {"external_id": "c"}, "properties": {}}):
        encoded = encode(fields)  # type: ignore[arg-type]
        assert isinstance(encoded, Encoded)
        assert "properties" not in json.loads(encoded.body)


def test_keys_source_and_wrapper_are_configurable() -> None:
    keys = {"occurred_at": "action_time", "type": "action_name"}
    yotpo = Yotpo(YotpoOptions(url=URL, store_id="s", source="shop", keys=keys, wrapper='cust"om'))
    encoded = encode({"customer": {"email": "jane@acme.test"}}, yotpo)
    assert isinstance(encoded, Encoded)
    assert json.loads(encoded.envelope.prefix + encoded.body + encoded.envelope.suffix) == {
        'cust"om': {
            "source": "shop",
            "action_name": "order_placed",
            "id": EVENT_ID,
            "action_time": "2023-11-14T22:13:20.123Z",
            "customer": {"email": "jane@acme.test"},
        }
    }


@pytest.mark.parametrize(
    "customer", [{"external_id": "c"}, {"phone_number": "+4917112345"}, {"email": "jane@acme.test"}]
)
def test_any_single_customer_id_is_enough(customer: Value) -> None:
    assert isinstance(encode({"customer": customer}), Encoded)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "customer"),
        ({"customer": "c"}, "customer"),
        ({"customer": {}}, "customer"),
        ({"customer": {"custom_properties": {"a": 1}}}, "customer"),
        ({"customer": {"email": "jane@acme.test", "phone_number": "+4917112345"}}, "customer"),
        ({"customer": {"external_id": " "}}, "customer.external_id"),
        ({"customer": {"external_id": 7}}, "customer.external_id"),
        ({"customer": {"external_id": None}}, "customer.external_id"),
        ({"customer": {"phone_number": "0171 12345"}}, "customer.phone_number"),
        ({"customer": {"phone_number": "+0171"}}, "customer.phone_number"),
        ({"customer": {"phone_number": "+1234567890123456"}}, "customer.phone_number"),
        ({"customer": {"phone_number": 49}}, "customer.phone_number"),
        ({"customer": {"email": "jane"}}, "customer.email"),
        ({"customer": {"email": ["jane@acme.test"]}}, "customer.email"),
        ({"customer": {"external_id": "c", "JaneDoe": "Jane"}}, "customer"),
        ({"customer": {"external_id": "c", "custom_properties": 1}}, "customer.custom_properties"),
        ({"customer": {"external_id": "c", "custom_properties": {"A": 1}}}, "customer.custom_properties"),
        ({"customer": {"external_id": "c"}, "properties": 1}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"a": None}}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"a": [1]}}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"a": {}}}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"a": "x" * 256}}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"a": b"x" * 192}}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"a" * 33: 1}}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"JaneDoe": 1}}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"a": float("nan")}}, "properties"),
        ({"customer": {"external_id": "c"}, "properties": {"a": 2**64}}, "properties"),
        ({"customer": {"external_id": "c"}, "source": "mine"}, "source"),
    ],
)
def test_fields_that_violate_the_contract_are_faults(fields: Fields, field: str) -> None:
    assert detail(fields).startswith(f"{field}: ")


def test_the_longest_values_and_names_pass() -> None:
    properties: Fields = {"a" * 32: "x" * 255, "b": b"x" * 189}
    assert isinstance(encode({"customer": {"external_id": "c"}, "properties": properties}), Encoded)


def test_time_outside_years_1_to_9999_is_a_fault() -> None:
    encoded = encode({"customer": {"external_id": "c"}}, time_ns=10**30)
    assert isinstance(encoded, Fault)
    assert encoded.cause is DeadLetterCause.CONTRACT


def test_event_size_limit_is_exact_to_the_byte() -> None:
    fields: Fields = {"customer": {"external_id": "c" * 2000}}
    encoded = encode(fields)
    assert isinstance(encoded, Encoded)
    wrapped = len(encoded.body) + len(b'{"w":}')
    fits = Yotpo(YotpoOptions(url=URL, store_id="s", wrapper="w", bytes=wrapped))
    assert isinstance(encode(fields, fits), Encoded)
    over = encode(fields, Yotpo(YotpoOptions(url=URL, store_id="s", wrapper="w", bytes=wrapped - 1)))
    assert isinstance(over, Fault)
    assert over.cause is DeadLetterCause.TOO_LARGE


@pytest.mark.parametrize(
    ("target", "name"),
    [("track", "order_placed"), ("event", None), ("event", ""), ("event", "Order Placed"), ("event", "a" * 256)],
)
def test_invalid_entries_raise_at_load(target: str, name: str | None) -> None:
    with pytest.raises(EntryError) as error:
        YOTPO.encoder(target, name)
    assert error.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://acme.test"},
        {"store_id": " "},
        {"source": "My Tool"},
        {"bytes": 1},
        {"keys": {"time": "at"}},
        {"keys": {"id": ""}},
        {"keys": {"id": "type"}},
        {"wrapper": ""},
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as error:
        YotpoOptions(**{"url": URL, "store_id": "s", **options})
    assert error.value.option == list(options)[-1]


# ── responses ──


def judge(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> object:
    return YOTPO.judge(YOTPO._envelope, ["id"], HttpResponse(status, headers or {}, body))


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b"[]", b'"ok"', b'{"id":1}'])
def test_success_needs_empty_or_json_body(status: int, body: bytes) -> None:
    assert judge(status, body) == Delivered()


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (201, b"ok"), (202, b"{}"), (206, b"")])
def test_other_2xx_statuses_are_blocked(status: int, body: bytes) -> None:
    verdict = judge(status, body)
    assert isinstance(verdict, Blocked)
    assert verdict.fault.cause is TransientCause.UNINTELLIGIBLE


def test_truncated_success_is_blocked() -> None:
    assert isinstance(YOTPO.judge(YOTPO._envelope, ["id"], HttpResponse(200, {}, b"{}", truncated=True)), Blocked)


def test_other_statuses_follow_the_shared_table() -> None:
    reset = judge(429, headers={"ratelimit-reset": "2", "ratelimit-remaining": "0"})
    assert reset == Deferred(Fault(TransientCause.THROTTLED, "", 429), 2.0, whole_destination=True)
    refused = judge(400, b'{"errors":[{"message":"phone_number +49171 is invalid"}]}')
    assert refused == Refused(Fault(DeadLetterCause.REFUSED, "phone_number … is invalid", 400))
    assert judge(410) == Blocked(Fault(TransientCause.GONE, "", 410))
