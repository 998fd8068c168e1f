"""The metrics that are read from facts at scrape time: name, labels, and a sentence an operator can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_PIPELINE = ("pipeline",)
_TO = ("pipeline", "destination")
_TOPIC = ("pipeline", "topic")
_PARTITION = ("pipeline", "topic", "partition")

Declared = Mapping[str, tuple[tuple[str, ...], str]]

COUNTERS: Final[Declared] = {
    "cdp_records_taken_total": (_PIPELINE, "Records the books were opened for: taken = settled + open + released."),
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
        "Deliveries deliberately not made, as the books have them; cdp_events_skipped_total says why.",
    ),
}

# Left out on purpose: the depth of the fetch queue and the brokers that are up. librdkafka tells them only in its
# statistics, kilobytes of JSON for each broker and partition, parsed on the poll thread.
GAUGES: Final[Declared] = {
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
        "Age of the oldest record taken and not settled, by its Kafka timestamp; 0 when there is none.",
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
        "When the poll thread (`poll`) and the loop (`deliver`) last turned: what liveness looks at.",
    ),
    "cdp_schema_cache_entries": (
        _PIPELINE,
        "Schemas kept, one for each id that records named. Rising without end: a producer registers at every start?",
    ),
    "cdp_schema_waits": (
        _PIPELINE,
        "Schemas that records wait for: is the registry there, does it take our credentials?",
    ),
    "cdp_schema_registry_trouble": (
        (*_PIPELINE, "reason"),
        "1 while records wait because the registry is `unreachable`, or `refused` our credentials: mend those.",
    ),
    "cdp_records_open": (_PIPELINE, "Records taken and not settled, counted from the ledger."),
    "cdp_records_kept": (
        _PIPELINE,
        "Records from each partition's oldest open one to its last taken. Far above cdp_records_open: one is stuck.",
    ),
    "cdp_records_open_bytes": (_PIPELINE, "Bytes of the records taken and not settled, and of what is made of them."),
    "cdp_records_limit": (
        _PIPELINE,
        "The most records that may be kept (cdp_records_kept); at the limit, partitions are paused.",
    ),
    "cdp_records_limit_bytes": (
        _PIPELINE,
        "The most bytes that may be open (cdp_records_open_bytes); at the limit, partitions are paused.",
    ),
    "cdp_books_records_difference": (
        _PIPELINE,
        "What the books of records cannot account for: not 0 is a bug, please report it.",
    ),
    "cdp_deliveries_open": (_TO, "Deliveries owed and not ended, counted from the ledger."),
    "cdp_books_difference": (_TO, "What the books of deliveries cannot account for: not 0 is a bug, please report it."),
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
    "cdp_destination_secrets_doubted": (
        (*_TO, "reason"),
        "1 while others sign than stand in the secrets' files: their disk hangs (`unread`), or those are `refused`.",
    ),
    "cdp_flood_guard_closed": (
        (*_TO, "event", "cause"),
        "1 while an implausible share of an event type is refused and the rest waits; absent while it does not.",
    ),
    "cdp_decode_guard_closed": (
        (*_TOPIC, "cause"),
        "1 while an implausible share of a topic cannot be decoded and the rest waits: wrong registry? Absent else.",
    ),
    "cdp_deliveries_parked": (
        _TO,
        "Deliveries, or letters of refused ones, that wait behind a closed flood guard; `none`: records not decoded.",
    ),
    "cdp_suspects": (
        _TO,
        "Deliveries that may be what makes calls fail, tried by themselves; in the end taken, or dead-lettered.",
    ),
    "cdp_destination_paused": (
        _TO,
        "1 while a directive keeps deliveries back here, all or those of an event type; the status page says which.",
    ),
    "cdp_dead_letters_in_flight": (_PIPELINE, "Letters handed to the Kafka client and not yet acknowledged."),
    "cdp_dead_letters_stuck": (_PIPELINE, "1 while letters cannot be written, and so commits wait: act now."),
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
