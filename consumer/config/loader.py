"""The configuration's file: read whole, every complaint at once, and settings only if there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consumer.config import cross_checks, destination_schema, destinations, pipelines, schema
from consumer.config.complaints import ConfigReadContext
from consumer.config.schema_nodes import JsonSchema, Later, MapOption, Option, Section
from consumer.config.secrets import Properties
from consumer.config.settings import Budgets, DeadLetterSettings, HttpSettings, Settings
from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.destinations.kinds import KINDS
from consumer.kafka.properties import max_poll_interval_s
from consumer.model.findings import Finding, errors, in_order
from consumer.yaml_document import Table, read_file


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """What reading the file came to: settings unless there are errors, and every finding, warnings included."""

    settings: Settings | None
    findings: tuple[Finding, ...]
    understood: Settings | None = None
    """What could be understood in spite of errors: to look for more of them, and for nothing else."""


def load(path: Path, environ: Mapping[str, str], *, pipeline: str | None = None, offline: bool = False) -> LoadedConfig:
    """Read the configuration at `path`.

    `pipeline` leaves out what the other pipelines alone would use. `offline` is for a run that talks to nobody: it asks
    for no variable and no secret, and its settings must not be used to call anybody.
    """
    tree, findings = read_file(path)
    reading = ConfigReadContext(str(path), path.parent, environ, findings=list(findings), offline=offline)
    settings = None
    if isinstance(tree, Table):
        settings = _settings(path, tree, pipeline, reading)
    elif tree is not None:
        reading.error(tree, "", "is no configuration: it must be a mapping of settings", "begin with `kafka:`")
    found = tuple(in_order(reading.findings))
    return LoadedConfig(None if errors(found) else settings, found, settings)


def _settings(path: Path, tree: Table, wanted: str | None, reading: ConfigReadContext) -> Settings | None:
    top = _FILE.read(tree, "", reading)
    enabled = destinations.enabled_names(tree.get("destinations"), reading)
    all_pipelines = pipelines.read(tree.get("pipelines"), enabled, reading)
    chosen = pipelines.choose(all_pipelines, wanted, enabled, reading)
    reached = {name for each in chosen for name in each.destinations}
    used = {name: is_on and name in reached for name, is_on in enabled.items()}
    found = destinations.read(tree.get("destinations"), used, reading)
    said = destinations.with_rate(tree.get("destinations"))
    pipelines.complain_of_paces(all_pipelines, found, said, tree.get("pipelines"), reading)
    guard = top["flood_guard"]
    settings = Settings(
        file=path,
        kafka=Properties(top["kafka"]),
        topics=top["topics"],
        start=top["start"],
        registry=Properties(top["schemas"]["registry"]) if top["schemas"]["registry"] is not None else None,
        schema_directory=top["schemas"]["directory"],
        schema_grace_s=top["schemas"]["grace"],
        mapping=top["mapping"],
        pipelines=chosen,
        destinations=found,
        dead_letters=DeadLetterSettings(**top["dead_letters"]),
        http=HttpSettings(*top["http"]["address"]),
        directives=top["directives"],
        flood_guard=FloodGuardOptions(refusals=guard["refusals"], window_s=guard["window"], share=guard["share"]),
        budgets=_budgets(top),
    )
    cross_checks.complain_of_kafka(settings, tree, reading)
    cross_checks.complain_of_topics(settings, tree, reading)
    cross_checks.complain_of_time(
        settings, [found[name] for name in used if used[name] and name in found], tree, reading
    )
    return settings


def _budgets(top: dict[str, Any]) -> Budgets:
    said = top["budgets"]
    drain_s = said["drain"]
    if drain_s is None:
        drain_s = min(Budgets().drain_s, max_poll_interval_s(top["kafka"]) / 3)
    session_s = Budgets().session_s if said["session"] is None else said["session"]
    return Budgets(drain_s, said["termination_grace"], session_s, said["records"], said["bytes"])


def json_schema() -> JsonSchema:
    """Return the JSON Schema of the file, for editors: generated from the same table that validates it."""
    of_kind = {kind: destination_schema.of_kind(kind).schema() for kind in KINDS}
    named = {kind: {"$ref": f"#/$defs/{kind}"} for kind in KINDS}
    described = _FILE.schema()
    described["properties"]["destinations"] = {
        "type": "object",
        "description": "What events are delivered to, by name.",
        "minProperties": 1,
        "properties": named,
        "additionalProperties": {"anyOf": [{"allOf": [each, {"required": ["kind"]}]} for each in named.values()]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cdp-consumer configuration",
        **described,
        "$defs": of_kind,
    }


_FILE = Section(
    {
        **schema.TOP,
        "pipelines": Option(Later(pipelines.READS), "Consumer groups and their destinations. Default: one for each."),
        "destinations": Option(Later(MapOption(Section())), "What events are delivered to, by name.", required=True),
    }
)
