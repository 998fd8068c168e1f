"""The series that are read at scrape time: a partition that went takes its series with it, and none can go stale."""

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
    """What one pipeline may have series for, as its configuration names it."""

    endpoints: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By destination, the endpoints that are shown held or not held."""
    events: frozenset[str] = frozenset()
    """Event types; any other is counted as `other`."""


_NOTHING = KnownLabels()
_KINDS = (Pause.kind, AcceptRefusals.kind, Quarantine.kind, AcceptGap.kind)


class StatusCollector(Collector):
    """Asks all pipelines once a scrape."""

    def __init__(self, sources: StatusSources, known: Mapping[str, KnownLabels], limits: HealthThresholds) -> None:
        self._sources = sources
        self._known = known
        self._limits = limits

    def describe(self) -> Iterator[Metric]:
        """Name the families, so that the registry can refuse second ones."""
        return _Sheet().families()

    def collect(self) -> Iterator[Metric]:
        """Return every family, those without series included: a help text is worth having before the first event."""
        sheet = _Sheet()
        answers, silent = self._sources.collect()
        moment = Moment.now()
        for facts in answers:
            self._pipeline(sheet, facts, moment)
        for name in silent:
            sheet.put("cdp_health_check", 0, name, "answering")
        for check in (*live(answers, moment, self._limits), *ready(answers, moment, self._limits)):
            sheet.put("cdp_health_check", check.ok, check.pipeline, check.name)
        for check in startup(answers, moment, self._limits):
            sheet.put("cdp_health_check", check.ok, check.pipeline, check.name)
        if self._sources.directives is not None:
            _directives(sheet, self._sources.directives, moment)
        return sheet.families()

    def _pipeline(self, sheet: _Sheet, facts: PipelineStatus, moment: Moment) -> None:
        name = facts.name
        books = facts.records
        sheet.put("cdp_health_check", 1, name, "answering")
        sheet.put("cdp_kafka_consumer_info", 1, name, facts.group, facts.protocol)
        sheet.put("cdp_max_poll_interval_seconds", facts.max_poll_interval_s, name)
        sheet.put("cdp_kafka_fenced", facts.fenced, name)
        sheet.put("cdp_kafka_missing_topics", len(facts.missing_topics), name)
        sheet.put("cdp_schema_cache_entries", facts.schemas_known, name)
        sheet.put("cdp_schemas_pending", len(facts.schemas_pending), name)
        sheet.put("cdp_records_accepted_total", books.accepted, name)
        sheet.put("cdp_records_settled_total", books.settled, name)
        sheet.put("cdp_records_released_total", books.released, name)
        sheet.put("cdp_records_open", books.open, name)
        sheet.put("cdp_records_retained", sum(each.retained_records for each in facts.partitions), name)
        sheet.put("cdp_records_open_bytes", sum(each.open_bytes for each in facts.partitions), name)
        sheet.put("cdp_records_limit", facts.max_records, name)
        sheet.put("cdp_records_limit_bytes", facts.max_bytes, name)
        sheet.put("cdp_accounting_records_mismatch", books.mismatch, name)
        sheet.put("cdp_dead_letters_in_flight", facts.dead_letters.in_flight, name)
        sheet.put("cdp_dead_letters_stalled", facts.dead_letters.stalled_reason is not None, name)
        if facts.lag_updated_ms is not None:
            sheet.put("cdp_kafka_lag_updated_timestamp_seconds", facts.lag_updated_ms / 1000, name)
        for loop, at_s in (("poll", facts.poll_ticked_at_s), ("deliver", facts.loop_ticked_at_s)):
            if at_s is not None:
                turned_s = moment.wall_ms / 1000 - (moment.monotonic_s - at_s)
                sheet.put("cdp_loop_last_tick_timestamp_seconds", turned_s, name, loop)
        for reason in ("unreachable", "refused"):
            sheet.put("cdp_schema_registry_unavailable", reason in facts.schema_problems.values(), name, reason)
        _partitions(sheet, name, facts, moment)
        known = self._known.get(name, _NOTHING)
        for destination in facts.destinations:
            _books(sheet, name, destination.name, destination.accounting)
            _destination(sheet, name, destination, known.endpoints.get(destination.name, ()), moment)
            _standing_back(sheet, name, destination, known.events)
        for guard in facts.guards:
            sheet.put("cdp_decode_guard_tripped", 1, name, guard.kind, guard.cause)
        sheet.put("cdp_deliveries_parked", sum(guard.waiting for guard in facts.guards), name, NONE)
        for other, account in facts.other_accounts.items():
            _books(sheet, name, other or NONE, account)


def _directives(sheet: _Sheet, told: DirectivesObserver, moment: Moment) -> None:
    if told.file_read:
        sheet.put("cdp_directives_file_valid", not told.findings)
    kinds = [directive.kind for directive in told.in_force(moment.wall_ms)]
    for kind in _KINDS:
        sheet.put("cdp_directives", kinds.count(kind), kind)


def _partitions(sheet: _Sheet, name: str, facts: PipelineStatus, moment: Moment) -> None:
    assigned: dict[str, int] = {}
    paused: dict[str, int] = {}
    for each in facts.partitions:
        topic, index = each.partition.topic, str(each.partition.index)
        assigned[topic] = assigned.get(topic, 0) + 1
        paused[topic] = paused.get(topic, 0) + each.paused
        sheet.put("cdp_kafka_head_age_seconds", _age_s(each.head_ms, moment), name, topic, index)
        if each.log_end is not None and each.log_end >= 0:
            sheet.put("cdp_kafka_log_end_offset", each.log_end, name, topic, index)
        if each.committed is not None and each.committed >= 0:
            sheet.put("cdp_kafka_committed_offset", each.committed, name, topic, index)
            if each.log_end is not None and each.log_end >= 0:
                sheet.put("cdp_kafka_consumer_lag", max(0, each.log_end - each.committed), name, topic, index)
    for topic, count in assigned.items():
        sheet.put("cdp_kafka_assigned_partitions", count, name, topic)
        sheet.put("cdp_kafka_paused_partitions", paused[topic], name, topic, "backpressure")
        stopped = sum(partition.topic == topic for partition in facts.stopped)
        sheet.put("cdp_kafka_partitions_stopped", stopped, name, topic)


def _books(sheet: _Sheet, name: str, to: str, books: DeliveryCounts) -> None:
    sheet.put("cdp_deliveries_owed_total", books.owed, name, to)
    sheet.put("cdp_deliveries_total", books.delivered, name, to, "delivered")
    sheet.put("cdp_deliveries_total", books.dead_lettered, name, to, "dead_lettered")
    sheet.put("cdp_deliveries_total", books.released, name, to, "released")
    sheet.put("cdp_deliveries_skipped_total", books.skipped, name, to)
    sheet.put("cdp_deliveries_open", books.open, name, to)
    sheet.put("cdp_accounting_mismatch", books.mismatch, name, to)


def _destination(sheet: _Sheet, name: str, facts: DestinationStatus, known: Sequence[str], moment: Moment) -> None:
    to = facts.name
    sheet.put("cdp_lanes", facts.lanes, name, to)
    sheet.put("cdp_requests_in_flight", facts.requests, name, to)
    sheet.put("cdp_events_in_flight", facts.open_events, name, to)
    sheet.put("cdp_bytes_in_flight", facts.open_bytes, name, to)
    sheet.put("cdp_oldest_unacked_age_seconds", _age_s(facts.oldest_open_ms, moment), name, to)
    until = facts.waiting_until_ms
    sheet.put(
        "cdp_destination_wait_seconds", 0 if until is None else max(0.0, (until - moment.wall_ms) / 1000), name, to
    )
    if facts.rate is not None:
        sheet.put("cdp_rate_limit_permits", facts.rate, name, to)
    for doubt in SecretProblem:
        sheet.put("cdp_destination_secret_stale", facts.secret_problem is doubt, name, to, doubt)
    shown = (*known, CLOCK)
    held = {hold.endpoint if hold.endpoint in shown else OTHER for hold in facts.holds}
    for endpoint in (*shown, *(held - set(shown))):
        sheet.put("cdp_destination_held", endpoint in held, name, to, endpoint)


def _standing_back(sheet: _Sheet, name: str, facts: DestinationStatus, events: frozenset[str]) -> None:
    to = facts.name
    sheet.put("cdp_poison_candidates", facts.poison_candidates, name, to)
    sheet.put("cdp_destination_paused", bool(facts.paused), name, to)
    sheet.put("cdp_deliveries_parked", sum(guard.waiting for guard in facts.guards), name, to)
    for guard in facts.guards:
        event = guard.kind if guard.kind in events else OTHER
        sheet.put("cdp_flood_guard_tripped", 1, name, to, event, guard.cause)


def _age_s(since_ms: int | None, moment: Moment) -> float:
    return 0.0 if since_ms is None else max(0.0, (moment.wall_ms - since_ms) / 1000)


class _Sheet:
    """The families of one scrape, being filled."""

    def __init__(self) -> None:
        self._families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for name, (labels, text) in SCRAPED_COUNTERS.items():
            self._families[name] = CounterMetricFamily(name, text, labels=labels)
        for name, (labels, text) in SCRAPED_GAUGES.items():
            self._families[name] = GaugeMetricFamily(name, text, labels=labels)
        self._seen: set[tuple[str, ...]] = set()

    def put(self, name: str, value: float, *labels: str) -> None:
        """Add a sample; a repeated label set is dropped, because with it the whole page would be refused."""
        if (name, *labels) not in self._seen:
            self._seen.add((name, *labels))
            self._families[name].add_metric(labels, value)

    def families(self) -> Iterator[Metric]:
        """Return all families, filled or not."""
        yield from self._families.values()
