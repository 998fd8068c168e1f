"""Limits on label values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.observability.metrics.labels import OTHER, LabelAllowlist, codes, status_class, status_code, topics


def test_allowlist_allows_only_known_values() -> None:
    allowlist = LabelAllowlist(("a", "b"))
    assert [allowlist("a"), allowlist("b"), allowlist("c"), allowlist("")] == ["a", "b", OTHER, OTHER]


@given(st.lists(st.text(max_size=12), max_size=400))
def test_codes_look_like_constants_and_are_limited(invented: list[str]) -> None:
    allowlist = codes()
    allowed = {allowlist(value) for value in invented}
    assert len(allowed) <= 65
    assert all(value == OTHER or value.replace("_", "").isalnum() for value in allowed)


def test_65th_code_becomes_other() -> None:
    allowlist = codes()
    assert [allowlist(f"CODE_{n}") for n in range(64)] == [f"CODE_{n}" for n in range(64)]
    assert allowlist("CODE_64") == OTHER
    assert allowlist("CODE_3") == "CODE_3"


def test_topics_of_an_expression_are_added_up_to_a_limit() -> None:
    allowlist = topics(["shop.orders", "^shop[.].*"])
    assert allowlist.known == ("shop.orders",)
    assert allowlist("shop.customers") == "shop.customers"
    assert len({allowlist(f"t{n}") for n in range(1_000)}) == 256


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (None, "error", "none"),
        (200, "2xx", "200"),
        (429, "429", "429"),
        (404, "4xx", "404"),
        (499, "4xx", "4xx"),
        (503, "5xx", "503"),
        (599, "5xx", "5xx"),
        (302, "3xx", "302"),
        (101, "1xx", "1xx"),
        (0, OTHER, OTHER),
        (999, OTHER, OTHER),
        (-1, OTHER, OTHER),
    ],
)
def test_status_class_and_code(status: int | None, kind: str, code: str) -> None:
    assert (status_class(status), status_code(status)) == (kind, code)


@given(st.lists(st.integers(), min_size=1))
def test_status_codes_are_a_closed_list(statuses: list[int]) -> None:
    assert {status_code(status) for status in (*statuses, *range(2_000))} <= {
        *(str(n) for n in range(200, 521)),
        "1xx",
        "2xx",
        "3xx",
        "4xx",
        "5xx",
        OTHER,
    }
