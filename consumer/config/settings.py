"""The configuration as frozen dataclasses, with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumer.config.secrets import Properties, Secret
from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.options import DestinationOptions
from consumer.kafka.properties import KIP848_SESSION_S, Start


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """One destination of the file."""

    name: str
    kind: str
    enabled: bool
    options: Any
    """The options dataclass of the kind (`consumer.destinations.kinds.KINDS[kind].options`)."""
    secrets: Mapping[str, Secret]
    lanes: DestinationOptions


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """One consumer group and its destinations, disabled ones included."""

    name: str
    destinations: tuple[str, ...]
    shared_pace_accepted: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetterSettings:
    """The dead-letter topic and its headers."""

    topic: str = "cdp-dead-letters"
    connect_headers: bool = False
    """Whether to write the headers of Kafka Connect's error reporter as well."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Address of metrics, probes and the status page."""

    host: str = "0.0.0.0"  # noqa: S104 — the kubelet's probes come from outside the pod
    port: int = 9464


@dataclass(frozen=True, slots=True)
class Budgets:
    """Limits of time and memory. Those of records and bytes apply to each pipeline separately."""

    drain_s: float = 20.0
    termination_grace_s: float = 60.0
    session_s: float = KIP848_SESSION_S
    """Session timeout of the brokers, for groups of the new protocol. A classic group has a client property."""
    records: int = 100_000
    bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration of one run, without the pipelines that do not run."""

    file: Path
    kafka: Properties
    topics: tuple[str, ...]
    start: Start
    """`earliest`, `latest`, or epoch milliseconds."""
    registry: Properties | None
    schema_directory: Path | None
    schema_grace_s: float
    mapping: tuple[Path, ...]
    pipelines: tuple[PipelineSettings, ...]
    destinations: Mapping[str, DestinationSettings]
    """Every destination of the file, also those that this run does not use: the mapping may name them."""
    dead_letters: DeadLetterSettings = field(default_factory=DeadLetterSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    directives: Path | None = None
    """The file of operator directives. It need not exist."""
    flood_guard: FloodGuardOptions = field(default_factory=FloodGuardOptions)
    budgets: Budgets = field(default_factory=Budgets)

    @property
    def own_topics(self) -> frozenset[str]:
        """The topics that the service writes itself. It must not read them as events."""
        return frozenset({self.dead_letters.topic})

    def enabled(self, pipeline: PipelineSettings) -> tuple[DestinationSettings, ...]:
        """Return the destinations that a pipeline delivers to."""
        return tuple(self.destinations[name] for name in pipeline.destinations if self.destinations[name].enabled)
