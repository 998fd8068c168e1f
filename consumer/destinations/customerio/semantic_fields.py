"""What is added to an event before it is said: devices in both places, object types as text, a stand-in for nobody."""

from __future__ import annotations

from collections.abc import Callable

from consumer.destinations.customerio.call_contracts import blank, object_type
from consumer.destinations.customerio.semantic_events import Need
from consumer.model.values import Fields

NOBODY = "cdp-consumer"
"""The `anonymousId` of events that speak of no person: a constant, so that no profile is made for each."""

Completion = Callable[[Fields], "Fields | str"]
"""An event's fields → the fields to send, or what is wrong with them. The argument is never altered."""


def completion(need: Need) -> Completion:
    """Return what one acting event's fields go through."""

    def complete(fields: Fields) -> Fields | str:
        said = dict(fields)
        if need.user and (problem := blank(said, "userId")):
            return problem
        if need.nobody and "userId" not in said:
            said.setdefault("anonymousId", NOBODY)
        properties = said.get("properties", {})
        if not isinstance(properties, dict):
            return "properties: must be an object"
        for name, allowed in need.properties.items():
            if problem := blank(properties, name):
                return f"properties.{problem}"
            if allowed and properties[name] not in allowed:
                return f"properties.{name}: must be one of {', '.join(allowed)}"
        if need.thing:
            return _thing(said, properties)
        return _device(said, properties) if need.device else said

    return complete


def typed_group(fields: Fields) -> Fields | str:
    """Return a group's fields with its object type as text, wherever it stands."""
    traits = fields.get("traits")
    inner = isinstance(traits, dict) and "object_type_id" in traits
    if not inner and "objectTypeId" not in fields:
        return fields
    said = dict(fields)
    if "objectTypeId" in said:
        kind = object_type(said["objectTypeId"])
        if kind is None:
            return "objectTypeId: must be a positive whole number"
        said["objectTypeId"] = kind
    if isinstance(traits, dict) and inner:
        kind = object_type(traits["object_type_id"])
        if kind is None:
            return "traits.object_type_id: must be a positive whole number"
        said["traits"] = {**traits, "object_type_id": kind}
    return said


def _thing(said: Fields, properties: Fields) -> Fields | str:
    kind = object_type(properties.get("objectTypeId"))
    if kind is None:
        return "properties.objectTypeId: must be a positive whole number"
    if problem := blank(properties, "objectId"):
        return f"properties.{problem}"
    said["properties"] = {**properties, "objectTypeId": kind}
    return said


def _device(said: Fields, properties: Fields) -> Fields | str:
    context = said.get("context", {})
    if not isinstance(context, dict):
        return "context: must be an object"
    device: Fields = {}
    for place in (properties.get("device", {}), context.get("device", {})):
        if not isinstance(place, dict):
            return "device: must be an object"
        if device.get("token", place.get("token")) != place.get("token", device.get("token")):
            return "device.token: context and properties name different ones"
        device |= place
    if problem := blank(device, "token"):
        return f"device.{problem}"
    said["context"] = {**context, "device": device}
    said["properties"] = {**properties, "device": device}
    return said
