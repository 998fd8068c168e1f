"""The flood guard with verdicts in any order: when it trips, how much is dead-lettered, what probes it."""

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
        st.sampled_from([0.0, 0.0, 0.0, 1.0, 9.0, 40.0, 130.0]),  # seconds since the previous verdict
        st.sampled_from(["A", "B"]),
        st.sampled_from([*CAUSES, None]),  # the cause of a refusal, or a success
        st.integers(1, 6),
    ),
    max_size=120,
)


class TripObserver(Observer):
    def __init__(self) -> None:
        self.trips: list[tuple[str, DeadLetterCause, int, int]] = []

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:  # noqa: ARG002
        self.trips.append((kind, cause, refused, of))


def check_trips(
    verdicts: list[tuple[float, str, DeadLetterCause | None, int]], refusals: int, share: float, reset_every: int
) -> int:
    """Check each trip and all dead letters against counts kept here; return how often the guard tripped."""
    observer = TripObserver()
    guard = FloodGuard("d", FloodGuardOptions(refusals, WINDOW_S, share), lambda _kind, _cause: 0, observer)
    now = 1000.0
    verdicts_by_kind: dict[str, list[tuple[float, DeadLetterCause | None]]] = {"A": [], "B": []}
    dead_letters: dict[tuple[str, DeadLetterCause], list[float]] = {}
    for number, (later_s, kind, cause, count) in enumerate(verdicts):
        now += later_s
        if reset_every and number % (reset_every + 3) == 0:
            for tripped in guard.tripped(0.0, 0):
                if tripped.kind == kind:
                    dead_letters[kind, tripped.cause] = []  # counting starts again
            guard.reset(kind, now)
        if cause is None:
            guard.record_success(kind, count, now)
            verdicts_by_kind[kind] += [(now, None)] * count
            continue
        for _ in range(count):
            trips_before = len(observer.trips)
            verdicts_by_kind[kind].append((now, cause))
            if not guard.record_refusal(kind, cause, now):
                dead_letters.setdefault((kind, cause), []).append(now)
            if len(observer.trips) > trips_before:
                _, _, refused, of = observer.trips[-1]
                recent = [each for at, each in verdicts_by_kind[kind] if at > now - WINDOW_S]
                assert refused >= refusals
                assert refused > share * of
                assert refused <= recent.count(cause), "it counted more refusals than there were"
                assert of <= len(recent)
            written = [at for at in dead_letters.get((kind, cause), []) if at > now - WINDOW_S * 0.9]
            recent_verdicts = sum(1 for at, _ in verdicts_by_kind[kind] if at > now - WINDOW_S)
            assert len(written) <= max(refusals - 1, share * recent_verdicts)
    return len(observer.trips)


@settings(max_examples=examples(300), deadline=None)
@given(VERDICTS, st.integers(1, 8), st.sampled_from([0.0, 0.3, 0.5, 0.9]), st.integers(0, 30))
def test_guard_trips_above_thresholds_and_bounds_dead_letters(
    verdicts: list[tuple[float, str, DeadLetterCause | None, int]], refusals: int, share: float, reset_every: int
) -> None:
    """The guard trips only above its thresholds, and dead letters stay within the stated bound."""
    check_trips(verdicts, refusals, share, reset_every)


def test_guard_trips_again_after_reset() -> None:
    assert check_trips([(1.0, "A", DeadLetterCause.REFUSED, 6)] * 8, 8, 0.5, 1) == 2


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(1, 60))
def test_at_most_half_refused_never_trips(order: list[bool], refusals: int) -> None:
    guard = FloodGuard("d", FloodGuardOptions(refusals, WINDOW_S, 0.5), lambda _kind, _cause: 0, Observer())
    guard.watch("A", DeadLetterCause.REFUSED, 0.0)
    balance = 0
    for accepted in order:
        if accepted or balance <= 0:
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

    def enqueue(key: int, *, proves: bool) -> None:
        number, ledger = next(numbers), FakeLedger()
        proving.update([number] if proves else [])
        owed.setdefault(key, []).append(number)
        queue.append([delivery(key, ENVELOPES[0], str(number), b"x", ledger, number)])

    def set_aside_all() -> None:
        assert queue.take_batch(lambda _: WAITING, lambda *_: None) == []

    for key, proves in old:
        enqueue(key, proves=proves)
    set_aside_all()
    before = [next((at for at, number in enumerate(some) if number in proving), None) for some in owed.values()]
    nearest = min((at for at in before if at is not None), default=None)
    proof = ProbeFilter(lambda each: each.slot in proving, lambda _: True)
    assert (queue.find_probe(WAITING, lambda _: True, proof) is None) == (nearest is None)
    for step in range(nearest + 1 if nearest is not None else 0):
        one = queue.take_probe(WAITING, lambda _: True, proof)
        assert one is not None
        assert owed[one.key].pop(0) == one.slot, "it passed an earlier delivery of its key"
        if one.slot in proving:
            return
        assert step != nearest, "more were sent first than stood ahead"
        for label in arriving[step % len(arriving)]:
            enqueue(1000 + step, proves=label)
        set_aside_all()
