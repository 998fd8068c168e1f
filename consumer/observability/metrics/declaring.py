"""How a metric that is counted as things happen is declared: into one registry, each once."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumer.observability.metrics.histogram import Histogram


class Declaring:
    """Declares into one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, labels: Sequence[str], text: str) -> Counter:
        """Declare what only ever rises."""
        return Counter(name, text, labels, registry=self._registry)

    def gauge(self, name: str, labels: Sequence[str], text: str) -> Gauge:
        """Declare what rises and falls."""
        return Gauge(name, text, labels, registry=self._registry)

    def spread(self, name: str, labels: Sequence[str], bounds: Sequence[float], text: str) -> Histogram:
        """Declare what is counted by its size, between bounds."""
        return Histogram(name, text, labels, bounds, self._registry)
