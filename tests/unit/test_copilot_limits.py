"""Copilot's limits of sizes and envelopes, and findings at load."""

import json
from typing import Any

import pytest

from consumer.destinations import Encoded, EntryError, OptionError
from consumer.destinations.copilot import MAX_AGE_MS, Copilot, CopilotOptions
from consumer.model import DeadLetterCause, Fault
from consumer.model.values import Fields
from tests.unit.copilot_harness import BATCH, COPILOT, EVENT_ID, IDENTITY, SINGLE, TIME_NS, URL, detail, encode, payload


def test_twenty_properties_fit_and_one_more_does_not() -> None:
    many: Fields = {f"p{number}": number for number in range(18)}
    assert len(payload("custom_event", {"user_id": "u", **many})) == 20
    assert "20 properties" in detail("custom_event", {"user_id": "u", "one_more": 1, **many})
    assert len(payload("thing_interaction", {"thing_id": "t", "one_more": 1, **many})) == 20


def test_cache_of_property_names_is_bounded() -> None:
    encode = Copilot(CopilotOptions(url=URL)).encoder("custom_event", "x")
    for number in range(1500):
        assert isinstance(encode({"user_id": "u", f"p{number}": 1}, IDENTITY, TIME_NS), Encoded)
    assert isinstance(encode({"user_id": "u", "p 1": 1}, IDENTITY, TIME_NS), Fault)


def test_size_limit_is_exact_to_the_byte() -> None:
    body = encode("custom_event", {"user_id": "u", "text": "x" * 1000})
    assert isinstance(body, Encoded)
    exact = len(body.body) + len(BATCH.prefix) + len(BATCH.suffix)
    fits = encode("custom_event", {"user_id": "u", "text": "x" * 1000}, Copilot(CopilotOptions(url=URL, bytes=exact)))
    assert isinstance(fits, Encoded)
    over = encode(
        "custom_event", {"user_id": "u", "text": "x" * 1000}, Copilot(CopilotOptions(url=URL, bytes=exact - 1))
    )
    assert isinstance(over, Fault)
    assert over.cause is DeadLetterCause.TOO_LARGE


def test_a_batch_of_one_is_a_whole_request() -> None:
    result = encode("custom_event", {"user_id": "u"})
    assert isinstance(result, Encoded)
    assert list(json.loads(BATCH.prefix + result.body + b"," + result.body + BATCH.suffix)) == ["events"]
    assert (BATCH.max_events, BATCH.max_bytes, BATCH.max_age_ms) == (100, 500_000, MAX_AGE_MS)
    assert BATCH.endpoint == ("collect", "POST", "/v2/collect")


def test_consent_is_a_single_request_without_envelope() -> None:
    result = encode("consent", {"user_id": "u-1", "consent_value": False})
    assert result == Encoded(b'{"user_id":"u-1","consent_value":false}', SINGLE, EVENT_ID)
    assert (SINGLE.max_events, SINGLE.max_age_ms) == (1, None)
    assert SINGLE.endpoint == ("consent", "POST", "/v2/api/report/user_copilot_analysis_consent_changed")
    assert detail("consent", {"user_id": "u-1"}) == "consent_value: is missing"
    assert detail("consent", {"user_id": "u-1", "consent_value": 1}).startswith("consent_value")
    long = encode(
        "consent", {"user_id": "u" * 2000, "consent_value": True}, Copilot(CopilotOptions(url=URL, bytes=1000))
    )
    assert isinstance(long, Fault)
    assert long.cause is DeadLetterCause.TOO_LARGE


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("order_placed", None),
        ("user_created", "name"),
        ("consent", "name"),
        ("custom_event", None),
        ("custom_event", " "),
        ("custom_event", "Order Placed"),
    ],
)
def test_invalid_entries_raise_at_load(target: str, name: str | None) -> None:
    with pytest.raises(EntryError) as error:
        COPILOT.encoder(target, name)
    assert error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"url": "api.acme.test"},
        {"url": "https://user:secret@acme.test"},
        {"url": URL, "events": 0},
        {"url": URL, "bytes": 10},
        {"url": URL, "collect_path": "v2/collect"},
        {"url": URL, "consent_path": "/a?b"},
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as error:
        CopilotOptions(**options)
    assert error.value.option == list(options)[-1]
