"""Copilot's rules for one event of collect (docs.copilot.cx: collect API reference, API releases from 2.1.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consumer.demo.fakes.parsing import (
    Document,
    ValueCheck,
    is_boolean,
    is_integer,
    is_nonempty,
    is_object,
    is_string,
)

MAX_PROPERTIES = 20
MAX_ID_LENGTH = 50
WINDOW_MS = 30 * 24 * 3600 * 1000

_ENVELOPE = frozenset({"type", "event_id", "timestamp", "payload"})
_ALLOWED = re.compile(r"[a-zA-Z0-9:\-._+@]*")
_OFFSET = re.compile(r"Z|0000|[+-](\d\d)([0-5]\d)", re.ASCII)
_PATTERNED = frozenset(
    ("user_id", "thing_id", "subtype", "email", "model", "firmware_version", "status_key", "consumable_type")
)


def is_patterned(value: object) -> bool:
    """Whether a string has only the allowed characters of the release notes: no space, slash or non-ASCII letter."""
    return isinstance(value, str) and _ALLOWED.fullmatch(value) is not None


def _is_offset(value: object) -> bool:
    """Whether this is `[+/-]HHMM` from -1200 to +1459, `Z` or `0000`."""
    found = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return False
    if found[1] is None:
        return True
    text = found[0]
    minutes = int(found[1]) * 60 + int(found[2])
    return minutes <= (12 * 60 if text[0] == "-" else 14 * 60 + 59)


def _is_scalar(value: object) -> bool:
    return is_string(value) or is_boolean(value) or is_integer(value)


def _is_custom_value(value: object) -> bool:
    return _is_scalar(value) or isinstance(value, float)


@dataclass(frozen=True, slots=True)
class _EventType:
    """Payload fields of one event type. `open` allows other names, with scalar values."""

    required: Mapping[str, ValueCheck]
    optional: Mapping[str, ValueCheck]
    open: bool = False


_USER = {"user_id": is_nonempty}
_THING = {"thing_id": is_nonempty}
_MODEL = {"user_id": is_nonempty, "firmware_version": is_string, "model": is_string}
_PERSON = {
    "first_name": is_string,
    "last_name": is_string,
    "email": is_string,
    "copilot_analysis_consent": is_boolean,
    "utc_offset": _is_offset,
}
_CUSTOM = {"custom_properties": is_object}
_FIRMWARE = _EventType(_THING, {"user_id": is_nonempty, "firmware_version": is_string})

TYPES: Mapping[str, _EventType] = {
    "user_created": _EventType(_USER, _PERSON | _CUSTOM),
    "user_updated": _EventType(_USER, _PERSON | _CUSTOM),
    "user_deleted": _EventType(_USER, {}),
    "thing_created": _EventType(_THING, _MODEL | _CUSTOM),
    "thing_updated": _EventType(_THING, _MODEL | _CUSTOM),
    "user_thing_associated": _EventType(_USER | _THING, {}),
    "user_thing_disassociated": _EventType(_USER | _THING, {}),
    "thing_status_changed": _EventType(
        _THING | {"status_key": is_nonempty, "status_value": is_string}, _USER | {"status_date": is_integer}
    ),
    "thing_interaction": _EventType(_THING, _USER, open=True),
    "thing_connected": _EventType(_THING, _USER),
    "consumable_usage": _EventType(_THING, _USER | {"consumable_type": is_string}),
    "firmware_upgrade_started": _FIRMWARE,
    "firmware_upgrade_completed": _FIRMWARE,
    "custom_event": _EventType({"subtype": is_nonempty}, _USER | _THING, open=True),
    "unsubscribe": _EventType({"email": is_nonempty}, {}),
    "preexisting_sync_started": _EventType({}, {}),
    "preexisting_sync_completed": _EventType({}, {}),
    "preexisting_user_created": _EventType(_USER, _PERSON | {"original_creation_date": is_integer}),
    "preexisting_thing_created": _EventType(_THING, _MODEL | {"original_creation_date": is_integer}),
    "preexisting_user_thing_associated": _EventType(_USER | _THING, {"original_association_date": is_integer}),
}
"""Every event type of collect."""


def find_violation(event: Document, now_ms: int) -> str | None:
    """Return the first violation of one event as a sentence, or `None`."""
    unknown = next(iter(event.keys() - _ENVELOPE), None)
    if unknown is not None:
        return f"{unknown} does not belong to an event"
    if len(event["event_id"]) > MAX_ID_LENGTH or not is_patterned(event["event_id"]):
        return "event_id has characters that are not allowed, or more than 50"
    kind = event.get("type")
    known = TYPES.get(kind) if isinstance(kind, str) else None
    if known is None:
        return "type is not a known event type"
    return _time(event.get("timestamp"), now_ms) or _payload(known, event.get("payload"))


def is_ignored(event: Document) -> bool:
    """Whether a valid event has neither user nor thing. The reference says that it is ignored silently."""
    return event["type"] == "custom_event" and not event["payload"].keys() & {"user_id", "thing_id"}


def _time(stamp: Any, now_ms: int) -> str | None:  # noqa: ANN401 - any JSON value
    if not is_integer(stamp):
        return "timestamp is not an integer of milliseconds"
    if stamp > now_ms:
        return "timestamp is in the future"
    return "timestamp is older than 30 days" if stamp < now_ms - WINDOW_MS else None


def _payload(known: _EventType, payload: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if not isinstance(payload, dict):
        return "payload is not an object"
    if len(payload) > MAX_PROPERTIES:
        return f"payload has more than {MAX_PROPERTIES} properties"
    missing = next((name for name in known.required if name not in payload), None)
    if missing is not None:
        return f"payload.{missing} is missing"
    for name, value in payload.items():
        check = known.required.get(name) or known.optional.get(name)
        if check is None and not known.open:
            return f"payload.{name} is not a property of this type"
        wrong = _property(name, value, check or _is_scalar)
        if wrong is not None:
            return wrong
    return None


def _property(name: str, value: Any, check: ValueCheck) -> str | None:  # noqa: ANN401 - any JSON value
    if not name or not is_patterned(name):
        return "a property's name is empty or has characters that are not allowed"
    if not check(value):
        return f"payload.{name} is of the wrong type"
    if name in _PATTERNED and not is_patterned(value):
        return f"payload.{name} has characters that are not allowed"
    if name == "custom_properties" and isinstance(value, dict):
        for inner, held in value.items():
            if not inner or not is_patterned(inner):
                return "a custom property's name is empty or has characters that are not allowed"
            if not _is_custom_value(held):
                return f"payload.custom_properties.{inner} is not a string, number or Boolean"
    return None
