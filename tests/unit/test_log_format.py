"""The format of a log line, and the masking of text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.observability.log.format import TEXT_LIMIT, as_json, as_text, broker_in, masked, shown, timestamp

CANARIES = (
    "anna.canary@example.com",
    "https://canaryuser:canarypass@proxy.internal/x",
    "Bearer canarytoken123",
    "Authorization: canarysecret",
    "api_key=canarykey&x=1",
    "https://api.example/v1?token=canarytoken",
)


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("around", ["{}", "answered 401 to {} twice", '"{}"', "x" * 150 + " {}"])
def test_secret_and_personal_text_is_masked(canary: str, around: str) -> None:
    assert "canary" not in masked(around.format(canary))


@given(st.text(max_size=600), st.sampled_from(CANARIES), st.text(max_size=600))
def test_masked_text_is_short_and_printable(before: str, canary: str, after: str) -> None:
    text = masked(f"{before} {canary} {after}")
    assert len(text) <= TEXT_LIMIT
    assert not any(ord(character) < 32 or ord(character) == 127 for character in text)
    assert text.encode()


def test_email_address_cut_by_the_limit_is_left_out() -> None:
    assert "anna" not in masked("a@b " * 98 + "anna.canary@example.com")


@given(st.text(), st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.floats(), st.none()), max_size=4))
def test_any_fields_give_one_line(event: str, fields: dict[str, object]) -> None:
    line = as_json(1_700_000_000.5, "info", event, {name: shown(value) for name, value in fields.items()})
    assert "\n" not in line
    assert json.loads(line)["ts"] == fields.get("ts", "2023-11-14T22:13:20.500Z") or "ts" in fields
    assert "\n" not in as_text(0.0, "info", "pipeline stopped", {"detail": shown("a\nb")})


def test_none_fields_are_left_out() -> None:
    line = json.loads(as_json(0.0, "info", "pipeline stopped", {"detail": None, "count": 0}))
    assert line == {"ts": "1970-01-01T00:00:00.000Z", "level": "info", "event": "pipeline stopped", "count": 0}


def test_text_line_quotes_values_with_spaces() -> None:
    line = as_text(1_700_000_000.5, "warning", "delivery refused", {"destination": "yotpo", "detail": "no such field"})
    assert line == '22:13:20.500 warning delivery refused  destination=yotpo detail="no such field"'


def test_text_line_rounds_fractions_and_shows_empty_text() -> None:
    line = as_text(0.0, "info", "request finished", {"seconds": 0.123456, "detail": "", "bytes": 5})
    assert line.endswith('request finished  seconds=0.123 detail="" bytes=5')


def test_nested_names_are_printable_and_nan_is_left_out() -> None:
    assert shown({"shop\x85orders": [1]}) == {"shop orders": [1]}
    assert shown(float("nan")) is None


def test_long_list_is_cut_with_the_number_left_out() -> None:
    assert shown([str(n) for n in range(60)]) == [*(str(n) for n in range(50)), "and 10 more"]


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("sasl_ssl://kafka-1.acme:9093/bootstrap: Connect failed", "kafka-1.acme:9093"),
        ("Failed to resolve 'kafka:9092': Name or service not known", "kafka:9092"),
        ("10.0.0.7:9092/1: timed out", "10.0.0.7:9092"),
        ("Authentication failed for user anna:12345@x", None),
        ("no broker is named", None),
        ("//user:12345@host", None),
    ],
)
def test_only_the_broker_is_taken_from_a_client_message(text: str, broker: str | None) -> None:
    assert broker_in(text) == broker


def test_timestamp_is_rfc_3339_in_utc() -> None:
    assert timestamp(0.0004) == "1970-01-01T00:00:00.000Z"
