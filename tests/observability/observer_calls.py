"""Every method of the observer, with any arguments that its types allow."""

from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from consumer.model import DeadLetterCause, Fault, Partition, SecretProblem, SkipReason, TransientCause
from consumer.model.directives import AcceptGap, AcceptRefusals, Directives, Pause, Quarantine
from consumer.model.findings import Finding
from consumer.model.observer import Observer

WORDS = st.one_of(
    st.sampled_from(["copilot", "customerio", "collect", "batch", "shop.OrderPlaced", "shop.orders", ""]),
    st.text(max_size=20),
)
COUNTS = st.integers(min_value=0, max_value=10_000)
SECONDS = st.floats(min_value=-1e3, max_value=1e5)
PARTITIONS = st.dictionaries(st.builds(Partition, WORDS, COUNTS), COUNTS, max_size=3)
CAUSES = st.sampled_from(list(DeadLetterCause))
FAULTS = st.builds(
    Fault,
    st.one_of(CAUSES, st.sampled_from(list(TransientCause))),
    WORDS,
    st.none() | st.integers(min_value=0, max_value=999),
)
LATENCIES = st.lists(SECONDS, max_size=5)
BOOLS = st.booleans()
NAMES = st.none() | WORDS
INSTANTS = st.integers(min_value=0, max_value=10**13)
DIRECTIVES = st.one_of(
    st.builds(Pause, INSTANTS, WORDS, NAMES, NAMES),
    st.builds(AcceptRefusals, INSTANTS, WORDS, CAUSES, NAMES, NAMES, NAMES),
    st.builds(Quarantine, INSTANTS, WORDS, WORDS, COUNTS, COUNTS, NAMES, NAMES),
    st.builds(
        AcceptGap, INSTANTS, WORDS, WORDS, COUNTS, COUNTS, st.one_of(st.sampled_from(["earliest", "latest"]), COUNTS)
    ),
)
FINDINGS = st.builds(Finding, st.just("error"), WORDS, st.none() | COUNTS, st.none() | COUNTS, WORDS, WORDS, WORDS)

CALLS: dict[str, Mapping[str, st.SearchStrategy[object]]] = {}


def _method(name: str, **arguments: st.SearchStrategy[object]) -> None:
    CALLS[name] = arguments


_method("group_joined", group=WORDS, protocol=WORDS)
_method("partitions_assigned", partitions=PARTITIONS)
_method("partitions_revoked", partitions=PARTITIONS, lost=BOOLS, seconds=SECONDS)
_method("records_consumed", topic=WORDS, records=COUNTS, size=COUNTS)
_method("partitions_paused", partitions=PARTITIONS)
_method("committed", offsets=PARTITIONS, seconds=SECONDS)
_method("commit_failed", code=WORDS, seconds=SECONDS)
_method("client_error", code=WORDS, text=WORDS, fatal=BOOLS)
_method("poll_ticked", interval_s=SECONDS)
_method("topic_missing", topic=WORDS)
_method("topic_found", topic=WORDS)
_method("fence_closed")
_method("fence_released")
_method("partition_stopped", partition=st.builds(Partition, WORDS, COUNTS), offset=COUNTS, code=WORDS)
_method("gap_accepted", partition=st.builds(Partition, WORDS, COUNTS), lost_from=COUNTS, goes_on_at=COUNTS)
_method("events_decoded", events=st.dictionaries(WORDS, COUNTS, max_size=3))
_method(
    "events_skipped",
    counts=st.dictionaries(st.tuples(WORDS, WORDS, st.sampled_from(list(SkipReason))), COUNTS, max_size=3),
)
_method("events_translated", destination=WORDS, events=st.dictionaries(WORDS, COUNTS, max_size=3))
_method("translation_failed", topic=WORDS, destination=WORDS, event_type=WORDS, cause=CAUSES, count=COUNTS)
_method("schema_fetched", key=st.one_of(COUNTS, WORDS), result=WORDS, seconds=SECONDS)
_method(
    "request_finished",
    destination=WORDS,
    endpoint=WORDS,
    status=st.none() | st.integers(min_value=-1, max_value=1_000),
    events=COUNTS,
    size=COUNTS,
    seconds=SECONDS,
)
_method("delivered", destination=WORDS, append_s=LATENCIES, event_s=LATENCIES)
_method("refused", destination=WORDS, event_type=WORDS, fault=FAULTS)
_method("partial_failure", destination=WORDS, events=COUNTS, refused=COUNTS)
_method("retry_scheduled", destination=WORDS, fault=FAULTS, events=COUNTS, wait_s=SECONDS)
_method("batch_split", destination=WORDS, events=COUNTS)
_method("batch_isolated", destination=WORDS, events=COUNTS)
_method("hold_started", destination=WORDS, endpoint=WORDS, fault=FAULTS)
_method("hold_ended", destination=WORDS, endpoint=WORDS, seconds=SECONDS)
_method("request_delayed", destination=WORDS, source=WORDS, seconds=SECONDS)
_method("credential_renewed", destination=WORDS, ok=BOOLS)
_method("credentials_checked", destination=WORDS, valid=BOOLS)
_method("secret_problem", destination=WORDS, problem=st.sampled_from([None, *SecretProblem]))
_method("flood_guard_tripped", destination=WORDS, kind=WORDS, cause=CAUSES, refused=COUNTS, of=COUNTS)
_method("flood_guard_reset", destination=WORDS, kind=WORDS, cause=CAUSES, seconds=SECONDS, by=WORDS)
_method("dead_lettered", destination=WORDS, cause=CAUSES, count=COUNTS)
_method("dead_letter_failed", code=WORDS)
_method("directives_read", directives=st.lists(DIRECTIVES, max_size=3).map(Directives))
_method("directives_rejected", findings=st.lists(FINDINGS, max_size=3))
_method(
    "directives_unreadable",
    directives=st.lists(DIRECTIVES, max_size=3).map(Directives),
    findings=st.lists(FINDINGS, max_size=3),
)
_method("directive_ended", directive=DIRECTIVES)
_method("directive_active_again", directive=DIRECTIVES)
_method("shutdown_started")
_method("shutdown_finished", released=COUNTS)


def call_anything(observer: Observer, data: DataObject) -> int:
    """Call up to a dozen methods in any order with any arguments, and return their number."""
    methods = data.draw(st.lists(st.sampled_from(sorted(CALLS)), min_size=1, max_size=12))
    for method in methods:
        getattr(observer, method)(**{name: data.draw(strategy) for name, strategy in CALLS[method].items()})
    return len(methods)
