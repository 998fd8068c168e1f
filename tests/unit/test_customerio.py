"""Customer.io's encoding: envelopes and sizes."""

import json
from decimal import Decimal

import pytest

from consumer.destinations import Encoded
from consumer.destinations.customerio.destination import Customerio, CustomerioOptions
from consumer.model import BatchEnvelope, DeadLetterCause, Fault
from consumer.model.values import Fields, Instant
from tests.unit.customerio_harness import (
    COMMON,
    CUSTOMERIO,
    IDENTITY,
    MESSAGE_ID,
    TIME_NS,
    URL,
    detail,
    document,
    encode,
    encoded,
)


@pytest.mark.parametrize(
    ("target", "name", "fields", "more"),
    [
        ("identify", None, {"userId": "u", "traits": {"plan": "pro"}}, {}),
        ("identify", None, {"anonymousId": "a"}, {}),
        ("identify", None, {"traits": {"email": "jane@acme.test"}}, {}),
        ("track", "Order Completed", {"userId": "u", "properties": {"total": 1}}, {"event": "Order Completed"}),
        ("track", "  Bestellung ü\t", {"anonymousId": "a"}, {"event": "Bestellung ü"}),
        ("page", None, {"userId": "u", "properties": {"url": "https://acme.test/"}}, {}),
        ("page", "Home", {"userId": "u"}, {"name": "Home"}),
        ("screen", "Cart", {"userId": "u", "anonymousId": "a"}, {"name": "Cart"}),
        ("group", None, {"groupId": "g", "traits": {"name": "Acme"}}, {}),
        ("group", None, {"groupId": "g", "userId": "u", "objectTypeId": "2"}, {}),
    ],
)
def test_batchable_calls_carry_type_id_time_and_context(
    target: str, name: str | None, fields: Fields, more: dict[str, str]
) -> None:
    result = encoded(target, fields, name)
    assert json.loads(result.body) == {"type": target, **COMMON, **more, **fields}
    assert result.identity == MESSAGE_ID
    assert result.envelope == BatchEnvelope(
        result.envelope.endpoint, b'{"batch":[', b'],"context":{"channel":"server"}}', 100, 490_000, None
    )
    assert result.envelope.endpoint == ("batch", "POST", "/batch")


def test_alias_is_a_single_request_without_type() -> None:
    result = encoded("alias", {"previousId": "a", "userId": "u"})
    assert json.loads(result.body) == {**COMMON, "previousId": "a", "userId": "u"}
    assert result.envelope == BatchEnvelope(result.envelope.endpoint, b"", b"", 1, 32_000)
    assert result.envelope.endpoint == ("alias", "POST", "/alias")
    with_context = encoded("alias", {"previousId": "a", "userId": "u", "context": {"ip": "::1"}})
    assert with_context.envelope == result.envelope


def test_strict_mode_is_on() -> None:
    assert CUSTOMERIO.headers == {"content-type": "application/json", "x-strict-mode": "1"}


@pytest.mark.parametrize(
    ("target", "fields", "field"),
    [
        ("track", {}, "userId"),
        ("track", {"properties": {}}, "userId"),
        ("track", {"userId": ""}, "userId"),
        ("track", {"userId": "  "}, "userId"),
        ("track", {"userId": 7}, "userId"),
        ("track", {"userId": None}, "userId"),
        ("track", {"userId": "u", "anonymousId": ""}, "anonymousId"),
        ("track", {"userId": "u", "properties": [1]}, "properties"),
        ("track", {"userId": "u", "traits": {}}, "traits"),
        ("track", {"userId": "u", "jane@acme.test": {}}, "(unusual name)"),
        ("track", {"userId": "u", "context": "web"}, "context"),
        ("track", {"userId": "u", "integrations": {"Mixpanel": "no"}}, "integrations"),
        ("track", {"userId": "u", "integrations": {"All": False}}, "integrations.All"),
        ("track", {"userId": "u", "properties": {"a": float("nan")}}, "properties"),
        ("track", {"userId": "u", "context": {"a": float("nan")}}, "context"),
        ("identify", {"traits": {"plan": "pro"}}, "userId"),
        ("identify", {"traits": {"email": " "}}, "userId"),
        ("identify", {}, "userId"),
        ("group", {"userId": "u"}, "groupId"),
        ("group", {"groupId": "g", "userId": " "}, "userId"),
        ("group", {"groupId": "g", "objectTypeId": "first"}, "objectTypeId"),
        ("group", {"groupId": "g", "objectTypeId": 0}, "objectTypeId"),
        ("group", {"groupId": "g", "objectTypeId": True}, "objectTypeId"),
        ("group", {"groupId": "g", "objectTypeId": 10**30}, "objectTypeId"),
        ("group", {"groupId": "g", "traits": {"object_type_id": "x"}}, "traits.object_type_id"),
        ("group", {"groupId": "g", "traits": 7}, "traits"),
        ("alias", {"userId": "u"}, "previousId"),
        ("alias", {"previousId": "a"}, "previousId"),
    ],
)
def test_fields_that_violate_the_contract_are_faults(target: str, fields: Fields, field: str) -> None:
    assert detail(target, fields, "Clicked" if target == "track" else None).startswith(f"{field}: ")


