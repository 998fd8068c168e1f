"""What a target insists on, held against an entry's fields without knowing any event."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from consumer.destinations import FieldRule, Target
from tests.unit.translator_harness import FakeDestination, load_text

WHO = FieldRule(fields={"mail": FieldRule(), "phone": FieldRule(), "name": FieldRule()})


class Insisting(FakeDestination):
    """A destination that must be told somebody's address or number."""

    targets: Mapping[str, Target] = {"add": Target("add", fields={"who": WHO}, one_of=(("who.mail", "who.phone"),))}


def complaints(fields: str) -> list[str]:
    text = f"version: 1\nevents:\n  shop.E:\n    deliver:\n      - to: vendor.add\n        fields: {fields}\n"
    _, findings = load_text(text, {"vendor": Insisting()})
    return [finding.message for finding in findings]


@pytest.mark.parametrize("fields", ["{who: {mail: a}}", "{who: {phone: a, name: b}}", "{who: customer}"])
def test_one_field_of_a_group_is_enough(fields: str) -> None:
    assert complaints(fields) == []


@pytest.mark.parametrize("fields", ["{}", "{who: {name: a}}"])
def test_group_without_any_field_is_an_error(fields: str) -> None:
    assert complaints(fields) == ["`who.mail` or `who.phone` is missing; `add` needs one of them"]
