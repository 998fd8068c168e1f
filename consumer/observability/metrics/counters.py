"""The metrics counted on the way in, as records are taken and translated: name, labels, and what an operator may do."""

from __future__ import annotations

from consumer.observability.metrics import histogram
from consumer.observability.metrics.declaring import Declaring

_PIPELINE = ("pipeline",)
_TO = ("pipeline", "destination")


class RecordFamilies:
    """What is counted of Kafka, and of translation."""

    def __init__(self, declare: Declaring) -> None:
        # ── Kafka ──
        self.records = declare.counter(
            "cdp_kafka_messages_consumed_total",
            (*_PIPELINE, "topic"),
            "Records taken from Kafka. Flat while there is lag: look at room, holds and the fence.",
        )
        self.record_bytes = declare.counter(
            "cdp_kafka_consumed_bytes_total",
            (*_PIPELINE, "topic"),
            "Bytes of keys and values taken from Kafka.",
        )
        self.rebalances = declare.counter(
            "cdp_kafka_rebalances_total",
            (*_PIPELINE, "event"),
            "Rebalance callbacks. `lost` means that another member already had the partitions: expect duplicates.",
        )
        self.rebalance_s = declare.spread(
            "cdp_kafka_rebalance_duration_seconds",
            (*_PIPELINE, "event"),
            histogram.CALLBACK_S,
            "Seconds spent giving partitions back, draining included. Near the drain budget: a destination is slow.",
        )
        self.commits = declare.counter(
            "cdp_kafka_commits_total",
            (*_PIPELINE, "result"),
            "Offset commits. A failure is put off, not lost; with failures only, a restart repeats everything since.",
        )
        self.commit_s = declare.spread(
            "cdp_kafka_commit_duration_seconds",
            _PIPELINE,
            histogram.COMMIT_S,
            "Seconds from asking for a commit to the broker's answer.",
        )
        self.last_commit = declare.gauge(
            "cdp_kafka_last_commit_timestamp_seconds",
            _PIPELINE,
            "When the broker last accepted a commit; absent before the first. Old while records flow: stuck.",
        )
        self.client_errors = declare.counter(
            "cdp_kafka_client_errors_total",
            (*_PIPELINE, "code", "fatal"),
            "Errors the Kafka client reported, by librdkafka's constant. After a fatal one the process ends.",
        )
        self.poll_s = declare.spread(
            "cdp_poll_interval_seconds",
            _PIPELINE,
            histogram.POLL_S,
            "Seconds between turns of the poll thread. At cdp_max_poll_interval_seconds the group goes on without us.",
        )
        self.fences = declare.counter(
            "cdp_kafka_fences_total",
            _PIPELINE,
            "Times no commit was accepted for half a session and calls had to wait: cut off, or a frozen process?",
        )
        self.stops = declare.counter(
            "cdp_kafka_partition_stops_total",
            (*_PIPELINE, "code"),
            "Partitions that stopped because what should come next cannot be had; they wait until somebody accepts it.",
        )
        self.gaps = declare.counter(
            "cdp_kafka_offset_gaps_total",
            (*_PIPELINE, "topic"),
            "Gaps an operator accepted: what lay in them is lost to us, the log says from where to where.",
        )

        # ── Translation ──
        self.decoded = declare.counter(
            "cdp_events_decoded_total",
            (*_PIPELINE, "event"),
            "Records decoded, by configured event type.",
        )
        self.decode_failures = declare.counter(
            "cdp_decode_failures_total",
            (*_PIPELINE, "topic", "cause"),
            "Records that could not be decoded and went to the dead-letter topic. Many at once: wrong registry?",
        )
        self.translated = declare.counter(
            "cdp_events_translated_total",
            (*_TO, "event"),
            "Deliveries made of records, by configured event type.",
        )
        self.translation_failures = declare.counter(
            "cdp_translation_failures_total",
            (*_TO, "event", "cause"),
            "Deliveries that failed the mapping or the contract before any call, and went to the dead-letter topic.",
        )
        self.skipped = declare.counter(
            "cdp_events_skipped_total",
            (*_TO, "reason"),
            "Deliveries deliberately not made, outside the objective; destination `none` for whole records.",
        )
        self.registry_requests = declare.counter(
            "cdp_schema_registry_requests_total",
            (*_PIPELINE, "operation", "result"),
            "Questions to the schema registry. `refused` is our credentials, `unreachable` makes partitions wait.",
        )
        self.registry_s = declare.spread(
            "cdp_schema_registry_request_duration_seconds",
            (*_PIPELINE, "operation"),
            histogram.REQUEST_S,
            "Seconds the schema registry took to answer.",
        )
