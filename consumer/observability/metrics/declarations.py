"""Every metric: name, labels, help. Some are counted as things happen, the others are read at scrape time.

A help text says what is measured and in which unit; a second sentence says what a bad value means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumer.observability.metrics import histogram
from consumer.observability.metrics.histogram import Distribution, Histogram
from consumer.observability.metrics.labels import LabelledSeries

_PIPELINE = ("pipeline",)
_DESTINATION = ("pipeline", "destination")
_TOPIC = ("pipeline", "topic")
_PARTITION = ("pipeline", "topic", "partition")

Declared = Mapping[str, tuple[tuple[str, ...], str]]
"""Metric name → label names, help."""

SCRAPED_COUNTERS: Final[Declared] = {
    "cdp_records_accepted_total": (_PIPELINE, "Records accepted for processing. Accepted = settled + open + released."),
    "cdp_records_settled_total": (_PIPELINE, "Records with no delivery owed any more."),
    "cdp_records_released_total": (
        _PIPELINE,
        "Records given up unfinished because their partition was revoked. They are read again by its next owner.",
    ),
    "cdp_deliveries_owed_total": (
        _DESTINATION,
        "Owed = delivered + skipped + dead-lettered + open + released. Destination `none`: undecodable records.",
    ),
    "cdp_deliveries_total": (
        (*_DESTINATION, "outcome"),
        "Deliveries that ended, by outcome. `released`: given up because the partition was revoked; read again later.",
    ),
    "cdp_deliveries_skipped_total": (
        _DESTINATION,
        "Deliveries deliberately not made, from the accounting. cdp_events_skipped_total has the reasons.",
    ),
}

# Left out on purpose: the length of the fetch queue and the number of brokers that are up. librdkafka reports them
# only in its statistics, kilobytes of JSON for each broker and partition, which the poll thread would have to parse.
SCRAPED_GAUGES: Final[Declared] = {
    "cdp_kafka_consumer_lag": (
        _PARTITION,
        "Records between the committed offset and the last stable offset. Absent until both are known.",
    ),
    "cdp_kafka_log_end_offset": (_PARTITION, "Last stable offset when the brokers were last asked."),
    "cdp_kafka_committed_offset": (
        _PARTITION,
        "Committed offset when the brokers were last asked. If it is flat while lag grows, the partition is stuck.",
    ),
    "cdp_kafka_head_age_seconds": (
        _PARTITION,
        "Seconds since the Kafka timestamp of the oldest record that is not settled; 0 if there is none.",
    ),
    "cdp_kafka_lag_updated_timestamp_seconds": (
        _PIPELINE,
        "Unix time of the last offsets from the brokers. If it is old, the lag shown is out of date.",
    ),
    "cdp_kafka_assigned_partitions": (_TOPIC, "Partitions assigned to this process."),
    "cdp_kafka_paused_partitions": (
        (*_TOPIC, "reason"),
        "Partitions paused by `backpressure`: their limits are used up by deliveries in flight or held.",
    ),
    "cdp_kafka_consumer_info": ((*_PIPELINE, "group", "protocol"), "Always 1: the consumer group and its protocol."),
    "cdp_kafka_fenced": (
        _PIPELINE,
        "1 while no request starts, because no commit was accepted for half the session timeout. Check the brokers.",
    ),
    "cdp_kafka_missing_topics": (
        _PIPELINE,
        "Topics that do not exist and are waited for, the dead-letter topic included. The status page names them.",
    ),
    "cdp_kafka_partitions_stopped": (
        _TOPIC,
        "Partitions stopped before an offset gap. They wait until an operator accepts it; see the status page.",
    ),
    "cdp_max_poll_interval_seconds": (_PIPELINE, "The limit between two polls in seconds, for use in alerts."),
    "cdp_loop_last_tick_timestamp_seconds": (
        (*_PIPELINE, "loop"),
        "Unix time of the last tick of the poll thread (`poll`) and the loop (`deliver`). Liveness fails if it is old.",
    ),
    "cdp_schema_cache_entries": (
        _PIPELINE,
        "Schemas in the cache. If it grows without end, check for a producer that registers a schema at every start.",
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
        "Bytes of the records that are not settled, and of the deliveries made from them.",
    ),
    "cdp_records_limit": (_PIPELINE, "Limit of cdp_records_retained. Partitions are paused when it is reached."),
    "cdp_records_limit_bytes": (
        _PIPELINE,
        "Limit of cdp_records_open_bytes. Partitions are paused when it is reached.",
    ),
    "cdp_accounting_records_mismatch": (
        _PIPELINE,
        "Records that the accounting cannot explain. Any value other than 0 is a bug; please report it.",
    ),
    "cdp_deliveries_open": (_DESTINATION, "Deliveries owed and not ended, counted from the ledger."),
    "cdp_accounting_mismatch": (
        _DESTINATION,
        "Deliveries that the accounting cannot explain. Any value other than 0 is a bug; please report it.",
    ),
    "cdp_lanes": (_DESTINATION, "Lanes. Each has at most one request in flight."),
    "cdp_requests_in_flight": (_DESTINATION, "Requests in flight. If it equals cdp_lanes, the destination is slow."),
    "cdp_events_in_flight": (_DESTINATION, "Deliveries waiting in lanes or in flight."),
    "cdp_bytes_in_flight": (_DESTINATION, "Body bytes of the deliveries waiting in lanes or in flight."),
    "cdp_oldest_unacked_age_seconds": (
        _DESTINATION,
        "Seconds since the Kafka timestamp of the oldest delivery not ended. The highest shows the slow destination.",
    ),
    "cdp_destination_wait_seconds": (_DESTINATION, "Seconds until requests may start again, as the server asked."),
    "cdp_rate_limit_permits": (
        _DESTINATION,
        "Requests per second allowed now: this process's share of the configured rate. Absent without a rate.",
    ),
    "cdp_destination_held": (
        (*_DESTINATION, "endpoint"),
        "1 while only probes are sent to the endpoint: a configuration error, see the log. `clock`: check the time.",
    ),
    "cdp_destination_secret_stale": (
        (*_DESTINATION, "reason"),
        "1 while requests use an older secret than its file: this is `unreadable`, `invalid` or `rejected`.",
    ),
    "cdp_flood_guard_tripped": (
        (*_DESTINATION, "event", "cause"),
        "1 while too large a share of an event type is refused and the rest waits. Absent otherwise.",
    ),
    "cdp_decode_guard_tripped": (
        (*_TOPIC, "cause"),
        "1 while too large a share of a topic cannot be decoded and the rest waits. Absent otherwise.",
    ),
    "cdp_deliveries_parked": (
        _DESTINATION,
        "Deliveries and dead letters waiting behind a tripped flood guard. Destination `none`: undecodable records.",
    ),
    "cdp_poison_candidates": (
        _DESTINATION,
        "Deliveries that keep failing while others succeed, now sent alone. They end delivered or dead-lettered.",
    ),
    "cdp_destination_paused": (
        _DESTINATION,
        "1 while a directive pauses all deliveries or those of an event type. The status page shows which.",
    ),
    "cdp_dead_letters_in_flight": (_PIPELINE, "Dead letters written and not yet acknowledged."),
    "cdp_dead_letters_stalled": (
        _PIPELINE,
        "1 while dead letters cannot be written. Commits wait for them; check the dead-letter topic now.",
    ),
    "cdp_directives": (("kind",), "Active operator directives. The status page lists them."),
    "cdp_directives_file_valid": (
        (),
        "0 while the directives file is rejected. The directives read before stay active; without any, all is paused.",
    ),
    "cdp_health_check": (
        (*_PIPELINE, "check"),
        "1 if the check of the probes passes. `/readyz?verbose` and `/livez?verbose` give the reason if it does not.",
    ),
}


class Counters:
    """Every counter, gauge and histogram that observers update. `StatusCollector` has those read at scrape time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._declare_kafka()
        self._declare_translation()
        self._declare_requests()
        self._declare_deliveries()
        self.log_lines = self._counter("cdp_log_messages_total", ("level",), "Log lines written.")
        self.log_suppressed = self._counter(
            "cdp_log_messages_suppressed_total",
            ("level",),
            "Log lines held back because the same line was just written. A summary line has their number.",
        )

    def _declare_kafka(self) -> None:
        self.records = self._counter(
            "cdp_kafka_messages_consumed_total",
            _TOPIC,
            "Records fetched from Kafka. If flat while lag grows, check paused partitions, holds and cdp_kafka_fenced.",
        )
        self.record_bytes = self._counter(
            "cdp_kafka_consumed_bytes_total", _TOPIC, "Bytes of the keys and values fetched from Kafka."
        )
        self.rebalances = self._counter(
            "cdp_kafka_rebalances_total",
            (*_PIPELINE, "event"),
            "Rebalance callbacks. `lost`: another member had the partitions already; expect duplicates.",
        )
        self.rebalance_s = self._histogram(
            "cdp_kafka_rebalance_duration_seconds",
            (*_PIPELINE, "event"),
            histogram.CALLBACK_S,
            "Seconds spent in revoke callbacks, drain included. Near the drain budget: a destination is slow.",
        )
        self.commits = self._counter(
            "cdp_kafka_commits_total",
            (*_PIPELINE, "result"),
            "Offset commits. Failures are retried; if all fail, a restart repeats every delivery since the last one.",
        )
        self.commit_s = self._histogram(
            "cdp_kafka_commit_duration_seconds",
            _PIPELINE,
            histogram.COMMIT_S,
            "Seconds from sending a commit to the broker's response.",
        )
        self.last_commit = self._gauge(
            "cdp_kafka_last_commit_timestamp_seconds",
            _PIPELINE,
            "Unix time of the last accepted commit; absent before the first. If old while records flow, it is stuck.",
        )
        self.client_errors = self._counter(
            "cdp_kafka_client_errors_total",
            (*_PIPELINE, "code", "fatal"),
            "Errors that the Kafka client reported, by librdkafka's constant. A fatal one ends the process.",
        )
        self.poll_s = self._histogram(
            "cdp_poll_interval_seconds",
            _PIPELINE,
            histogram.POLL_S,
            "Seconds between ticks of the poll thread. Above cdp_max_poll_interval_seconds the member is removed.",
        )
        self.fences = self._counter(
            "cdp_kafka_fences_total",
            _PIPELINE,
            "Times requests were paused: no commit accepted for half the session timeout. Check brokers and CPU limit.",
        )
        self.stops = self._counter(
            "cdp_kafka_partition_stops_total",
            (*_PIPELINE, "code"),
            "Partitions stopped because the next offset cannot be read. They wait until an operator accepts the gap.",
        )
        self.gaps = self._counter(
            "cdp_kafka_offset_gaps_total",
            _TOPIC,
            "Offset gaps that an operator accepted. Their records are lost; the log has the offsets.",
        )

    def _declare_translation(self) -> None:
        self.decoded = self._counter(
            "cdp_events_decoded_total", (*_PIPELINE, "event"), "Records decoded, by configured event type."
        )
        self.decode_failures = self._counter(
            "cdp_decode_failures_total",
            (*_TOPIC, "cause"),
            "Records that could not be decoded and became dead letters. Many at once: check the schema registry's URL.",
        )
        self.translated = self._counter(
            "cdp_events_translated_total",
            (*_DESTINATION, "event"),
            "Deliveries made from records, by configured event type.",
        )
        self.translation_failures = self._counter(
            "cdp_translation_failures_total",
            (*_DESTINATION, "event", "cause"),
            "Deliveries that failed the mapping or the contract before any request, and became dead letters.",
        )
        self.skipped = self._counter(
            "cdp_events_skipped_total",
            (*_DESTINATION, "reason"),
            "Deliveries deliberately not made, outside the service level objective. Destination `none`: whole records.",
        )
        self.registry_requests = self._counter(
            "cdp_schema_registry_requests_total",
            (*_PIPELINE, "operation", "result"),
            "Requests to the schema registry. `refused`: credentials rejected. `unreachable`, "
            "`schema_needs_decryption`: partitions wait.",
        )
        self.registry_s = self._histogram(
            "cdp_schema_registry_request_duration_seconds",
            (*_PIPELINE, "operation"),
            histogram.REQUEST_S,
            "Seconds until the schema registry responded.",
        )

    def _declare_requests(self) -> None:
        self.request_s = self._histogram(
            "cdp_http_request_duration_seconds",
            (*_DESTINATION, "endpoint", "status_class"),
            histogram.REQUEST_S,
            "Seconds a request took. `error`: no response.",
        )
        self.responses = self._counter(
            "cdp_http_responses_total",
            (*_DESTINATION, "endpoint", "code"),
            "Requests by exact status. Unknown statuses count by class; `none`: no response.",
        )
        self.request_events = self._histogram(
            "cdp_request_events",
            _DESTINATION,
            histogram.EVENTS,
            "Deliveries in a request. If always 1 where batches are possible: linger is too short or envelopes differ.",
        )
        self.request_bytes = self._histogram(
            "cdp_request_size_bytes", _DESTINATION, histogram.SIZE_BYTES, "Bytes of a request's body."
        )
        self.waited_s = self._counter(
            "cdp_rate_limit_wait_seconds_total",
            (*_DESTINATION, "source"),
            "Seconds requests waited: `local` for the configured rate, `server` because the destination asked for it.",
        )
        self.holds = self._counter(
            "cdp_destination_holds_total",
            (*_DESTINATION, "cause"),
            "Holds started, by cause. Fix the configuration; nothing is dead-lettered meanwhile.",
        )
        self.held_s = self._counter(
            "cdp_destination_hold_seconds_total", _DESTINATION, "Seconds of the holds that have ended."
        )
        self.credentials_valid = self._gauge(
            "cdp_destination_credentials_valid",
            _DESTINATION,
            "1 if the credentials were accepted when last checked, 0 if rejected; absent before the first response.",
        )
        self.auth_failures = self._counter(
            "cdp_destination_auth_failures_total",
            _DESTINATION,
            "Responses 401 and 403. A few when a token expires are usual; a steady rate means wrong credentials.",
        )
        self.renewals = self._counter(
            "cdp_credential_renewals_total",
            (*_DESTINATION, "result"),
            "Credentials renewed or read again. After failures, check the secret's mount and the token endpoint.",
        )

    def _declare_deliveries(self) -> None:
        self.retries = self._counter(
            "cdp_delivery_retries_total",
            (*_DESTINATION, "cause"),
            "Batches to be sent again, by cause. None of them is lost.",
        )
        self.partial_failures = self._counter(
            "cdp_partial_failures_total",
            _DESTINATION,
            "Responses that accepted a batch except for some events, which became dead letters.",
        )
        self.splits = self._counter(
            "cdp_batches_split_total",
            _DESTINATION,
            "Batches split in half because one of their events was refused and the response did not say which.",
        )
        self.isolated = self._counter(
            "cdp_batches_isolated_total",
            _DESTINATION,
            "Batches split in half because they keep failing while others succeed. One of their events is the cause.",
        )
        self.refused = self._counter(
            "cdp_deliveries_refused_total",
            (*_DESTINATION, "event"),
            "Deliveries refused, by configured event type. The dead letters of that type have the reason.",
        )
        self.event_s = self._histogram(
            "cdp_event_time_latency_seconds",
            _DESTINATION,
            histogram.LATENCY_S,
            "Seconds from the event timestamp to the destination's success response, late events included.",
        )
        self.append_s = self._histogram(
            "cdp_append_latency_seconds",
            _DESTINATION,
            histogram.LATENCY_S,
            "Seconds from the record timestamp to the destination's success response. See message.timestamp.type.",
        )
        self.trips = self._counter(
            "cdp_flood_guard_trips_total",
            (*_DESTINATION, "cause"),
            "Times the flood guard tripped for an event type (`none`: a topic) because too large a share was refused.",
        )
        self.tripped_s = self._counter(
            "cdp_flood_guard_tripped_seconds_total",
            _DESTINATION,
            "Seconds the flood guard was tripped, counted when it resets. Destination `none`: undecodable records.",
        )
        self.dead_letters = self._counter(
            "cdp_dead_letters_total",
            (*_DESTINATION, "cause"),
            "Dead letters acknowledged by their topic. Destination `none`: records that could not be decoded.",
        )
        self.dead_letter_failures = self._counter(
            "cdp_dead_letter_write_failures_total",
            _PIPELINE,
            "Failed writes of dead letters. They are retried and block commits; check the dead-letter topic now.",
        )

    def _counter(self, name: str, labels: Sequence[str], text: str) -> LabelledSeries[Counter]:
        return LabelledSeries(Counter(name, text, labels, registry=self._registry))

    def _gauge(self, name: str, labels: Sequence[str], text: str) -> LabelledSeries[Gauge]:
        return LabelledSeries(Gauge(name, text, labels, registry=self._registry))

    def _histogram(
        self, name: str, labels: Sequence[str], bounds: Sequence[float], text: str
    ) -> LabelledSeries[Distribution]:
        return LabelledSeries(Histogram(name, text, labels, bounds, self._registry))
