"""The page of metrics: what is on it before anything happened, and what no traffic can do to it."""

import string
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from consumer.facts import PartitionFacts, PipelineFacts
from consumer.model import Cause, Fault, Partition, Skip, Trouble
from consumer.observe import Observer
from consumer.watch.metrics import Metrics
from consumer.watch.sources import Sources
from tests.watch.sample import Broken, Fixed, ill, well

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
DESTINATIONS = {"copilot": ("collect", "consent"), "customerio": ("batch",)}
EVENTS = ("shop.OrderPlaced", "shop.CustomerSignedUp")


def made() -> tuple[Metrics, Observer]:
    metrics = Metrics(CollectorRegistry())
    return metrics, metrics.observer("cdp", DESTINATIONS, EVENTS, ("shop.orders", "^shop[.]c.*"))


def families(metrics: Metrics) -> list[Metric]:
    return list(parse_openmetrics(metrics.page(OPENMETRICS)[0].decode()))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics) -> int:
    return sum(len(family.samples) for family in families(metrics))


WORDS = st.one_of(
    st.sampled_from(["copilot", "customerio", "collect", "batch", "shop.OrderPlaced", "shop.orders", ""]),
    st.text(max_size=20),
)
COUNTS = st.integers(min_value=0, max_value=10_000)
SECONDS = st.floats(min_value=-1e3, max_value=1e5)
PARTITIONS = st.dictionaries(st.builds(Partition, WORDS, COUNTS), COUNTS, max_size=3)
CAUSES = st.sampled_from(list(Cause))
FAULTS = st.builds(
    Fault, st.one_of(CAUSES, st.sampled_from(list(Trouble))), WORDS, st.none() | st.integers(min_value=0, max_value=999)
)
LATENCIES = st.lists(SECONDS, max_size=5)
BOOLS = st.booleans()

CALLS: dict[str, tuple[dict[str, st.SearchStrategy[object]], ...]] = {}


def _verb(name: str, **arguments: st.SearchStrategy[object]) -> None:
    CALLS[name] = (arguments,)


_verb("joined", group=WORDS, protocol=WORDS)
_verb("assigned", partitions=PARTITIONS)
_verb("revoked", partitions=PARTITIONS, lost=BOOLS, seconds=SECONDS)
_verb("took", topic=WORDS, records=COUNTS, size=COUNTS)
_verb("paused", partitions=PARTITIONS)
_verb("committed", offsets=PARTITIONS, seconds=SECONDS)
_verb("commit_refused", code=WORDS, seconds=SECONDS)
_verb("client_error", code=WORDS, text=WORDS, fatal=BOOLS)
_verb("poll_turned", interval_s=SECONDS)
_verb("topic_missing", topic=WORDS)
_verb("fenced")
_verb("unfenced")
_verb("decoded", events=st.dictionaries(WORDS, COUNTS, max_size=3))
_verb("skipped", counts=st.dictionaries(st.tuples(WORDS, WORDS, st.sampled_from(list(Skip))), COUNTS, max_size=3))
_verb("faulty", topic=WORDS, destination=WORDS, cause=CAUSES, count=COUNTS)
_verb("schema_fetched", key=st.one_of(COUNTS, WORDS), result=WORDS, seconds=SECONDS)
_verb(
    "called",
    destination=WORDS,
    endpoint=WORDS,
    status=st.none() | st.integers(min_value=-1, max_value=1_000),
    events=COUNTS,
    size=COUNTS,
    seconds=SECONDS,
)
_verb("delivered", destination=WORDS, append_s=LATENCIES, event_s=LATENCIES)
_verb("refused", destination=WORDS, event_type=WORDS, fault=FAULTS)
_verb("deferred", destination=WORDS, fault=FAULTS, events=COUNTS, wait_s=SECONDS)
_verb("split", destination=WORDS, events=COUNTS)
_verb("held", destination=WORDS, endpoint=WORDS, fault=FAULTS)
_verb("resumed", destination=WORDS, endpoint=WORDS, seconds=SECONDS)
_verb("throttled", destination=WORDS, source=WORDS, seconds=SECONDS)
_verb("credential_renewed", destination=WORDS, ok=BOOLS)
_verb("credentials", destination=WORDS, valid=BOOLS)
_verb("shelved", destination=WORDS, cause=CAUSES, count=COUNTS)
_verb("shelf_failed", code=WORDS)
_verb("leaving")
_verb("left", released=COUNTS)


