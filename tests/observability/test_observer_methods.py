"""Each method of the observer by itself: the line it writes and the series it changes."""

from __future__ import annotations

import pytest

from consumer.model import DeadLetterCause, Fault, Partition, SecretProblem, SkipReason, TransientCause
from consumer.observability.log.observer import LogObserver
from tests.observability.metrics_harness import new_metrics
from tests.observability.observer_calls import CALLS
from tests.observability.recorded_log import RecordedLog

BUSY = Fault(TransientCause.SERVER_ERROR, "said 503", 503)
P = Partition("shop.orders", 0)
TO = {"destination": "copilot"}

# method, its arguments, (level, line) or None, (sample, its labels, its increase) or None
CASES: list[
    tuple[str, dict[str, object], tuple[str, str] | None, tuple[str, dict[str, str], float] | None]
] = [
    ("group_joined", {"group": "cdp", "protocol": "classic"}, ("info", "joined group"), None),
    ("partitions_assigned", {"partitions": {P: 1}}, ("info", "partitions assigned"),
     ("cdp_kafka_rebalances_total", {"event": "assign"}, 1)),
    ("partitions_revoked", {"partitions": [P], "lost": False, "seconds": 0.2}, ("info", "partitions revoked"),
     ("cdp_kafka_rebalance_duration_seconds_sum", {"event": "revoke"}, 0.2)),
    ("partitions_revoked", {"partitions": [P], "lost": True, "seconds": 0.2}, ("warning", "partitions lost"),
     ("cdp_kafka_rebalances_total", {"event": "lost"}, 1)),
    ("records_consumed", {"topic": "shop.orders", "records": 7, "size": 90}, None,
     ("cdp_kafka_consumed_bytes_total", {"topic": "shop.orders"}, 90)),
    ("partitions_paused", {"partitions": [P]}, ("debug", "partitions paused"), None),
    ("committed", {"offsets": {P: 5}, "seconds": 0.2}, ("debug", "offsets committed"),
     ("cdp_kafka_commits_total", {"result": "success"}, 1)),
    ("commit_failed", {"code": "REBALANCE_IN_PROGRESS", "seconds": 0.2}, ("warning", "offset commit failed"),
     ("cdp_kafka_commits_total", {"result": "failure"}, 1)),
    ("client_error", {"code": "_TRANSPORT", "text": "", "fatal": False}, ("warning", "kafka client error"),
     ("cdp_kafka_client_errors_total", {"code": "_TRANSPORT", "fatal": "false"}, 1)),
    ("poll_ticked", {"interval_s": 0.5}, None, ("cdp_poll_interval_seconds_sum", {}, 0.5)),
    ("topic_missing", {"topic": "shop.orders"}, ("warning", "topic missing"), None),
    ("topic_found", {"topic": "shop.orders"}, ("info", "topic found"), None),
    ("fence_closed", {}, ("error", "fenced"), ("cdp_kafka_fences_total", {}, 1)),
    ("fence_released", {}, ("info", "fence released"), None),
    ("partition_stopped", {"partition": P, "offset": 9, "code": "_AUTO_OFFSET_RESET"}, ("error", "partition stopped"),
     ("cdp_kafka_partition_stops_total", {"code": "_AUTO_OFFSET_RESET"}, 1)),
    ("gap_accepted", {"partition": P, "lost_from": 9, "goes_on_at": 30}, ("warning", "offset gap accepted"),
     ("cdp_kafka_offset_gaps_total", {"topic": "shop.orders"}, 1)),
    ("events_decoded", {"events": {"shop.OrderPlaced": 3}}, None,
     ("cdp_events_decoded_total", {"event": "shop.OrderPlaced"}, 3)),
    ("events_skipped", {"counts": {("copilot", "shop.OrderPlaced", SkipReason.FILTERED): 4}}, None,
     ("cdp_events_skipped_total", {**TO, "reason": "filtered"}, 4)),
    ("events_translated", {"destination": "copilot", "events": {"shop.OrderPlaced": 3}}, None,
     ("cdp_events_translated_total", {**TO, "event": "shop.OrderPlaced"}, 3)),
    ("translation_failed", {"topic": "shop.orders", "destination": "copilot", "event_type": "shop.OrderPlaced",
                "cause": DeadLetterCause.UNMAPPABLE, "count": 2}, ("warning", "mapping failed"),
     ("cdp_translation_failures_total", {**TO, "event": "shop.OrderPlaced", "cause": "unmappable"}, 2)),
    ("translation_failed", {"topic": "shop.orders", "destination": "copilot", "event_type": "shop.Unheard",
                "cause": DeadLetterCause.CONTRACT, "count": 1}, ("warning", "mapping failed"),
     ("cdp_translation_failures_total", {**TO, "event": "other", "cause": "contract"}, 1)),
    ("translation_failed", {"topic": "shop.orders", "destination": "", "event_type": "",
      "cause": DeadLetterCause.UNDECODABLE, "count": 2},
     ("warning", "record undecodable"),
     ("cdp_decode_failures_total", {"topic": "shop.orders", "cause": "undecodable"}, 2)),
    ("schema_fetched", {"key": 7, "result": "found", "seconds": 0.2}, ("debug", "schema fetched"),
     ("cdp_schema_registry_request_duration_seconds_sum", {"operation": "by_id"}, 0.2)),
    ("schema_fetched", {"key": 7, "result": "refused", "seconds": 0.2}, ("error", "schema fetch failed"),
     ("cdp_schema_registry_requests_total", {"operation": "by_id", "result": "refused"}, 1)),
    ("schema_fetched", {"key": 7, "result": "unknown", "seconds": 0.2}, ("warning", "schema fetch failed"),
     ("cdp_schema_registry_requests_total", {"operation": "by_id", "result": "unknown"}, 1)),
    ("schema_fetched", {"key": "0b7c", "result": "found", "seconds": 0.2}, ("debug", "schema fetched"),
     ("cdp_schema_registry_requests_total", {"operation": "by_guid", "result": "found"}, 1)),
    ("request_finished", {"destination": "copilot", "endpoint": "collect", "status": 403, "events": 9, "size": 80,
                "seconds": 0.2}, ("debug", "request finished"), ("cdp_destination_auth_failures_total", TO, 1)),
    ("request_finished", {"destination": "nobody", "endpoint": "collect", "status": 200, "events": 9, "size": 80,
                "seconds": 0.2}, ("debug", "request finished"),
     ("cdp_request_events_sum", {"destination": "other"}, 9)),
    ("delivered", {"destination": "copilot", "append_s": [0.5], "event_s": [0.75]}, None,
     ("cdp_event_time_latency_seconds_sum", TO, 0.75)),
    ("refused", {"destination": "copilot", "event_type": "shop.OrderPlaced", "fault": Fault(DeadLetterCause.REFUSED)},
     ("warning", "delivery refused"), ("cdp_deliveries_refused_total", {**TO, "event": "shop.OrderPlaced"}, 1)),
    ("partial_failure", {"destination": "copilot", "events": 40, "refused": 2},
     None, ("cdp_partial_failures_total", TO, 1)),
    ("retry_scheduled", {"destination": "copilot", "fault": BUSY, "events": 5, "wait_s": 1.0},
     ("warning", "batch retry scheduled"),
     ("cdp_delivery_retries_total", {**TO, "cause": "server_error"}, 1)),
    ("batch_split", {"destination": "copilot", "events": 8}, ("info", "batch split"),
     ("cdp_batches_split_total", TO, 1)),
    ("batch_isolated", {"destination": "copilot", "events": 8}, ("warning", "batch isolated"),
     ("cdp_batches_isolated_total", TO, 1)),
    ("hold_started", {"destination": "copilot", "endpoint": "collect", "fault": BUSY}, ("error", "endpoint held"),
     ("cdp_destination_holds_total", {**TO, "cause": "server_error"}, 1)),
    ("hold_ended", {"destination": "copilot", "endpoint": "collect", "seconds": 9.0}, ("info", "hold ended"),
     ("cdp_destination_hold_seconds_total", TO, 9)),
    ("hold_ended", {"destination": "copilot", "endpoint": "collect", "seconds": -9.0}, ("info", "hold ended"),
     ("cdp_destination_hold_seconds_total", TO, 0)),
    ("request_delayed", {"destination": "copilot", "source": "server", "seconds": 2.0}, ("debug", "request delayed"),
     ("cdp_rate_limit_wait_seconds_total", {**TO, "source": "server"}, 2)),
    ("request_delayed", {"destination": "copilot", "source": "server", "seconds": -2.0}, ("debug", "request delayed"),
     ("cdp_rate_limit_wait_seconds_total", {**TO, "source": "server"}, 0)),
    ("credential_renewed", {"destination": "copilot", "ok": True}, ("info", "credential renewed"),
     ("cdp_credential_renewals_total", {**TO, "result": "success"}, 1)),
    ("credential_renewed", {"destination": "copilot", "ok": False}, ("warning", "credential renewal failed"),
     ("cdp_credential_renewals_total", {**TO, "result": "failure"}, 1)),
    ("credentials_checked", {"destination": "copilot", "valid": True}, ("info", "credentials accepted"),
     ("cdp_destination_credentials_valid", TO, 1)),
    ("credentials_checked", {"destination": "copilot", "valid": False}, ("error", "credentials rejected"),
     ("cdp_destination_credentials_valid", TO, 0)),
    ("secret_problem", {"destination": "copilot", "problem": SecretProblem.UNREADABLE},
     ("error", "secret file not in use"), None),
    ("secret_problem", {"destination": "copilot", "problem": None}, ("info", "secret file in use again"), None),
    ("flood_guard_tripped", {**TO, "kind": "shop.OrderPlaced", "cause": DeadLetterCause.REFUSED,
       "refused": 51, "of": 90},
     ("error", "flood guard tripped"), ("cdp_flood_guard_trips_total", {**TO, "cause": "refused"}, 1)),
    ("flood_guard_tripped", {"destination": "", "kind": "shop.orders",
      "cause": DeadLetterCause.UNKNOWN_SCHEMA, "refused": 51, "of": 51},
     ("error", "flood guard tripped"),
     ("cdp_flood_guard_trips_total", {"destination": "none", "cause": "unknown_schema"}, 1)),
    ("flood_guard_reset", {**TO, "kind": "shop.OrderPlaced",
      "cause": DeadLetterCause.REFUSED, "seconds": 9.0, "by": "probe"},
     ("info", "flood guard reset"), ("cdp_flood_guard_tripped_seconds_total", TO, 9)),
    ("flood_guard_reset", {**TO, "kind": "shop.OrderPlaced",
      "cause": DeadLetterCause.REFUSED, "seconds": -9.0, "by": "directive"},
     ("info", "flood guard reset"), ("cdp_flood_guard_tripped_seconds_total", TO, 0)),
    ("dead_lettered", {"destination": "",
      "cause": DeadLetterCause.UNDECODABLE, "count": 3}, ("warning", "dead letters written"),
     ("cdp_dead_letters_total", {"destination": "none", "cause": "undecodable"}, 3)),
    ("dead_letter_failed", {"code": "_TIMED_OUT"}, ("error", "dead letter write failed"),
     ("cdp_dead_letter_write_failures_total", {}, 1)),
    ("shutdown_started", {}, ("info", "shutdown started"), None),
    ("shutdown_finished", {"released": 4}, ("info", "pipeline stopped"), None),
]  # fmt: skip

