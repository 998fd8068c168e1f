"""The flood guard on a fake clock: when it trips, what resets it, and what it never counts."""

from consumer.delivery.guards.flood_guard import FloodGuard, FloodGuardOptions, merge_tripped
from consumer.model import DeadLetterCause
from consumer.model.directives import AcceptRefusals
from consumer.model.observer import Observer
from consumer.model.status import FloodGuardStatus

ORDER, RETURN = "shop.Order", "shop.Return"
REFUSED, CONTRACT = DeadLetterCause.REFUSED, DeadLetterCause.CONTRACT


class RecordingObserver(Observer):
    """Keeps trips and resets."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        self.events.append(("tripped", destination, kind, cause, refused, of))

    def flood_guard_reset(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        self.events.append(("reset", destination, kind, cause, seconds, by))


def guard_and_observer(
    refusals: int = 5, window_s: float = 100.0, share: float = 0.5, name: str = "copilot"
) -> tuple[FloodGuard, RecordingObserver]:
    observer = RecordingObserver()
    return FloodGuard(name, FloodGuardOptions(refusals, window_s, share), lambda _kind, _cause: 7, observer), observer


def refuse(
    guard: FloodGuard, count: int, now: float, kind: str = ORDER, cause: DeadLetterCause = REFUSED
) -> list[bool]:
    return [guard.record_refusal(kind, cause, now) for _ in range(count)]


def is_watching(guard: FloodGuard) -> bool:
    return guard.watching


def accept(cause: DeadLetterCause = REFUSED, **scope: str) -> AcceptRefusals:
    return AcceptRefusals(until_ms=0, reason="", cause=cause, **scope)


def test_refusal_that_trips_guard_is_first_to_wait() -> None:
    guard, observer = guard_and_observer()
    assert refuse(guard, 7, 3.0) == [False, False, False, False, True, True, True]
    assert guard.is_tripped(ORDER, REFUSED)
    assert guard.tripped(63.0, 1_000_000) == [FloodGuardStatus(ORDER, REFUSED, 940_000, 5, 5, 7)]
    assert observer.events == [("tripped", "copilot", ORDER, REFUSED, 5, 5)]


def test_trip_affects_only_its_event_type_and_cause() -> None:
    guard, _ = guard_and_observer()
    refuse(guard, 5, 0.0)
    assert not guard.is_tripped(RETURN, REFUSED)
    assert refuse(guard, 4, 0.0, RETURN) == [False] * 4
    assert refuse(guard, 4, 0.0, ORDER, CONTRACT) == [False] * 4


def test_guard_trips_above_half_and_not_at_half() -> None:
    guard, _ = guard_and_observer()
    guard.watch(ORDER, REFUSED, 0.0)
    guard.record_success(ORDER, 6, 0.0)
    assert refuse(guard, 6, 0.0) == [False] * 6
    assert refuse(guard, 1, 0.0) == [True]


def test_refusals_with_other_cause_count_as_verdicts() -> None:
    guard, _ = guard_and_observer()
    for _ in range(4):
        assert not guard.record_refusal(ORDER, REFUSED, 0.0)
        assert not guard.record_refusal(ORDER, CONTRACT, 0.0)
    # 5 of 9: verdicts on another cause are counted from that cause's first refusal on.
    assert refuse(guard, 1, 0.0) == [True]


def test_no_refusals_means_nothing_counted() -> None:
    guard, _ = guard_and_observer()
    assert not is_watching(guard)
    guard.record_success(ORDER, 1_000, 0.0)
    assert refuse(guard, 5, 0.0)[-1], "successes before the first refusal were counted"


def test_successes_with_first_refusal_are_counted() -> None:
    guard, _ = guard_and_observer()
    guard.watch(ORDER, REFUSED, 0.0)
    assert is_watching(guard)
    guard.record_success(ORDER, 1_000, 0.0)
    guard.record_success(RETURN, 1_000, 0.0)
    assert refuse(guard, 500, 0.0) == [False] * 500


def test_refusals_spread_beyond_window_do_not_trip() -> None:
    guard, _ = guard_and_observer()
    for number in range(100):
        assert not guard.record_refusal(ORDER, REFUSED, number * 30.0)


def test_refusals_in_different_steps_of_window_trip() -> None:
    guard, observer = guard_and_observer()
    assert [guard.record_refusal(ORDER, REFUSED, number * 20.0) for number in range(5)] == [False] * 4 + [True]
    assert observer.events == [("tripped", "copilot", ORDER, REFUSED, 5, 5)]


def test_cause_is_unwatched_after_window_without_refusal() -> None:
    guard, _ = guard_and_observer()
    refuse(guard, 4, 0.0)
    guard.record_success(ORDER, 1, 99.0)
    assert is_watching(guard)
    guard.record_success(ORDER, 1, 101.0)
    assert not is_watching(guard)
    assert refuse(guard, 5, 102.0) == [False] * 4 + [True]


def test_one_cause_expires_while_another_is_watched() -> None:
    guard, _ = guard_and_observer()
    refuse(guard, 1, 0.0)
    refuse(guard, 1, 90.0, cause=CONTRACT)
    guard.record_success(ORDER, 1, 101.0)
    assert is_watching(guard)
    guard.record_success(ORDER, 1, 201.0)
    assert not is_watching(guard)


def test_refusal_after_expired_window_restarts_count() -> None:
    guard, _ = guard_and_observer()
    refuse(guard, 4, 0.0)
    assert refuse(guard, 5, 500.0) == [False] * 4 + [True]


def test_out_of_window_and_quarantined_never_trip() -> None:
    guard, _ = guard_and_observer()
    for cause in (DeadLetterCause.OUT_OF_WINDOW, DeadLetterCause.QUARANTINED):
        assert refuse(guard, 100, 0.0, cause=cause) == [False] * 100
    assert not is_watching(guard)


def test_probe_resets_every_cause_of_type_and_count_restarts() -> None:
    guard, observer = guard_and_observer(share=0.0)
    refuse(guard, 5, 0.0)
    refuse(guard, 5, 1.0, cause=CONTRACT)
    refuse(guard, 5, 1.0, RETURN)
    guard.reset(ORDER, 11.0)
    assert not guard.is_tripped(ORDER, REFUSED)
    assert guard.is_tripped(RETURN, REFUSED)
    assert observer.events[3:] == [
        ("reset", "copilot", ORDER, REFUSED, 11.0, "probe"),
        ("reset", "copilot", ORDER, CONTRACT, 10.0, "probe"),
    ]
    assert refuse(guard, 5, 12.0) == [False] * 4 + [True]


def test_only_counted_entries_prove_the_cause_fixed() -> None:
    guard, _ = guard_and_observer()
    for _ in range(5):
        guard.record_refusal(ORDER, REFUSED, 0.0, "copilot.custom_event")
    assert guard.refused_labels(ORDER) == {"copilot.custom_event"}
    assert guard.refused_labels(RETURN) == frozenset()


def test_directive_resets_its_scope_and_count_restarts_after() -> None:
    """While the directive is active, every refusal of its scope is dead-lettered."""
    guard, observer = guard_and_observer()
    refuse(guard, 5, 0.0)
    refuse(guard, 5, 0.0, RETURN)
    assert guard.accept([accept(destination="copilot", event_type=ORDER)], 10.0) == [(ORDER, REFUSED)]
    assert observer.events[-1] == ("reset", "copilot", ORDER, REFUSED, 10.0, "directive")
    assert refuse(guard, 100, 11.0) == [False] * 100
    assert guard.is_tripped(RETURN, REFUSED)
    assert guard.accept([], 20.0) == []
    assert refuse(guard, 5, 21.0) == [False] * 4 + [True]


def test_count_before_directive_is_dropped() -> None:
    guard, _ = guard_and_observer()
    refuse(guard, 4, 0.0)
    refuse(guard, 4, 0.0, cause=CONTRACT)
    guard.accept([accept()], 1.0)
    guard.watch(ORDER, REFUSED, 1.0)
    guard.accept([], 2.0)
    assert refuse(guard, 4, 3.0) == [False] * 4
    assert is_watching(guard)


def test_directive_covers_only_its_destination_type_and_cause() -> None:
    for scope in (
        accept(destination="yotpo"),
        accept(event_type=RETURN),
        accept(CONTRACT),
        accept(topic=ORDER),
    ):
        guard, _ = guard_and_observer()
        refuse(guard, 5, 0.0)
        assert guard.accept([scope], 1.0) == []
        assert guard.is_tripped(ORDER, REFUSED)


def test_directive_for_decode_cause_covers_its_topic() -> None:
    guard, _ = guard_and_observer(name="")
    cause = DeadLetterCause.UNKNOWN_SCHEMA
    for topic in ("orders", "returns"):
        refuse(guard, 5, 0.0, topic, cause)
    assert guard.accept([accept(cause, topic="orders")], 1.0) == [("orders", cause)]
    assert guard.accept([accept(cause)], 1.0) == [("returns", cause)]


def test_scope_tripped_in_two_guards_is_merged() -> None:
    requested = FloodGuardStatus(ORDER, DeadLetterCause.TOO_LARGE, 5_000, 50, 60, 7)
    untranslated = FloodGuardStatus(ORDER, DeadLetterCause.TOO_LARGE, 3_000, 51, 51, 2)
    other = FloodGuardStatus(RETURN, DeadLetterCause.TOO_LARGE, 4_000, 50, 50, 1)
    assert merge_tripped([requested, other, untranslated]) == (
        FloodGuardStatus(ORDER, DeadLetterCause.TOO_LARGE, 3_000, 101, 111, 9),
        other,
    )
