"""Encode events for Customer.io with one identity and one time."""

import json
from typing import Any

from consumer.destinations import Encoded
from consumer.destinations.customerio.destination import Customerio, CustomerioOptions
from consumer.model import DeadLetterCause, Fault
from consumer.model.values import Fields

URL = "https://cdp.customer.io/v1"
ACTING = frozenset(
    {
        "User Deleted",
        "User Suppressed",
        "User Unsuppressed",
        "Device Created or Updated",
        "Device Deleted",
        "Relationship Deleted",
        "Object Deleted",
        "Report Delivery Event",
        "Report Content Event",
    }
)
CUSTOMERIO = Customerio(CustomerioOptions(url=URL, allow_events=ACTING))
IDENTITY = bytes.fromhex("00112233445566778899aabbccddeeff")
TIME_NS = 1_469_918_176_385_000_000
MESSAGE_ID = "01ARYZ6S41CSVRH6DAQF6DVVQZ"
COMMON = {"messageId": MESSAGE_ID, "timestamp": "2016-07-30T22:36:16.385Z", "context": {"channel": "server"}}


def encode(
    target: str, fields: Fields, name: str | None = None, *, customerio: Customerio = CUSTOMERIO, time_ns: int = TIME_NS
) -> Encoded | Fault:
    return customerio.encoder(target, name)(fields, IDENTITY, time_ns)


def encoded(target: str, fields: Fields, name: str | None = None, *, customerio: Customerio = CUSTOMERIO) -> Encoded:
    result = encode(target, fields, name, customerio=customerio)
    assert isinstance(result, Encoded), result
    return result


def document(target: str, fields: Fields, name: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encoded(target, fields, name).body)
    return found


def detail(target: str, fields: Fields, name: str | None = None) -> str:
    result = encode(target, fields, name)
    assert isinstance(result, Fault), result
    assert result.cause is DeadLetterCause.CONTRACT
    return result.detail
