"""Limits of Journeys, the product behind Data Pipelines: data above them gets a 200 and is dropped later.

Source: docs.customer.io/journeys/invalid-api-requests. The page describes another API, so these are only warnings.
"""

from __future__ import annotations

from consumer.model.values import Fields

_NAME_BYTES = 100
_ATTRIBUTE_NAME_BYTES = 150
_ATTRIBUTE_VALUE_BYTES = 1000
_ATTRIBUTES = 300


def warnings(target: str, name: str | None, fields: Fields | None = None) -> list[str]:
    """Return one sentence for each part of an entry, or of an event, that Journeys would probably drop.

    No value is quoted, and no name that may come from an event's map.

    Args:
        target: the entry's call.
        name: the entry's `name:`.
        fields: an event's fields, or those that are constants in the mapping.
    """
    found: list[str] = []
    if name is not None and len(name.encode()) > _NAME_BYTES:
        found.append(f"the event's name is longer than the {_NAME_BYTES} bytes that Journeys accepts")
    traits = (fields or {}).get("traits")
    if not isinstance(traits, dict):
        return found
    if target == "identify" and len(traits) > _ATTRIBUTES:
        found.append(f"traits: more than the {_ATTRIBUTES} attributes that Journeys accepts in one identify")
    for attribute, value in traits.items():
        if len(attribute.encode(errors="replace")) > _ATTRIBUTE_NAME_BYTES:
            found.append(
                f"traits: an attribute's name is longer than the {_ATTRIBUTE_NAME_BYTES} bytes that Journeys accepts"
            )
        if isinstance(value, str) and len(value.encode(errors="replace")) > _ATTRIBUTE_VALUE_BYTES:
            found.append(
                f"traits: an attribute is longer than the {_ATTRIBUTE_VALUE_BYTES} bytes that Journeys accepts"
            )
    return list(dict.fromkeys(found))
