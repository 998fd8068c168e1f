"""Limits of the Journeys product behind the Data Pipelines: what passes them is taken with a 200 and dropped later.

Source: docs.customer.io/journeys/invalid-api-requests. It is written for another API, so these are warnings only.
"""

from __future__ import annotations

from consumer.model.values import Fields

_NAME_BYTES = 100
_ATTRIBUTE_NAME_BYTES = 150
_ATTRIBUTE_VALUE_BYTES = 1000
_ATTRIBUTES = 300


def warnings(target: str, name: str | None, fields: Fields | None = None) -> list[str]:
    """Return what Journeys would probably drop of one entry, or of one event: each thing once.

    Sentences for people; neither a name out of an event's map nor a value is quoted.

    Args:
        target: the entry's call.
        name: the entry's `name:`.
        fields: an event's fields, or as many of them as the mapping itself tells.
    """
    found: list[str] = []
    if name is not None and len(name.encode()) > _NAME_BYTES:
        found.append(f"the event's name is longer than the {_NAME_BYTES} bytes Journeys takes")
    traits = (fields or {}).get("traits")
    if not isinstance(traits, dict):
        return found
    if target == "identify" and len(traits) > _ATTRIBUTES:
        found.append(f"traits: more than the {_ATTRIBUTES} attributes Journeys takes in one identify")
    for attribute, value in traits.items():
        if len(attribute.encode(errors="replace")) > _ATTRIBUTE_NAME_BYTES:
            found.append(f"traits: an attribute's name is longer than the {_ATTRIBUTE_NAME_BYTES} bytes Journeys takes")
        if isinstance(value, str) and len(value.encode(errors="replace")) > _ATTRIBUTE_VALUE_BYTES:
            found.append(f"traits: an attribute is longer than the {_ATTRIBUTE_VALUE_BYTES} bytes Journeys takes")
    return list(dict.fromkeys(found))
