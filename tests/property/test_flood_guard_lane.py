"""One lane behind its flood guard, with responses, probes and directives in any order.

Dead letters stay within the bound, and every delivery ends.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumer.delivery.delivery import Delivery
from consumer.delivery.guards.circuit_breaker import CircuitBreakers
from consumer.delivery.guards.flood_guard import DestinationFloodGuard, FloodGuardOptions
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions, PoisonDetector
from consumer.delivery.keyed_queue import KeyedQueue
from consumer.delivery.options import DestinationOptions
from consumer.delivery.retry import OutcomeHandler
from consumer.model import (
    BatchEnvelope,
    BatchRefused,
    DeadLetterCause,
    Delivered,
    Endpoint,
    Entry,
    Fault,
    PartiallyRefused,
    Refused,
    Verdict,
)
from consumer.model.directives import AcceptRefusals
from tests.examples import examples
from tests.property.test_batch import FakeLedger

KEYS = 8
KINDS = ("A", "B")
OPTIONS = FloodGuardOptions(refusals=2)
ENVELOPE = BatchEnvelope(Endpoint("collect", "POST", "/collect"), b"[", b"]", 6, 1000)
REFUSED = Fault(DeadLetterCause.REFUSED, "no", 400)
BAD = b"bad"
MOSTLY = st.sampled_from([True, True, True, False])


class LaneBehindFloodGuard(RuleBasedStateMachine):
    """A lane, an operator, and a server that refuses bad deliveries by id or the whole batch."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = itertools.count()
        fragments = itertools.count(1)
        self.queue = KeyedQueue()
        context: Any = SimpleNamespace(
            name="copilot",
            options=DestinationOptions(),
            observer=self,
            sink=self,
            random=lambda: 0.5,
            circuit_breakers=CircuitBreakers(1.0),
            poison_detector=PoisonDetector(PoisonDetectionOptions()),
            time_window=SimpleNamespace(expired=lambda _: None),
            next_fragment=lambda: next(fragments),
        )
        self.flood_guard = context.flood_guard = DestinationFloodGuard(
            "copilot",
            OPTIONS,
            1.0,
            cast("Any", self),
            count_waiting=self.queue.count_waiting,
            end_wait=self.queue.end_wait,
            wake_prober=lambda: None,
        )
        self.outcomes = OutcomeHandler(context, self.queue, lambda: None)
        self.ledger = FakeLedger()
        self.owed: dict[int, list[Delivery]] = {key: [] for key in range(KEYS)}  # by key, in order, until they end
        self.in_flight: list[Delivery] = []
        self.started = 0.0
        self.dead_letters: list[tuple[Delivery, Callable[[], None]]] = []
        self.fixed = False
        self.accepting = False
        self.written: Counter[str] = Counter()  # dead letters of a kind since its guard was last reset
        self.verdicts: Counter[str] = Counter()
        self.tripped: set[str] = set()

    @initialize(by_id=st.booleans(), at_once=st.booleans())
    def choose_server(self, *, by_id: bool, at_once: bool) -> None:
        self.refuses_by_id, self.acknowledges_at_once = by_id, at_once

    # ── Observer and settlement sink ──

    def flood_guard_tripped(self, _destination: str, kind: str, _cause: DeadLetterCause, refused: int, of: int) -> None:
        assert refused >= OPTIONS.refusals
        assert refused > OPTIONS.share * of
        assert not self.accepting or kind != "A"
        self.tripped.add(kind)

    def flood_guard_reset(
        self, _destination: str, kind: str, _cause: DeadLetterCause, _seconds: float, _by: str
    ) -> None:
        self.tripped.remove(kind)
        self.written[kind] = self.verdicts[kind] = 0

    def partial_failure(self, *_: object) -> None:
        pass

    batch_split = retry_scheduled = partial_failure

    def delivered(self, batch: Sequence[Delivery]) -> None:
        for each in batch:
            self.verdicts[each.entry.event_type] += 1
            if each.ledger.may_send:
                self.owed[each.key].remove(each)

    def refused(self, each: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        assert fault.cause is DeadLetterCause.REFUSED
        kind = each.entry.event_type
        assert kind not in self.tripped, "dead-lettered behind a tripped guard"
        self.verdicts[kind] += 1
        self.written[kind] += 1
        if self.accepting and kind == "A":
            self.written[kind] = self.verdicts[kind] = 0
        self.dead_letters.append((each, acknowledged))
        if self.acknowledges_at_once:
            self.acknowledge(-1)

    def acknowledge(self, index: int) -> None:
        each, acknowledged = self.dead_letters.pop(index)
        if each.ledger.may_send:
            self.owed[each.key].remove(each)
        acknowledged()

    # ── Rules ──

    def wait_reason(self, each: Delivery) -> tuple[str, object] | None:
        return self.flood_guard.reason(each)

    @rule(some=st.lists(st.tuples(st.integers(0, KEYS - 1), st.sampled_from(KINDS), MOSTLY), min_size=2, max_size=12))
    def enqueue(self, some: list[tuple[int, str, bool]]) -> None:
        made = []
        for key, kind, bad in some:
            slot, entry = next(self.slots), Entry(kind, "copilot", "custom_event", "custom_event")
            body = BAD if bad and not self.fixed else b"fine"
            each = Delivery(body, key, ENVELOPE, f"id-{slot}", 0, entry, cast("Any", self.ledger), slot)
            self.owed[key].append(each)
            made.append(each)
        self.queue.append(made)

    @precondition(lambda self: not self.in_flight)
    @rule(answered=st.booleans())
    def send_batch(self, *, answered: bool) -> None:
        self.send(
            self.queue.take_batch(
                self.wait_reason if self.flood_guard.circuit_breakers else None, self.outcomes.dead_letter
            )
        )
        assert not {each.entry.event_type for each in self.in_flight} & self.tripped
        if answered and self.in_flight:
            self.respond()

    @precondition(lambda self: not self.in_flight and self.tripped)
    @rule(data=st.data())
    def probe(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(sorted(self.tripped)))
        one = self.queue.take_probe(("guard", kind), lambda _: True)
        self.send([] if one is None else [one])

    def send(self, batch: list[Delivery]) -> None:
        self.in_flight, self.started = batch, time.monotonic()
        for key in {each.key for each in batch}:
            of_key = [each for each in batch if each.key == key]
            assert of_key == self.owed[key][: len(of_key)], "passed an earlier delivery of its key"

    @precondition(lambda self: self.in_flight)
    @rule()
    def respond(self) -> None:
        batch, self.in_flight = self.in_flight, []
        bad = {index: REFUSED for index, each in enumerate(batch) if each.body == BAD and not self.fixed}
        verdict: Verdict
        if not bad:
            verdict = Delivered()
        elif self.refuses_by_id:
            verdict = PartiallyRefused(bad)
        else:
            verdict = Refused(REFUSED) if len(batch) == 1 else BatchRefused(REFUSED)
        self.outcomes.handle_verdict(batch, verdict, self.started, reached_endpoint=True)

    @precondition(lambda self: self.dead_letters)
    @rule(data=st.data())
    def acknowledge_dead_letter(self, data: st.DataObject) -> None:
        self.acknowledge(data.draw(st.integers(0, len(self.dead_letters) - 1)))

    @rule()
    def toggle_directive(self) -> None:
        self.accepting = not self.accepting
        accepted = AcceptRefusals(until_ms=0, reason="", cause=DeadLetterCause.REFUSED, event_type="A")
        self.flood_guard.accept([accepted] if self.accepting else [])
        self.written["A"] = self.verdicts["A"] = 0

    @rule()
    def revoke_partition(self) -> None:
        self.ledger.may_send = False
        self.queue.drop_revoked()
        self.ledger = FakeLedger()
        self.owed = {key: [] for key in range(KEYS)}

    # ── Invariants ──

    @invariant()
    def dead_letters_stay_within_bound(self) -> None:
        for kind in KINDS:
            assert self.written[kind] <= max(OPTIONS.refusals - 1, OPTIONS.share * self.verdicts[kind])

    @invariant()
    def nothing_is_lost_or_duplicated(self) -> None:
        # Private: only the queue itself knows all it holds, and this invariant is about exactly that.
        aside = [each for waiting in self.queue._waiting.values() for each in waiting]
        pending = [each for each, _ in self.dead_letters]
        held = [each for each in [*self.queue._queue, *aside, *self.in_flight, *pending] if each.ledger.may_send]
        assert Counter(map(id, held)) == Counter(id(each) for some in self.owed.values() for each in some)

    @invariant()
    def waiting_types_are_tripped(self) -> None:
        for (scope, kind), waiting in self.queue._waiting.items():
            if scope == "guard" and waiting:
                assert kind in self.tripped
        assert {kind for kind, _ in self.flood_guard.circuit_breakers} == self.tripped

    def teardown(self) -> None:
        """Fix the server: probes reset every guard with waiting deliveries, and all that is owed is sent, in order."""
        self.fixed = True
        if self.in_flight:
            self.respond()
        while self.dead_letters:
            self.acknowledge(0)
        for _ in range(1000):
            while self.queue:
                self.send_batch(answered=True)
            waiting = [kind for kind in self.tripped if self.queue.count_waiting(("guard", kind))]
            if not waiting:
                break
            one = self.queue.take_probe(("guard", waiting[0]), lambda _: True)
            assert one is not None
            self.send([one])
            self.respond()
            assert waiting[0] not in self.tripped, "an accepted probe resets the guard"
        assert not any(self.owed.values())
        assert not self.dead_letters


TestLane = LaneBehindFloodGuard.TestCase
TestLane.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
