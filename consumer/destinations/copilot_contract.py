"""Copilot's event types as data: their fields, the type of each field, and the values it accepts.

Source: Copilot Collect API reference (docs.copilot.cx/docs/server-api-your-own/reference/collect-api-reference), its
release notes for the character pattern and the 20 properties, and the consent endpoint's page. Where they contradict
each other, the stricter reading is used. A value that passes wrongly comes back in `invalid_events`.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from consumer.destinations import FieldRule, Target
from consumer.destinations.encoding import exact
from consumer.model.identifiers import id_problem
from consumer.model.values import Instant

MAX_PROPERTIES = 20
"""Maximum keys of one payload, ids and subtype included (since API 2.1.4)."""
PATTERN = re.compile(r"[a-zA-Z0-9:\-._+@]*")
"""Characters of ids, codes and property names: no space, no slash, ASCII only."""

UNACCEPTED_NAME = "Copilot does not accept this property name"

_UTC_OFFSET = re.compile(r"Z|0000|-(?:0[0-9]|1[01])[0-5][0-9]|-1200|\+(?:0[0-9]|1[0-4])[0-5][0-9]")
_LARGEST, _SMALLEST = 2**63 - 1, -(2**63)


class CopilotFieldType(NamedTuple):
    """One type of value. `convert` returns the JSON value, or `None` if `requirement` is not met."""

    convert: Callable[[Any], object | None]
    requirement: str


def _key(value: object) -> str | None:
    return value if isinstance(value, str) and value and PATTERN.fullmatch(value) else None


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and PATTERN.fullmatch(value) and id_problem(value) is None else None


def _code(value: object) -> str | None:
    return value if isinstance(value, str) and PATTERN.fullmatch(value) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _moment(value: object) -> int | None:
    """Return epoch milliseconds; a plain integer is read as such."""
    if isinstance(value, Instant):
        return value.ms
    return _integer(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _utc_offset(value: object) -> str | None:
    return value if isinstance(value, str) and _UTC_OFFSET.fullmatch(value) else None


def _integer(value: int) -> int | None:
    return value if _SMALLEST <= value <= _LARGEST else None


def primitive(value: object) -> str | int | bool | None:
    """Return the text, integer or Boolean to send for a free property; `None` for null, nested values and NaN.

    Copilot documents no fractional type: fractions become decimal text, whole numbers integers.
    """
    convert = _PRIMITIVES.get(type(value))
    return convert(value) if convert else None


def _number(text: str | None) -> str | int | None:
    if text is None:
        return None
    whole, _, fraction = text.partition(".")
    return text if fraction.strip("0") else _integer(int(whole))


def _fraction(text: str) -> str | int | None:
    """Return the value to send for a float's shortest text, which may be `1e-07` or `nan`."""
    return _number(exact(Decimal(text)) if "e" in text or "n" in text else text)


_PRIMITIVES: Mapping[type, Callable[[Any], str | int | bool | None]] = {
    str: lambda value: value,
    bool: lambda value: value,
    int: _integer,
    Instant: lambda value: value.ms,
    Decimal: lambda value: _number(exact(value)),
    float: lambda value: _fraction(repr(value)),
    bytes: lambda value: b64encode(value).decode(),
}


def _properties(value: object) -> dict[str, object] | None:
    """Return `custom_properties`: flat, with fractions as numbers (the reference's own example holds 20.5)."""
    if not isinstance(value, dict):
        return None
    checked: dict[str, object] = {}
    for name, inner in value.items():
        if not name or not PATTERN.fullmatch(name):
            return None
        fraction = isinstance(inner, Decimal) or (isinstance(inner, float) and math.isfinite(inner))
        one = inner if fraction else primitive(inner)
        if one is None:
            return None
        checked[name] = one
    return checked


def is_property_name(name: str) -> bool:
    """Return True if Copilot accepts the name of a free property; `subtype` is the entry's `name`."""
    return bool(name) and PATTERN.fullmatch(name) is not None and name != "subtype"


_CHARACTERS = "letters, digits and : - . _ + @"
ID = CopilotFieldType(_id, f"must be text of {_CHARACTERS}, not empty, and not null, undefined, None or NaN")
KEY = CopilotFieldType(_key, f"must be text of {_CHARACTERS}, and not empty")
CODE = CopilotFieldType(_code, f"must be text of {_CHARACTERS}")
TEXT = CopilotFieldType(_text, "must be text")
BOOLEAN = CopilotFieldType(_boolean, "must be true or false")
MOMENT = CopilotFieldType(_moment, "must be a time, or epoch milliseconds")
UTC_OFFSET = CopilotFieldType(_utc_offset, "must be +HHMM or -HHMM from -1200 to +1459, Z or 0000")
FREE = CopilotFieldType(primitive, "must be text, an integer or a Boolean")
PROPERTIES = CopilotFieldType(_properties, f"must hold only text, numbers and Booleans, under names of {_CHARACTERS}")


