"""All that is known before anything runs: configuration, schemas, mapping; read together, all complaints at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from consumer.config.loader import LoadedConfig
from consumer.config.loader import load as load_settings
from consumer.config.settings import PipelineSettings, Settings
from consumer.destinations import Destination
from consumer.destinations.kinds import KINDS
from consumer.model.clock import now_ms
from consumer.model.directives import DirectiveTargets
from consumer.model.findings import Finding, errors, in_order
from consumer.translation.avro.schema_directory import SchemaDirectory, load_schemas
from consumer.translation.mapping.loader import load_mapping
from consumer.translation.mapping.rules import EventMapping


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run is made of."""

    settings: Settings
    mapping: EventMapping
    schemas: SchemaDirectory
    clock_ms: Callable[[], int] = now_ms


@dataclass(frozen=True, slots=True)
class RunConfigResult:
    """What reading came to: a plan unless there are errors, and every finding, warnings included."""

    plan: RunConfig | None
    findings: tuple[Finding, ...]


def load_run_config(
    path: Path, environ: Mapping[str, str] | None = None, *, pipeline: str | None = None, offline: bool = False
) -> RunConfigResult:
    """Read the configuration at `path` and all it names.

    `offline` is for a run that talks to nobody and needs no secret.
    """
    environ = os.environ if environ is None else environ
    loaded = load_settings(path, environ, pipeline=pipeline, offline=offline)
    settings, lacking = loaded.settings or loaded.understood, _lacks_destinations(loaded)
    if lacking:  # most often a variable that is not set: without it there is still enough to look at the mapping
        unsecret = load_settings(path, environ, pipeline=pipeline, offline=True)
        settings, lacking = unsecret.settings or unsecret.understood, _lacks_destinations(unsecret)
    if settings is None:
        return RunConfigResult(None, loaded.findings)
    schemas, schema_findings = load_schemas(settings.schema_directory)
    mapping, mapping_findings = load_mapping(settings.mapping, all_destinations(settings))
    if lacking:  # what was not understood only looks unknown to the mapping
        mapping_findings = [each for each in mapping_findings if not each.path.endswith(".to")]
    findings = tuple(in_order([*loaded.findings, *schema_findings, *mapping_findings]))
    if mapping is None or loaded.settings is None or errors(findings):
        return RunConfigResult(None, findings)
    return RunConfigResult(RunConfig(loaded.settings, mapping, schemas), findings)


def _lacks_destinations(loaded: LoadedConfig) -> bool:
    return any(each.path.startswith("destinations") for each in errors(loaded.findings))


def all_destinations(settings: Settings) -> dict[str, Destination]:
    """Return every destination of the file: the mapping may speak of those that this run does not use."""
    return {name: KINDS[each.kind].construct(each.options) for name, each in settings.destinations.items()}


def destinations_of(settings: Settings, pipeline: PipelineSettings) -> dict[str, Destination]:
    """Return the destinations of one pipeline, disabled ones included."""
    return {name: each for name, each in all_destinations(settings).items() if name in pipeline.destinations}


def known_to(plan: RunConfig) -> DirectiveTargets:
    """Return what directives may speak of."""
    return DirectiveTargets(tuple(plan.settings.destinations), tuple(plan.mapping.events), plan.settings.topics)
