"""The oracle finds every defect of a dead letter."""

from __future__ import annotations

import dataclasses

import pytest

from tests.e2e import oracle
from tests.e2e.faultless import changed, faultless_evidence, small_shop
from tests.e2e.produced import Headers


@pytest.mark.parametrize(
    "header",
    [
        "cdp-dlq-version",
        "cdp-pipeline",
        "cdp-destination",
        "cdp-delivery-label",
        "cdp-cause",
        "cdp-http-status",
        "cdp-attempts",
        "cdp-first-failed-at",
        "cdp-last-failed-at",
        "cdp-event-type",
        "cdp-schema-id",
        "cdp-mapping-version",
        "cdp-delivery-id",
        "cdp-original-topic",
        "cdp-original-partition",
        "cdp-original-offset",
        "cdp-original-timestamp",
        "cdp-redrives",
    ],
)
@pytest.mark.parametrize("how", ["wrong", "missing", "twice"])
def test_invalid_header_of_a_dead_letter_is_found(header: str, how: str) -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    place, letter = next(
        (place, letter)
        for place, letter in enumerate(evidence.dead_letters)
        if letter.header("cdp-http-status") == "400"
    )
    was = dict(letter.headers)[header]
    ways: dict[str, Headers] = {"wrong": [(header, b"-1")], "missing": [], "twice": [(header, was), (header, was)]}
    others = [one for one in letter.headers if one[0] != header]
    changed_letters = [*evidence.dead_letters]
    changed_letters[place] = dataclasses.replace(letter, headers=[*others, *ways[how]])
    assert oracle.violations(shop.records, changed(evidence, dead_letters=changed_letters)) != []


def test_dead_letter_with_changed_bytes_is_found() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    letter = evidence.dead_letters[0]
    for touched in (
        dataclasses.replace(letter, value=b"" if letter.value is None else letter.value + b" "),
        dataclasses.replace(letter, key=None),
        dataclasses.replace(letter, headers=[("trace", b"other"), *letter.headers]),
    ):
        changed_letters = [touched, *evidence.dead_letters[1:]]
        assert oracle.violations(shop.records, changed(evidence, dead_letters=changed_letters)) != []


def test_missing_repeated_and_unexpected_dead_letters_are_found() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    first = evidence.dead_letters[0]
    stranger = dataclasses.replace(
        first, headers=[("cdp-delivery-id", b"x"), *(one for one in first.headers if one[0] != "cdp-delivery-id")]
    )
    for dead_letters, message in (
        (evidence.dead_letters[1:], "lost: no dead letter"),
        ([*evidence.dead_letters, first], "duplicate: dead letter"),
        ([*evidence.dead_letters, stranger], "unexpected dead letter"),
    ):
        assert any(
            message in one for one in oracle.violations(shop.records, changed(evidence, dead_letters=dead_letters))
        )
