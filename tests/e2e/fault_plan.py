"""The servers' faults in the scenario, in a seeded random order, each with a name for its count."""

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
        world: has the servers.
        rng: shuffles the faults.
        each: how often each of the frequent faults occurs at each server.
        every: the number of requests from one fault to the next.
    """

    def __init__(self, world: World, rng: random.Random, *, each: int, every: int) -> None:
        self._rules: dict[str, list[Rule]] = {}
        self._is_holding = False
        self._gate = Gate()
        for name in {member for members in world.pipelines.values() for member in members}:
            server = world.servers[name]
            # Rules for certain events come first: a fault for whole requests would let a poisoned event pass.
            rules = [server.poison(POISON[name])]
            if name == "copilot":
                rules.append(world.mark_invalid(INVALID))
            # The client may time out on a held response. The request was processed, so its events may arrive again.
            rules.append(
                server.faults.add(WaitForGate(self._gate), when=lambda _: self._is_holding, name="held response")
            )
            self._rules[name] = rules + _passing(server, name, rng, each, every)

    def hold_responses(self) -> None:
        """Hold back every response from now on, except to poisoned events."""
        self._is_holding = True

    def release_responses(self) -> None:
        """Send the held responses, and hold back no more."""
        self._is_holding = False
        self._gate.open()

    def hits(self) -> dict[str, Counter[str]]:
        """Return how often each fault occurred, by server."""
        return {name: Counter({rule.name: rule.hits for rule in rules}) for name, rules in self._rules.items()}


class RequestCycle:
    """Chooses the next fault of a shuffled list at every `every`-th request."""

    def __init__(self, row: list[str], every: int) -> None:
        self._row = row
        self._every = every
        self._calls = 0
        self._now: str | None = None

    def count(self, _: IncomingRequest) -> bool:
        """Count a request that no earlier rule has matched. Never match it."""
        self._calls += 1
        self._now = self._row.pop() if self._row and self._calls % self._every == 0 else None
        return False

    def of(self, fault: str) -> Predicate:
        """Match the requests chosen for this fault."""
        return lambda _: self._now == fault


def _passing(server: Fake, name: str, rng: random.Random, each: int, every: int) -> list[Rule]:
    wait_headers = {"ratelimit-reset": "1"} if name == "yotpo" else {"retry-after": "1"}
    plan = (
        (Respond(500), "500", each),
        (Respond(503, {"retry-after": "1"}), "503", 1),
        (Respond(429, wait_headers), "429", 2),
        (Hang(60), "hang", max(2, each // 3)),
        (Delay(TIMEOUT_S * 1.6), "late", max(2, each // 3)),
        (LoseResponse(), "lost response", each),
        (Reset(), "reset", each),
    )
    row = [fault for _, fault, times in plan for _ in range(times)]
    rng.shuffle(row)
    cycle = RequestCycle(row, every)
    server.faults.add(Reset(), when=cycle.count)
    return [server.faults.add(action, when=cycle.of(fault), name=fault) for action, fault, _ in plan]
