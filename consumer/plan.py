"""All that is known before anything runs: configuration, schemas, mapping; read together, all complaints at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from consumer.config.file import load as load_settings
from consumer.config.settings import PipelineSettings, Settings
from consumer.destinations import Destination
from consumer.destinations.kinds import KINDS
from consumer.findings import Finding, errors, in_order
from consumer.translation import EventMapping, SchemaDirectory, load_mapping, load_schemas


def _now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of."""

    settings: Settings
    mapping: EventMapping
    schemas: SchemaDirectory
    clock_ms: Callable[[], int] = _now_ms


@dataclass(frozen=True, slots=True)
class Planned:
    """What reading came to: a plan unless there are errors, and every finding, warnings included."""

    plan: Plan | None
    findings: tuple[Finding, ...]


def read_plan(
    path: Path, environ: Mapping[str, str] | None = None, *, pipeline: str | None = None, offline: bool = False
) -> Planned:
    """Read the configuration at `path` and all it names.

    `offline` is for a run that talks to nobody and needs no secret.
    """
    loaded = load_settings(path, os.environ if environ is None else environ, pipeline=pipeline, offline=offline)
    settings = loaded.settings or loaded.understood
    if settings is None or any(each.path.startswith("destinations") for each in errors(loaded.findings)):
        return Planned(None, loaded.findings)  # a destination that was not understood would look unknown to the mapping
    schemas, schema_findings = load_schemas(settings.schema_directory)
    mapping, mapping_findings = load_mapping(settings.mapping, all_destinations(settings))
    findings = tuple(in_order([*loaded.findings, *schema_findings, *mapping_findings]))
    if mapping is None or errors(findings):
        return Planned(None, findings)
    return Planned(Plan(settings, mapping, schemas), findings)


def all_destinations(settings: Settings) -> dict[str, Destination]:
    """Return every destination of the file: the mapping may speak of those that this run does not use."""
    return {name: KINDS[each.kind].construct(each.options) for name, each in settings.destinations.items()}


def destinations_of(settings: Settings, pipeline: PipelineSettings) -> dict[str, Destination]:
    """Return the destinations of one pipeline, disabled ones included."""
    return {name: each for name, each in all_destinations(settings).items() if name in pipeline.destinations}
