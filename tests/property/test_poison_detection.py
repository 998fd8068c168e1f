"""Poison detection in a lane: found in few failed requests while others succeed, never found in an outage."""

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

LONG_AGO_S = 0.0
"""Start of every request, so that others succeeded since: a Blocked response then starts no hold."""

FAR_FUTURE_S = 1e12
"""A time at which every isolated batch is due."""

FAILURES: tuple[Verdict, ...] = (
    Deferred(Fault(TransientCause.SERVER_ERROR, "", 500)),
    Deferred(Fault(TransientCause.TIMED_OUT)),
    Deferred(Fault(TransientCause.SERVER_ERROR, "", 503), 1.0, whole_destination=True),
    Blocked(Fault(TransientCause.UNAUTHORIZED, "", 403)),
)


class LaneHarness:
    """A lane's queue and outcome handler in memory. Isolated batches are due at once."""

    def __init__(self, options: PoisonDetectionOptions, most: int) -> None:
        self.envelope = BatchEnvelope(COLLECT, b"[", b"]", most, 100_000)
        self.queue, self.ledger, fragments = KeyedQueue(), FakeLedger(), itertools.count(1)
        self.slots = itertools.count()
        self.arrived: list[Delivery] = []
        self.dead_lettered: list[Delivery] = []
        self.dead_letter_cause = DeadLetterCause.NEVER_ACCEPTED
        self.partial_failures: list[tuple[int, int]] = []
        self.details: list[str] = []
        self.rate_limiter = RateLimiter(None)
        self.isolations = self.requests = 0
        self.poison_detector = PoisonDetector(options)
        context: Any = SimpleNamespace(
            name="copilot",
            options=DestinationOptions(backoff=Backoff(0.5, 30.0), poison_detection=options),
            rate_limiter=self.rate_limiter,
            poison_detector=self.poison_detector,
            circuit_breakers=CircuitBreakers[Endpoint](30.0),
            flood_guard=SimpleNamespace(
                record_refusal=lambda *_: False, record_delivered=lambda *_: None, watch=lambda _: None
            ),
            time_window=SimpleNamespace(expired=lambda _: None),
            sink=self,
            observer=self,
            random=lambda: 0.5,
            next_fragment=lambda: next(fragments),
        )
        self.circuit_breakers = context.circuit_breakers
        self.outcomes = OutcomeHandler(context, self.queue, lambda: None)

    def owe(self, count: int, keys: int) -> list[Delivery]:
        slots = list(itertools.islice(self.slots, count))
        some = [delivery(slot % keys, self.envelope, str(slot), b"{}", self.ledger, slot) for slot in slots]
        self.queue.append(some)
        self.outcomes.open_bytes += 2 * count
        return some

    def owe_new_key(self) -> None:
        """Owe one delivery with a new key."""
        slot = next(self.slots)
        self.queue.append([delivery(-slot, self.envelope, str(slot), b"{}", self.ledger, slot)])
        self.outcomes.open_bytes += 2

    def send_next(self, respond: Callable[[Sequence[Delivery]], Verdict]) -> list[Delivery]:
        """Send the lane's next batch, if there is one."""
        if scope := self.outcomes.isolated.take_due(FAR_FUTURE_S, others=bool(self.queue)):
            self.queue.end_wait(scope)
        batch = self.queue.take_batch(None, self.outcomes.dead_letter)
        if batch:
            self.requests += 1
            verdict, before = respond(batch), time.monotonic()
            self.outcomes.handle_verdict(batch, verdict, LONG_AGO_S, reached_endpoint=True)
            if isinstance(verdict, Deferred):
                until = self.rate_limiter.paused_until if verdict.whole_destination else self.outcomes.not_before
                assert until > before, "a failed request must be followed by a back-off"
        return batch

    # ── Settlement sink and observer ──

    def delivered(self, batch: Sequence[Delivery], *_: object) -> None:
        self.arrived += batch
        self.circuit_breakers.close(COLLECT, time.monotonic(), success=True)

    def refused(self, each: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        assert fault.cause is self.dead_letter_cause
        self.dead_lettered.append(each)
        self.details.append(fault.detail)
        acknowledged()

    def batch_isolated(self, *_: object) -> None:
        self.isolations += 1

    def batch_split(self, *_: object) -> None:
        pass

    def partial_failure(self, _: str, events: int, refused: int) -> None:
        self.partial_failures.append((events, refused))

    def retry_scheduled(self, *_: object) -> None:
        pass


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 12), st.data())
def test_poison_search_is_logarithmic_in_failed_requests(
    count: int, failures: int, keys: int, data: st.DataObject
) -> None:
    """Each bad delivery costs at most a number of failed requests proportional to the split depth."""
    lane = LaneHarness(PoisonDetectionOptions(failures=failures, give_up_after_s=0.0, give_up_successes=0), count)
    lane.owe_new_key()
    lane.send_next(lambda _: Delivered())
    owed = lane.owe(count, keys)
    bad = data.draw(st.sets(st.sampled_from(owed), min_size=1, max_size=4))
    failed = 0

    def respond(batch: Sequence[Delivery]) -> Verdict:
        nonlocal failed
        if not bad & set(batch):
            return Delivered()
        failed += 1
        return data.draw(st.sampled_from(FAILURES))

    while len(lane.dead_lettered) < len(bad) or set(owed) - set(lane.arrived) - bad:
        lane.owe_new_key()
        lane.send_next(respond)
        assert lane.requests < 2000, "the poison is not found"
    assert set(lane.dead_lettered) == bad
    assert len(lane.dead_lettered) == len(bad)
    arrived = [each for each in lane.arrived if each in owed]
    assert len(arrived) == count - len(bad)
    for key in range(keys):
        slots = [each.slot for each in arrived if each.key == key]
        assert slots == sorted(slots)
    # A candidate needs `failures` failures until it is isolated, and `failures` counted ones after that. A give-up
    # needs `failures` as a batch of one. Each half that succeeded may allow one more try before any others succeed.
    assert failed <= 2 * failures - 1 + len(bad) * (2 * (ceil(log2(count)) + 1) + failures)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4), st.integers(1, 12), st.data())
