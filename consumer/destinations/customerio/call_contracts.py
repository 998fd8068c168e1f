"""The contract of each Customer.io call. A check returns `None`, or the field and what is wrong with it.

Source: Customer.io Data Pipelines API reference, one section a call; docs.customer.io/integrations/api/cdp/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from consumer.destinations import FieldRule, Target
from consumer.destinations.customerio.semantic_events import ACTING, CONSENT_EVENTS, Requirements
from consumer.destinations.encoding import safe_field_name
from consumer.model.identifiers import id_problem
from consumer.model.values import Fields

Problem = Callable[[Fields], "str | None"]

_OBJECT_TYPE = re.compile(r"[1-9][0-9]{0,17}")
_OBJECTS = frozenset({"properties", "traits", "context", "integrations"})


def form_problem(fields: Mapping[str, object], known: Collection[str]) -> str | None:
    """Return which field is unknown to the call or has the wrong form: an object, or an id."""
    for name, value in fields.items():
        if name not in known:
            return f"{safe_field_name(name)}: this call has no such field"
        if name in _OBJECTS:
            if not isinstance(value, dict):
                return f"{name}: must be an object"
        elif not isinstance(value, str):
            return f"{name}: must be text, and not blank"
        elif (problem := id_problem(value)) is not None:
            return f"{name}: {problem}"
    return None


def _rule(name: str, *, mandatory: bool = False) -> FieldRule:
    """Return the rule of a field: the check of a call that has only this field."""

    def problem(value: object) -> str | None:
        found = form_problem({name: value}, (name,))
        return None if found is None else found.partition(": ")[2]

    return FieldRule(mandatory, problem=problem)


_MANDATORY = FieldRule(mandatory=True)
_USER_ID, _GROUP_ID, _PREVIOUS_ID = (_rule(name, mandatory=True) for name in ("userId", "groupId", "previousId"))
_SURROUNDINGS = {"context": _rule("context"), "integrations": _rule("integrations")}
_PERSON = {"userId": _rule("userId"), "anonymousId": _rule("anonymousId")}
_TRAITS = FieldRule(
    fields={
        "email": FieldRule(),
        "createdAt": FieldRule(),
        "unsubscribed": FieldRule(carries_consent=True),
        "cio_subscription_preferences": FieldRule(carries_consent=True),
    }
)
_EITHER_ID = (("userId", "anonymousId"),)
_PROPERTIES = {"properties": _rule("properties")}


@dataclass(frozen=True, slots=True)
class CallContract:
    """One kind of call: its mapping contract, and the check of one event's fields."""

    target: Target
    problem: Problem
    """Returns which mandatory field is missing."""


def identifier_problem(fields: Fields, name: str) -> str | None:
    """Return what is wrong with a mandatory text that identifies a person or a thing."""
    value = fields.get(name)
    problem = id_problem(value) if isinstance(value, str) else "must be text, and not blank"
    return None if problem is None else f"{name}: {problem}"


def person_problem(fields: Fields) -> str | None:
    """Return what is wrong with the person of a call that needs one. With both ids, Customer.io uses `userId`."""
    return (
        None
        if "userId" in fields or "anonymousId" in fields
        else "userId: either userId or anonymousId must be present"
    )


def identify_problem(fields: Fields) -> str | None:
    """Return what is wrong with the person of an identify call; `traits.email` alone is enough.

    Customer.io can identify a person by the email even if there is a `userId`. An empty one only removes it.
    """
    traits = fields.get("traits")
    email = traits.get("email") if isinstance(traits, dict) else None
    if isinstance(email, str) and email.strip():
        problem = id_problem(email)
        return None if problem is None else f"traits.email: {problem}"
    if person_problem(fields) is None:
        return None
    return "userId: one of userId, anonymousId and traits.email must be present and not blank"


def group_problem(fields: Fields) -> str | None:
    """Return what is wrong with a group call: the person is optional, the group is mandatory."""
    return None if "groupId" in fields else "groupId: is missing"


def alias_problem(fields: Fields) -> str | None:
    """Return what is wrong with an alias call."""
    return (
        None
        if "previousId" in fields and "userId" in fields
        else "previousId: both previousId and userId must be present"
    )


def integrations_problem(integrations: Mapping[str, object]) -> str | None:
    """Return what is wrong with an event's integrations; `All: false` would disable every destination."""
    if not all(isinstance(value, bool) for value in integrations.values()):
        return "integrations: must hold only true and false"
    return (
        None
        if integrations.get("All", True)
        else "integrations.All: false is allowed only in the destination's options"
    )


def object_type(value: object) -> str | None:
    """Return an object type's id as the text that the API expects, or `None` if it is invalid."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(int(value)) if abs(value) < 10**18 else ""
    return value if isinstance(value, str) and _OBJECT_TYPE.fullmatch(value) else None


def _track() -> Target:
    """Return the contract of track. Events that act on the workspace need other fields."""
    plain = Target("track", named=True, fields={**_PERSON, **_PROPERTIES, **_SURROUNDINGS}, one_of=_EITHER_ID)
    by_name = {name: _acting_target(plain, need) for name, need in ACTING.items()}
    by_name |= {name: replace(plain, carries_consent=True) for name in CONSENT_EVENTS}
    return replace(plain, by_name=by_name)


def _acting_target(plain: Target, need: Requirements) -> Target:
    fields = dict(plain.fields)
    if need.user:
        fields["userId"] = _USER_ID
    properties = dict.fromkeys((*need.properties, *(("objectId", "objectTypeId") if need.object else ())), _MANDATORY)
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
        identify_problem,
    ),
    "track": CallContract(_track(), person_problem),
    "page": CallContract(Target("page", name_optional=True, fields=_VIEW, one_of=_EITHER_ID), person_problem),
    "screen": CallContract(Target("screen", name_optional=True, fields=_VIEW, one_of=_EITHER_ID), person_problem),
    "group": CallContract(
        Target(
            "group",
            fields={
                **_PERSON,
                "groupId": _GROUP_ID,
                "objectTypeId": FieldRule(),
                "traits": _TRAITS,
                **_SURROUNDINGS,
            },
        ),
        group_problem,
    ),
    "alias": CallContract(
        Target(
            "alias",
            fields={
                "previousId": _PREVIOUS_ID,
                "userId": _USER_ID,
                **_SURROUNDINGS,
            },
        ),
        alias_problem,
    ),
}
"""The calls, by the target's name."""
