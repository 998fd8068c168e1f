"""A session that tested less than it seems to must fail and report it."""

import json

from tests.kafka_clusters.record import Record

SAME = ("tests/test_x.py", "test_x")


def both() -> Record:
    record = Record()
    record.expect("test_x[embedded]", SAME, "embedded")
    record.expect("test_x[apache]", SAME, "apache")
    return record


def test_test_skipped_on_both_brokers_fails_the_session() -> None:
    record = both()
    record.skipped("test_x[embedded]", "needs a real broker: transactions")
    record.skipped("test_x[apache]", "no Apache Kafka: no java")
    assert record.ran_nowhere() == ["test_x[apache]"]
    assert record.complaints(require_real=False, embedded_only=False)
    assert not record.complaints(require_real=False, embedded_only=True)


def test_test_that_ran_on_one_broker_passes() -> None:
    record = both()
    record.skipped("test_x[embedded]", "needs a real broker: transactions")
    record.ran("test_x[apache]")
    assert record.complaints(require_real=True, embedded_only=False) == []


def test_test_that_skips_itself_did_not_run() -> None:
    record = both()
    record.ran("test_x[embedded]")
    record.skipped("test_x[embedded]", "Skipped: later")
    record.skipped("test_x[apache]", "Skipped: later")
    assert record.ran_nowhere() == ["test_x[apache]"]
    assert record.skips() == {"later": ["test_x[embedded]", "test_x[apache]"]}


def test_unselected_broker_is_not_missed() -> None:
    record = Record()
    record.expect("test_x[embedded]", SAME, "embedded")
    record.skipped("test_x[embedded]", "needs a real broker: transactions")
    assert record.ran_nowhere() == []


def test_required_real_kafka_fails_a_session_without_one() -> None:
    record = both()
    record.reasons = ("Docker does not respond", "no java")
    record.ran("test_x[embedded]")
    record.skipped("test_x[apache]", "no Apache Kafka")
    (complaint,) = record.complaints(require_real=True, embedded_only=False)
    assert "Docker does not respond; no java" in complaint
    assert record.complaints(require_real=False, embedded_only=False) == []


def test_tests_are_counted_once_per_broker() -> None:
    record = both()
    record.ran("test_x[embedded]")
    record.ran("test_x[apache]")
    record.ran("tests/test_without_a_broker")
    assert record.counts() == {"embedded": 1, "apache": 1}


def test_worker_records_are_merged() -> None:
    """Every worker expects all tests and runs some of them. One may have run a test that another skipped."""
    first, second, whole = both(), both(), Record()
    first.ran("test_x[embedded]")
    second.skipped("test_x[apache]", "Skipped: no Apache Kafka")
    second.real, second.reasons = "Apache Kafka from its jars", ("Docker does not respond",)
    for worker in (first, second):
        whole.merge(json.loads(json.dumps(worker.sent())))
    assert whole.counts() == {"embedded": 1, "apache": 0}
    assert whole.skips() == {"no Apache Kafka": ["test_x[apache]"]}
    assert (whole.real, whole.reasons) == (second.real, second.reasons)
    assert whole.ran_nowhere() == []


def test_test_skipped_by_all_workers_fails_the_session() -> None:
    first, second, whole = both(), both(), Record()
    first.skipped("test_x[embedded]", "needs a real broker: transactions")
    second.skipped("test_x[apache]", "no Apache Kafka: no java")
    for worker in (first, second):
        whole.merge(worker.sent())
    assert whole.ran_nowhere() == ["test_x[apache]"]