@dataclass(frozen=True, slots=True)
class EventType:
    """The payload of one event type; `free` = other properties are allowed too."""

    mandatory: Mapping[str, CopilotFieldType]
    optional: Mapping[str, CopilotFieldType]
    free: bool = False


_USER = {"user_id": ID}
_THING = {"thing_id": ID}
_PERSON = {"first_name": TEXT, "last_name": TEXT, "email": CODE, "utc_offset": UTC_OFFSET}
_CONSENT = {"copilot_analysis_consent": BOOLEAN}
_MACHINE = {"user_id": ID, "firmware_version": CODE, "model": CODE}
_CREATED = {"original_creation_date": MOMENT}

_user = EventType(_USER, _PERSON | _CONSENT | {"custom_properties": PROPERTIES})
_thing = EventType(_THING, _MACHINE | {"custom_properties": PROPERTIES})
_pair = EventType(_USER | _THING, {})
_firmware = EventType(_THING, {"user_id": ID, "firmware_version": CODE})
_marker = EventType({}, {})

EVENT_TYPES: Mapping[str, EventType] = {
    "user_created": _user,
    "user_updated": _user,
    "user_deleted": EventType(_USER, {}),
    "thing_created": _thing,
    "thing_updated": _thing,
    "user_thing_associated": _pair,
    "user_thing_disassociated": _pair,
    "thing_status_changed": EventType(
        _THING | {"status_key": KEY, "status_value": TEXT}, {"status_date": MOMENT, "user_id": ID}
    ),
    "thing_interaction": EventType(_THING, _USER, free=True),
    "thing_connected": EventType(_THING, _USER),
    "consumable_usage": EventType(_THING, {"user_id": ID, "consumable_type": CODE}),
    "firmware_upgrade_started": _firmware,
    "firmware_upgrade_completed": _firmware,
    "custom_event": EventType({}, _USER | _THING, free=True),
    "unsubscribe": EventType({"email": ID}, {}),
    "preexisting_sync_started": _marker,
    "preexisting_sync_completed": _marker,
    "preexisting_user_created": EventType(_USER, _PERSON | _CONSENT | _CREATED),
    "preexisting_thing_created": EventType(_THING, _MACHINE | _CREATED),
    "preexisting_user_thing_associated": EventType(_USER | _THING, {"original_association_date": MOMENT}),
}
"""Collect's event types (reference pages for user, thing, custom, misc. and preexisting sync events)."""

CONSENT = EventType({"user_id": ID, "consent_value": BOOLEAN}, {})
"""The body of the consent endpoint: one user per request, no envelope."""


def too_many_properties(name: str) -> str:
    """Return what is wrong with an event that has more than `MAX_PROPERTIES`."""
    return f"{name} may have at most {MAX_PROPERTIES} properties, ids and subtype included"


def _free_problem(name: str, value: object) -> str | None:
    if not is_property_name(name):
        return UNACCEPTED_NAME
    return FREE.requirement if FREE.convert(value) is None else None


def _custom_problem(name: str, value: object) -> str | None:
    return PROPERTIES.requirement if PROPERTIES.convert({name: value}) is None else None


def _rule(name: str, kind: CopilotFieldType, *, mandatory: bool) -> FieldRule:
    def problem(value: object) -> str | None:
        return kind.requirement if kind.convert(value) is None else None

    if kind is PROPERTIES:
        return FieldRule(mandatory, problem=problem, property_problem=_custom_problem)

    return FieldRule(mandatory, carries_consent=name in _CONSENT and not mandatory, problem=problem)


def target(name: str, event_type: EventType) -> Target:
    """Return the mapping contract of one event type, or of the consent endpoint."""
    custom = name == "custom_event"
    limit = MAX_PROPERTIES - custom  # its `name` is sent as subtype

    def names_problem(names: Collection[str]) -> str | None:
        return too_many_properties(name) if len(names) > limit else None

    fields = {field: _rule(field, kind, mandatory=True) for field, kind in event_type.mandatory.items()} | {
        field: _rule(field, kind, mandatory=False) for field, kind in event_type.optional.items()
    }
    return Target(
        name,
        named=custom,
        fields=fields,
        free=event_type.free,
        property_problem=_free_problem if event_type.free else None,
        names_problem=names_problem if event_type.free else None,
        # Copilot answers 200 to an event without either id, and ignores it.
        one_of=(("user_id", "thing_id"),) if custom else (),
        carries_consent=name in {"consent", "unsubscribe"},
    )
