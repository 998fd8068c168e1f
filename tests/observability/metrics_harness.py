"""Metrics for tests, and readers of their page."""

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from consumer.model.observer import Observer
from consumer.model.status import StatusSource
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
DESTINATIONS = {"copilot": ("collect", "consent"), "customerio": ("batch",)}
EVENTS = ("shop.OrderPlaced", "shop.CustomerSignedUp")


def new_metrics() -> tuple[Metrics, Observer]:
    metrics = Metrics(CollectorRegistry())
    return metrics, metrics.observer("cdp", DESTINATIONS, EVENTS, ("shop.orders", "^shop[.]c.*"))


def families(metrics: Metrics) -> list[Metric]:
    return list(parse_openmetrics(metrics.page(OPENMETRICS)[0].decode()))  # type: ignore[no-untyped-call]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def metrics_of(*sources: StatusSource) -> Metrics:
    """Return metrics that read these status sources, under the names a, b and c."""
    metrics, _ = new_metrics()
    status_sources = StatusSources()
    for name, source in zip("abc", sources, strict=False):
        status_sources.add(name, source)
    metrics.watch(status_sources)
    return metrics
