"""Complete an event before it is encoded: device in both places, object type as text, an id for no person."""

from __future__ import annotations

from collections.abc import Callable

from consumer.destinations.customerio.call_contracts import identifier_problem, object_type
from consumer.destinations.customerio.semantic_events import Requirements
from consumer.model.values import Fields

NO_PERSON = "cdp-consumer"
"""The `anonymousId` of events that concern no person. It is a constant, so that Customer.io does not create one profile
for each event."""

Completion = Callable[[Fields], "Fields | str"]
"""Event fields → fields to send, or what is wrong with them. The argument is never changed."""


def completion(need: Requirements) -> Completion:
    """Return the function that completes the fields of one event that acts on the workspace."""

    def complete(fields: Fields) -> Fields | str:
        completed = dict(fields)
        if need.user and (problem := identifier_problem(completed, "userId")):
            return problem
        if need.no_person and "userId" not in completed:
            completed.setdefault("anonymousId", NO_PERSON)
        properties = completed.get("properties", {})
        if not isinstance(properties, dict):
            return "properties: must be an object"
        for name, allowed in need.properties.items():
            if problem := identifier_problem(properties, name):
                return f"properties.{problem}"
            if allowed and properties[name] not in allowed:
                return f"properties.{name}: must be one of {', '.join(allowed)}"
        if need.object:
            return _thing(completed, properties)
        return _device(completed, properties) if need.device else completed

    return complete


def typed_group(fields: Fields) -> Fields | str:
    """Return a group's fields with the object type as text, in either place."""
    traits = fields.get("traits")
    inner = isinstance(traits, dict) and "object_type_id" in traits
    if not inner and "objectTypeId" not in fields:
        return fields
    completed = dict(fields)
    if "objectTypeId" in completed:
        kind = object_type(completed["objectTypeId"])
        if kind is None:
            return "objectTypeId: must be a positive whole number"
        completed["objectTypeId"] = kind
    if isinstance(traits, dict) and inner:
        kind = object_type(traits["object_type_id"])
        if kind is None:
            return "traits.object_type_id: must be a positive whole number"
        completed["traits"] = {**traits, "object_type_id": kind}
    return completed


def _thing(completed: Fields, properties: Fields) -> Fields | str:
    kind = object_type(properties.get("objectTypeId"))
    if kind is None:
        return "properties.objectTypeId: must be a positive whole number"
    if problem := identifier_problem(properties, "objectId"):
        return f"properties.{problem}"
    completed["properties"] = {**properties, "objectTypeId": kind}
    return completed


def _device(completed: Fields, properties: Fields) -> Fields | str:
    context = completed.get("context", {})
    if not isinstance(context, dict):
        return "context: must be an object"
    device: Fields = {}
    for place in (properties.get("device", {}), context.get("device", {})):
        if not isinstance(place, dict):
            return "device: must be an object"
        if device.get("token", place.get("token")) != place.get("token", device.get("token")):
            return "device.token: context and properties have different tokens"
        device |= place
    if problem := identifier_problem(device, "token"):
        return f"device.{problem}"
    completed["context"] = {**context, "device": device}
    completed["properties"] = {**properties, "device": device}
    return completed
