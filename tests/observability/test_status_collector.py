"""The series that are read from the status at each scrape."""

from prometheus_client import CollectorRegistry

from consumer.model import Partition
from consumer.model.status import PartitionStatus, PipelineStatus
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources
from tests.observability.metrics_harness import EVENTS, families, metrics_of, value
from tests.observability.sample_status import FailingStatus, FixedStatus, healthy, unhealthy


def test_status_is_exported_as_of_the_scrape() -> None:
    source = FixedStatus(healthy())
    metrics = metrics_of(source)
    where = {"pipeline": "cdp-copilot", "topic": "shop.orders", "partition": "0"}
    to = {"pipeline": "cdp-copilot", "destination": "copilot"}
    assert value(metrics, "cdp_kafka_consumer_lag", **where) == 16
    assert 0.8 <= (value(metrics, "cdp_kafka_head_age_seconds", **where) or 0) < 60
    assert value(metrics, "cdp_deliveries_total", **to, outcome="dead_lettered") == 3
    assert value(metrics, "cdp_accounting_mismatch", **to) == 0
    assert value(metrics, "cdp_rate_limit_permits", **to) == 5
    assert value(metrics, "cdp_kafka_assigned_partitions", pipeline="cdp-copilot", topic="shop.orders") == 2
    assert value(metrics, "cdp_records_retained", pipeline="cdp-copilot") == 12
    assert value(metrics, "cdp_schema_cache_entries", pipeline="cdp-copilot") == 3
    paused = {"pipeline": "cdp-copilot", "topic": "shop.orders", "reason": "backpressure"}
    assert value(metrics, "cdp_kafka_paused_partitions", **paused) == 1
    source.answer = PipelineStatus("cdp-copilot", "cdp-copilot", "classic")
    assert value(metrics, "cdp_kafka_consumer_lag", **where) is None, "a revoked partition leaves no stale series"


def test_unknown_offset_is_not_exported() -> None:
    unknown = (
        PartitionStatus(Partition("t", 0), 1, 0, 0, log_end=-1001, committed=5),
        PartitionStatus(Partition("t", 1), 1, 0, 0, log_end=5, committed=None),
    )
    metrics = metrics_of(FixedStatus(PipelineStatus("p", "g", "classic", partitions=unknown)))
    assert value(metrics, "cdp_kafka_consumer_lag", pipeline="p", topic="t", partition="0") is None
    assert value(metrics, "cdp_kafka_log_end_offset", pipeline="p", topic="t", partition="0") is None
    assert value(metrics, "cdp_kafka_consumer_lag", pipeline="p", topic="t", partition="1") is None
    assert value(metrics, "cdp_kafka_log_end_offset", pipeline="p", topic="t", partition="1") == 5


def test_accounting_mismatch_is_exported() -> None:
    metrics = metrics_of(FixedStatus(unhealthy()))
    assert value(metrics, "cdp_accounting_mismatch", pipeline="cdp-customerio", destination="customerio") == 1


def test_accounts_without_lanes_are_exported() -> None:
    metrics = metrics_of(FixedStatus(unhealthy()))
    where = {"pipeline": "cdp-customerio"}
    assert value(metrics, "cdp_deliveries_skipped_total", **where, destination="yotpo") == 40
    assert value(metrics, "cdp_deliveries_owed_total", **where, destination="none") == 9
    assert value(metrics, "cdp_deliveries_total", **where, destination="none", outcome="dead_lettered") == 6
    assert value(metrics, "cdp_accounting_mismatch", **where, destination="none") == 1
    assert value(metrics, "cdp_accounting_mismatch", **where, destination="yotpo") == 0


def test_held_is_1_for_held_endpoints_and_0_for_others() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.observer("cdp-customerio", {"customerio": ("batch", "identify")}, EVENTS, ())
    sources = StatusSources()
    sources.add("cdp-customerio", FixedStatus(unhealthy()))
    metrics.watch(sources)
    to = {"pipeline": "cdp-customerio", "destination": "customerio"}
    assert value(metrics, "cdp_destination_held", **to, endpoint="batch") == 1
    assert value(metrics, "cdp_destination_held", **to, endpoint="identify") == 0
    assert value(metrics, "cdp_destination_held", **to, endpoint="clock") == 1
    assert value(metrics, "cdp_destination_held", **to, endpoint="other") is None


def test_failing_status_source_does_not_hide_other_pipelines() -> None:
    metrics = metrics_of(FailingStatus(), FixedStatus(healthy()))
    assert value(metrics, "cdp_health_check", pipeline="a", check="answering") == 0
    assert value(metrics, "cdp_health_check", pipeline="cdp-copilot", check="answering") == 1
    assert value(metrics, "cdp_records_open", pipeline="cdp-copilot") == 10
    assert "canary" not in metrics.page()[0].decode()


def test_all_returns_only_pipelines_that_answer() -> None:
    sources = StatusSources()
    sources.add("broken", FailingStatus())
    sources.add("well", FixedStatus(healthy()))
    assert [status.name for status in sources.all()] == ["cdp-copilot"]


def test_two_sources_with_one_name_do_not_break_the_scrape() -> None:
    metrics = metrics_of(FixedStatus(healthy()), FixedStatus(healthy()))
    assert "cdp_records_open" in {family.name for family in families(metrics)}
    assert value(metrics, "cdp_records_open", pipeline="cdp-copilot") == 10
