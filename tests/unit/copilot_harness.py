"""Encode events for Copilot with one identity and one time."""

import json

from consumer.destinations import Encoded
from consumer.destinations.copilot import Copilot, CopilotOptions
from consumer.destinations.copilot_contract import EVENT_TYPES
from consumer.model import DeadLetterCause, Fault
from consumer.model.values import Fields

URL = "https://api.acme.bycopilot.com"
COPILOT = Copilot(CopilotOptions(url=URL))
IDENTITY = bytes(range(16))
EVENT_ID = "00010203-0405-8607-8809-0a0b0c0d0e0f"
TIME_NS = 1_700_000_000_123_456_789
BATCH, SINGLE = COPILOT._batch, COPILOT._single
MINIMUM: dict[str, Fields] = {
    "user_id": {"user_id": "u-1"},
    "thing_id": {"thing_id": "t-1"},
    "status_key": {"status_key": "mode"},
    "status_value": {"status_value": "on the run"},
    "email": {"email": "jane+x@acme.test"},
}


def minimum_fields(target: str) -> Fields:
    fields: Fields = {}
    for name in EVENT_TYPES[target].mandatory:
        fields |= MINIMUM[name]
    return fields or ({"user_id": "u-1"} if target == "custom_event" else {})


def encode(target: str, fields: Fields, copilot: Copilot = COPILOT) -> Encoded | Fault:
    return copilot.encoder(target, "clicked" if target == "custom_event" else None)(fields, IDENTITY, TIME_NS)


def payload(target: str, fields: Fields) -> dict[str, object]:
    result = encode(target, fields)
    assert isinstance(result, Encoded), result
    return json.loads(result.body)["payload"]  # type: ignore[no-any-return]


def detail(target: str, fields: Fields) -> str:
    result = encode(target, fields)
    assert isinstance(result, Fault), result
    assert result.cause is DeadLetterCause.CONTRACT
    return result.detail
