"""Suspects as a lane meets them: found in few refused calls where others succeed, and never where nothing does."""

import itertools
import time
from collections.abc import Callable, Sequence
from math import ceil, log2
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.delivery.backoff import Backoff
from consumer.delivery.delivery import Delivery
from consumer.delivery.guards.circuit_breaker import CircuitBreakers
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions, PoisonDetector
from consumer.delivery.http.rate_limiter import RateLimiter
from consumer.delivery.keyed_queue import KeyedQueue
from consumer.delivery.options import DestinationOptions
from consumer.delivery.retry import OutcomeHandler
from consumer.model import (
    BatchEnvelope,
    Blocked,
    DeadLetterCause,
    Deferred,
    Delivered,
    Endpoint,
    Fault,
    TransientCause,
    Verdict,
)
from tests.property.test_batch import COLLECT, FakeLedger, delivery

LONG_AGO = 0.0
"""When calls started, so that others succeeded since: a barred answer then holds nobody."""

FAR_OFF = 1e12
"""When all that is apart is due, however long ago its calls started."""

FAILURES: tuple[Verdict, ...] = (
    Deferred(Fault(TransientCause.SERVER_ERROR, "", 500)),
    Deferred(Fault(TransientCause.TIMED_OUT)),
    Deferred(Fault(TransientCause.SERVER_ERROR, "", 503), 1.0, whole_destination=True),
    Blocked(Fault(TransientCause.UNAUTHORIZED, "", 403)),
)


class LaneAlone:
    """A lane's queue and outcomes with all that is around them in memory; a back-off apart is over at once."""

    def __init__(self, options: PoisonDetectionOptions, most: int) -> None:
        self.shape = BatchEnvelope(COLLECT, b"[", b"]", most, 100_000)
        self.queue, self.ledger, pieces = KeyedQueue(), FakeLedger(), itertools.count(1)
        self.slots = itertools.count()
        self.arrived: list[Delivery] = []
        self.dead: list[Delivery] = []
        self.details: list[str] = []
        self.pace = RateLimiter(None)
        self.suspicions = self.calls = 0
        self.poison_detector = PoisonDetector(options)
        context: Any = SimpleNamespace(
            name="copilot",
            options=DestinationOptions(backoff=Backoff(0.5, 30.0), poison_detection=options),
            rate_limiter=self.pace,
            poison_detector=self.poison_detector,
            circuit_breakers=CircuitBreakers[Endpoint](30.0),
            flood_guard=SimpleNamespace(record_refusal=lambda *_: False, record_delivered=lambda *_: None),
            time_window=SimpleNamespace(expired=lambda _: None),
            sink=self,
            observer=self,
            random=lambda: 0.5,
            next_fragment=lambda: next(pieces),
        )
        self.holds = context.circuit_breakers
        self.outcomes = OutcomeHandler(context, self.queue, lambda: None)

    def owe(self, count: int, keys: int) -> list[Delivery]:
        slots = list(itertools.islice(self.slots, count))
        some = [delivery(slot % keys, self.shape, str(slot), b"{}", self.ledger, slot) for slot in slots]
        self.queue.append(some)
        self.outcomes.open_bytes += 2 * count
        return some

    def passing(self) -> None:
        """Owe one to a customer of its own."""
        slot = next(self.slots)
        self.queue.append([delivery(-slot, self.shape, str(slot), b"{}", self.ledger, slot)])
        self.outcomes.open_bytes += 2

    def call(self, answer: Callable[[Sequence[Delivery]], Verdict]) -> list[Delivery]:
        """Make the lane's next call, if there is one to be made."""
        if scope := self.outcomes.isolated.take_due(FAR_OFF, others=bool(self.queue)):
            self.queue.release(scope)
        batch = self.queue.take_batch(None, self.outcomes.dead_letter)
        if batch:
            self.calls += 1
            verdict, before = answer(batch), time.monotonic()
            self.outcomes.handle_verdict(batch, verdict, LONG_AGO, reached_endpoint=True)
            if isinstance(verdict, Deferred):
                until = self.pace.paused_until if verdict.whole_destination else self.outcomes.not_before
                assert until > before, "a failed call must be waited after"
        return batch

    # ── Where deliveries end, and who hears of it ──

    def delivered(self, batch: Sequence[Delivery], *_: object) -> None:
        self.arrived += batch
        self.holds.close(COLLECT, time.monotonic(), success=True)

    def refused(self, each: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        assert fault.cause is DeadLetterCause.NEVER_ACCEPTED
        self.dead.append(each)
        self.details.append(fault.detail)
        acknowledged()

    def batch_isolated(self, *_: object) -> None:
        self.suspicions += 1

    def batch_split(self, *_: object) -> None:
        pass

    def retry_scheduled(self, *_: object) -> None:
        pass


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 12), st.data())
def test_poison_search_is_logarithmic_in_failed_requests(
    count: int, failures: int, keys: int, data: st.DataObject
) -> None:
    """Each bad delivery costs at most a number of failed requests proportional to the split depth."""
    lane = LaneAlone(PoisonDetectionOptions(failures=failures, give_up_after_s=0.0, give_up_successes=0), count)
    lane.passing()
    lane.call(lambda _: Delivered())
    owed = lane.owe(count, keys)
    bad = data.draw(st.sets(st.sampled_from(owed), min_size=1, max_size=4))
    failed = 0

    def answer(batch: Sequence[Delivery]) -> Verdict:
        nonlocal failed
        if not bad & set(batch):
            return Delivered()
        failed += 1
        return data.draw(st.sampled_from(FAILURES))

    while len(lane.dead) < len(bad) or set(owed) - set(lane.arrived) - bad:
        lane.passing()
        lane.call(answer)
        assert lane.calls < 2000, "it is not found"
    assert set(lane.dead) == bad
    assert len(lane.dead) == len(bad)
    mine = [each for each in lane.arrived if each in owed]
    assert len(mine) == count - len(bad)
    for key in range(keys):
        slots = [each.slot for each in mine if each.key == key]
        assert slots == sorted(slots)
    # What proves a suspect: it waits by itself after so many failures, and so many more are damning. What gives one up:
    # as many that it met alone; each half that was taken meanwhile may let it try once more before any others were.
    assert failed <= 2 * failures - 1 + len(bad) * (2 * (ceil(log2(count)) + 1) + failures)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4), st.integers(1, 12), st.data())
