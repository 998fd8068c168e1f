"""Every metric: its name, its labels and its help. Those counted as things happen, and those read at scrape time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumer.observability.metrics import histogram
from consumer.observability.metrics.histogram import Histogram

_PIPELINE = ("pipeline",)
_TO = ("pipeline", "destination")
_TOPIC = ("pipeline", "topic")
_PARTITION = ("pipeline", "topic", "partition")

Declared = Mapping[str, tuple[tuple[str, ...], str]]
"""Metric name → label names, help."""

SCRAPED_COUNTERS: Final[Declared] = {
    "cdp_records_accepted_total": (_PIPELINE, "Records accepted for processing. Accepted = settled + open + released."),
    "cdp_records_settled_total": (_PIPELINE, "Records of which nothing is owed any more."),
    "cdp_records_released_total": (
        _PIPELINE,
        "Records given up unfinished because their partition went; they come again.",
    ),
    "cdp_deliveries_owed_total": (
        _TO,
        "Owed = delivered + skipped + dead-lettered + open + released; destination `none`: records never decoded.",
    ),
    "cdp_deliveries_total": (
        (*_TO, "outcome"),
        "Deliveries that ended: delivered, dead_lettered, or released (given up with the partition; they come again).",
    ),
    "cdp_deliveries_skipped_total": (
        _TO,
        "Deliveries deliberately not made, as the accounting counts them. cdp_events_skipped_total has the reasons.",
    ),
}

# Left out on purpose: the depth of the fetch queue and the brokers that are up. librdkafka tells them only in its
# statistics, kilobytes of JSON for each broker and partition, parsed on the poll thread.
SCRAPED_GAUGES: Final[Declared] = {
    "cdp_kafka_consumer_lag": (
        _PARTITION,
        "Last stable offset minus committed offset, asked of the brokers; absent until both are known.",
    ),
    "cdp_kafka_log_end_offset": (_PARTITION, "Last stable offset when the brokers were last asked."),
    "cdp_kafka_committed_offset": (
        _PARTITION,
        "Committed offset when the brokers were last asked. Still while there is lag: stuck.",
    ),
    "cdp_kafka_head_age_seconds": (
        _PARTITION,
        "Age of the oldest record accepted and not settled, by its Kafka timestamp; 0 when there is none.",
    ),
    "cdp_kafka_lag_updated_timestamp_seconds": (
        _PIPELINE,
        "When the brokers were last asked for offsets; old means that the lag shown is not today's.",
    ),
    "cdp_kafka_assigned_partitions": (_TOPIC, "Partitions assigned to this process."),
    "cdp_kafka_paused_partitions": (
        (*_TOPIC, "reason"),
        "Partitions paused, `backpressure`: for want of room, because what they owe is in flight, or held.",
    ),
    "cdp_kafka_consumer_info": ((*_PIPELINE, "group", "protocol"), "Always 1: the consumer group and its protocol."),
    "cdp_kafka_fenced": (
        _PIPELINE,
        "1 while no call starts because no commit was accepted for half a session; the next accepted one ends it.",
    ),
    "cdp_kafka_missing_topics": (
        _PIPELINE,
        "Topics that are not there and are waited for; the status page names them.",
    ),
    "cdp_kafka_partitions_stopped": (
        _TOPIC,
        "Partitions that wait before a gap until an operator accepts it; the status page says where. Nobody else will.",
    ),
    "cdp_max_poll_interval_seconds": (_PIPELINE, "The limit in force between polls, so that alerts need no constant."),
    "cdp_loop_last_tick_timestamp_seconds": (
        (*_PIPELINE, "loop"),
        "When the poll thread (`poll`) and the loop (`deliver`) last ticked. Liveness fails when either is too old.",
    ),
    "cdp_schema_cache_entries": (
        _PIPELINE,
        "Schemas kept, one for each id that records named. Rising without end: a producer registers at every start?",
    ),
    "cdp_schemas_pending": (
        _PIPELINE,
        "Schemas not fetched yet that records wait for. If it stays above 0, check the registry and its credentials.",
    ),
    "cdp_schema_registry_unavailable": (
        (*_PIPELINE, "reason"),
        "1 while records wait because the registry is `unreachable`, or because it `refused` the credentials.",
    ),
    "cdp_records_open": (_PIPELINE, "Records accepted and not settled, counted from the ledger."),
    "cdp_records_retained": (
        _PIPELINE,
        "Records from each partition's oldest open one to its last accepted. Far above cdp_records_open: one is stuck.",
    ),
    "cdp_records_open_bytes": (
        _PIPELINE,
        "Bytes of the records accepted and not settled, and of what is made of them.",
    ),
    "cdp_records_limit": (
        _PIPELINE,
        "Limit of cdp_records_retained. Partitions are paused when it is reached.",
    ),
    "cdp_records_limit_bytes": (
        _PIPELINE,
        "The most bytes that may be open (cdp_records_open_bytes); at the limit, partitions are paused.",
    ),
    "cdp_accounting_records_mismatch": (
        _PIPELINE,
        "Records that the accounting cannot explain. Any value other than 0 is a bug; please report it.",
    ),
    "cdp_deliveries_open": (_TO, "Deliveries owed and not ended, counted from the ledger."),
    "cdp_accounting_mismatch": (
        _TO,
        "Deliveries that the accounting cannot explain. Any value other than 0 is a bug; please report it.",
    ),
    "cdp_lanes": (_TO, "Lanes, each with one call in flight at most."),
    "cdp_requests_in_flight": (_TO, "Calls on the wire."),
    "cdp_events_in_flight": (_TO, "Deliveries in lanes or on the wire."),
    "cdp_bytes_in_flight": (_TO, "Body bytes of the deliveries in lanes or on the wire."),
    "cdp_oldest_unacked_age_seconds": (
        _TO,
        "Age of the oldest delivery that has not ended: names who is slow, as cdp_kafka_head_age_seconds names where.",
    ),
    "cdp_destination_wait_seconds": (_TO, "Seconds still to wait because the destination asked for patience."),
    "cdp_rate_limit_permits": (
        _TO,
        "Calls a second this process may make now: its share of the configured rate; absent = none.",
    ),
    "cdp_destination_held": (
        (*_TO, "endpoint"),
        "1 while the endpoint is held: something of ours is wrong, the log says what. `clock`: the time is in doubt.",
    ),
    "cdp_destination_secret_stale": (
        (*_TO, "reason"),
        "1 while requests use an older secret than its file: the file is `unreadable`, or its content was `rejected`.",
    ),
    "cdp_flood_guard_tripped": (
        (*_TO, "event", "cause"),
        "1 while an implausible share of an event type is refused and the rest waits. Absent otherwise.",
    ),
    "cdp_decode_guard_tripped": (
        (*_TOPIC, "cause"),
        "1 while an implausible share of a topic cannot be decoded and the rest waits. Absent otherwise.",
    ),
    "cdp_deliveries_parked": (
        _TO,
        "Deliveries and dead letters that wait behind a tripped flood guard. `none`: records that cannot be decoded.",
    ),
    "cdp_poison_candidates": (
        _TO,
        "Deliveries suspected of failing their requests, now sent alone. They end delivered or dead-lettered.",
    ),
    "cdp_destination_paused": (
        _TO,
        "1 while a directive keeps deliveries back here, all or those of an event type; the status page says which.",
    ),
    "cdp_dead_letters_in_flight": (_PIPELINE, "Letters handed to the Kafka client and not yet acknowledged."),
    "cdp_dead_letters_stalled": (
        _PIPELINE,
        "1 while dead letters cannot be written. Commits wait for them; check the dead-letter topic now.",
    ),
    "cdp_directives": (
        ("kind",),
        "Directives in force: what an operator said, with its end; the status page has them.",
    ),
    "cdp_directives_file_valid": (
        (),
        "0 while the directives file as it is now is refused, and what it said before is in force; the log says why.",
    ),
    "cdp_health_check": (
        (*_PIPELINE, "check"),
        "1 if the probes' check is content; `/readyz?verbose` and `/livez?verbose` give the reason.",
    ),
}


class Counters:
    """Every counter, gauge and histogram that observers feed. What is read at scrape time is the collector's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._declare_records()
        self._declare_deliveries()
        self.log_lines = self._counter("cdp_log_messages_total", ("level",), "Log lines written.")
        self.log_suppressed = self._counter(
            "cdp_log_messages_suppressed_total",
            ("level",),
            "Log lines held back because the same thing was just said; a summary line tells how many.",
        )

    def _declare_records(self) -> None:
        """Declare what is counted of Kafka, and of translation."""
        # ── Kafka ──
        self.records = self._counter(
            "cdp_kafka_messages_consumed_total",
            (*_PIPELINE, "topic"),
            "Records taken from Kafka. Flat while there is lag: look at room, holds and the fence.",
        )
        self.record_bytes = self._counter(
            "cdp_kafka_consumed_bytes_total",
            (*_PIPELINE, "topic"),
            "Bytes of keys and values taken from Kafka.",
        )
        self.rebalances = self._counter(
            "cdp_kafka_rebalances_total",
            (*_PIPELINE, "event"),
            "Rebalance callbacks. `lost` means that another member already had the partitions: expect duplicates.",
        )
        self.rebalance_s = self._histogram(
            "cdp_kafka_rebalance_duration_seconds",
            (*_PIPELINE, "event"),
            histogram.CALLBACK_S,
            "Seconds spent giving partitions back, draining included. Near the drain budget: a destination is slow.",
        )
        self.commits = self._counter(
            "cdp_kafka_commits_total",
            (*_PIPELINE, "result"),
            "Offset commits. A failure is put off, not lost; with failures only, a restart repeats everything since.",
        )
        self.commit_s = self._histogram(
            "cdp_kafka_commit_duration_seconds",
            _PIPELINE,
            histogram.COMMIT_S,
            "Seconds from asking for a commit to the broker's answer.",
        )
        self.last_commit = self._gauge(
            "cdp_kafka_last_commit_timestamp_seconds",
            _PIPELINE,
            "When the broker last accepted a commit; absent before the first. Old while records flow: stuck.",
        )
        self.client_errors = self._counter(
            "cdp_kafka_client_errors_total",
            (*_PIPELINE, "code", "fatal"),
            "Errors the Kafka client reported, by librdkafka's constant. After a fatal one the process ends.",
        )
        self.poll_s = self._histogram(
            "cdp_poll_interval_seconds",
            _PIPELINE,
            histogram.POLL_S,
            "Seconds between turns of the poll thread. At cdp_max_poll_interval_seconds the group goes on without us.",
        )
        self.fences = self._counter(
            "cdp_kafka_fences_total",
            _PIPELINE,
            "Times no commit was accepted for half a session and calls had to wait: cut off, or a frozen process?",
        )
        self.stops = self._counter(
            "cdp_kafka_partition_stops_total",
            (*_PIPELINE, "code"),
            "Partitions that stopped because what should come next cannot be had; they wait until somebody accepts it.",
        )
        self.gaps = self._counter(
            "cdp_kafka_offset_gaps_total",
            (*_PIPELINE, "topic"),
            "Gaps an operator accepted: what lay in them is lost to us, the log says from where to where.",
        )

        # ── Translation ──
        self.decoded = self._counter(
            "cdp_events_decoded_total",
            (*_PIPELINE, "event"),
            "Records decoded, by configured event type.",
        )
        self.decode_failures = self._counter(
            "cdp_decode_failures_total",
            (*_PIPELINE, "topic", "cause"),
            "Records that could not be decoded and went to the dead-letter topic. Many at once: wrong registry?",
        )
        self.translated = self._counter(
            "cdp_events_translated_total",
            (*_TO, "event"),
            "Deliveries made of records, by configured event type.",
        )
        self.translation_failures = self._counter(
            "cdp_translation_failures_total",
            (*_TO, "event", "cause"),
            "Deliveries that failed the mapping or the contract before any call, and went to the dead-letter topic.",
        )
        self.skipped = self._counter(
            "cdp_events_skipped_total",
            (*_TO, "reason"),
            "Deliveries deliberately not made, outside the objective; destination `none` for whole records.",
        )
        self.registry_requests = self._counter(
            "cdp_schema_registry_requests_total",
            (*_PIPELINE, "operation", "result"),
            "Questions to the schema registry. `refused` is our credentials, `unreachable` makes partitions wait.",
        )
        self.registry_s = self._histogram(
            "cdp_schema_registry_request_duration_seconds",
            (*_PIPELINE, "operation"),
            histogram.REQUEST_S,
            "Seconds the schema registry took to answer.",
        )

    def _declare_deliveries(self) -> None:
        """Declare what is counted of calls, and of dead letters."""
        # ── Calls ──
        self.retries = self._counter(
            "cdp_delivery_retries_total",
            (*_TO, "cause"),
            "Batches that must be sent again, by what was wrong. None of these is lost.",
        )
        self.partial_failures = self._counter(
            "cdp_partial_failures_total",
            _TO,
            "Answers that took a batch but for some of its events, which they name; those became dead letters.",
        )
        self.splits = self._counter(
            "cdp_batches_split_total",
            _TO,
            "Batches halved because something in them is bad and the answer did not say what.",
        )
        self.isolated = self._counter(
            "cdp_batches_isolated_total",
            _TO,
            "Batches halved because they keep failing while others succeed. An event in them makes the request fail.",
        )
        self.refused = self._counter(
            "cdp_deliveries_refused_total",
            (*_TO, "event"),
            "Deliveries refused for good, by configured event type: the dead letters of that type tell why.",
        )
        self.event_s = self._histogram(
            "cdp_event_time_latency_seconds",
            _TO,
            histogram.LATENCY_S,
            "Seconds from the event's own time to the destination's yes: the business's view, late events included.",
        )
        self.append_s = self._histogram(
            "cdp_append_latency_seconds",
            _TO,
            histogram.LATENCY_S,
            "Seconds from the record's timestamp (message.timestamp.type says whose) to the destination's yes.",
        )
        self.call_s = self._histogram(
            "cdp_http_request_duration_seconds",
            (*_TO, "endpoint", "status_class"),
            histogram.REQUEST_S,
            "Seconds a call took; `error` is a call without an answer.",
        )
        self.responses = self._counter(
            "cdp_http_responses_total",
            (*_TO, "endpoint", "code"),
            "Calls by exact status; a status without a name counts by its class, `none` is no answer.",
        )
        self.call_events = self._histogram(
            "cdp_request_events",
            _TO,
            histogram.EVENTS,
            "Deliveries in a call. Always 1 where batches are possible: the linger is too short or the shapes differ.",
        )
        self.call_bytes = self._histogram(
            "cdp_request_size_bytes",
            _TO,
            histogram.SIZE_BYTES,
            "Bytes of a call's body.",
        )
        self.waited_s = self._counter(
            "cdp_rate_limit_wait_seconds_total",
            (*_TO, "source"),
            "Seconds requests waited: `local` for the configured rate, `server` because the destination asked for it.",
        )
        self.holds = self._counter(
            "cdp_destination_holds_total",
            (*_TO, "cause"),
            "Holds begun, by what is wrong. It is ours to mend; nothing goes to the dead-letter topic meanwhile.",
        )
        self.held_s = self._counter(
            "cdp_destination_hold_seconds_total",
            _TO,
            "Seconds of holds that have ended.",
        )
        self.credentials_valid = self._gauge(
            "cdp_destination_credentials_valid",
            _TO,
            "1 if the last decisive answer took the credentials, 0 if it rejected them; absent before the first.",
        )
        self.auth_failures = self._counter(
            "cdp_destination_auth_failures_total",
            _TO,
            "Answers 401 and 403. A few around a token's end are usual; a steady stream is a wrong key.",
        )
        self.renewals = self._counter(
            "cdp_credential_renewals_total",
            (*_TO, "result"),
            "Credentials renewed or read again. Failures: is the secret mounted, does the token service answer?",
        )

        self.trips = self._counter(
            "cdp_flood_guard_trips_total",
            (*_TO, "cause"),
            "Times the flood guard tripped for an event type (`none`: a topic) because too large a share was refused.",
        )
        self.tripped_s = self._counter(
            "cdp_flood_guard_tripped_seconds_total",
            _TO,
            "Seconds the flood guard was tripped, counted when it resets. Destination `none`: records not decoded.",
        )

        # ── Dead letters ──
        self.dead_letters = self._counter(
            "cdp_dead_letters_total",
            (*_TO, "cause"),
            "Letters the dead-letter topic acknowledged; destination `none` for records that could not be decoded.",
        )
        self.dead_letter_failures = self._counter(
            "cdp_dead_letter_write_failures_total",
            _PIPELINE,
            "Letters that could not be written. They are tried again, and block commits until they are: act now.",
        )

    def _counter(self, name: str, labels: Sequence[str], text: str) -> Counter:
        """Declare what only ever rises."""
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, labels: Sequence[str], text: str) -> Gauge:
        """Declare what rises and falls."""
        return Gauge(name, text, labels, registry=self._registry)

    def _histogram(self, name: str, labels: Sequence[str], bounds: Sequence[float], text: str) -> Histogram:
        """Declare what is counted by its size, between bounds."""
        return Histogram(name, text, labels, bounds, self._registry)
