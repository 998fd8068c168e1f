"""Load the configuration file: all findings at once, and settings only if none of them is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
from consumer.yaml_document import Items, Node, Table, read_file


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The result of reading the file: settings unless there are errors, and every finding, warnings included."""

    settings: Settings | None
    findings: tuple[Finding, ...]
    understood: Settings | None = None
    """The settings that could be read in spite of errors. Use them only to look for more errors."""
    named_files: Mapping[Path, tuple[str, Node]] = field(default_factory=dict)
    """Mapping files and schema directory → the setting that names each, and its position in the configuration."""


def load(path: Path, environ: Mapping[str, str], *, pipeline: str | None = None, offline: bool = False) -> LoadedConfig:
    """Read the configuration at `path`.

    Args:
        path: the configuration file.
        environ: the environment variables.
        pipeline: the only pipeline that runs. Variables and secrets that only the others use need not be set.
        offline: True for a run that contacts no other system. No variable and no secret need be set. Never contact
            another system with the settings that this returns.
    """
    tree, findings = read_file(path)
    context = ConfigReadContext(str(path), path.parent, environ, findings=list(findings), offline=offline)
    settings, named_files = None, {}
    if isinstance(tree, Table):
        settings = _settings(path, tree, pipeline, context)
        named_files = _named_files(tree, settings)
    elif tree is not None:
        context.error(tree, "", "is no configuration: it must be a mapping of settings", "begin with `kafka:`")
    found = tuple(in_order(context.findings))
    return LoadedConfig(None if errors(found) else settings, found, settings, named_files)


def _settings(path: Path, tree: Table, pipeline: str | None, context: ConfigReadContext) -> Settings:
    top = _FILE.read(tree, "", context)
    enabled = destinations.enabled_names(tree.get("destinations"), context)
    all_pipelines = pipelines.read(tree.get("pipelines"), enabled, context)
    chosen = pipelines.choose(all_pipelines, pipeline, enabled, context)
    reached = {name for each in chosen for name in each.destinations}
    used = {name: is_on and name in reached for name, is_on in enabled.items()}
    found = destinations.read(tree.get("destinations"), used, context)
    with_rate = destinations.with_rate(tree.get("destinations"))
    pipelines.check_shared_rates(all_pipelines, found, with_rate, tree.get("pipelines"), context)
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
    cross_checks.check_kafka(settings, tree, context)
    cross_checks.check_topics(settings, tree, context)
    used_destinations = [found[name] for name in used if used[name] and name in found]
    cross_checks.check_time_budgets(settings, used_destinations, tree, context)
    return settings


def _budgets(top: dict[str, Any]) -> Budgets:
    written = top["budgets"]
    drain_s = written["drain"]
    if drain_s is None:
        drain_s = min(Budgets().drain_s, max_poll_interval_s(top["kafka"]) / 3)
    session_s = Budgets().session_s if written["session"] is None else written["session"]
    return Budgets(drain_s, written["termination_grace"], session_s, written["records"], written["bytes"])


def _named_files(tree: Table, settings: Settings) -> dict[Path, tuple[str, Node]]:
    found: dict[Path, tuple[str, Node]] = {}
    mapping, schemas = tree.get("mapping"), tree.get("schemas")
    nodes = mapping.items if isinstance(mapping, Items) else [mapping] if mapping is not None else []
    if len(nodes) == len(settings.mapping):
        found |= {path: ("mapping", node) for path, node in zip(settings.mapping, nodes, strict=True)}
    directory = schemas.get("directory") if isinstance(schemas, Table) else None
    if settings.schema_directory is not None and directory is not None:
        found[settings.schema_directory] = ("schemas.directory", directory)
    return found


def json_schema() -> JsonSchema:
    """Return the JSON Schema of the file for editors. The table that validates the file generates it."""
    of_kind = {kind: destination_schema.json_schema(kind) for kind in KINDS}
    named = {kind: {"$ref": f"#/$defs/{kind}"} for kind in KINDS}
    described = _FILE.schema()
    described["properties"]["destinations"] = {
        "type": "object",
        "description": "The destinations of events, by name.",
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
        "pipelines": Option(
            Later(pipelines.READS), "Consumer groups and their destinations. Default: one group for each destination."
        ),
        "destinations": Option(Later(MapOption(Section())), "The destinations of events, by name.", required=True),
    }
)
