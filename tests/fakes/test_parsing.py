"""Strict parsing of JSON and of the vendors' formats."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.demo import fakes
from consumer.demo.fakes.parsing import (
    RequestParseError,
    is_integer,
    is_json_content_type,
    is_timestamp,
    is_ulid,
    parse_basic_auth,
    read_object,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_TEXT | st.just("events"), _JSON), st.lists(_JSON), st.sampled_from([None, 1]), st.booleans())
def test_parser_agrees_with_the_standard_library(
    document: dict[str, Any], events: list[Any], indent: int | None, ascii_only: bool
) -> None:
    document["events"] = events
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    read, raws = read_object(body, "events")
    assert read == document
    assert [json.loads(raw) for raw in raws] == events
    assert all(raw in body for raw in raws)


@given(st.binary())
def test_any_bytes_are_an_object_or_a_parse_error(body: bytes) -> None:
    try:
        document, _ = read_object(body, "events")
    except RequestParseError:
        return
    assert json.loads(body) == document


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"{} {}",
        b"{,}",
        b'{"a":1,}',
        b'{"a" 1}',
        b'{"a":1 "b":2}',
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"events":[1,]}',
        b'{"events":[1 2]}',
        b'{"events":[',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_anything_but_one_json_object_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(RequestParseError):
        read_object(body, "events")


@pytest.mark.parametrize("body", [b'{"a":1,"a":1}', b'{"events":[{"a":1,"a":2}]}', b'{"b":{"c":{"a":1,"a":2}}}'])
def test_repeated_key_is_refused_at_every_depth(body: bytes) -> None:
    with pytest.raises(RequestParseError, match="twice"):
        read_object(body, "events")


def test_surrogate_pair_is_one_character() -> None:
    assert read_object(b'{"a":"\\ud83d\\ude00"}')[0] == {"a": "\N{GRINNING FACE}"}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("2026-09-21T14:13:20Z", True),
        ("2026-09-21T14:13:20.123456789Z", True),
        ("2026-09-21T14:13:20+02:00", True),
        ("2026-09-21T14:13:20+0200", False),
        ("2024-02-29T00:00:00Z", True),
        ("2026-02-29T00:00:00Z", False),
        ("2026-04-31T00:00:00Z", False),
        ("1900-02-29T00:00:00Z", False),
        ("2000-02-29T00:00:00Z", True),
        ("2026-09-21", False),
        ("2026-09-21T14:13:20", False),
        ("2026-09-21 14:13:20Z", False),
        ("2026-09-21T24:00:00Z", False),
        ("2026-09-21T14:13:20Z,", False),
        ("2026-09-21T14:13:20Z\n", False),
        (1_790_000_000, False),
    ],
)
def test_timestamp_needs_an_existing_date_a_time_and_a_zone(text: object, is_one: bool) -> None:
    assert is_timestamp(text) is is_one


def test_ulid_has_128_bits_in_crockfords_alphabet() -> None:
    assert is_ulid("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
    for wrong in ("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "0" * 25, "0" * 27, "0" * 25 + "U", "0" * 25 + "a", None, 1):
        assert not is_ulid(wrong)


def test_booleans_and_65_bit_numbers_are_not_integers() -> None:
    assert [is_integer(one) for one in (1, -(2**63), True, 1.0, 2**63)] == [True, True, False, False, False]


def test_basic_auth_allows_an_empty_password_but_needs_a_colon() -> None:
    assert parse_basic_auth("Basic a2V5Og==") == ("key", "")
    assert parse_basic_auth("basic YTpiOmM=") == ("a", "b:c")
    assert [parse_basic_auth(one) for one in (None, "", "Bearer a2V5Og==", "Basic a2V5", "Basic !", "Basic /w==")] == [
        None
    ] * 6


def test_only_json_in_utf_8_is_json() -> None:
    assert is_json_content_type("application/json")
    assert is_json_content_type('Application/JSON; charset="UTF-8"')
    assert not is_json_content_type("text/plain")
    assert not is_json_content_type("application/json; charset=latin-1")
    assert not is_json_content_type("")


def test_fakes_import_nothing_of_the_product() -> None:
    files = list(Path(fakes.__file__).parent.glob("*.py"))
    assert len(files) > 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = [name for name in names if name.split(".")[0] == "consumer"]
            assert all(name.startswith("consumer.demo.fakes.") for name in ours), file
