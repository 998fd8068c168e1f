"""The metrics page: what it has from the start, and what no traffic can do to it."""

import string
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families as parse_text

from consumer.model import DeadLetterCause, Fault, Partition, SkipReason, TransientCause
from consumer.model.observer import Observer
from consumer.observability.metrics.registry import Metrics
from tests.examples import examples
from tests.observability.metrics_harness import (
    DESTINATIONS,
    EVENTS,
    OPENMETRICS,
    families,
    metrics_of,
    new_metrics,
    value,
)
from tests.observability.observer_calls import CALLS, call_anything
from tests.observability.sample_status import FixedStatus, healthy, unhealthy


def series(metrics: Metrics) -> int:
    return sum(len(family.samples) for family in families(metrics))


def test_calls_cover_every_method_of_the_observer() -> None:
    assert set(CALLS) == {name for group in Observer.__mro__[:-1] for name in vars(group) if not name.startswith("_")}


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_any_calls_in_any_order_leave_a_page_that_parses(data: DataObject) -> None:
    metrics, observer = new_metrics()
    call_anything(observer, data)
    families(metrics)
    list(parse_text(metrics.page()[0].decode()))


def hostile(observer: Observer, word: str, status: int) -> None:
    fault = Fault(TransientCause.SERVER_ERROR, word, status)
    observer.records_consumed(word, 1, 1)
    observer.events_decoded({word: 1})
    observer.events_skipped({(word, word, SkipReason.FILTERED): 1})
    observer.events_translated(word, {word: 1})
    observer.translation_failed(word, "", "", DeadLetterCause.UNDECODABLE, 1)
    observer.translation_failed(word, word, word, DeadLetterCause.CONTRACT, 1)
    observer.partial_failure(word, 2, 1)
    observer.request_finished(word, word, status, 1, 1, 0.1)
    observer.request_finished("copilot", word, status, 1, 1, 0.1)
    observer.delivered(word, [0.1], [0.1])
    observer.refused(word, word, fault)
    observer.retry_scheduled(word, fault, 1, 1.0)
    observer.hold_started(word, word, fault)
    observer.request_delayed(word, word, 1.0)
    observer.schema_fetched(word, word, 0.1)
    observer.client_error(word.upper(), word, fatal=False)
    observer.dead_lettered(word, DeadLetterCause.REFUSED, 1)
    observer.batch_isolated(word, 1)
    observer.flood_guard_tripped(word, word, DeadLetterCause.REFUSED, 1, 1)
    observer.flood_guard_tripped("", word, DeadLetterCause.UNDECODABLE, 1, 1)
    observer.flood_guard_reset(word, word, DeadLetterCause.REFUSED, 1.0, word)
    observer.partition_stopped(Partition(word, 1), 1, word.upper())
    observer.gap_accepted(Partition(word, 1), 1, 2)


def test_hostile_label_values_do_not_grow_the_page_forever() -> None:
    metrics, observer = new_metrics()
    before = series(metrics)
    for n in range(1_000):
        hostile(observer, f"ev{n}l", n)
    after = series(metrics)
    for n in range(1_000, 3_000):
        hostile(observer, f"ev{n}l", n)
    assert series(metrics) == after, "no more series can be added"
    assert before < after < 5_000, "the scrape's sample limit"


def test_unknown_values_become_other_except_topics_and_codes() -> None:
    metrics, observer = new_metrics()
    hostile(observer, "someone@example.com", 418)
    page = metrics.page()[0].decode()
    lines = [line for line in page.splitlines() if "someone" in line]
    assert lines
    assert all(
        line.startswith(("cdp_kafka_messages", "cdp_kafka_consumed", "cdp_kafka_offset_gaps", "cdp_decode"))
        for line in lines
    )
    assert all('topic="someone@example.com"' in line for line in lines)


def test_known_series_exist_at_0_from_the_start() -> None:
    metrics, _ = new_metrics()
    to = {"pipeline": "cdp", "destination": "copilot"}
    assert value(metrics, "cdp_kafka_messages_consumed_total", pipeline="cdp", topic="shop.orders") == 0
    assert value(metrics, "cdp_kafka_commits_total", pipeline="cdp", result="failure") == 0
    assert value(metrics, "cdp_dead_letter_write_failures_total", pipeline="cdp") == 0
    assert value(metrics, "cdp_events_skipped_total", pipeline="cdp", destination="none", reason="tombstone") == 0
    for cause in DeadLetterCause:
        assert value(metrics, "cdp_dead_letters_total", **to, cause=cause) == 0
    for transient in TransientCause:
        assert value(metrics, "cdp_delivery_retries_total", **to, cause=transient) == 0
    for event in (*EVENTS, "other"):
        assert value(metrics, "cdp_deliveries_refused_total", **to, event=event) == 0
        assert value(metrics, "cdp_events_decoded_total", pipeline="cdp", event=event) == 0
        assert value(metrics, "cdp_events_translated_total", **to, event=event) == 0
        assert value(metrics, "cdp_translation_failures_total", **to, event=event, cause="contract") == 0
    for kind in ("2xx", "4xx", "429", "5xx", "error"):
        name = "cdp_http_request_duration_seconds_count"
        assert value(metrics, name, **to, endpoint="consent", status_class=kind) == 0