IDS = [f"{number}-{method}" for number, (method, *_) in enumerate(CASES)]


def test_every_method_has_a_case() -> None:
    per_process = {
        "directives_read",
        "directives_rejected",
        "directives_unreadable",
        "directive_ended",
        "directive_active_again",
    }  # tests.observability.test_directives_observer
    assert {method for method, *_ in CASES} == set(CALLS) - per_process


@pytest.mark.parametrize(("method", "arguments", "line", "sample"), CASES, ids=IDS)
def test_method_writes_at_most_one_line_at_its_level(
    method: str, arguments: dict[str, object], line: tuple[str, str] | None, sample: object
) -> None:
    recorded = RecordedLog("debug")
    getattr(LogObserver(recorded.log, "cdp"), method)(**arguments)
    assert [(each["level"], each["event"]) for each in recorded.lines] == ([] if line is None else [line])


@pytest.mark.parametrize(("method", "arguments", "line", "sample"), CASES, ids=IDS)
def test_method_increases_its_series_by_its_argument(
    method: str, arguments: dict[str, object], line: object, sample: tuple[str, dict[str, str], float] | None
) -> None:
    metrics, observer = new_metrics()
    before = metrics.page()[0]
    getattr(observer, method)(**arguments)
    if sample is None:
        counted = [each for each in metrics.page()[0].splitlines() if each.startswith(b"cdp_")]
        assert counted == [each for each in before.splitlines() if each.startswith(b"cdp_")]
        return
    name, labels, value = sample
    assert metrics.registry.get_sample_value(name, {"pipeline": "cdp", **labels}) == pytest.approx(value)