def test_object_type_is_text_in_both_places() -> None:
    fields: Fields = {"groupId": "g", "objectTypeId": 2, "traits": {"object_type_id": 3, "name": "Acme"}}
    result = document("group", fields)
    assert result["objectTypeId"] == "2"
    assert result["traits"] == {"object_type_id": "3", "name": "Acme"}
    assert fields["objectTypeId"] == 2


def test_numbers_are_exact_and_times_are_iso_8601() -> None:
    properties: Fields = {"total": Decimal("12.50"), "at": Instant(1_000_000_000), "nothing": None, "raw": b"\x01"}
    result = encoded("track", {"userId": "u", "properties": properties}, "Paid")
    assert b'"properties":{"total":12.50,"at":"1970-01-01T00:00:01Z","nothing":null,"raw":"AQ=="}}' in result.body


def test_time_outside_years_1_to_9999_is_a_fault() -> None:
    result = encode("track", {"userId": "u"}, "Paid", time_ns=10**30)
    assert isinstance(result, Fault)
    assert result.cause is DeadLetterCause.CONTRACT


def test_calls_share_an_envelope_only_with_equal_context() -> None:
    plain = encoded("track", {"userId": "u"}, "Paid")
    local: Fields = {"userId": "u", "context": {"ip": "192.0.2.1", "channel": "mobile"}}
    turned: Fields = {"userId": "v", "context": {"channel": "mobile", "ip": "192.0.2.1"}}
    other: Fields = {"userId": "u", "integrations": {"Mixpanel": False}}
    assert encoded("track", local, "Paid").envelope == encoded("page", turned).envelope
    assert encoded("identify", {"userId": "u"}).envelope == plain.envelope
    assert (
        len({plain.envelope, encoded("track", local, "Paid").envelope, encoded("track", other, "Paid").envelope}) == 3
    )


def test_context_is_in_the_batch_and_in_each_call() -> None:
    customerio = Customerio(CustomerioOptions(url=URL, integrations={"All": False, "Mixpanel": True}))
    result = encoded("track", {"userId": "u", "context": {"ip": "::1"}}, "Paid", customerio=customerio)
    batch = json.loads(result.envelope.prefix + result.body + b"," + result.body + result.envelope.suffix)
    assert batch["context"] == {"channel": "server", "ip": "::1"}
    assert batch["integrations"] == {"All": False, "Mixpanel": True}
    assert [(call["context"], call["integrations"]) for call in batch["batch"]] == [
        (batch["context"], batch["integrations"])
    ] * 2


def test_empty_context_and_integrations_are_left_out() -> None:
    result = encoded("track", {"userId": "u"}, "Paid", customerio=Customerio(CustomerioOptions(url=URL, context={})))
    assert result.envelope.suffix == b"]}"
    assert "context" not in json.loads(result.body)


def test_cache_of_envelopes_is_bounded() -> None:
    customerio = Customerio(CustomerioOptions(url=URL))
    encode = customerio.encoder("track", "Paid")
    for number in range(600):
        result = encode({"userId": "u", "context": {"ip": str(number)}}, IDENTITY, TIME_NS)
        assert isinstance(result, Encoded)
        assert str(number).encode() in result.envelope.suffix
    assert len(customerio._envelopes) <= 256


def test_call_size_limit_is_exact_to_the_byte() -> None:
    calls: list[tuple[str, Fields]] = [
        ("track", {"userId": "u" * 2000}),
        ("alias", {"previousId": "a", "userId": "u" * 2000}),
    ]
    for target, fields in calls:
        name = "Paid" if target == "track" else None
        size = len(encoded(target, fields, name).body)
        exact = Customerio(CustomerioOptions(url=URL, call_bytes=size))
        assert isinstance(encode(target, fields, name, customerio=exact), Encoded)
        short = Customerio(CustomerioOptions(url=URL, call_bytes=size - 1))
        result = encode(target, fields, name, customerio=short)
        assert isinstance(result, Fault)
        assert result.cause is DeadLetterCause.TOO_LARGE


def test_call_that_does_not_fit_its_batch_is_too_large() -> None:
    customerio = Customerio(CustomerioOptions(url=URL, call_bytes=2000, bytes=2000))
    size = len(encoded("track", {"userId": "u"}, "Paid").body)
    fits = 2000 - size - len(b'{"batch":[],"context":{"channel":"server"}}') + 1
    assert isinstance(encode("track", {"userId": "u" * fits}, "Paid", customerio=customerio), Encoded)
    assert isinstance(encode("track", {"userId": "u" * (fits + 1)}, "Paid", customerio=customerio), Fault)
