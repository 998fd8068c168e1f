"""The rules of Customer.io's Data Pipelines API for one call (its API reference, its OpenAPI file)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from consumer.demo.fakes.parsing import (
    Document,
    ValueCheck,
    is_boolean,
    is_nonempty,
    is_object,
    is_string,
    is_timestamp,
    is_ulid,
)

KINDS = frozenset({"identify", "track", "page", "screen", "group", "alias"})
BATCHABLE = KINDS - {"alias"}

_WHOLE = re.compile(r"[1-9]\d*", re.ASCII)
_CHANNELS = frozenset({"browser", "server", "mobile"})
_SERVER_ONLY = frozenset({"receivedAt", "version"})


def is_type_id(value: object) -> bool:
    """Whether this is an integer in a string, as the ids of object types are."""
    return isinstance(value, str) and _WHOLE.fullmatch(value) is not None


def is_boolean_map(value: object) -> bool:
    """Whether this is an object of Booleans, as `integrations` must be."""
    return isinstance(value, dict) and all(is_boolean(one) for one in value.values())


_CONTEXT: Mapping[str, ValueCheck] = {
    "active": is_boolean,
    "ip": is_string,
    "locale": is_string,
    "userAgent": is_string,
    "channel": lambda value: value in _CHANNELS if isinstance(value, str) else False,
    **dict.fromkeys(("campaign", "page", "app", "device", "network", "os", "library", "traits"), is_object),
}


def is_context(value: object) -> bool:
    """Whether this is an object whose documented members have valid values."""
    return isinstance(value, dict) and all(_CONTEXT[name](held) for name, held in value.items() if name in _CONTEXT)


_COMMON: Mapping[str, ValueCheck] = {
    "type": lambda value: isinstance(value, str) and value in KINDS,
    "messageId": is_ulid,
    "timestamp": is_timestamp,
    "originalTimestamp": is_timestamp,
    "sentAt": is_timestamp,
    "integrations": is_boolean_map,
    "context": is_context,
    "userId": is_string,
    "anonymousId": is_string,
}
_OF_KIND: Mapping[str, Mapping[str, ValueCheck]] = {
    "identify": {"traits": is_object},
    "track": {
        "event": lambda value: isinstance(value, str) and value.strip() != "",
        "properties": is_object,
        "groupId": is_nonempty,
    },
    "page": {"name": is_string, "properties": is_object},
    "screen": {"name": is_string, "properties": is_object},
    "group": {"groupId": is_nonempty, "objectTypeId": is_type_id, "traits": is_object},
    "alias": {"previousId": is_nonempty},
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "track": ("event",),
    "group": ("groupId",),
    "alias": ("previousId", "userId"),
}
_MAX_NAME_BYTES = 100
_MAX_TRAIT_NAME_BYTES = 150
_MAX_TRAIT_BYTES = 1000
_MAX_TRAITS = 300


def violations(call: Document, kind: str) -> Iterator[str]:
    """Yield every violation of one call of this kind."""
    known = {**_COMMON, **_OF_KIND[kind]}
    if "messageId" not in call:
        yield "messageId is missing"
    if call.get("type", kind) != kind:
        yield f"type is not {kind}"
    for name in _REQUIRED.get(kind, ()):
        if name not in call:
            yield f"{name} is missing"
    for name, value in call.items():
        if name in _SERVER_ONLY:
            yield f"{name} is set by the server only"
        elif name in known and not known[name](value):
            yield f"{name} has an invalid value"
    if not _has_person(call, kind):
        yield "neither userId nor anonymousId is present"
    traits = call.get("traits")
    if kind == "group" and isinstance(traits, dict) and not is_type_id(traits.get("object_type_id", "1")):
        yield "traits.object_type_id is not an integer in a string"


def _has_person(call: Document, kind: str) -> bool:
    if is_nonempty(call.get("userId")) or (kind != "alias" and is_nonempty(call.get("anonymousId"))) or kind == "group":
        return True
    if kind == "identify":
        traits = call.get("traits")
        return isinstance(traits, dict) and is_nonempty(traits.get("email"))
    return kind == "track" and is_nonempty(call.get("groupId"))


def warnings(call: Document, kind: str) -> Iterator[str]:
    """Yield warnings: members of a valid call that have less effect than they seem to have."""
    if "timestamp" not in call:
        yield "no timestamp: filed under the time of receipt"
    for name in call.keys() - _COMMON.keys() - _OF_KIND[kind].keys():
        yield f"{name} has no meaning in a {kind} call"
    if kind == "track":
        if len(call["event"].strip().encode()) > _MAX_NAME_BYTES:
            yield "Journeys takes event names of at most 100 bytes"
        if is_nonempty(call.get("userId")) and "anonymousId" in call and call["event"].strip() != "Object Deleted":
            yield "anonymousId is ignored beside a userId"
        properties = call.get("properties", {})
        if call["event"].strip() in {"Relationship Deleted", "Object Deleted"} and "objectTypeId" not in properties:
            yield "objectTypeId is defaulted: objects of another type are not affected"
    if kind == "identify":
        yield from _trait_warnings(call.get("traits", {}))


def _trait_warnings(traits: Document) -> Iterator[str]:
    if len(traits) > _MAX_TRAITS:
        yield "Journeys takes at most 300 attributes in one identify"
    for name, value in traits.items():
        if len(name.encode()) > _MAX_TRAIT_NAME_BYTES:
            yield "Journeys takes attribute names of at most 150 bytes"
        if isinstance(value, str) and len(value.encode()) > _MAX_TRAIT_BYTES:
            yield f"Journeys takes at most 1000 bytes in an attribute: {name}"
