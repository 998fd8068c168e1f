"""One lane at its flood guard, in whatever order answers, probes and directives come: few letters, and all goes on."""

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
SHAPE = BatchEnvelope(Endpoint("collect", "POST", "/collect"), b"[", b"]", 6, 1000)
REFUSED = Fault(DeadLetterCause.REFUSED, "no", 400)
BAD = b"bad"
MOSTLY = st.sampled_from([True, True, True, False])


class Floods(RuleBasedStateMachine):
    """A lane, a server that refuses what is bad by name or whole, and an operator."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = itertools.count()
        pieces = itertools.count(1)
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
            next_fragment=lambda: next(pieces),
        )
        self.guarding = context.flood_guard = DestinationFloodGuard(
            "copilot",
            OPTIONS,
            1.0,
            cast("Any", self),
            count_waiting=self.queue.count_waiting,
            release=self.queue.release,
            wake_prober=lambda: None,
        )
        self.outcomes = OutcomeHandler(context, self.queue, lambda: None)
        self.ledger = FakeLedger()
        self.owed: dict[int, list[Delivery]] = {key: [] for key in range(KEYS)}  # by key, in order, not ended
        self.wire: list[Delivery] = []
        self.started = 0.0
        self.letters: list[tuple[Delivery, Callable[[], None]]] = []
        self.mended = False
        self.accepting = False
        self.written: Counter[str] = Counter()  # letters of a kind since its guard opened last
        self.judged: Counter[str] = Counter()
        self.closed_now: set[str] = set()

    @initialize(names=st.booleans(), at_once=st.booleans())
    def choose_the_servers(self, *, names: bool, at_once: bool) -> None:
        self.names, self.acknowledges_at_once = names, at_once

    # ── Who hears of it ──

    def flood_guard_tripped(self, _destination: str, kind: str, _cause: DeadLetterCause, refused: int, of: int) -> None:
        assert refused >= OPTIONS.refusals
        assert refused > OPTIONS.share * of
        assert not self.accepting or kind != "A"
        self.closed_now.add(kind)

    def flood_guard_reset(
        self, _destination: str, kind: str, _cause: DeadLetterCause, _seconds: float, _by: str
    ) -> None:
        self.closed_now.remove(kind)
        self.written[kind] = self.judged[kind] = 0

    def partial_failure(self, *_: object) -> None:
        pass

    batch_split = deferred = partial_failure

    def delivered(self, batch: Sequence[Delivery]) -> None:
        for each in batch:
            self.judged[each.entry.event_type] += 1
            if each.ledger.may_send:
                self.owed[each.key].remove(each)

    def refused(self, each: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        assert fault.cause is DeadLetterCause.REFUSED
        kind = each.entry.event_type
        assert kind not in self.closed_now, "dead-lettered behind a closed guard"
        self.judged[kind] += 1
        self.written[kind] += 1
        if self.accepting and kind == "A":
            self.written[kind] = self.judged[kind] = 0
        self.letters.append((each, acknowledged))
        if self.acknowledges_at_once:
            self.acknowledge(-1)

    def acknowledge(self, index: int) -> None:
        each, acknowledged = self.letters.pop(index)
        if each.ledger.may_send:
            self.owed[each.key].remove(each)
        acknowledged()

    # ── What happens ──

    def waits(self, each: Delivery) -> tuple[str, object] | None:
        return self.guarding.reason(each)

    @rule(some=st.lists(st.tuples(st.integers(0, KEYS - 1), st.sampled_from(KINDS), MOSTLY), min_size=2, max_size=12))
    def put(self, some: list[tuple[int, str, bool]]) -> None:
        made = []
        for key, kind, bad in some:
            slot, entry = next(self.slots), Entry(kind, "copilot", "custom_event", "custom_event")
            body = BAD if bad and not self.mended else b"fine"
            each = Delivery(body, key, SHAPE, f"id-{slot}", 0, entry, cast("Any", self.ledger), slot)
            self.owed[key].append(each)
            made.append(each)
        self.queue.append(made)

    @precondition(lambda self: not self.wire)
    @rule(answered=st.booleans())
    def call(self, *, answered: bool) -> None:
        self.send(
            self.queue.take_batch(self.waits if self.guarding.circuit_breakers else None, self.outcomes.dead_letter)
        )
        assert not {each.entry.event_type for each in self.wire} & self.closed_now
        if answered and self.wire:
            self.answered()

    @precondition(lambda self: not self.wire and self.closed_now)
    @rule(data=st.data())
    def probe(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(sorted(self.closed_now)))
        one = self.queue.take_probe(("guard", kind), lambda _: True)
        self.send([] if one is None else [one])

    def send(self, batch: list[Delivery]) -> None:
        self.wire, self.started = batch, time.monotonic()
        for key in {each.key for each in batch}:
            mine = [each for each in batch if each.key == key]
            assert mine == self.owed[key][: len(mine)], "passed an earlier one of its key"

    @precondition(lambda self: self.wire)
    @rule()
    def answered(self) -> None:
        batch, self.wire = self.wire, []
        bad = {index: REFUSED for index, each in enumerate(batch) if each.body == BAD and not self.mended}
        verdict: Verdict
        if not bad:
            verdict = Delivered()
        elif self.names:
            verdict = PartiallyRefused(bad)
        else:
            verdict = Refused(REFUSED) if len(batch) == 1 else BatchRefused(REFUSED)
        self.outcomes.handle_verdict(batch, verdict, self.started, reached_endpoint=True)

    @precondition(lambda self: self.letters)
    @rule(data=st.data())
    def letter_acknowledged(self, data: st.DataObject) -> None:
        self.acknowledge(data.draw(st.integers(0, len(self.letters) - 1)))

    @rule()
    def an_operator_accepts_or_no_longer_does(self) -> None:
        self.accepting = not self.accepting
        accepted = AcceptRefusals(until_ms=0, reason="", cause=DeadLetterCause.REFUSED, event_type="A")
        self.guarding.accept([accepted] if self.accepting else [])
        self.written["A"] = self.judged["A"] = 0

    @rule()
    def the_partition_goes(self) -> None:
        self.ledger.may_send = False
        self.queue.drop_revoked()
        self.ledger = FakeLedger()
        self.owed = {key: [] for key in range(KEYS)}

    # ── What is always so ──

    @invariant()
    def few_are_dead_lettered(self) -> None:
        for kind in KINDS:
            assert self.written[kind] <= max(OPTIONS.refusals - 1, OPTIONS.share * self.judged[kind])

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        aside = [each for waiting in self.queue._waiting.values() for each in waiting]
        letters = [each for each, _ in self.letters]
        here = [each for each in [*self.queue._queue, *aside, *self.wire, *letters] if each.ledger.may_send]
        assert Counter(map(id, here)) == Counter(id(each) for some in self.owed.values() for each in some)

    @invariant()
    def what_waits_is_of_a_type_that_is_closed(self) -> None:
        for (scope, kind), waiting in self.queue._waiting.items():
            if scope == "guard" and waiting:
                assert kind in self.closed_now
        assert {kind for kind, _ in self.guarding.circuit_breakers} == self.closed_now

    def teardown(self) -> None:
        """Mend everything: probes open every guard that anything waits at, and all that is owed goes, in order."""
        self.mended = True
        if self.wire:
            self.answered()
        while self.letters:
            self.acknowledge(0)
        for _ in range(1000):
            while self.queue:
                self.call(answered=True)
            waiting = [kind for kind in self.closed_now if self.queue.count_waiting(("guard", kind))]
            if not waiting:
                break
            one = self.queue.take_probe(("guard", waiting[0]), lambda _: True)
            assert one is not None
            self.send([one])
            self.answered()
            assert waiting[0] not in self.closed_now, "a probe that was taken opens it"
        assert not any(self.owed.values())
        assert not self.letters


TestTheLane = Floods.TestCase
TestTheLane.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
