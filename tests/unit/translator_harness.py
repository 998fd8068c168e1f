"""Harness for tests of translation: a fake destination, fake messages, and bytes as producers write them."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fastavro import parse_schema, schemaless_writer

from consumer.destinations import AccessToken, Basic, Destination, Encoded, Encoder, EntryError, FieldRule, Target
from consumer.model import BatchEnvelope, DeadLetterCause, Delivered, Endpoint, Fault, HttpResponse, Verdict
from consumer.model.findings import Finding
from consumer.model.values import Fields
from consumer.translation.avro.decoder import WriterSchema, read_schema
from consumer.translation.avro.schema_directory import SchemaDirectory
from consumer.translation.mapping.loader import load_mapping
from consumer.translation.mapping.rules import EventMapping
from consumer.translation.translator import Translator

Json: TypeAlias = Any
"""A schema, or a value of one."""

NOW_MS = 1_790_000_000_000
ENDPOINT = Endpoint("add", "POST", "/add")
ENVELOPE = BatchEnvelope(ENDPOINT, b"[", b"]", 10, 10_000)


class FakeDestination:
    """A destination that accepts every field but one called `forbidden`."""

    kind = "vendor"
    endpoints: Sequence[Endpoint] = (ENDPOINT,)
    headers: Mapping[str, str] = {}
    credential: Basic | AccessToken = Basic("user", None)
    targets: Mapping[str, Target] = {
        "add": Target("add", name_optional=True, free=True),
        "call": Target("call", named=True, free=True),
        "consent": Target("consent", fields={"user": FieldRule(mandatory=True)}, free=True, carries_consent=True),
        "strict": Target(
            "strict",
            fields={
                "user": FieldRule(mandatory=True),
                "extra": FieldRule(mandatory=True, fields={"city": FieldRule()}, free=False),
                "opted_out": FieldRule(carries_consent=True),
                "mail": FieldRule(),
                "phone": FieldRule(),
            },
            one_of=(("mail", "phone"),),
        ),
    }

    def __init__(self, name: str = "vendor", max_age_ms: int | None = None) -> None:
        self.name = name
        self.envelope = ENVELOPE._replace(max_age_ms=max_age_ms)

    def encoder(self, target: str, name: str | None) -> Encoder:
        if name == "misspelt":
            raise EntryError("this name is misspelt", "correct the name")

        def encode(fields: Fields, identity: bytes, time_ns: int) -> Encoded | Fault:
            if "forbidden" in fields:
                return Fault(DeadLetterCause.CONTRACT, "forbidden: is not a field of this target")
            body = {"target": target, "name": name, "at": time_ns, "fields": fields}
            return Encoded(
                json.dumps(body, default=str).encode(), self.envelope, self.identity(identity, time_ns // 1_000_000)
            )

        return encode

    def identity(self, digest: bytes, time_ms: int, /) -> str:
        return f"{time_ms}-{digest.hex()}"

    def judge(self, envelope: BatchEnvelope, identities: Sequence[str], response: HttpResponse) -> Verdict:  # noqa: ARG002 - every response is a success
        return Delivered()


@dataclass
class FakeMessage:
    """A message with the methods of the Kafka client's."""

    content: bytes | None
    record_offset: int = 0
    topic_partition: tuple[str, int] = ("shop", 0)
    key_bytes: bytes | None = b"k"
    header_list: list[tuple[str, bytes | None]] | None = None
    timestamp_ms: int = NOW_MS

    def topic(self) -> str:
        return self.topic_partition[0]

    def partition(self) -> int:
        return self.topic_partition[1]

    def offset(self) -> int:
        return self.record_offset

    def key(self) -> bytes | None:
        return self.key_bytes

    def value(self) -> bytes | None:
        return self.content

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.header_list

    def timestamp(self) -> tuple[int, int]:
        return 1, self.timestamp_ms


def encode(schema: Json, value: Json) -> bytes:
    """Return a value's Avro bytes, without any prefix."""
    stream = io.BytesIO()
    schemaless_writer(stream, parse_schema(schema), value)
    return stream.getvalue()


def with_schema_id(key: int, datum: bytes) -> bytes:
    """Return a datum in Confluent's wire format."""
    return b"\x00" + key.to_bytes(4, "big") + datum


def record(name: str, /, **fields: Json) -> dict[str, Json]:
    """Return a record's schema; each argument is a field's type."""
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields.items()]}


def load_text(
    text: str, destinations: Mapping[str, Destination], shown: str = "mapping.yaml"
) -> tuple[EventMapping | None, list[Finding]]:
    """Load a mapping file of this text; `shown` is its name in findings."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, shown)
        file.write_text(text, encoding="utf-8")
        return load_mapping([file], destinations, shown_names=[shown])


def load_valid(text: str, *names: str) -> EventMapping:
    """Load a mapping without findings."""
    loaded, findings = load_text(text, {name: FakeDestination(name) for name in names or ("vendor",)})
    assert not findings, [finding.text() for finding in findings]
    assert loaded is not None
    return loaded


def new_translator(
    text: str, schema: Json | None = None, *, clock: list[int] | None = None, **more: Json
) -> Translator:
    """Return a translator to `vendor` that has `schema` as id 1."""
    now = clock if clock is not None else [NOW_MS]
    more.setdefault("destinations", {"vendor": FakeDestination()})
    more.setdefault("schemas", SchemaDirectory())
    destinations = more.pop("destinations")
    translator = Translator(load_valid(text, *destinations), destinations, grace_s=60, clock_ms=lambda: now[0], **more)
    if schema is not None:
        assert translator.learn(1, json.dumps(schema), {}) is None
    return translator


def mapping_with(fields: str, *, entry_lines: str = "", event_lines: str = "", name: str = "shop.E") -> str:
    """Return a mapping of one event to `vendor.add`."""
    lines = [f"version: 1\nevents:\n  {name}:\n"]
    lines += [f"    {line}\n" for line in event_lines.splitlines() if line]
    lines.append("    deliver:\n      - to: vendor.add\n")
    lines += [f"        {line}\n" for line in entry_lines.splitlines() if line]
    return "".join([*lines, f"        fields: {fields}\n"])


def writer_schema(schema: Json, references: dict[str, Json] | None = None, named: tuple[str, ...] = ()) -> WriterSchema:
    texts = {name: json.dumps(each) for name, each in (references or {}).items()}
    result = read_schema(json.dumps(schema), texts, named)
    assert isinstance(result, WriterSchema), result
    return result