def test_outage_makes_no_candidate_and_gives_nothing_up(
    count: int, most: int, failures: int, keys: int, data: st.DataObject
) -> None:
    lane = LaneHarness(PoisonDetectionOptions(failures=failures, give_up_after_s=0.0, give_up_successes=0), most)
    for _ in range(data.draw(st.integers(0, 3))):
        lane.owe(1, keys)
        lane.send_next(lambda _: Delivered())
    before = len(lane.arrived)
    owed = lane.owe(count, keys)
    failures_drawn = itertools.cycle(data.draw(st.lists(st.sampled_from(FAILURES), min_size=1, max_size=5)))
    for _ in range(150):
        lane.send_next(lambda _: next(failures_drawn))
    assert not lane.isolations
    assert not lane.dead_lettered
    while lane.outcomes.open_bytes:
        lane.send_next(lambda _: Delivered())
        assert lane.requests < 2000, "a delivery waits forever"
    arrived = lane.arrived[before:]
    assert {each.slot for each in arrived} == {each.slot for each in owed}
    assert len(arrived) == len(owed)


def check_give_ups(options: PoisonDetectionOptions, is_up: list[bool], bad: set[int]) -> int:
    """Check each give-up against the failures and the other requests before it; return how many there were."""
    lane = LaneHarness(options, 4)
    lane.owe(12, 5)
    delivered: list[int] = []  # by successful request, its deliveries if it is an other request, else 0
    past: dict[int, list[tuple[int, int, bool]]] = {}  # by slot and failure: requests before it, and batch of one?
    others: list[bool] = []  # whether each other request succeeded

    def is_isolated(batch: Sequence[Delivery]) -> bool:
        before = past.get(batch[0].slot, [])
        return len(before) >= options.failures or batch[0].slot in was_split

    def respond(batch: Sequence[Delivery]) -> Verdict:
        up = is_up[lane.requests % len(is_up)]
        succeeds = up and not any(each.slot in bad for each in batch)
        is_other = not is_isolated(batch)
        if succeeds:
            delivered.append(len(batch) * is_other)
        for each in batch if not succeeds else ():
            past.setdefault(each.slot, []).append((len(delivered), len(others), len(batch) == 1))
        if is_other:
            others.append(succeeds)
        return Delivered() if succeeds else FAILURES[0]

    was_split: set[int] = set()
    for _ in range(120):
        lane.owe_new_key()
        dead, isolations = len(lane.dead_lettered), lane.isolations
        batch = lane.send_next(respond)
        if lane.isolations > isolations:
            was_split.update(each.slot for each in batch)
        for each in lane.dead_lettered[dead:]:
            assert batch == [each]
            at = past[each.slot]
            alone = list(itertools.takewhile(lambda one: one[2], reversed(at)))[::-1]
            pairs = list(itertools.pairwise(at))[-len(alone) :]
            counted = [now for before, now in pairs if now[0] - before[0] >= options.other_successes]
            first = counted[-options.failures]  # raises if there were fewer
            assert counted[-1] == at[-1]
            outages = [now for before, now in pairs if now[0] == before[0] and False in others[before[1] : now[1]]]
            assert not any(now > first for now in outages)
            since = next(now for now in counted if not any(outage > now for outage in outages))
            assert sum(delivered[since[0] :]) >= options.give_up_successes
            meanwhile = others[since[1] :]
            assert meanwhile.count(True) > meanwhile.count(False)
    return len(lane.dead_lettered)


@settings(deadline=None)
@given(
    st.builds(PoisonDetectionOptions, st.integers(1, 3), st.integers(1, 2), st.just(0.0), st.integers(0, 6)),
    st.lists(st.booleans(), min_size=1, max_size=12).filter(any),
    st.sets(st.integers(0, 11), max_size=3),
)
def test_give_up_needs_all_failures_and_successes(
    options: PoisonDetectionOptions, is_up: list[bool], bad: set[int]
) -> None:
    """No delivery is given up without the failures and the successes of others that the options ask for."""
    check_give_ups(options, is_up, bad)


def test_only_never_accepted_deliveries_are_given_up() -> None:
    assert check_give_ups(PoisonDetectionOptions(2, 1, 0.0, 3), [True, True, False], {3, 7}) == 2
