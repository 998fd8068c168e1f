"""The series that are read from the pipelines' status at scrape time: a revoked partition leaves no stale series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consumer.model import SecretProblem
from consumer.model.directives import AcceptGap, AcceptRefusals, Pause, Quarantine
from consumer.model.status import CLOCK, DeliveryCounts, DestinationStatus, PipelineStatus
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.health import HealthThresholds, Moment, live, ready, startup
from consumer.observability.metrics.declarations import SCRAPED_COUNTERS, SCRAPED_GAUGES
from consumer.observability.metrics.labels import NONE, OTHER
from consumer.observability.status_sources import StatusSources


@dataclass(frozen=True, slots=True)
class KnownLabels:
    """The label values of one pipeline, from its configuration."""

    endpoints: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By destination, the endpoints that have a series whether they are held or not."""
    events: frozenset[str] = frozenset()
    """Event types; any other becomes `other`."""


_NO_LABELS = KnownLabels()
_KINDS = (Pause.kind, AcceptRefusals.kind, Quarantine.kind, AcceptGap.kind)


class StatusCollector(Collector):
    """Collects the status of all pipelines once per scrape."""

    def __init__(self, sources: StatusSources, known: Mapping[str, KnownLabels], limits: HealthThresholds) -> None:
        self._sources = sources
        self._known = known
        self._limits = limits

    def describe(self) -> Iterator[Metric]:
        """Name the families, so that the registry can reject a second one of the same name."""
        return _Samples().families()

    def collect(self) -> Iterator[Metric]:
        """Return every family, those without series included: their help text is useful before the first event."""
        samples = _Samples()
        pipelines, not_answering = self._sources.collect()
        moment = Moment.now()
        for status in pipelines:
            self._pipeline(samples, status, moment)
        for name in not_answering:
            samples.add("cdp_health_check", 0, name, "answering")
        for probe in (live, ready, startup):
            for check in probe(pipelines, moment, self._limits):
                samples.add("cdp_health_check", check.ok, check.pipeline, check.name)
        if self._sources.directives is not None:
            _directives(samples, self._sources.directives, moment)
        return samples.families()

    def _pipeline(self, samples: _Samples, status: PipelineStatus, moment: Moment) -> None:
        name = status.name
        records = status.records
        samples.add("cdp_health_check", 1, name, "answering")
        samples.add("cdp_kafka_consumer_info", 1, name, status.group, status.protocol)
        samples.add("cdp_max_poll_interval_seconds", status.max_poll_interval_s, name)
        samples.add("cdp_kafka_fenced", status.fenced, name)
        samples.add("cdp_kafka_missing_topics", len(status.missing_topics), name)
        samples.add("cdp_schema_cache_entries", status.schemas_known, name)
        samples.add("cdp_schemas_pending", len(status.schemas_pending), name)
        samples.add("cdp_records_accepted_total", records.accepted, name)
        samples.add("cdp_records_settled_total", records.settled, name)
        samples.add("cdp_records_released_total", records.released, name)
        samples.add("cdp_records_open", records.open, name)
        samples.add("cdp_records_retained", sum(each.retained_records for each in status.partitions), name)
        samples.add("cdp_records_open_bytes", sum(each.open_bytes for each in status.partitions), name)
        samples.add("cdp_records_limit", status.max_records, name)
        samples.add("cdp_records_limit_bytes", status.max_bytes, name)
        samples.add("cdp_accounting_records_mismatch", records.mismatch, name)
        samples.add("cdp_dead_letters_in_flight", status.dead_letters.in_flight, name)
        samples.add("cdp_dead_letters_stalled", status.dead_letters.stalled_reason is not None, name)
        if status.lag_updated_ms is not None:
            samples.add("cdp_kafka_lag_updated_timestamp_seconds", status.lag_updated_ms / 1000, name)
        for loop, at_s in (("poll", status.poll_ticked_at_s), ("deliver", status.loop_ticked_at_s)):
            if at_s is not None:
                ticked_s = moment.wall_ms / 1000 - (moment.monotonic_s - at_s)
                samples.add("cdp_loop_last_tick_timestamp_seconds", ticked_s, name, loop)
        for reason in ("unreachable", "refused"):
            samples.add("cdp_schema_registry_unavailable", reason in status.schema_problems.values(), name, reason)
        _partitions(samples, name, status, moment)
        known = self._known.get(name, _NO_LABELS)
        for destination in status.destinations:
            _accounting(samples, name, destination.name, destination.accounting)
            _destination(samples, name, destination, known.endpoints.get(destination.name, ()), moment)
            _withheld(samples, name, destination, known.events)
        for guard in status.guards:
            samples.add("cdp_decode_guard_tripped", 1, name, guard.kind, guard.cause)
        samples.add("cdp_deliveries_parked", sum(guard.waiting for guard in status.guards), name, NONE)
        for other, account in status.other_accounts.items():
            _accounting(samples, name, other or NONE, account)