def test_reported_numbers_are_counted() -> None:
    metrics, observer = new_metrics()
    to = {"pipeline": "cdp", "destination": "customerio"}
    observer.records_consumed("shop.orders", 7, 900)
    observer.delivered("customerio", [0.2, 61.0], [0.3, 0.4])
    observer.request_finished("customerio", "batch", 401, 2, 480, 0.3)
    observer.dead_lettered("", DeadLetterCause.UNDECODABLE, 3)
    observer.retry_scheduled("customerio", Fault(TransientCause.THROTTLED), 40, 1.0)
    observer.retry_scheduled("customerio", Fault(DeadLetterCause.REFUSED), 40, 1.0)
    observer.hold_ended("customerio", "batch", 12.5)
    observer.hold_ended("customerio", "batch", -1.0)
    observer.partitions_revoked([], lost=True, seconds=0.1)
    assert value(metrics, "cdp_kafka_messages_consumed_total", pipeline="cdp", topic="shop.orders") == 7
    assert value(metrics, "cdp_kafka_consumed_bytes_total", pipeline="cdp", topic="shop.orders") == 900
    assert value(metrics, "cdp_append_latency_seconds_bucket", **to, le="60.0") == 1
    assert value(metrics, "cdp_append_latency_seconds_sum", **to) == pytest.approx(61.2)
    assert value(metrics, "cdp_event_time_latency_seconds_count", **to) == 2
    assert value(metrics, "cdp_destination_auth_failures_total", **to) == 1
    assert value(metrics, "cdp_http_responses_total", **to, endpoint="batch", code="401") == 1
    assert value(metrics, "cdp_request_events_sum", **to) == 2
    assert value(metrics, "cdp_dead_letters_total", pipeline="cdp", destination="none", cause="undecodable") == 3
    assert value(metrics, "cdp_delivery_retries_total", **to, cause="throttled") == 1
    assert value(metrics, "cdp_delivery_retries_total", **to, cause="other") == 1, "the two lists stay apart"
    assert value(metrics, "cdp_destination_hold_seconds_total", **to) == 12.5
    assert value(metrics, "cdp_kafka_rebalances_total", pipeline="cdp", event="lost") == 1


def _ours(metrics: Metrics) -> Iterator[Metric]:
    return (family for family in metrics.registry.collect() if family.name.startswith("cdp_"))


def test_every_metric_has_help_and_a_valid_name() -> None:
    metrics = metrics_of(FixedStatus(healthy()), FixedStatus(unhealthy()))
    names = []
    for family in _ours(metrics):
        names.append(family.name)
        assert family.documentation[0] in string.ascii_uppercase + string.digits + "`", family.name
        assert family.documentation.endswith((".", "?")), family.name
        assert len(family.documentation) > 10, family.name
        for word in ("ms", "milliseconds", "kb", "mb", "percent", "minutes"):
            assert word not in family.name.split("_"), family.name
        if family.type == "histogram":
            assert family.name.endswith(("_seconds", "_bytes", "_events")), family.name
        if family.type == "counter":
            assert not family.name.endswith("_total"), "the library adds it"
        labels = {label for sample in family.samples for label in sample.labels}
        assert labels <= {
            *("pipeline", "topic", "partition", "destination", "endpoint", "event", "cause", "reason", "outcome"),
            *("result", "code", "fatal", "status_class", "source", "loop", "check", "level", "group", "protocol", "le"),
            *("operation", "version", "revision", "librdkafka", "python"),
        }, family.name
        if family.name not in {"cdp_build", "cdp_log_messages", "cdp_log_messages_suppressed"}:
            assert all("pipeline" in sample.labels for sample in family.samples), family.name
    assert len(names) == len(set(names))


def test_scrape_has_build_info_and_no_created_series() -> None:
    metrics = Metrics(CollectorRegistry(), {"version": "0.1.0", "librdkafka": "2.16.1"})
    metrics.observer("cdp", DESTINATIONS, EVENTS, ())
    page = metrics.page(OPENMETRICS)[0].decode()
    assert 'version="0.1.0"' in page
    assert "process_cpu_seconds" in page
    assert "python_gc_" in page
    assert "_created" not in page


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "application/openmetrics-text; version=x", ";;=,,", "text/plain;version=9.9.9"]
)
def test_any_accept_header_gets_metrics(accept: str | None) -> None:
    body, content_type = new_metrics()[0].page(accept)
    assert body.count(b"# HELP cdp_") > 30
    assert "text" in content_type


def test_log_lines_are_counted_by_level() -> None:
    """An unknown level counts as `error`."""
    metrics, _ = new_metrics()
    metrics.log_counted("warning", 2, 5)
    metrics.log_counted("loud", 1, 0)
    assert value(metrics, "cdp_log_messages_total", level="warning") == 2
    assert value(metrics, "cdp_log_messages_suppressed_total", level="warning") == 5
    assert value(metrics, "cdp_log_messages_total", level="error") == 1


def test_counting_a_delivered_batch_stays_cheap() -> None:
    metrics, observer = new_metrics()
    batch = [0.1 * n for n in range(200)]
    started = time.perf_counter()
    for _ in range(200):
        observer.delivered("copilot", batch, batch)
    per_event_us = (time.perf_counter() - started) / 40_000 * 1e6
    print(f"\ndelivered: {per_event_us:.3f} µs an event, both latencies")
    assert value(metrics, "cdp_append_latency_seconds_count", pipeline="cdp", destination="copilot") == 40_000
