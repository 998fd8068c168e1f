"""The flood guard whatever comes in whatever order: when it closes, what little is dead-lettered, what probes it."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.delivery.guards.flood_guard import FloodGuard, FloodGuardOptions
from consumer.delivery.keyed_queue import KeyedQueue, ProbeFilter, WaitReason
from consumer.model import DeadLetterCause
from consumer.model.observer import Observer
from tests.examples import examples
from tests.property.test_batch import ENVELOPES, FakeLedger, delivery

WINDOW_S = 100.0
WAITING: WaitReason = ("guard", "A")
CAUSES = (DeadLetterCause.REFUSED, DeadLetterCause.TOO_LARGE)

VERDICTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.0, 1.0, 9.0, 40.0, 130.0]),  # seconds since the one before
        st.sampled_from(["A", "B"]),
        st.sampled_from([*CAUSES, None]),  # refused with what cause, or taken
        st.integers(1, 6),
    ),
    max_size=120,
)


class TripObserver(Observer):
    def __init__(self) -> None:
        self.closings: list[tuple[str, DeadLetterCause, int, int]] = []

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:  # noqa: ARG002
        self.closings.append((kind, cause, refused, of))


def closings_seen_from_outside(
    verdicts: list[tuple[float, str, DeadLetterCause | None, int]], refusals: int, share: float, open_every: int
) -> int:
    """Check each closing, and all that is written, against what was counted outside; return how often it closed."""
    closing = TripObserver()
    guard = FloodGuard("d", FloodGuardOptions(refusals, WINDOW_S, share), lambda _kind, _cause: 0, closing)
    now = 1000.0
    seen: dict[str, list[tuple[float, DeadLetterCause | None]]] = {
        "A": [],
        "B": [],
    }  # all verdicts, as an outsider saw them
    letters: dict[tuple[str, DeadLetterCause], list[float]] = {}
    for number, (later_s, kind, cause, count) in enumerate(verdicts):
        now += later_s
        if open_every and number % (open_every + 3) == 0:
            for shut in guard.tripped(0.0, 0):
                if shut.kind == kind:
                    letters[kind, shut.cause] = []  # counting starts afresh
            guard.reset(kind, now)
        if cause is None:
            guard.record_success(kind, count, now)
            seen[kind] += [(now, None)] * count
            continue
        for _ in range(count):
            closed_before = len(closing.closings)
            seen[kind].append((now, cause))
            if not guard.record_refusal(kind, cause, now):
                letters.setdefault((kind, cause), []).append(now)
            if len(closing.closings) > closed_before:
                _, _, refused, of = closing.closings[-1]
                lately = [each for at, each in seen[kind] if at > now - WINDOW_S]
                assert refused >= refusals
                assert refused > share * of
                assert refused <= lately.count(cause), "it counted more than there was"
                assert of <= len(lately)
            written = [at for at in letters.get((kind, cause), []) if at > now - WINDOW_S * 0.9]
            verdicts_lately = sum(1 for at, _ in seen[kind] if at > now - WINDOW_S)
            assert len(written) <= max(refusals - 1, share * verdicts_lately)
    return len(closing.closings)


@settings(max_examples=examples(300), deadline=None)
@given(VERDICTS, st.integers(1, 8), st.sampled_from([0.0, 0.3, 0.5, 0.9]), st.integers(0, 30))
def test_guard_trips_above_thresholds_and_bounds_dead_letters(
    verdicts: list[tuple[float, str, DeadLetterCause | None, int]], refusals: int, share: float, open_every: int
) -> None:
    """The guard trips only above its thresholds, and dead letters stay within the stated bound."""
    closings_seen_from_outside(verdicts, refusals, share, open_every)


def test_guard_trips_again_after_reset() -> None:
    assert closings_seen_from_outside([(1.0, "A", DeadLetterCause.REFUSED, 6)] * 8, 8, 0.5, 1) == 2


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(1, 60))
def test_at_most_half_refused_never_trips(order: list[bool], refusals: int) -> None:
    guard = FloodGuard("d", FloodGuardOptions(refusals, WINDOW_S, 0.5), lambda _kind, _cause: 0, Observer())
    guard.watch("A", DeadLetterCause.REFUSED, 0.0)
    balance = 0
    for taken in order:
        if taken or balance <= 0:
            guard.record_success("A", 1, 0.0)
            balance += 1
        else:
            assert not guard.record_refusal("A", DeadLetterCause.REFUSED, 0.0)
            balance -= 1


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30),
    st.lists(st.lists(st.booleans(), max_size=4), min_size=1, max_size=5),
)
def test_new_keys_do_not_delay_nearest_proof(old: list[tuple[int, bool]], arriving: list[list[bool]]) -> None:
    """A proof is sent after the deliveries ahead of the nearest one, however many keys are new."""
    queue, owed, proving, numbers = KeyedQueue(), dict[int, list[int]](), set[int](), itertools.count()

    def put(key: int, *, proves: bool) -> None:
        number, ledger = next(numbers), FakeLedger()
        proving.update([number] if proves else [])
        owed.setdefault(key, []).append(number)
        queue.append([delivery(key, ENVELOPES[0], str(number), b"x", ledger, number)])

    def all_waits() -> None:
        assert queue.take_batch(lambda _: WAITING, lambda *_: None) == []

    for key, proves in old:
        put(key, proves=proves)
    all_waits()
    before = [next((at for at, number in enumerate(some) if number in proving), None) for some in owed.values()]
    nearest = min((at for at in before if at is not None), default=None)
    proof = ProbeFilter(lambda each: each.slot in proving, lambda _: True)
    assert (queue.find_probe(WAITING, lambda _: True, proof) is None) == (nearest is None)
    for step in range(nearest + 1 if nearest is not None else 0):
        one = queue.take_probe(WAITING, lambda _: True, proof)
        assert one is not None
        assert owed[one.key].pop(0) == one.slot, "it passed an earlier one of its key"
        if one.slot in proving:
            return
        assert step != nearest, "more went before than stood there"
        for label in arriving[step % len(arriving)]:
            put(1000 + step, proves=label)
        all_waits()
