"""Every verb of the observer, with anything that its types allow."""

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


def _verb(name: str, **arguments: st.SearchStrategy[object]) -> None:
    CALLS[name] = arguments


_verb("group_joined", group=WORDS, protocol=WORDS)
_verb("partitions_assigned", partitions=PARTITIONS)
_verb("partitions_revoked", partitions=PARTITIONS, lost=BOOLS, seconds=SECONDS)
_verb("records_consumed", topic=WORDS, records=COUNTS, size=COUNTS)
_verb("partitions_paused", partitions=PARTITIONS)
_verb("committed", offsets=PARTITIONS, seconds=SECONDS)
_verb("commit_failed", code=WORDS, seconds=SECONDS)
_verb("client_error", code=WORDS, text=WORDS, fatal=BOOLS)
_verb("poll_ticked", interval_s=SECONDS)
_verb("topic_missing", topic=WORDS)
_verb("topic_found", topic=WORDS)
_verb("fence_closed")
_verb("fence_released")
_verb("partition_stopped", partition=st.builds(Partition, WORDS, COUNTS), offset=COUNTS, code=WORDS)
_verb("gap_accepted", partition=st.builds(Partition, WORDS, COUNTS), lost_from=COUNTS, goes_on_at=COUNTS)
_verb("events_decoded", events=st.dictionaries(WORDS, COUNTS, max_size=3))
_verb(
    "events_skipped",
    counts=st.dictionaries(st.tuples(WORDS, WORDS, st.sampled_from(list(SkipReason))), COUNTS, max_size=3),
)
_verb("events_translated", destination=WORDS, events=st.dictionaries(WORDS, COUNTS, max_size=3))
_verb("translation_failed", topic=WORDS, destination=WORDS, event_type=WORDS, cause=CAUSES, count=COUNTS)
_verb("schema_fetched", key=st.one_of(COUNTS, WORDS), result=WORDS, seconds=SECONDS)
_verb(
    "request_finished",
    destination=WORDS,
    endpoint=WORDS,
    status=st.none() | st.integers(min_value=-1, max_value=1_000),
    events=COUNTS,
    size=COUNTS,
    seconds=SECONDS,
)
_verb("delivered", destination=WORDS, append_s=LATENCIES, event_s=LATENCIES)
_verb("refused", destination=WORDS, event_type=WORDS, fault=FAULTS)
_verb("partial_failure", destination=WORDS, events=COUNTS, refused=COUNTS)
_verb("retry_scheduled", destination=WORDS, fault=FAULTS, events=COUNTS, wait_s=SECONDS)
_verb("batch_split", destination=WORDS, events=COUNTS)
_verb("batch_isolated", destination=WORDS, events=COUNTS)
_verb("hold_started", destination=WORDS, endpoint=WORDS, fault=FAULTS)
_verb("hold_ended", destination=WORDS, endpoint=WORDS, seconds=SECONDS)
_verb("request_delayed", destination=WORDS, source=WORDS, seconds=SECONDS)
_verb("credential_renewed", destination=WORDS, ok=BOOLS)
_verb("credentials_checked", destination=WORDS, valid=BOOLS)
_verb("secret_problem", destination=WORDS, problem=st.sampled_from([None, *SecretProblem]))
_verb("flood_guard_tripped", destination=WORDS, kind=WORDS, cause=CAUSES, refused=COUNTS, of=COUNTS)
_verb("flood_guard_reset", destination=WORDS, kind=WORDS, cause=CAUSES, seconds=SECONDS, by=WORDS)
_verb("dead_lettered", destination=WORDS, cause=CAUSES, count=COUNTS)
_verb("dead_letter_failed", code=WORDS)
_verb("directives_read", directives=st.lists(DIRECTIVES, max_size=3).map(Directives))
_verb("directives_rejected", findings=st.lists(FINDINGS, max_size=3))
_verb(
    "directives_unreadable",
    directives=st.lists(DIRECTIVES, max_size=3).map(Directives),
    findings=st.lists(FINDINGS, max_size=3),
)
_verb("directive_ended", directive=DIRECTIVES)
_verb("directive_active_again", directive=DIRECTIVES)
_verb("shutdown_started")
_verb("shutdown_finished", released=COUNTS)


def tell_anything(observer: Observer, data: DataObject) -> int:
    """Call up to a dozen verbs in any order with anything in them, and return how many."""
    verbs = data.draw(st.lists(st.sampled_from(sorted(CALLS)), min_size=1, max_size=12))
    for verb in verbs:
        getattr(observer, verb)(**{name: data.draw(strategy) for name, strategy in CALLS[verb].items()})
    return len(verbs)
