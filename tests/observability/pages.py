"""Metrics made for tests, and what is on their page."""

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from consumer.model.observer import Observer
from consumer.model.status import StatusSource
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
DESTINATIONS = {"copilot": ("collect", "consent"), "customerio": ("batch",)}
EVENTS = ("shop.OrderPlaced", "shop.CustomerSignedUp")


def made() -> tuple[Metrics, Observer]:
    metrics = Metrics(CollectorRegistry())
    return metrics, metrics.observer("cdp", DESTINATIONS, EVENTS, ("shop.orders", "^shop[.]c.*"))


def families(metrics: Metrics) -> list[Metric]:
    return list(parse_openmetrics(metrics.page(OPENMETRICS)[0].decode()))  # type: ignore[no-untyped-call]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def watched(*sources: StatusSource) -> Metrics:
    """Metrics that ask these sources, under the names a, b and c."""
    metrics, _ = made()
    asked = StatusSources()
    for name, source in zip("abc", sources, strict=False):
        asked.add(name, source)
    metrics.watch(asked)
    return metrics
