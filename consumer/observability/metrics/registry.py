"""The metrics of one process: declared once, updated by observers, exported at /metrics."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest

from consumer.model.observer import Observer
from consumer.observability.health import HealthThresholds
from consumer.observability.metrics.declarations import Counters
from consumer.observability.metrics.observer import MetricsObserver
from consumer.observability.metrics.status_collector import KnownLabels, StatusCollector
from consumer.observability.status_sources import StatusSources

_LEVELS = ("debug", "info", "warning", "error")


class Metrics:
    """All metric families of the process. `build` may have `version`, `revision` and `librdkafka` (its version)."""

    def __init__(self, registry: CollectorRegistry | None = None, build: Mapping[str, str] | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # `_created` would double the number of counter series
        self.registry = registry if registry is not None else CollectorRegistry()
        self._counters = Counters(self.registry)
        self._known: dict[str, KnownLabels] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = build or {}
        Info("cdp_build", "Build information. Include it in bug reports.", registry=self.registry).info(
            {
                "version": build.get("version", ""),
                "revision": build.get("revision", ""),
                "librdkafka": build.get("librdkafka", ""),
                "python": platform.python_version(),
            }
        )
        for level in _LEVELS:
            self._counters.log_lines(level)
            self._counters.log_suppressed(level)

    def observer(
        self,
        pipeline: str,
        destinations: Mapping[str, Sequence[str]],
        event_types: Sequence[str],
        topics: Sequence[str],
    ) -> Observer:
        """Return the observer that counts one pipeline. Every known series exists from the start, at 0.

        Args:
            pipeline: the pipeline's name.
            destinations: by destination name, the names of its endpoints.
            event_types: full names of the configured event types; all others are counted as `other`.
            topics: subscribed topics; topics that match an `^expression` get their series when they appear.
        """
        endpoints = {name: tuple(each) for name, each in destinations.items()}
        self._known[pipeline] = KnownLabels(endpoints, frozenset(event_types))
        return MetricsObserver(self._counters, pipeline, destinations, event_types, topics)

    def watch(self, sources: StatusSources, limits: HealthThresholds | None = None) -> None:
        """Export the status of these pipelines and the probes' checks at each scrape."""
        self.registry.register(StatusCollector(sources, self._known, limits or HealthThresholds()))

    def log_counted(self, level: str, lines: int, suppressed: int) -> None:
        """Count log lines written and held back (for `Log(counted=…)`)."""
        known = level if level in _LEVELS else "error"
        self._counters.log_lines(known).inc(lines)
        self._counters.log_suppressed(known).inc(suppressed)

    def page(self, accept: str | None = None) -> tuple[bytes, str]:
        """Return all metrics and their content type: OpenMetrics if `accept` (the request's header) asks for it."""
        try:
            encoder, content_type = choose_encoder(accept or "")
        except Exception:  # noqa: BLE001  the library raises on a malformed version in the header; every client can read plain text
            encoder, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        return encoder(self.registry), content_type