def test_every_verb_of_the_observer_is_tried_here() -> None:
    assert set(CALLS) == {name for name in vars(Observer) if not name.startswith("_")}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_told_in_whatever_order_nothing_raises_and_the_page_parses(data: DataObject) -> None:
    metrics, observer = made()
    for verb in data.draw(st.lists(st.sampled_from(sorted(CALLS)), min_size=1, max_size=12)):
        (arguments,) = CALLS[verb]
        getattr(observer, verb)(**{name: data.draw(strategy) for name, strategy in arguments.items()})
    families(metrics)
    list(parse_text(metrics.page()[0].decode()))


def hostile(observer: Observer, word: str, status: int) -> None:
    fault = Fault(Trouble.SERVER_ERROR, word, status)
    observer.took(word, 1, 1)
    observer.decoded({word: 1})
    observer.skipped({(word, word, Skip.FILTERED): 1})
    observer.faulty(word, "", Cause.UNDECODABLE, 1)
    observer.faulty(word, word, Cause.CONTRACT, 1)
    observer.called(word, word, status, 1, 1, 0.1)
    observer.called("copilot", word, status, 1, 1, 0.1)
    observer.delivered(word, [0.1], [0.1])
    observer.refused(word, word, fault)
    observer.deferred(word, fault, 1, 1.0)
    observer.held(word, word, fault)
    observer.throttled(word, word, 1.0)
    observer.schema_fetched(word, word, 0.1)
    observer.client_error(word.upper(), word, fatal=False)
    observer.shelved(word, Cause.REFUSED, 1)


def test_hostile_traffic_does_not_grow_the_page_without_end() -> None:
    metrics, observer = made()
    before = series(metrics)
    for n in range(1_000):
        hostile(observer, f"ev{n}l", n)
    after = series(metrics)
    for n in range(1_000, 3_000):
        hostile(observer, f"ev{n}l", n)
    assert series(metrics) == after, "it had all it can have"
    assert before < after < 5_000, "the scrape's sample limit"


def test_only_topics_and_codes_may_come_late_and_everything_else_falls_under_other() -> None:
    metrics, observer = made()
    hostile(observer, "someone@example.com", 418)
    page = metrics.page()[0].decode()
    lines = [line for line in page.splitlines() if "someone" in line]
    assert lines
    assert all(line.startswith(("cdp_kafka_messages", "cdp_kafka_consumed", "cdp_decode_failures")) for line in lines)
    assert all('topic="someone@example.com"' in line for line in lines)


def test_known_series_are_there_at_nought_before_anything_happened() -> None:
    metrics, _ = made()
    to = {"pipeline": "cdp", "destination": "copilot"}
    assert value(metrics, "cdp_kafka_messages_consumed_total", pipeline="cdp", topic="shop.orders") == 0
    assert value(metrics, "cdp_kafka_commits_total", pipeline="cdp", result="failure") == 0
    assert value(metrics, "cdp_dead_letter_write_failures_total", pipeline="cdp") == 0
    assert value(metrics, "cdp_events_skipped_total", pipeline="cdp", destination="none", reason="tombstone") == 0
    for cause in Cause:
        assert value(metrics, "cdp_dead_letters_total", **to, cause=cause) == 0
    for trouble in Trouble:
        assert value(metrics, "cdp_delivery_retries_total", **to, cause=trouble) == 0
    for event in (*EVENTS, "other"):
        assert value(metrics, "cdp_deliveries_refused_total", **to, event=event) == 0
        assert value(metrics, "cdp_events_decoded_total", pipeline="cdp", event=event) == 0
    for kind in ("2xx", "4xx", "429", "5xx", "error"):
        name = "cdp_http_request_duration_seconds_count"
        assert value(metrics, name, **to, endpoint="consent", status_class=kind) == 0


def test_what_was_told_is_what_is_counted() -> None:
    metrics, observer = made()
    to = {"pipeline": "cdp", "destination": "customerio"}
    observer.took("shop.orders", 7, 900)
    observer.delivered("customerio", [0.2, 61.0], [0.3, 0.4])
    observer.called("customerio", "batch", 401, 2, 480, 0.3)
    observer.shelved("", Cause.UNDECODABLE, 3)
    observer.deferred("customerio", Fault(Trouble.THROTTLED), 40, 1.0)
    observer.deferred("customerio", Fault(Cause.REFUSED), 40, 1.0)
    observer.resumed("customerio", "batch", 12.5)
    observer.resumed("customerio", "batch", -1.0)
    observer.revoked([], lost=True, seconds=0.1)
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


def watched(*sources: object, names: tuple[str, ...] = ("a", "b", "c")) -> Metrics:
    metrics, _ = made()
    asked = Sources()
    for name, source in zip(names, sources, strict=False):
        asked.add(name, source)  # type: ignore[arg-type]
    metrics.watch(asked)
    return metrics


