"""What a run is told: the configuration as small frozen pieces, with every default filled in."""

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
    """One consumer group and the destinations that read through it, disabled ones included."""

    name: str
    destinations: tuple[str, ...]
    shared_pace_accepted: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetterSettings:
    """Where dead letters go."""

    topic: str = "cdp-dead-letters"
    connect_headers: bool = False
    """Whether the header names of Kafka Connect's error reporter are written as well."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where metrics, probes and the status page are served."""

    host: str = "0.0.0.0"  # noqa: S104 — a pod's probes come from outside of it
    port: int = 9464


@dataclass(frozen=True, slots=True)
class Budgets:
    """Limits of time and room; those of records and bytes hold for each pipeline of its own."""

    drain_s: float = 20.0
    termination_grace_s: float = 60.0
    session_s: float = KIP848_SESSION_S
    """The brokers' session of groups of the new protocol; a classic group's is a property of the client."""
    records: int = 100_000
    bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration of one run: what `pipeline` left out is not in it."""

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
    """Every destination of the file, also those this run does not use: the mapping may speak of them."""
    dead_letters: DeadLetterSettings = field(default_factory=DeadLetterSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    directives: Path | None = None
    """The file of what an operator may say; it need not be there."""
    flood_guard: FloodGuardOptions = field(default_factory=FloodGuardOptions)
    budgets: Budgets = field(default_factory=Budgets)

    def enabled(self, pipeline: PipelineSettings) -> tuple[DestinationSettings, ...]:
        """Return the destinations a pipeline really delivers to."""
        return tuple(self.destinations[name] for name in pipeline.destinations if self.destinations[name].enabled)
