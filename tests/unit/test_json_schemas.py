"""The published JSON Schemas accept what the product accepts, and refuse a misspelt key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consumer.check import mapping_schema
from consumer.config import loader
from consumer.config.destinations import placeholder
from consumer.destinations.kinds import KINDS
from consumer.directives import parser
from consumer.model.findings import Finding
from consumer.translation.mapping.loader import load_mapping
from tests.docs import markdown
from tests.docs.reference import DOCUMENTS, README, ROOT
from tests.unit.config_texts import GOOD
from tests.unit.directive_texts import read
from tests.unit.json_schema import errors, from_yaml
from tests.unit.test_config import WHOLE
from tests.unit.test_targets import ContactDestination, complaints

MAPPING = (ROOT / "avro" / "mapping.yaml").read_text()
SCHEMAS = {
    "config": loader.json_schema(),
    "mapping": mapping_schema.json_schema(),
    "directives": parser.json_schema(),
}
EXAMPLES = [
    pytest.param(block.text, id=f"{document.relative_to(ROOT)}-{number}")
    for document in DOCUMENTS
    for number, block in enumerate(markdown.blocks(document.read_text()))
    if block.language == "yaml" and not block.text.startswith("apiVersion")
]


def schema_of(document: Any) -> Any:  # noqa: ANN401 - JSON
    if "events" in document:
        return SCHEMAS["mapping"]
    return SCHEMAS["directives" if "directives" in document and "kafka" not in document else "config"]


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ("{contact: {mail: a}}", True),
        ("{contact: {phone: a, name: b}}", True),
        ("{contact: customer}", True),
        ("{contact: {name: a}}", False),
        ("{}", False),
    ],
)
def test_schema_agrees_with_check_on_a_group_within_an_object(fields: str, *, accepted: bool) -> None:
    """An expression in the place of the object may have any fields."""
    target = mapping_schema.target_schema(ContactDestination.targets["add"])
    schema = {"$defs": SCHEMAS["mapping"]["$defs"], **target}
    assert (errors(schema, from_yaml(f"fields: {fields}\n")) == []) is accepted
    assert (complaints(fields) == []) is accepted


def test_schema_accepts_the_mapping_of_the_demo() -> None:
    assert errors(SCHEMAS["mapping"], from_yaml(MAPPING)) == []


@pytest.mark.parametrize("text", [GOOD, WHOLE])
def test_schema_accepts_a_configuration(text: str) -> None:
    assert errors(SCHEMAS["config"], from_yaml(text)) == []


@pytest.mark.parametrize("text", EXAMPLES)
def test_schema_accepts_every_example_of_the_documents(text: str) -> None:
    document = from_yaml(text)
    schema = schema_of(document)
    if schema is SCHEMAS["config"]:  # most examples show only some of the settings
        readme = next(each.text for each in markdown.blocks(README.read_text()) if each.text.startswith("kafka:"))
        document = from_yaml(readme) | document
    assert errors(schema, document) == []


def one_event(entry: str, beside: str = "") -> str:
    return f"version: 1\nevents:\n  a.B:\n    {beside}deliver:\n      - {{{entry}}}\n"


TRACK = "to: customerio.track, name: Seen, fields: {userId: a}"


@pytest.mark.parametrize(
    "text",
    [
        one_event(TRACK),
        one_event("to: customerio.track, name: Seen, fields: {anonymousId: a}, when: b, consent: c, label: d"),
        one_event("to: customerio.track, name: Seen, each: items, id: sku, fields: {userId: event().id}"),
        one_event("to: customerio.track, name: Seen, fields: {userId: a, properties: {b: {value: {c: [1, null]}}}}"),
        one_event("to: customerio.track, name: Seen, fields: {userId: a, properties: {b: {each: c, fields: {d: e}}}}"),
        one_event("to: customerio.track, name: Seen, fields: {userId: a, properties: {b: [c, 1, true, {d: e}]}}"),
        one_event("to: customerio.track, name: Seen, fields: {userId: a, properties: {b: {value: c, d: e}}}"),
        one_event("to: customerio.identify, fields: {traits: {email: a, anything: b}}"),
        one_event("to: customerio.identify, fields: {traits: more}"),
        one_event("to: customerio.page, name: Home, fields: {userId: a}"),
        one_event("to: customerio.page, fields: {userId: a}"),
        one_event("to: copilot.custom_event, name: seen, fields: {user_id: a, anything: b}"),
        one_event("to: copilot.consent, fields: {user_id: a, consent_value: b}"),
        one_event("to: copilot.preexisting_sync_started"),
        one_event("to: copilot.preexisting_sync_started, fields: "),
        one_event("to: yotpo.event, name: seen, fields: {customer: {email: a}, properties: {b: c}}"),
        one_event("to: yotpo.event, name: seen, fields: {customer: who}"),
        one_event(TRACK, "id: a\n    time: b\n    key: c\n    "),
    ],
)
def test_mapping_schema_accepts_what_the_loader_accepts(text: str, tmp_path: Path) -> None:
    assert load(text, tmp_path)
    assert errors(SCHEMAS["mapping"], from_yaml(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        one_event(TRACK).replace("events:", "evens:"),
        one_event(TRACK).replace("version: 1", "version: 2"),
        one_event(TRACK).replace("deliver:", "delivers:"),
        one_event(TRACK, "tiem: a\n    "),
        one_event(TRACK.replace("fields", "field")),
        one_event(TRACK.replace("name", "naem")),
        one_event(TRACK.replace("customerio.track", "customerio.trak")),
        one_event(TRACK.replace("customerio.track", "copilot.track")),
        one_event(TRACK.replace("name: Seen, ", "")),
        one_event(TRACK.replace("userId", "user_id")),
        one_event(TRACK.replace("userId: a", "")),
        one_event(TRACK.replace("userId: a", "properties: b")),
        one_event(TRACK.replace("userId: a", "userId: null")),
        one_event(TRACK.replace("userId: a", "userId: a, properties: {}")),
        one_event(TRACK.replace("userId: a", "userId: a, properties: {b: {each: c}}")),
        one_event(TRACK.replace("userId: a", "userId: a, properties: {b: {value: 1, c: d}}")),
        one_event(TRACK + ", each: b"),
        one_event(TRACK + ", id: b"),
        one_event(TRACK + ", when: true"),
        one_event("to: customerio.identify, name: x, fields: {userId: a}"),
        one_event("to: customerio.track, name: Relationship Deleted, fields: {userId: a}"),
        one_event("to: copilot.custom_event, name: seen, fields: {a: b}"),
        one_event("to: copilot.consent, fields: {user_id: a, consent_value: b}, consent: c"),
        one_event("to: copilot.user_deleted, fields: {user_id: a, anything: b}"),
        one_event("to: yotpo.event, name: seen, fields: {properties: {b: c}}"),
        one_event("to: yotpo.event, name: seen, fields: {customer: {emial: a}}"),
    ],
)
def test_mapping_schema_refuses_what_the_loader_refuses(text: str, tmp_path: Path) -> None:
    assert not load(text, tmp_path)
    assert errors(SCHEMAS["mapping"], from_yaml(text))


def load(text: str, folder: Path) -> bool:
    return not findings_of(text, folder)


def findings_of(text: str, folder: Path) -> list[Finding]:
    (folder / "mapping.yaml").write_text(text)
    return load_mapping([folder / "mapping.yaml"], {kind: placeholder(kind) for kind in KINDS})[1]


def test_mapping_schema_accepts_destinations_with_a_name_of_their_own() -> None:
    own = one_event(TRACK.replace("customerio.track", "marketing_eu.track"))
    assert errors(SCHEMAS["mapping"], from_yaml(own)) == []
    assert errors(SCHEMAS["mapping"], from_yaml(own.replace("eu.track", "eu.trak")))


def test_config_schema_refuses_a_misspelt_key() -> None:
    for text in (GOOD.replace("topics", "topcis"), GOOD.replace("client_id", "clientid"), WHOLE.replace("rate", "rat")):
        assert errors(SCHEMAS["config"], from_yaml(text))


def one_directive(text: str) -> str:
    return f"directives:\n  - {text}\n    until: 2026-11-01T00:00:00Z\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "directives:\n",
        "directives: []\n",
        one_directive("pause: {destination: copilot}"),
        one_directive("pause: {destination: copilot, event_type: shop.Seen}"),
        one_directive("reason: 5\n    pause: {event_type: shop.Seen}"),
        one_directive("accept_refusals: {destination: copilot, cause: contract}"),
        one_directive("accept_refusals: {topic: shop.orders, cause: undecodable}"),
        one_directive("quarantine: {position: shop.orders/3/1234, destination: copilot}"),
        one_directive("quarantine: {topic: shop.orders, key: 17}"),
        one_directive("accept_gap: {partition: shop.orders/0, from: 7, to: earliest}"),
        one_directive("accept_gap: {partition: shop.orders/0, from: 0, to: 9223372036854775807}"),
    ],
)
def test_directives_schema_accepts_what_the_parser_accepts(text: str) -> None:
    assert read(text).findings == ()
    assert errors(SCHEMAS["directives"], from_yaml(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "directive: []\n",
        "directives: {}\n",
        "directives:\n  - pause: {destination: copilot}\n",
        one_directive("reason: none"),
        one_directive("pase: {destination: copilot}"),
        one_directive("pause: {destinaton: copilot}"),
        one_directive("pause: {}"),
        one_directive("pause: {destination: copilot}\n    quarantine: {position: shop.orders/1/2}"),
        one_directive("accept_refusals: {destination: copilot}"),
        one_directive("accept_refusals: {destination: copilot, cause: contrac}"),
        one_directive("accept_refusals: {destination: copilot, cause: out_of_window}"),
        one_directive("accept_refusals: {topic: shop.orders, cause: contract}"),
        one_directive("accept_refusals: {destination: copilot, topic: shop.orders, cause: undecodable}"),
        one_directive("quarantine: {topic: shop.orders}"),
        one_directive("quarantine: {position: shop.orders/1/2, key: x}"),
        one_directive("quarantine: {position: shop.orders/1}"),
        one_directive("accept_gap: {partition: shop.orders, from: 5, to: latest}"),
        one_directive("accept_gap: {partition: shop.orders/0, from: 5, to: end}"),
        one_directive("accept_gap: {partition: shop.orders/0, from: -1, to: latest}"),
        one_directive("accept_gap: {partition: shop.orders/0, from: 5, to: 9223372036854775808}"),
    ],
)
def test_directives_schema_refuses_what_the_parser_refuses(text: str) -> None:
    assert read(text).directives is None
    assert errors(SCHEMAS["directives"], from_yaml(text))


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("version:", "verison:"),
        ("events:", "evens:"),
        ("deliver:", "delivr:"),
        ("to:", "tos:"),
        ("name:", "naem:"),
        ("fields:", "field:"),
        ("customer:", "custmer:"),
        ("email:", "emial:"),
    ],
)
def test_misspelt_key_of_a_mapping_is_one_finding(key: str, written: str, tmp_path: Path) -> None:
    text = one_event("to: yotpo.event, name: seen, fields: {customer: {email: a}}").replace(key, written)
    [finding] = findings_of(text, tmp_path)
    assert finding.hint == f"did you mean `{key.removesuffix(':')}`?"
    assert errors(SCHEMAS["mapping"], from_yaml(text))


def test_misspelt_one_of_two_alternative_fields_is_one_finding(tmp_path: Path) -> None:
    [finding] = findings_of(one_event(TRACK.replace("userId", "userid")), tmp_path)
    assert finding.hint == "did you mean `userId`?"
