"""What the servers do wrong in the scenario, by seeded dice, each wrong named so that it can be counted."""

from __future__ import annotations

import random
from collections import Counter

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import (
    Delay,
    Gate,
    Hang,
    IncomingRequest,
    LoseResponse,
    Predicate,
    Reset,
    Respond,
    Rule,
    WaitForGate,
)
from tests.e2e.shop import INVALID, POISON
from tests.e2e.world import TIMEOUT_S, World


class FaultPlan:
    """The rules of all three servers.

    Args:
        world: whose servers.
        dice: in which order they act.
        each: how often the commoner faults strike each server.
        every: the calls from one fault to the next.
    """

    def __init__(self, world: World, dice: random.Random, *, each: int, every: int) -> None:
        self._rules: dict[str, list[Rule]] = {}
        self._holding = False
        self._gate = Gate()
        for name in {member for members in world.pipelines.values() for member in members}:
            server = world.servers[name]
            # First what is about certain events: a fault that takes a call whole would let a poisoned one pass.
            rules = [server.poison(POISON[name])]
            if name == "copilot":
                rules.append(world.mark_invalid(INVALID))
            # A sender may give a held call up: it was processed then, and what is in it may come again.
            rules.append(server.faults.add(WaitForGate(self._gate), when=lambda _: self._holding, name="held answer"))
            self._rules[name] = rules + _passing(server, name, dice, each, every)

    def hold_responses(self) -> None:
        """Answer no call from now on, but for those about poisoned events."""
        self._holding = True

    def release_responses(self) -> None:
        """Answer what was held, and hold nothing any more."""
        self._holding = False
        self._gate.open()

    def hits(self) -> dict[str, Counter[str]]:
        """How often each fault struck, by server."""
        return {name: Counter({rule.name: rule.hits for rule in rules}) for name, rules in self._rules.items()}


class RequestCycle:
    """Whose turn it is: every so many calls the next fault of a shuffled row."""

    def __init__(self, row: list[str], every: int) -> None:
        self._row = row
        self._every = every
        self._calls = 0
        self._now: str | None = None

    def count(self, _: IncomingRequest) -> bool:
        """Count a call that no other rule has taken; never take it."""
        self._calls += 1
        self._now = self._row.pop() if self._row and self._calls % self._every == 0 else None
        return False

    def of(self, fault: str) -> Predicate:
        """Fit the calls that are this fault's."""
        return lambda _: self._now == fault


def _passing(server: Fake, name: str, dice: random.Random, each: int, every: int) -> list[Rule]:
    told = {"ratelimit-reset": "1"} if name == "yotpo" else {"retry-after": "1"}
    plan = (
        (Respond(500), "500", each),
        (Respond(503, {"retry-after": "1"}), "503", 1),
        (Respond(429, told), "429", 2),
        (Hang(60), "hang", max(2, each // 3)),
        (Delay(TIMEOUT_S * 1.6), "late", max(2, each // 3)),
        (LoseResponse(), "lost answer", each),
        (Reset(), "reset", each),
    )
    row = [fault for _, fault, times in plan for _ in range(times)]
    dice.shuffle(row)
    turns = RequestCycle(row, every)
    server.faults.add(Reset(), when=turns.count)
    return [server.faults.add(action, when=turns.of(fault), name=fault) for action, fault, _ in plan]