def _directives(samples: _Samples, directives: DirectivesObserver, moment: Moment) -> None:
    if directives.file_read:
        samples.add("cdp_directives_file_valid", not directives.findings)
    kinds = [directive.kind for directive in directives.in_force(moment.wall_ms)]
    for kind in _KINDS:
        samples.add("cdp_directives", kinds.count(kind), kind)


def _partitions(samples: _Samples, name: str, status: PipelineStatus, moment: Moment) -> None:
    assigned: dict[str, int] = {}
    paused: dict[str, int] = {}
    for each in status.partitions:
        topic, index = each.partition.topic, str(each.partition.index)
        assigned[topic] = assigned.get(topic, 0) + 1
        paused[topic] = paused.get(topic, 0) + each.paused
        samples.add("cdp_kafka_head_age_seconds", _age_s(each.head_ms, moment), name, topic, index)
        if each.log_end is not None and each.log_end >= 0:
            samples.add("cdp_kafka_log_end_offset", each.log_end, name, topic, index)
        if each.committed is not None and each.committed >= 0:
            samples.add("cdp_kafka_committed_offset", each.committed, name, topic, index)
            if each.log_end is not None and each.log_end >= 0:
                samples.add("cdp_kafka_consumer_lag", max(0, each.log_end - each.committed), name, topic, index)
    for topic, count in assigned.items():
        samples.add("cdp_kafka_assigned_partitions", count, name, topic)
        samples.add("cdp_kafka_paused_partitions", paused[topic], name, topic, "backpressure")
        stopped = sum(partition.topic == topic for partition in status.stopped)
        samples.add("cdp_kafka_partitions_stopped", stopped, name, topic)


def _accounting(samples: _Samples, name: str, to: str, counts: DeliveryCounts) -> None:
    samples.add("cdp_deliveries_owed_total", counts.owed, name, to)
    samples.add("cdp_deliveries_total", counts.delivered, name, to, "delivered")
    samples.add("cdp_deliveries_total", counts.dead_lettered, name, to, "dead_lettered")
    samples.add("cdp_deliveries_total", counts.released, name, to, "released")
    samples.add("cdp_deliveries_skipped_total", counts.skipped, name, to)
    samples.add("cdp_deliveries_open", counts.open, name, to)
    samples.add("cdp_accounting_mismatch", counts.mismatch, name, to)


def _destination(samples: _Samples, name: str, status: DestinationStatus, known: Sequence[str], moment: Moment) -> None:
    to = status.name
    samples.add("cdp_lanes", status.lanes, name, to)
    samples.add("cdp_requests_in_flight", status.requests, name, to)
    samples.add("cdp_events_in_flight", status.open_events, name, to)
    samples.add("cdp_bytes_in_flight", status.open_bytes, name, to)
    samples.add("cdp_oldest_unacked_age_seconds", _age_s(status.oldest_open_ms, moment), name, to)
    until = status.waiting_until_ms
    samples.add(
        "cdp_destination_wait_seconds", 0 if until is None else max(0.0, (until - moment.wall_ms) / 1000), name, to
    )
    if status.rate is not None:
        samples.add("cdp_rate_limit_permits", status.rate, name, to)
    for problem in SecretProblem:
        samples.add("cdp_destination_secret_stale", status.secret_problem is problem, name, to, problem)
    shown = (*known, CLOCK)
    held = {hold.endpoint if hold.endpoint in shown else OTHER for hold in status.holds}
    for endpoint in (*shown, *(held - set(shown))):
        samples.add("cdp_destination_held", endpoint in held, name, to, endpoint)


def _withheld(samples: _Samples, name: str, status: DestinationStatus, events: frozenset[str]) -> None:
    to = status.name
    samples.add("cdp_poison_candidates", status.poison_candidates, name, to)
    samples.add("cdp_destination_paused", bool(status.paused), name, to)
    samples.add("cdp_deliveries_parked", sum(guard.waiting for guard in status.guards), name, to)
    for guard in status.guards:
        event = guard.kind if guard.kind in events else OTHER
        samples.add("cdp_flood_guard_tripped", 1, name, to, event, guard.cause)


def _age_s(since_ms: int | None, moment: Moment) -> float:
    return 0.0 if since_ms is None else max(0.0, (moment.wall_ms - since_ms) / 1000)


class _Samples:
    """The families of one scrape."""

    def __init__(self) -> None:
        self._families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for name, (labels, text) in SCRAPED_COUNTERS.items():
            self._families[name] = CounterMetricFamily(name, text, labels=labels)
        for name, (labels, text) in SCRAPED_GAUGES.items():
            self._families[name] = GaugeMetricFamily(name, text, labels=labels)
        self._seen: set[tuple[str, ...]] = set()

    def add(self, name: str, value: float, *labels: str) -> None:
        """Add a sample. A repeated label set is dropped: Prometheus would reject the whole scrape."""
        if (name, *labels) not in self._seen:
            self._seen.add((name, *labels))
            self._families[name].add_metric(labels, value)

    def families(self) -> Iterator[Metric]:
        """Return all families, empty ones included."""
        yield from self._families.values()
