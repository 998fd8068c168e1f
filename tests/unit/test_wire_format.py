"""The key of a record's schema."""

from __future__ import annotations

import uuid

import pytest

from consumer.model import DeadLetterCause, Fault
from consumer.translation.avro.wire_format import is_fingerprint, writer_schema_key
from tests.unit.translator_harness import FakeMessage

GUID = uuid.UUID("0b7c0b0e-9c7e-4a5e-8a3f-2c2d4f8e1a11")
HEADER = "__value_schema_id"


def read(value: bytes, headers: list[tuple[str, bytes | None]] | None = None) -> object:
    return writer_schema_key(FakeMessage(value, header_list=headers), value)


def test_prefix_names_an_id() -> None:
    assert read(b"\x00\x00\x00\x01\x02rest") == (258, 5)


def test_header_with_guid_makes_the_whole_value_the_datum() -> None:
    assert read(b"\x00\x00\x00\x00\x07", [(HEADER, b"\x01" + GUID.bytes)]) == (str(GUID), 0)


def test_header_may_name_an_id() -> None:
    assert read(b"x", [("other", b"1"), (HEADER, b"\x00\x00\x00\x00\x09")]) == (9, 0)


def test_headers_without_schema_leave_it_to_the_bytes() -> None:
    assert read(b"\x00\x00\x00\x01\x02rest", [("other", b"1"), (HEADER, None)]) == (258, 5)


def test_last_schema_header_counts_and_the_keys_does_not() -> None:
    headers: list[tuple[str, bytes | None]] = [
        (HEADER, b"\x00\x00\x00\x00\x08"),
        (HEADER, b"\x00\x00\x00\x00\x09"),
        ("__key_schema_id", b"\x00\x00\x00\x00\x01"),
    ]
    assert read(b"x", headers) == (9, 0)


def test_single_object_encoding_names_a_fingerprint() -> None:
    found = read(b"\xc3\x01" + (0x7275D51A3F395C8F).to_bytes(8, "little") + b"rest")
    assert found == ("7275d51a3f395c8f", 10)
    assert is_fingerprint("7275d51a3f395c8f")
    assert not is_fingerprint(str(GUID))
    assert not is_fingerprint(7)


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01", b"\xc3\x01short", b"{}"])
def test_other_first_bytes_are_undecodable(value: bytes) -> None:
    fault = read(value)
    assert isinstance(fault, Fault)
    assert fault.cause is DeadLetterCause.UNDECODABLE


@pytest.mark.parametrize("content", [b"", b"\x02abcd", b"\x00abc", b"\x01" + b"x" * 15])
def test_malformed_schema_header_is_undecodable(content: bytes) -> None:
    assert isinstance(read(b"\x00\x00\x00\x00\x07", [(HEADER, content)]), Fault)


def test_empty_value_is_undecodable_despite_its_header() -> None:
    assert isinstance(read(b"", [(HEADER, b"\x00\x00\x00\x00\x09")]), Fault)