def test_outage_makes_no_candidate_and_gives_nothing_up(
    count: int, most: int, failures: int, keys: int, data: st.DataObject
) -> None:
    lane = LaneAlone(PoisonDetectionOptions(failures=failures, give_up_after_s=0.0, give_up_successes=0), most)
    for _ in range(data.draw(st.integers(0, 3))):
        lane.owe(1, keys)
        lane.call(lambda _: Delivered())
    before = len(lane.arrived)
    owed = lane.owe(count, keys)
    failures_drawn = itertools.cycle(data.draw(st.lists(st.sampled_from(FAILURES), min_size=1, max_size=5)))
    for _ in range(150):
        lane.call(lambda _: next(failures_drawn))
    assert not lane.suspicions
    assert not lane.dead
    while lane.outcomes.open_bytes:
        lane.call(lambda _: Delivered())
        assert lane.calls < 2000, "something waits for ever"
    mine = lane.arrived[before:]
    assert {each.slot for each in mine} == {each.slot for each in owed}
    assert len(mine) == len(owed)


def given_up_as_it_takes(options: PoisonDetectionOptions, weather: list[bool], bad: set[int]) -> int:
    """Hold each that is given up against the failures and the others before it; return how many are."""
    lane = LaneAlone(options, 4)
    lane.owe(12, 5)
    taken: list[int] = []  # by each successful call, how many deliveries it took that are others
    past: dict[int, list[tuple[int, int, bool]]] = {}  # by slot: at each failure, calls before it; and was it alone?
    others: list[bool] = []  # whether each call succeeded that carried neither a suspect nor what kept failing

    def by_itself(batch: Sequence[Delivery]) -> bool:
        before = past.get(batch[0].slot, [])
        return len(before) >= options.failures or batch[0].slot in halved

    def answer(batch: Sequence[Delivery]) -> Verdict:
        up = weather[lane.calls % len(weather)]
        good = up and not any(each.slot in bad for each in batch)
        reckoned = not by_itself(batch)
        if good:
            taken.append(len(batch) * reckoned)
        for each in batch if not good else ():
            past.setdefault(each.slot, []).append((len(taken), len(others), len(batch) == 1))
        if reckoned:
            others.append(good)
        return Delivered() if good else FAILURES[0]

    halved: set[int] = set()
    for _ in range(120):
        lane.passing()
        dead, suspicions = len(lane.dead), lane.suspicions
        batch = lane.call(answer)
        if lane.suspicions > suspicions:
            halved.update(each.slot for each in batch)
        for each in lane.dead[dead:]:
            assert batch == [each]
            at = past[each.slot]
            alone = list(itertools.takewhile(lambda one: one[2], reversed(at)))[::-1]
            pairs = list(itertools.pairwise(at))[-len(alone) :]
            damning = [now for before, now in pairs if now[0] - before[0] >= options.other_successes]
            first = damning[-options.failures]  # there were so many, or this falls
            assert damning[-1] == at[-1]
            outages = [now for before, now in pairs if now[0] == before[0] and False in others[before[1] : now[1]]]
            assert not any(now > first for now in outages)
            since = next(now for now in damning if not any(outage > now for outage in outages))
            assert sum(taken[since[0] :]) >= options.give_up_successes
            met = others[since[1] :]
            assert met.count(True) > met.count(False)
    return len(lane.dead)


@settings(deadline=None)
@given(
    st.builds(PoisonDetectionOptions, st.integers(1, 3), st.integers(1, 2), st.just(0.0), st.integers(0, 6)),
    st.lists(st.booleans(), min_size=1, max_size=12).filter(any),
    st.sets(st.integers(0, 11), max_size=3),
)
def test_give_up_needs_all_failures_and_successes(
    options: PoisonDetectionOptions, weather: list[bool], bad: set[int]
) -> None:
    """No delivery is given up without the failures and the successes of others that the options ask for."""
    given_up_as_it_takes(options, weather, bad)


def test_only_never_accepted_deliveries_are_given_up() -> None:
    assert given_up_as_it_takes(PoisonDetectionOptions(2, 1, 0.0, 3), [True, True, False], {3, 7}) == 2
