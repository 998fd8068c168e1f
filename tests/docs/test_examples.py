"""Every example in the documents works: configurations, mappings, directives, manifests, and events as JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import certifi
import pytest
from ruamel.yaml import YAML

from consumer.config import destination_schema, schema
from consumer.config.run_config import RunConfig, all_destinations, directive_targets, load_run_config
from consumer.directives.parser import read_directives
from consumer.model.findings import Finding
from consumer.translation.samples.reader import SampleRecord, SampleSchemas, read_lines
from consumer.translation.translator import Translator
from tests.docs import markdown
from tests.docs.reference import DOCUMENTS, MAPPING, OPERATION, README, ROOT

_yaml = YAML(typ="safe", pure=True)

_SECRETS = "/run/secrets/"
_CA = "/etc/ssl/acme-ca.pem"
_YOTPO = {"url": "https://api.yotpo.com/core/v3", "store_id": "store", "secret": "${YOTPO_SECRET}"}
"""The options of a destination that the README's example does not enable."""

CONFIGURATION_KEYS = {*schema.TOP, "pipelines", "destinations"}
EXAMPLES = [
    pytest.param(document, number, id=f"{document.relative_to(ROOT)}-{number}")
    for document in DOCUMENTS
    for number, block in enumerate(markdown.blocks(document.read_text()))
    if block.language == "yaml"
]


def _block(document: Path, number: int) -> str:
    return markdown.blocks(document.read_text())[number].text


def _first(document: Path, begin: str) -> str:
    """Return the first YAML block of a document that begins so."""
    return next(each.text for each in markdown.blocks(document.read_text()) if each.text.startswith(begin))


def _plan(folder: Path, text: str) -> RunConfig:
    """Load a configuration as it stands: with the project's mapping and schemas, every variable and every secret."""
    if not (folder / "avro").exists():
        (folder / "avro").symlink_to(ROOT / "avro")
    for name in re.findall(rf"{_SECRETS}([\w/-]+)", text):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("user:password")
    (folder / "cdp.yaml").write_text(text.replace(_SECRETS, "").replace(_CA, certifi.where()))
    environment = dict.fromkeys(re.findall(r"\$\{(\w+)", text), "https://example.invalid")
    environment |= dict.fromkeys((name for name in environment if "BOOTSTRAP" in name), "example.invalid:9092")
    loaded = load_run_config(folder / "cdp.yaml", environment)
    assert loaded.config is not None, [finding.text() for finding in loaded.findings]
    return loaded.config


def _completed(part: Mapping[str, Any]) -> str:
    """Return the README's configuration with some of its keys replaced: by a part of one, as documents show it."""
    base = _yaml.load(_first(README, "kafka:"))
    if "pipelines" in part:
        base["destinations"]["yotpo"] |= _YOTPO
        for name in base["destinations"]:
            base["destinations"][name]["enabled"] = name in str(part["pipelines"])
    text = io.StringIO()
    _yaml.dump({**base, **part}, text)
    return text.getvalue()


@pytest.mark.parametrize(("document", "number"), EXAMPLES)
def test_every_yaml_example_is_accepted(document: Path, number: int, tmp_path: Path) -> None:
    text = _block(document, number)
    example = _yaml.load(text)
    keys = set(example)
    if "apiVersion" in keys:
        assert example["kind"]
    elif keys == {"version", "events"}:
        (tmp_path / "mapping.yaml").write_text(text)
        plan = _plan(tmp_path, _completed({"mapping": "mapping.yaml"}))
        assert set(plan.mapping.events) == set(example["events"])
    elif keys == {"directives"}:
        read = read_directives(text, document.name, directive_targets(_plan(tmp_path, _first(README, "kafka:"))))
        assert read.directives is not None, [finding.text() for finding in read.findings]
    else:
        assert keys <= CONFIGURATION_KEYS, f"no example of a known kind: {sorted(keys)}"
        whole = {"kafka", "topics", "mapping", "destinations"} <= keys
        _plan(tmp_path, text if whole else _completed(example))


def test_readme_has_a_whole_configuration(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _first(README, "kafka:"))
    assert set(plan.settings.destinations) == {"copilot", "customerio", "yotpo"}


def test_directives_example_has_every_kind(tmp_path: Path) -> None:
    known = directive_targets(_plan(tmp_path, _first(README, "kafka:")))
    read = read_directives(_first(OPERATION, "directives:"), "README.md", known)
    assert read.directives is not None
    assert {each.kind for each in read.directives} == {"pause", "accept_refusals", "quarantine", "accept_gap"}


def test_every_event_example_is_translated(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _first(README, "kafka:"))
    events = [each.text for each in markdown.blocks(MAPPING.read_text()) if each.language == "json"]
    assert events
    destinations = all_destinations(plan.settings)
    translator = Translator(plan.mapping, destinations, schemas=plan.schemas, grace_s=0.0, clock_ms=plan.clock_ms)
    schemas = SampleSchemas(plan.schemas.by_name, translator.learn)
    for text in events:
        line = json.dumps(json.loads(text)).encode()
        (record,) = read_lines(io.BytesIO(line), "README.md", "shop.orders", schemas, plan.clock_ms())
        assert isinstance(record, SampleRecord), record.text() if isinstance(record, Finding) else record
        assert translator.event_type(record) == json.loads(text)["type"]


def test_settings_example_names_known_kinds() -> None:
    assert set(destination_schema.OF_KIND) == set(_yaml.load(_first(README, "kafka:"))["destinations"])
