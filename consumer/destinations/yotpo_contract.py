"""The fields of Yotpo's custom customer event: the customer's identifiers, and flat properties with short names.

Sources: the page of the custom customer event; "working with custom properties" of the Core API reference for names
and lengths (a general page; we assume that it covers this endpoint).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal

from consumer.destinations import FieldRule, Target
from consumer.destinations.encoding import safe_field_name
from consumer.model.identifiers import id_problem
from consumer.model.values import Fields

MAX_CHARACTERS = 255
"""Maximum characters of a text value, of the event's type and of its source."""

_SNAKE_CASE = re.compile(r"[a-z0-9][a-z0-9_]{0,254}")
_NAME = re.compile(r"[a-z0-9_]{1,32}")
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+")


def _property_problem(name: str, value: object) -> str | None:
    return _properties_problem({name: value})


def _properties_problem(value: object) -> str | None:
    problem = _flat_problem("properties", value)
    return None if problem is None else problem.partition(": ")[2]


def _customer_rule(name: str) -> FieldRule:
    """Return the rule of an identifier: the check of an event whose customer has only this one."""

    def problem(value: object) -> str | None:
        found = _customer_problem({name: value})
        return None if found is None else found.partition(": ")[2]

    return FieldRule(problem=problem)


def _customer_names_problem(names: Collection[str]) -> str | None:
    """Return what is wrong with a customer of these fields, whatever their values."""
    problem = _customer_problem({name: value for name, value in _VALID_CUSTOMER.items() if name in names})
    return None if problem is None else problem.partition(": ")[2]


_VALID_CUSTOMER: Fields = {"external_id": "1", "phone_number": "+491", "email": "a@b"}
_PROPERTIES = FieldRule(problem=_properties_problem, property_problem=_property_problem)

TARGET = Target(
    "event",
    named=True,
    fields={
        "customer": FieldRule(
            mandatory=True,
            fields={
                "external_id": _customer_rule("external_id"),
                "phone_number": _customer_rule("phone_number"),
                "email": _customer_rule("email"),
                "custom_properties": _PROPERTIES,
            },
            free=False,
            names_problem=_customer_names_problem,
        ),
        "properties": _PROPERTIES,
    },
)
"""The one target: a custom customer event."""

_CUSTOMER = TARGET.fields["customer"].fields or {}


def is_snake_case(name: str) -> bool:
    """Return True if a name can be an event's type or source."""
    return _SNAKE_CASE.fullmatch(name) is not None


def problem_with(fields: Fields) -> str | None:
    """Return what is wrong with the fields of a Yotpo event, without values; `None` if nothing is."""
    for name in fields:
        if name not in TARGET.fields:
            return f"{safe_field_name(name)}: a Yotpo event has only customer and properties"
    return _customer_problem(fields.get("customer")) or _flat_problem("properties", fields.get("properties", {}))


def _customer_problem(customer: object) -> str | None:
    """Return what is wrong with the customer. Yotpo drops an event whose customer it cannot find."""
    if not isinstance(customer, dict):
        return "customer: is missing, or not an object"
    for name, value in customer.items():
        if name not in _CUSTOMER:
            return "customer: has a field that Yotpo does not know"
        if value is None:
            return f"customer.{name}: null is not supported"
    external_id, phone, email = (customer.get(name) for name in ("external_id", "phone_number", "email"))
    if external_id is None and (phone is None) == (email is None):
        return "customer: needs external_id, or exactly one of phone_number and email"
    problem = None if external_id is None else _external_id_problem(external_id)
    if problem is not None:
        return problem
    if phone is not None and not (isinstance(phone, str) and _E164.fullmatch(phone)):
        return "customer.phone_number: must be a number in E.164 form, + and digits"
    if email is not None and not (isinstance(email, str) and _EMAIL.fullmatch(email)):
        return "customer.email: must be an email address"
    properties = customer.get("custom_properties")
    return None if properties is None else _flat_problem("customer.custom_properties", properties)


def _external_id_problem(value: object) -> str | None:
    problem = id_problem(value) if isinstance(value, str) else "must be text"
    return None if problem is None else f"customer.external_id: {problem}"


def _flat_problem(path: str, properties: object) -> str | None:
    """Return what is wrong with an object of flat properties: no null, no nesting, short names, short texts.

    The text does not name the property: its name may come from an event's map.
    """
    if not isinstance(properties, dict):
        return f"{path}: must be an object"
    for name, value in properties.items():
        if not _NAME.fullmatch(name):
            return f"{path}: a name must be lower-case letters, digits and _, at most 32 characters"
        if not isinstance(value, str | bytes | bool | int | float | Decimal):
            return f"{path}: every value must be text, a number, a Boolean or a time"
        if _length(value) > MAX_CHARACTERS:
            return f"{path}: a value has more than {MAX_CHARACTERS} characters"
    return None


def _length(value: object) -> int:
    """Return the length of a text value in characters; bytes are sent as base64."""
    if isinstance(value, bytes):
        return (len(value) + 2) // 3 * 4
    return len(value) if isinstance(value, str) else 0
