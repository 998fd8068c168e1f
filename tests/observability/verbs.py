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
_verb("topic_found", topic=WORDS)
_verb("fenced")
_verb("unfenced")
_verb("stopped", partition=st.builds(Partition, WORDS, COUNTS), offset=COUNTS, code=WORDS)
_verb("gap_accepted", partition=st.builds(Partition, WORDS, COUNTS), lost_from=COUNTS, goes_on_at=COUNTS)
_verb("decoded", events=st.dictionaries(WORDS, COUNTS, max_size=3))
_verb("skipped", counts=st.dictionaries(st.tuples(WORDS, WORDS, st.sampled_from(list(SkipReason))), COUNTS, max_size=3))
_verb("translated", destination=WORDS, events=st.dictionaries(WORDS, COUNTS, max_size=3))
_verb("faulty", topic=WORDS, destination=WORDS, event_type=WORDS, cause=CAUSES, count=COUNTS)
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
_verb("listed", destination=WORDS, events=COUNTS, refused=COUNTS)
_verb("deferred", destination=WORDS, fault=FAULTS, events=COUNTS, wait_s=SECONDS)
_verb("split", destination=WORDS, events=COUNTS)
_verb("suspected", destination=WORDS, events=COUNTS)
_verb("held", destination=WORDS, endpoint=WORDS, fault=FAULTS)
_verb("resumed", destination=WORDS, endpoint=WORDS, seconds=SECONDS)
_verb("throttled", destination=WORDS, source=WORDS, seconds=SECONDS)
_verb("credential_renewed", destination=WORDS, ok=BOOLS)
_verb("credentials", destination=WORDS, valid=BOOLS)
_verb("secrets_doubted", destination=WORDS, doubt=st.sampled_from([None, *SecretProblem]))
_verb("guard_closed", destination=WORDS, kind=WORDS, cause=CAUSES, refused=COUNTS, of=COUNTS)
_verb("guard_opened", destination=WORDS, kind=WORDS, cause=CAUSES, seconds=SECONDS, by=WORDS)
_verb("shelved", destination=WORDS, cause=CAUSES, count=COUNTS)
_verb("shelf_failed", code=WORDS)
_verb("directives_read", directives=st.lists(DIRECTIVES, max_size=3).map(Directives))
_verb("directives_refused", findings=st.lists(FINDINGS, max_size=3))
_verb(
    "directives_unread",
    directives=st.lists(DIRECTIVES, max_size=3).map(Directives),
    findings=st.lists(FINDINGS, max_size=3),
)
_verb("directive_ended", directive=DIRECTIVES)
_verb("directive_back", directive=DIRECTIVES)
_verb("leaving")
_verb("left", released=COUNTS)


def tell_anything(observer: Observer, data: DataObject) -> int:
    """Call up to a dozen verbs in any order with anything in them, and return how many."""
    verbs = data.draw(st.lists(st.sampled_from(sorted(CALLS)), min_size=1, max_size=12))
    for verb in verbs:
        getattr(observer, verb)(**{name: data.draw(strategy) for name, strategy in CALLS[verb].items()})
    return len(verbs)
