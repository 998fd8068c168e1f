"""The JSON Schema has every key that the validation has; no tree makes loading raise."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.config import destination_schema, schema
from consumer.config.loader import json_schema, load
from consumer.config.schema_nodes import Section
from consumer.destinations.kinds import KINDS
from tests.unit.config_texts import ENVIRON
from tests.unit.test_config import WHOLE


def test_every_option_of_a_kind_can_be_configured() -> None:
    beside = {"name", "url", "events", "bytes"}
    for kind, each in KINDS.items():
        fields = {field.name for field in dataclasses.fields(each.options)}
        assert fields - beside == set(destination_schema.OF_KIND[kind]), kind


def test_every_key_is_described() -> None:
    def walk(section: Section) -> None:
        for name, option in section.options.items():
            assert option.doc.endswith("."), name
            if isinstance(option.kind, Section):
                walk(option.kind)

    walk(Section(schema.TOP))
    for kind in KINDS:
        walk(destination_schema.of_kind(kind))


def test_descriptions_say_what_is_read_once_and_what_again() -> None:
    described = json_schema()["properties"]
    registry = described["schemas"]["properties"]["registry"]
    for properties in (described["kafka"], registry):
        assert "(`{file: path}`) is read once, at start" in properties["description"]
    assert "re-read every second" in described["directives"]["description"]


def keys(schema: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    found = set()
    for name, inner in schema.get("properties", {}).items():
        found.add(name)
        found |= keys(inner, definitions)
    return found


def test_schema_has_every_key_of_the_documented_example() -> None:
    schema = json_schema()
    json.dumps(schema)
    known = keys(schema, schema["$defs"])
    written = set(re.findall(r"^ *([a-z_]+):", WHOLE, re.MULTILINE)) - {"url"}
    assert written <= known
    assert schema["required"] == ["kafka", "topics", "mapping", "destinations"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["yotpo"]["else"]["required"] == ["url", "secret", "store_id"]


WORDS = st.sampled_from(
    [
        "kafka", "topics", "mapping", "destinations", "copilot", "customerio", "yotpo", "url", "kind", "enabled",
        "batch",
        "events", "bytes", "linger", "lanes", "timeout", "pipelines", "start", "schemas", "registry", "budgets",
        "drain",
        "file", "client_id", "api_key", "context", "rate", "http", "address", "shared_pace", "accepted", "${X}", "${",
        "bootstrap.servers", "max.poll.interval.ms", "group.protocol", "true", "1s", "5/s", "0.0.0.0:1",
        "https://x", "*a",
        "store_id", "keys", "allow_events", "dead_letters", "topic", "directives", "^x", "backoff", "first", "cap",
    ]
)  # fmt: skip
SCALARS = st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=6)),
    max_leaves=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tree=TREES, offline=st.booleans())
def test_any_tree_gives_settings_or_errors(tmp_path: Path, tree: object, *, offline: bool) -> None:
    path = tmp_path / "cdp.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    found = load(path, {"X": "1"}, offline=offline)
    assert (found.settings is None) == any(each.severity == "error" for each in found.findings)
    for finding in found.findings:
        assert finding.message
        assert finding.text()


PLACES = [match.start() for match in re.finditer(r"\S", WHOLE)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.sampled_from(PLACES), junk=st.one_of(SCALARS.map(str), st.sampled_from(list("{}[]:#'\"&*!|>\n\t-?,"))))
def test_example_with_junk_in_it_never_raises(tmp_path: Path, at: int, junk: str) -> None:
    path = tmp_path / "cdp.yaml"
    path.write_bytes((WHOLE[:at] + junk + WHOLE[at:]).encode("utf-8", "surrogatepass"))
    found = load(path, ENVIRON, offline=True)
    assert (found.settings is None) == any(each.severity == "error" for each in found.findings)


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "-1", "0x10", "", "9" * 400, "²"])
def test_invalid_poll_intervals_are_errors(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cdp.yaml"
    path.write_text(WHOLE.replace("kafka:", "odd:").replace("odd:", f"kafka:\n  max.poll.interval.ms: '{text}'\n ", 1))
    found = load(path, ENVIRON, offline=True)
    assert found.settings is None