def test_facts_are_on_the_page_as_they_are_at_the_scrape() -> None:
    source = Fixed(well())
    metrics = watched(source)
    where = {"pipeline": "cdp-copilot", "topic": "shop.orders", "partition": "0"}
    to = {"pipeline": "cdp-copilot", "destination": "copilot"}
    assert value(metrics, "cdp_kafka_consumer_lag", **where) == 16
    assert 0.8 <= (value(metrics, "cdp_kafka_head_age_seconds", **where) or 0) < 60
    assert value(metrics, "cdp_deliveries_total", **to, outcome="dead_lettered") == 3
    assert value(metrics, "cdp_books_difference", **to) == 0
    assert value(metrics, "cdp_rate_limit_permits", **to) == 5
    assert value(metrics, "cdp_kafka_assigned_partitions", pipeline="cdp-copilot", topic="shop.orders") == 2
    source.answer = PipelineFacts("cdp-copilot", "cdp-copilot", "classic")
    assert value(metrics, "cdp_kafka_consumer_lag", **where) is None, "a partition that went leaves no stale series"


def test_an_offset_nobody_knows_is_not_exported() -> None:
    unknown = (
        PartitionFacts(Partition("t", 0), 1, 0, 0, log_end=-1001, committed=5),
        PartitionFacts(Partition("t", 1), 1, 0, 0, log_end=5, committed=None),
    )
    metrics = watched(Fixed(PipelineFacts("p", "g", "classic", partitions=unknown)))
    assert value(metrics, "cdp_kafka_consumer_lag", pipeline="p", topic="t", partition="0") is None
    assert value(metrics, "cdp_kafka_log_end_offset", pipeline="p", topic="t", partition="0") is None
    assert value(metrics, "cdp_kafka_consumer_lag", pipeline="p", topic="t", partition="1") is None
    assert value(metrics, "cdp_kafka_log_end_offset", pipeline="p", topic="t", partition="1") == 5


def test_books_that_do_not_balance_show_by_how_much() -> None:
    metrics = watched(Fixed(ill()))
    assert value(metrics, "cdp_books_difference", pipeline="cdp-customerio", destination="customerio") == 1


def test_a_held_endpoint_shows_beside_those_that_are_not() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.observer("cdp-customerio", {"customerio": ("batch", "identify")}, EVENTS, ())
    sources = Sources()
    sources.add("cdp-customerio", Fixed(ill()))
    metrics.watch(sources)
    to = {"pipeline": "cdp-customerio", "destination": "customerio"}
    assert value(metrics, "cdp_destination_held", **to, endpoint="batch") == 1
    assert value(metrics, "cdp_destination_held", **to, endpoint="identify") == 0


def test_a_pipeline_that_cannot_answer_blinds_nobody_else() -> None:
    metrics = watched(Broken(), Fixed(well()))
    assert value(metrics, "cdp_health_check", pipeline="a", check="answering") == 0
    assert value(metrics, "cdp_health_check", pipeline="cdp-copilot", check="answering") == 1
    assert value(metrics, "cdp_records_open", pipeline="cdp-copilot") == 10
    assert "canary" not in metrics.page()[0].decode()


def test_two_sources_that_claim_one_name_do_not_spoil_the_page() -> None:
    families(watched(Fixed(well()), Fixed(well())))


def _ours(metrics: Metrics) -> Iterator[Metric]:
    return (family for family in metrics.registry.collect() if family.name.startswith("cdp_"))


def test_every_metric_has_a_sentence_and_a_name_by_the_rules() -> None:
    metrics = watched(Fixed(well()), Fixed(ill()))
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
            *("version", "revision", "librdkafka", "python"),
        }, family.name
        if family.name not in {"cdp_build", "cdp_log_messages", "cdp_log_messages_suppressed"}:
            assert all("pipeline" in sample.labels for sample in family.samples), family.name
    assert len(names) == len(set(names))


def test_a_scrape_says_which_build_runs_and_has_no_created_series() -> None:
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
def test_any_accept_header_gets_a_page(accept: str | None) -> None:
    body, content_type = made()[0].page(accept)
    assert body.count(b"# HELP cdp_") > 30
    assert "text" in content_type


def test_counting_a_delivered_lot_stays_cheap() -> None:
    metrics, observer = made()
    lot = [0.1 * n for n in range(200)]
    started = time.perf_counter()
    for _ in range(200):
        observer.delivered("copilot", lot, lot)
    per_event_us = (time.perf_counter() - started) / 40_000 * 1e6
    print(f"\ndelivered: {per_event_us:.3f} µs an event, both latencies")
    assert value(metrics, "cdp_append_latency_seconds_count", pipeline="cdp", destination="copilot") == 40_000
