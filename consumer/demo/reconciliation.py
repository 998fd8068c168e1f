"""The books: what was owed, held against what the servers and the dead-letter topic really hold, by identity.

Four parties must agree, each from a source of its own: the shop's oracle, the local servers, the brokers, and last the
service's own counters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from consumer.demo.cluster_reader import FoundLetter
from consumer.demo.oracle import Expected, Letter
from consumer.demo.produced_records import Written
from consumer.model import DeadLetterCause, Partition, SkipReason
from consumer.model.status import DeliveryCounts, RecordCounts


@dataclass(frozen=True, slots=True)
class Said:
    """What the service says of itself."""

    deliveries: DeliveryCounts
    records: RecordCounts
    skips: Counter[tuple[str, str, SkipReason]]
    letters: Counter[tuple[str, DeadLetterCause]]
    whole: DeliveryCounts = field(default_factory=DeliveryCounts)
    """The books of records that could not be decoded: each is owed one letter, whatever the destination."""


@dataclass(frozen=True, slots=True)
class ClusterContents:
    """What is really there."""

    held: AbstractSet[str]
    """Ids the server holds."""
    letters: Sequence[FoundLetter]
    """Of this pipeline."""
    committed: Mapping[Partition, int]
    thrown_away: int = 0
    """Events the server answered with a success and dropped."""
    taken: int = 0
    """Events it took, repeats included."""
    answers: Counter[int | None] = field(default_factory=Counter)
    """What it answered, by status; `None` = nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """One pipeline's page of the books."""

    pipeline: str
    destination: str
    expected: Expected
    found: ClusterContents
    said: Said
    wrong: tuple[str, ...] = field(default=())
    """What differs, a sentence each."""


def balance(
    pipeline: str, destination: str, expected: Expected, found: ClusterContents, said: Said, *, hurried: bool = False
) -> Page:
    """Hold one pipeline's parties against one another.

    Args:
        pipeline: its name.
        destination: its one destination.
        expected: the oracle's word.
        found: the servers' and the brokers'.
        said: the service's.
        hurried: it was made to leave before all had ended: only what lies below the committed offsets must have ended,
            and the counters need only add up.
    """
    must = _Required(found.committed if hurried else None)
    wrong = [
        *_arrivals(destination, expected, found, must),
        *_letters(expected, found, must),
        *(() if hurried else _offsets(expected, found)),
        *_sums(said),
        *(() if hurried else _counters(expected, said)),
    ]
    return Page(pipeline, destination, expected, found, said, tuple(wrong))


class _Required:
    """Which records must have ended."""

    def __init__(self, below: Mapping[Partition, int] | None) -> None:
        self._below = below

    def __call__(self, written: Written) -> bool:
        return self._below is None or written.offset < self._below.get(written.partition, 0)


def _arrivals(destination: str, expected: Expected, found: ClusterContents, must: _Required) -> Iterator[str]:
    for name, written in expected.arrivals.items():
        if name not in found.held and must(written):
            yield f"{destination} does not hold {name}: {expected.labels[name]} of {_described(written)}"
    for name in sorted(found.held - expected.arrivals.keys()):
        yield f"{destination} holds {name}, which nobody owed it"
    if found.thrown_away:
        yield f"{destination} answered with a success and threw away {found.thrown_away}"


def _letters(expected: Expected, found: ClusterContents, must: _Required) -> Iterator[str]:
    held: dict[Letter, FoundLetter] = {}
    for one in found.letters:
        held[one.letter] = one  # letters are at-least-once: the same one twice is one
    for letter, written in expected.letters.items():
        there = held.get(letter)
        if there is None:
            if must(written):
                name = f"{letter.cause} {letter.delivery_id}"
                yield f"no dead letter {name} for {_label(letter)} of {_described(written)}"
        elif there.digest != written.digest:
            yield f"the dead letter {letter.delivery_id} does not carry the bytes of {_described(written)}"
    for letter in held:
        if letter not in expected.letters:
            place = f"{letter.partition.topic}[{letter.partition.index}]@{letter.offset}"
            yield f"a dead letter nobody expected: {letter.cause} {letter.delivery_id} for {_label(letter)} of {place}"


def _offsets(expected: Expected, found: ClusterContents) -> Iterator[str]:
    for partition, end in sorted(expected.records.items()):
        committed = found.committed.get(partition)
        if committed != end:
            said = "nothing" if committed is None else committed
            yield f"{partition.topic}[{partition.index}]: committed {said}, the log ends at {end}"


def _sums(said: Said) -> Iterator[str]:
    if said.deliveries.mismatch:
        yield f"the service's deliveries do not add up: {said.deliveries}"
    if said.whole.mismatch:
        yield f"the service's records that could not be decoded do not add up: {said.whole}"
    if said.records.mismatch:
        yield f"the service's records do not add up: {said.records}"


def _counters(expected: Expected, said: Said) -> Iterator[str]:
    whole = sum(1 for letter in expected.letters if not letter.label)
    letters = len(expected.letters) - whole
    wanted = {
        "owed": (expected.owed, said.deliveries.owed),
        "delivered": (len(expected.arrivals), said.deliveries.delivered),
        "skipped": (expected.skipped, said.deliveries.skipped),
        "dead-lettered": (letters, said.deliveries.dead_lettered),
        "open": (0, said.deliveries.open),
        "released": (0, said.deliveries.released),
        "letters of whole records": (whole, sum(n for (where, _), n in said.letters.items() if not where)),
        "whole records owed a letter": (whole, said.whole.owed),
        "whole records dead-lettered": (whole, said.whole.dead_lettered),
        "records taken": (expected.taken, said.records.accepted),
        "records settled": (expected.taken, said.records.settled),
    }
    for name, (right, counted) in wanted.items():
        if right != counted:
            yield f"the service counted {counted} {name}, it must be {right}"
    causes = Counter(letter.cause for letter in expected.letters)
    told = Counter[str]()
    for (_, cause), count in said.letters.items():
        told[str(cause)] += count
    yield from _different("dead letters", causes, told)
    yield from _different(
        "skips", Counter({_skip(*scope): n for scope, n in expected.skips.items()}), _named(said.skips)
    )


def _different(what: str, right: Counter[str], counted: Counter[str]) -> Iterator[str]:
    for name in sorted(right.keys() | counted.keys()):
        if right[name] != counted[name]:
            yield f"the service counted {counted[name]} {what} {name}, it must be {right[name]}"


def _named(skips: Counter[tuple[str, str, SkipReason]]) -> Counter[str]:
    return Counter({_skip(*scope): count for scope, count in skips.items()})


def _skip(destination: str, event_type: str, reason: SkipReason) -> str:
    return f"{reason} of {event_type.rpartition('.')[2] or 'records'}{' whole' if not destination else ''}"


def _label(letter: Letter) -> str:
    return letter.label or "the whole record"


def _described(written: Written) -> str:
    happening = written.happening
    kind = happening.kind or "a record"
    why = f" ({happening.why})" if happening.why else ""
    return f"{kind}{why} at {written.partition.topic}[{written.partition.index}]@{written.offset}"
