"""What each Customer.io call must hold; a check returns `None`, or the field and what is wrong with it.

Source: Customer.io Data Pipelines API reference, one section a call; docs.customer.io/integrations/api/cdp/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from consumer.destinations import FieldRule, Target
from consumer.destinations.customerio.semantic_events import ACTING, CONSENT_EVENTS, Need
from consumer.destinations.encoding import quoted
from consumer.model.values import Fields

Problem = Callable[[Fields], "str | None"]

_OBJECT_TYPE = re.compile(r"[1-9][0-9]{0,17}")
_MANDATORY = FieldRule(mandatory=True)
_SURROUNDINGS = {"context": FieldRule(), "integrations": FieldRule()}
_PERSON = {"userId": FieldRule(), "anonymousId": FieldRule()}
_TRAITS = FieldRule(
    fields={
        "email": FieldRule(),
        "createdAt": FieldRule(),
        "unsubscribed": FieldRule(carries_consent=True),
        "cio_subscription_preferences": FieldRule(carries_consent=True),
    }
)
_SOMEBODY = (("userId", "anonymousId"),)
_PROPERTIES = {"properties": FieldRule()}


@dataclass(frozen=True, slots=True)
class CallContract:
    """One kind of call: its contract for the mapping, and the check of one event's fields."""

    target: Target
    problem: Problem
    """Which of the fields that must be there are not."""


def blank(fields: Fields, name: str) -> str | None:
    """Return what is wrong with a text that must be there."""
    value = fields.get(name)
    return None if isinstance(value, str) and value.strip() else f"{name}: must be text, and not blank"


def somebody(fields: Fields) -> str | None:
    """Return what is wrong with the person of a call that needs one: `userId` wins where both ids are there."""
    return None if "userId" in fields or "anonymousId" in fields else "userId: this or anonymousId must be there"


def identified(fields: Fields) -> str | None:
    """Return what is wrong with the person of an identify, who may be known by `traits.email` alone."""
    traits = fields.get("traits")
    if somebody(fields) is None or (isinstance(traits, dict) and blank(traits, "email") is None):
        return None
    return "userId: this, anonymousId or traits.email must be there, and not blank"


def grouped(fields: Fields) -> str | None:
    """Return what is wrong with a group: a person is optional, the group is not."""
    return None if "groupId" in fields else "groupId: is missing"


def renamed(fields: Fields) -> str | None:
    """Return what is wrong with an alias."""
    return None if "previousId" in fields and "userId" in fields else "previousId: this and userId must be there"


def form_problem(fields: Fields, known: Collection[str]) -> str | None:
    """Return which field the call does not know, or has not its form: an object, or an id, which is never blank."""
    for name, value in fields.items():
        if name not in known:
            return f"{quoted(name)}: this call has no such field"
        if name in _OBJECTS:
            if not isinstance(value, dict):
                return f"{name}: must be an object"
        elif not isinstance(value, str) or not value or value.isspace():
            return f"{name}: must be text, and not blank"
    return None


def integrations_problem(integrations: Mapping[str, object]) -> str | None:
    """Return what is wrong with an event's integrations; `All: false` would switch every destination off."""
    if not all(isinstance(value, bool) for value in integrations.values()):
        return "integrations: must hold only true and false"
    return None if integrations.get("All", True) else "integrations.All: only the destination's options may say false"


def object_type(value: object) -> str | None:
    """Return an object type's id as the text the API wants, or `None` if it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(int(value)) if abs(value) < 10**18 else ""
    return value if isinstance(value, str) and _OBJECT_TYPE.fullmatch(value) else None


_OBJECTS = frozenset({"properties", "traits", "context", "integrations"})


def _track() -> Target:
    """Return the contract of track; acting names need other fields than the rest."""
    plain = Target("track", named=True, fields={**_PERSON, **_PROPERTIES, **_SURROUNDINGS}, one_of=_SOMEBODY)
    by_name = {name: _acting(plain, need) for name, need in ACTING.items()}
    by_name |= {name: replace(plain, carries_consent=True) for name in CONSENT_EVENTS}
    return replace(plain, by_name=by_name)


def _acting(plain: Target, need: Need) -> Target:
    fields = dict(plain.fields)
    if need.user:
        fields["userId"] = _MANDATORY
    properties = dict.fromkeys((*need.properties, *(("objectId", "objectTypeId") if need.thing else ())), _MANDATORY)
    if properties:
        fields["properties"] = FieldRule(mandatory=True, fields=properties)
    return replace(plain, fields=fields, one_of=(("context", "properties"),) if need.device else ())


_VIEW = {**_PERSON, **_PROPERTIES, **_SURROUNDINGS}

CALLS: Mapping[str, CallContract] = {
    "identify": CallContract(
        Target(
            "identify",
            fields={**_PERSON, "traits": _TRAITS, **_SURROUNDINGS},
            one_of=(("userId", "anonymousId", "traits"),),
        ),
        identified,
    ),
    "track": CallContract(_track(), somebody),
    "page": CallContract(Target("page", name_optional=True, fields=_VIEW, one_of=_SOMEBODY), somebody),
    "screen": CallContract(Target("screen", name_optional=True, fields=_VIEW, one_of=_SOMEBODY), somebody),
    "group": CallContract(
        Target(
            "group",
            fields={**_PERSON, "groupId": _MANDATORY, "objectTypeId": FieldRule(), "traits": _TRAITS, **_SURROUNDINGS},
        ),
        grouped,
    ),
    "alias": CallContract(
        Target("alias", fields={"previousId": _MANDATORY, "userId": _MANDATORY, **_SURROUNDINGS}), renamed
    ),
}
"""The calls, by the target's name."""
