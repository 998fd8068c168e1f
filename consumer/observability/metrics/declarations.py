"""The metrics that are counted as things happen: name, labels, and what an operator may do."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumer.observability.metrics import histogram
from consumer.observability.metrics.histogram import Histogram

_PIPELINE = ("pipeline",)
_TO = ("pipeline", "destination")


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
