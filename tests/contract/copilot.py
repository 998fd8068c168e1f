"""Copilot's own cases: verdicts by event, the window, properties, sizes, consents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.fault_rules import MarkInvalid, contains
from consumer.model.values import Fields, Instant
from tests.contract import common_cases
from tests.contract.case import Case, Event

_DAY_S = 24 * 3600.0
_PERSON: Fields = {
    "user_id": "u-1",
    "first_name": "Anne Marie",
    "last_name": "Müller",
    "email": "a@b.example",
    "copilot_analysis_consent": False,
    "utc_offset": "+0200",
}
_THING: Fields = {"thing_id": "AA:BB", "user_id": "u-1", "firmware_version": "1.2", "model": "m-1"}
_PAIR: Fields = {"user_id": "u-1", "thing_id": "AA:BB"}
_MOMENT = Instant(1_700_000_000_123_000_000)
_FULL: dict[str, Fields] = {
    "user_created": {**_PERSON, "custom_properties": {"city": "São Paulo", "vip": False, "age": 3, "size": 20.5}},
    "user_updated": _PERSON,
    "user_deleted": {"user_id": "u-1"},
    "thing_created": {**_THING, "custom_properties": {"weight": 1.5}},
    "thing_updated": _THING,
    "user_thing_associated": _PAIR,
    "user_thing_disassociated": _PAIR,
    "thing_status_changed": {**_PAIR, "status_key": "door", "status_value": "half open", "status_date": _MOMENT},
    "thing_interaction": {**_PAIR, "button": 3, "text": "a b", "long": True},
    "thing_connected": _PAIR,
    "consumable_usage": {**_PAIR, "consumable_type": "filter"},
    "firmware_upgrade_started": {**_PAIR, "firmware_version": "2"},
    "firmware_upgrade_completed": {**_PAIR, "firmware_version": "2"},
    "custom_event": {**_PAIR, "count": 1, "is_fault": False, "note": "x/y z", "price": Decimal("9.90"), "at": _MOMENT},
    "unsubscribe": {"email": "a@b.example"},
    "preexisting_sync_started": {},
    "preexisting_sync_completed": {},
    "preexisting_user_created": {**_PERSON, "original_creation_date": _MOMENT},
    "preexisting_thing_created": {**_THING, "original_creation_date": _MOMENT},
    "preexisting_user_thing_associated": {**_PAIR, "original_association_date": _MOMENT},
}
_EXPECTED: dict[str, object] = {
    "status_date": 1_700_000_000_123,
    "original_creation_date": 1_700_000_000_123,
    "original_association_date": 1_700_000_000_123,
    "at": 1_700_000_000_123,
    "price": "9.90",
}


def server() -> Fake:
    """Return a new server."""
    return FakeCopilot(client_id="id", client_secret="secret")


def ordinary(key: int, text: str) -> Event:
    """Return an ordinary event."""
    return Event(target="custom_event", name="noted", fields={"user_id": f"u-{key}", "note": text}, key=key, age_s=5.0)


def _custom(cause: str | None, fields: Fields, key: int = 1, age_s: float = 60.0) -> Event:
    return Event(target="custom_event", name="noted", fields=fields, cause=cause, key=key, age_s=age_s)


def _of(target: str, fields: Fields, cause: str | None = None) -> Event:
    expected = {name: _EXPECTED.get(name, value) for name, value in fields.items()}
    name = "noted" if target == "custom_event" else None
    return Event(target=target, name=name, fields=fields, expected=expected, cause=cause)


async def _wrong_then_right(copilot: FakeCopilot) -> None:
    await copilot.wait_until_async(lambda: any(request.status == 401 for request in copilot.requests))
    await asyncio.sleep(0.1)
    copilot.accept(client_id="id", client_secret="secret")


def _sent_nothing(copilot: FakeCopilot) -> Iterator[str]:
    if copilot.refused:
        yield f"sent and refused: {copilot.refused[0].reason}"


CASES: list[Case] = [
    *common_cases.cases(ordinary, "/v2/collect"),
    Case(
        name="every event type in full",
        events=tuple(_of(target, fields) for target, fields in _FULL.items()),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="consents are single requests",
        events=(
            Event(target="consent", fields={"user_id": "u-1", "consent_value": True}, key=1),
            Event(target="consent", fields={"user_id": "u-1", "consent_value": False}, key=1),
            Event(target="consent", fields={"user_id": "with a space", "consent_value": False}, cause="contract"),
            ordinary(1, "beside them"),
        ),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="a 200 that lists invalid events",
        events=(
            ordinary(1, "good"),
            _custom("refused", {"user_id": "u-1", "note": "BAD"}),
            ordinary(2, "good"),
            _custom("refused", {"user_id": "u-2", "note": "BAD"}, key=2),
        ),
        prepare=lambda copilot: copilot.faults.add(
            MarkInvalid("wrong", lambda item: b"BAD" in item.raw), when=contains("BAD")
        ),
    ),
    Case(
        name="contract violations are not sent",
        events=(
            _custom("contract", {"note": "about nobody"}),
            _custom("contract", {"user_id": "u-1", **{f"p{number}": number for number in range(20)}}),
            _custom("contract", {"user_id": "u-1", "deep": {"er": 1}}),
            _custom("contract", {"user_id": "u 1"}),
            _custom("contract", {"user_id": "u-1", "a name": 1}),
            _of("user_updated", {"user_id": "u-1", "shoe_size": 43}, "contract"),
            _of("unsubscribe", {"email": "no address"}, "contract"),
            _of("thing_connected", {"user_id": "u-1"}, "contract"),
            ordinary(1, "good"),
        ),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="the window of 30 days",
        events=(
            ordinary(2, "its answer tells the server's clock"),
            _custom("out_of_window", {"user_id": "u-1", "note": "old"}, age_s=31 * _DAY_S),
            _custom("out_of_window", {"user_id": "u-1", "note": "far ahead"}, age_s=-3600),
            _custom(None, {"user_id": "u-1", "note": "just in time"}, age_s=29.9 * _DAY_S),
            _custom(None, {"user_id": "u-2", "note": "a moment ahead"}, key=2, age_s=-1.0),
        ),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="bodies stay below the limit",
        events=tuple(ordinary(key, "x" * 40_000) for key in range(30)),
        extra_complaints=lambda copilot: iter(
            ["too large a body"] if any(r.status == 413 for r in copilot.requests) else []
        ),
    ),
    Case(
        name="more events than one batch",
        events=tuple(ordinary(key, "short") for key in range(250)),
        extra_complaints=lambda copilot: iter(
            ["too many events"] if any(r.status == 413 for r in copilot.requests) else []
        ),
    ),
    Case(
        name="an event too large for any request",
        events=(_custom("too_large", {"user_id": "u-1", "note": "x" * 500_000}), ordinary(1, "good")),
    ),
    Case(
        name="rejected credentials dead-letter nothing",
        events=(ordinary(1, "waits"), ordinary(2, "waits")),
        prepare=lambda copilot: copilot.accept(client_id="id", client_secret="another"),
        meanwhile=_wrong_then_right,
    ),
    Case(
        name="invalid entries",
        refused_entries=(
            ("custom_event", None),
            ("custom_event", "with a space"),
            ("user_created", "named"),
            ("no_such_type", None),
        ),
    ),
]
