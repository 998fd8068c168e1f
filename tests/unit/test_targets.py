"""Required groups of fields of a target, checked against an entry without any event."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from consumer.destinations import FieldRule, Target
from tests.unit.translator_harness import FakeDestination, load_text

CONTACT = FieldRule(fields={"mail": FieldRule(), "phone": FieldRule(), "name": FieldRule()})


class ContactDestination(FakeDestination):
    """A destination whose target needs an address or a number."""

    targets: Mapping[str, Target] = {
        "add": Target("add", fields={"contact": CONTACT}, one_of=(("contact.mail", "contact.phone"),))
    }


def complaints(fields: str) -> list[str]:
    text = f"version: 1\nevents:\n  shop.E:\n    deliver:\n      - to: vendor.add\n        fields: {fields}\n"
    _, findings = load_text(text, {"vendor": ContactDestination()})
    return [finding.message for finding in findings]


@pytest.mark.parametrize("fields", ["{contact: {mail: a}}", "{contact: {phone: a, name: b}}", "{contact: customer}"])
def test_one_field_of_a_group_is_enough(fields: str) -> None:
    """An object from an expression counts as well: its fields are not known before the event."""
    assert complaints(fields) == []


@pytest.mark.parametrize("fields", ["{}", "{contact: {name: a}}"])
def test_group_without_any_field_is_an_error(fields: str) -> None:
    assert complaints(fields) == ["`contact.mail` or `contact.phone` is missing; `add` needs one of them"]


class TraitsDestination(FakeDestination):
    """A destination whose consent is within an object."""

    targets: Mapping[str, Target] = {
        "identify": Target(
            "identify", fields={"traits": FieldRule(fields={"unsubscribed": FieldRule(carries_consent=True)})}
        )
    }


def test_consent_within_an_object_must_not_be_gated() -> None:
    text = (
        "version: 1\nevents:\n  quay.Boat:\n    deliver:\n      - to: vendor.identify\n        consent: ok\n"
        "        fields: {traits: {unsubscribed: a}}\n"
    )
    _, findings = load_text(text, {"vendor": TraitsDestination()})
    assert [finding.message for finding in findings] == [
        "must not gate a call that sets consent; a withdrawal would never be sent"
    ]
