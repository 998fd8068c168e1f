"""The rules of Yotpo's Core API for a custom customer event (its reference, and its page on custom properties)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from consumer.demo.fakes.parsing import Document, is_nonempty, is_string, is_timestamp

_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", re.ASCII)
_PROPERTY = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_PHONE = re.compile(r"[+][1-9]\d{6,14}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+[.][^@\s]+")
_MAX_CHARS = 255
_CUSTOMER = frozenset({"external_id", "phone_number", "email", "custom_properties"})


@dataclass(frozen=True, slots=True)
class YotpoKeys:
    """Names of the body's members. The public reference does not print them. `wrapper` = one key around them all."""

    source: str = "source"
    type: str = "type"
    time: str = "occurred_at"
    id: str = "id"
    customer: str = "customer"
    properties: str = "properties"
    wrapper: str | None = None

    def event_in(self, document: Document) -> Document | None:
        """Return the event within a body, or `None` if the wrapper is missing or not alone."""
        if self.wrapper is None:
            return document
        event = document.get(self.wrapper)
        return event if isinstance(event, dict) and len(document) == 1 else None


def violations(event: Document, keys: YotpoKeys) -> Iterator[str]:
    """Yield every violation of one event."""
    known = {keys.source, keys.type, keys.time, keys.id, keys.customer, keys.properties}
    for name in sorted(event.keys() - known):
        yield f"{name} is not known"
    if not _is_snake(event.get(keys.type)):
        yield f"{keys.type} must be snake_case of 1 to 255 characters"
    if keys.source in event and not _is_snake(event[keys.source]):
        yield f"{keys.source} must be snake_case of 1 to 255 characters"
    if not is_timestamp(event.get(keys.time)):
        yield f"{keys.time} must be an ISO 8601 timestamp"
    if not is_nonempty(event.get(keys.id)) or len(event[keys.id]) > _MAX_CHARS:
        yield f"{keys.id} must be a string of 1 to 255 characters"
    customer = event.get(keys.customer)
    if isinstance(customer, dict):
        yield from _customer(customer, keys.customer)
    else:
        yield f"{keys.customer} must be an object"
    if keys.properties in event:
        yield from _metadata(event[keys.properties], keys.properties)


def _is_snake(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_CHARS and _SNAKE.fullmatch(value) is not None


def _customer(customer: Document, at: str) -> Iterator[str]:
    for name in sorted(customer.keys() - _CUSTOMER):
        yield f"{at}.{name} is not known"
    for name in ("external_id", "phone_number", "email"):
        if name in customer and (not is_nonempty(customer[name]) or len(customer[name]) > _MAX_CHARS):
            yield f"{at}.{name} must be a string of 1 to 255 characters"
    phone, email = customer.get("phone_number"), customer.get("email")
    if is_string(phone) and _PHONE.fullmatch(str(phone)) is None:
        yield f"{at}.phone_number must be E.164"
    if is_string(email) and _EMAIL.fullmatch(str(email)) is None:
        yield f"{at}.email is not an address"
    if "external_id" not in customer and ("phone_number" in customer) == ("email" in customer):
        yield f"{at} needs external_id, or exactly one of phone_number and email"
    if "custom_properties" in customer:
        yield from _metadata(customer["custom_properties"], f"{at}.custom_properties")


def _metadata(value: object, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at} must be an object"
        return
    for name, item in value.items():
        if _PROPERTY.fullmatch(name) is None:
            yield f"{at} has a name that is not 1 to 32 of a-z, 0-9 and _"
        elif not isinstance(item, str | bool | int | float):
            yield f"{at}.{name} must be a string, number or Boolean; null, lists and objects are not supported"
        elif isinstance(item, str) and len(item) > _MAX_CHARS:
            yield f"{at}.{name} is longer than 255 characters"
