"""The oracle sees every way in which a dead letter can be wrong."""

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
def test_a_header_that_is_not_right_is_seen(header: str, how: str) -> None:
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
    spoilt = [*evidence.dead_letters]
    spoilt[place] = dataclasses.replace(letter, headers=[*others, *ways[how]])
    assert oracle.violations(shop.records, changed(evidence, dead_letters=spoilt)) != []


def test_a_letter_whose_bytes_were_touched_is_seen() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    letter = evidence.dead_letters[0]
    for touched in (
        dataclasses.replace(letter, value=b"" if letter.value is None else letter.value + b" "),
        dataclasses.replace(letter, key=None),
        dataclasses.replace(letter, headers=[("trace", b"other"), *letter.headers]),
    ):
        spoilt = [touched, *evidence.dead_letters[1:]]
        assert oracle.violations(shop.records, changed(evidence, dead_letters=spoilt)) != []


def test_letters_missing_double_and_unowed_are_seen() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    first = evidence.dead_letters[0]
    stranger = dataclasses.replace(
        first, headers=[("cdp-delivery-id", b"x"), *(one for one in first.headers if one[0] != "cdp-delivery-id")]
    )
    for letters, said in (
        (evidence.dead_letters[1:], "lost: no letter"),
        ([*evidence.dead_letters, first], "duplicate: letter"),
        ([*evidence.dead_letters, stranger], "a letter that nobody owed"),
    ):
        assert any(said in one for one in oracle.violations(shop.records, changed(evidence, dead_letters=letters)))
