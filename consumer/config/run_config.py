"""The configuration file, its schemas and its mapping: read together, before a run, with all findings at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    """Everything that a run needs: settings, mapping, schemas and a clock."""

    settings: Settings
    mapping: EventMapping
    schemas: SchemaDirectory
    clock_ms: Callable[[], int] = now_ms


@dataclass(frozen=True, slots=True)
class RunConfigResult:
    """The result of reading: `config` is `None` if there are errors; `findings` contains the warnings as well."""

    config: RunConfig | None
    findings: tuple[Finding, ...]


def load_run_config(
    path: Path, environ: Mapping[str, str] | None = None, *, pipeline: str | None = None, offline: bool = False
) -> RunConfigResult:
    """Read the configuration at `path`, and the schemas and the mapping that it names.

    Args:
        path: the configuration file.
        environ: the environment variables; those of the process if `None`.
        pipeline: the only pipeline that runs; all of them if `None`.
        offline: True for a run that contacts no other system. It needs no variable and no secret.
    """
    environ = os.environ if environ is None else environ
    loaded = load_settings(path, environ, pipeline=pipeline, offline=offline)
    settings, incomplete = loaded.settings or loaded.understood, _has_destination_errors(loaded)
    if incomplete:  # Mostly a variable is not set. The mapping can be checked without it.
        without_secrets = load_settings(path, environ, pipeline=pipeline, offline=True)
        settings = without_secrets.settings or without_secrets.understood
        incomplete = _has_destination_errors(without_secrets)
    if settings is None:
        return RunConfigResult(None, loaded.findings)
    schemas, schema_findings = load_schemas(settings.schema_directory)
    mapping, mapping_findings = load_mapping(settings.mapping, all_destinations(settings))
    if incomplete:  # A destination with an error is not in the settings: the mapping would wrongly call it unknown.
        mapping_findings = [each for each in mapping_findings if not each.path.endswith(".to")]
    named_files = [_at_its_setting(each, path, loaded) for each in (*schema_findings, *mapping_findings)]
    findings = tuple(in_order([*loaded.findings, *named_files]))
    if mapping is None or loaded.settings is None or errors(findings):
        return RunConfigResult(None, findings)
    return RunConfigResult(RunConfig(loaded.settings, mapping, schemas), findings)


def _has_destination_errors(loaded: LoadedConfig) -> bool:
    return any(each.path.startswith("destinations") for each in errors(loaded.findings))


def _at_its_setting(finding: Finding, config: Path, loaded: LoadedConfig) -> Finding:
    """Move a finding about a file that does not exist to the setting that names the file: it is misspelt there."""
    file = Path(finding.file)
    if file not in loaded.named_files or file.exists():
        return finding
    setting, node = loaded.named_files[file]
    message = f"`{finding.file}` {finding.message}"
    return replace(finding, file=str(config), line=node.line, column=node.column, path=setting, message=message)


def all_destinations(settings: Settings) -> dict[str, Destination]:
    """Return every destination of the file: the mapping may name destinations that this run does not use."""
    return {name: KINDS[each.kind].construct(each.options) for name, each in settings.destinations.items()}


def destinations_of(settings: Settings, pipeline: PipelineSettings) -> dict[str, Destination]:
    """Return the destinations of one pipeline, disabled ones included."""
    return {name: each for name, each in all_destinations(settings).items() if name in pipeline.destinations}


def directive_targets(config: RunConfig) -> DirectiveTargets:
    """Return the names that directives may refer to."""
    settings = config.settings
    return DirectiveTargets(
        tuple(settings.destinations), tuple(config.mapping.events), settings.topics, settings.own_topics
    )
