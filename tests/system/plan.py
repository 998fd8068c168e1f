"""What the servers do wrong in the scenario, by seeded dice, each wrong named so that it can be counted."""

from __future__ import annotations

import random
from collections import Counter

from consumer.demo.fakes import Answer, Delay, Fake, Hang, LoseAnswer, MarkInvalid, Reset, Rule, chance, contains
from tests.system.shop import INVALID, POISON
from tests.system.world import TIMEOUT_S, World


class FaultPlan:
    """The rules of all three servers.

    Args:
        world: whose servers.
        dice: when they act.
        each: how often at most each passing fault strikes each server.
    """

    def __init__(self, world: World, dice: random.Random, each: int) -> None:
        self._rules: dict[str, list[Rule]] = {}
        for name in {member for members in world.pipelines.values() for member in members}:
            server = world.servers[name]
            # First what is about certain events: a fault that takes a call whole would let a poisoned one pass.
            rules = [server.poison(POISON[name])]
            if name == "copilot":
                found = contains(INVALID)
                mark = MarkInvalid("not a property of this type", lambda item: INVALID.encode() in item.raw)
                rules.append(server.faults.add(mark, when=found, name="200 with invalid"))
            self._rules[name] = rules + _passing(server, name, dice, each)

    def hits(self) -> dict[str, Counter[str]]:
        """How often each fault struck, by server."""
        return {name: Counter({rule.name: rule.hits for rule in rules}) for name, rules in self._rules.items()}


def _passing(server: Fake, name: str, dice: random.Random, each: int) -> list[Rule]:
    told = {"ratelimit-reset": "1"} if name == "yotpo" else {"retry-after": "1"}
    plan = (
        (Answer(500), "500", each),
        (Answer(503, {"retry-after": "1"}), "503", 1),
        (Answer(429, told), "429", 2),
        (Hang(60), "hang", max(2, each // 3)),
        (Delay(TIMEOUT_S * 1.6), "late", max(2, each // 3)),
        (LoseAnswer(), "lost answer", each),
        (Reset(), "reset", each),
    )
    return [
        server.faults.add(action, when=chance(0.03, dice), times=times, name=fault) for action, fault, times in plan
    ]