def test_flood_guard_line_names_topic_or_event_type() -> None:
    """A guard over decoding names the topic, one over deliveries the event type."""
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    observer.flood_guard_tripped("", "shop.orders", DeadLetterCause.UNDECODABLE, 51, 60)
    observer.flood_guard_tripped("copilot", "shop.OrderPlaced", DeadLetterCause.CONTRACT, 51, 60)
    observer.flood_guard_tripped("copilot", "shop.OrderPlaced", DeadLetterCause.NEVER_ACCEPTED, 51, 60)
    records, before, after = recorded.lines
    assert (records["topic"], records["refused"], records["of"]) == ("shop.orders", 51, 60)
    assert "event_type" not in records
    assert (before["destination"], before["event_type"]) == ("copilot", "shop.OrderPlaced")
    hints = [str(line["hint"]) for line in (records, before, after)]
    assert "registry" in hints[0]
    assert "mapping" in hints[1]
    assert "destination" in hints[2]
    assert all("directive" in each for each in hints)


@pytest.mark.parametrize(
    "cause",
    [TransientCause.UNAUTHORIZED, TransientCause.GONE, TransientCause.UNEXPECTED, TransientCause.UNINTELLIGIBLE],
)
def test_hold_line_has_a_hint(cause: TransientCause) -> None:
    recorded = RecordedLog()
    LogObserver(recorded.log, "cdp").hold_started("copilot", "collect", Fault(cause))
    assert recorded.lines[0]["hint"]


def test_dead_letters_written_again_is_logged_once() -> None:
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    observer.dead_letter_failed("UNKNOWN_TOPIC_OR_PART")
    observer.dead_lettered("copilot", DeadLetterCause.REFUSED, 1)
    observer.dead_lettered("copilot", DeadLetterCause.REFUSED, 1)
    assert [line["event"] for line in recorded.lines] == [
        "dead letter write failed",
        "dead letters are written again",
        "dead letters written",
    ]
    assert "Create the dead-letter topic" in str(recorded.lines[0]["hint"])


def test_debug_lines_are_not_written_at_info() -> None:
    recorded = RecordedLog("info")
    observer = LogObserver(recorded.log, "cdp")
    observer.partitions_paused([P])
    observer.request_delayed("copilot", "server", 1.0)
    assert recorded.lines == []
