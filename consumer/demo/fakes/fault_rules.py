"""What can be made to go wrong, and when: rules over requests, and the actions they take."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from consumer.demo.fakes.parsing import Document
from consumer.demo.fakes.recorder import Item


@dataclass(slots=True)
class IncomingRequest:
    """One request that has arrived whole; header names are lower-case, `path` is as it stood in the request line."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    started: float
    client_left: float | None = None
    """When its sender left without an answer."""
    number: int = 0
    document: Document | None = None
    items: list[Item] = field(default_factory=list)
    """The events in it as far as they can be read; an unreadable body has none."""
    problem: str = ""
    """Why the body cannot be read."""
    fault: str | None = None
    mark_invalid: MarkInvalid | None = None


# ── actions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer this instead of processing; a body of `None` is an error in the vendor's own form."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection instead of processing."""


@dataclass(frozen=True, slots=True)
class LoseResponse:
    """Process, then reset the connection: it happened and nobody was told."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Neither process nor answer for so many seconds (or until the client leaves), then reset."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer so many seconds late; processed before the wait, or after it."""

    seconds: float
    processed_first: bool = True


@dataclass(frozen=True, slots=True)
class WaitForGate:
    """Answer when the gate has been opened; processed before the wait, or after it."""

    gate: Gate
    processed_first: bool = True


@dataclass(frozen=True, slots=True)
class Trickle:
    """Process, and let the bytes of the answer drip out over so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Garbage:
    """Do not process; write these bytes as they are and close."""

    data: bytes


@dataclass(frozen=True, slots=True)
class MarkInvalid:
    """Process, but list these events among `invalid_events` (Copilot only)."""

    error: str = "marked invalid by the fault plan"
    which: Callable[[Item], bool] = lambda _: True


Action: TypeAlias = Respond | Reset | LoseResponse | Hang | Delay | WaitForGate | Trickle | Garbage | MarkInvalid
Chooser: TypeAlias = "Callable[[IncomingRequest], Action | None]"
Predicate: TypeAlias = "Callable[[IncomingRequest], bool]"


class Gate:
    """Something to wait for that any thread can open, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = False
        self._waiting: list[asyncio.Future[None]] = []

    def open(self) -> None:
        """Let everyone through, now and later."""
        with self._lock:
            self._is_open = True
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.get_loop().is_closed():
                future.get_loop().call_soon_threadsafe(_pass, future)

    async def wait(self) -> None:
        """Wait until it is open."""
        with self._lock:
            if self._is_open:
                return
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
        await future


def _pass(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True, eq=False)
class Rule:
    """An action, the requests it is for, and how often it has acted (`hits`) and may act (`times`)."""

    action: Action | Chooser
    when: Predicate
    times: int | None = None
    name: str = ""
    refuses: Callable[[Item], bool] | None = None
    """The events to be written down as refused when this rule answers with a 4xx."""
    hits: int = 0


class FaultRules:
    """The plan of one server: the first rule that fits a request and is not used up acts."""

    def __init__(self, *, can_mark: bool) -> None:
        self._can_mark = can_mark
        self._rules: tuple[Rule, ...] = ()

    def add(
        self, action: Action | Chooser, *, when: Predicate | None = None, times: int | None = None, name: str = ""
    ) -> Rule:
        """Add a rule behind the others.

        Raises:
            ValueError: `MarkInvalid` for a vendor whose answers have no list of invalid events.
        """
        return self.add_rule(Rule(action, when or always, times, name or type(action).__name__))

    def add_rule(self, rule: Rule) -> Rule:
        """Add a rule made elsewhere; see `add`."""
        if isinstance(rule.action, MarkInvalid) and not self._can_mark:
            raise ValueError("only Copilot lists invalid events in its answers; use Answer here")
        self._rules = (*self._rules, rule)
        return rule

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, in the order in which they are tried."""
        return self._rules

    def remove(self, rule: Rule) -> None:
        """Take a rule out; one that is not in does no harm."""
        self._rules = tuple(kept for kept in self._rules if kept is not rule)

    def clear(self) -> None:
        """Take all rules out."""
        self._rules = ()

    def choose(self, incoming: IncomingRequest) -> tuple[Rule, Action] | None:
        """Return the rule that acts on this request with its action, counted, or `None`."""
        for rule in self._rules:
            if (rule.times is not None and rule.hits >= rule.times) or not rule.when(incoming):
                continue
            action = rule.action(incoming) if callable(rule.action) else rule.action
            if action is not None:
                rule.hits += 1
                return rule, action
        return None


# ── predicates ────────────────────────────────────────────────────────────────────────────────────────────────────


def always(_: IncomingRequest) -> bool:
    """Fit every request."""
    return True


def nth(number: int) -> Predicate:
    """Fit the request with this number; the first one is 1."""
    return lambda incoming: incoming.number == number


def every(number: int) -> Predicate:
    """Fit each request whose number is a multiple of this."""
    return lambda incoming: incoming.number % number == 0


def endpoint(path: str) -> Predicate:
    """Fit requests whose path ends like this."""
    return lambda incoming: incoming.path.endswith(path)


def contains(text: str) -> Predicate:
    """Fit requests whose body contains this text (as it stands in the JSON)."""
    sought = text.encode()
    return lambda incoming: sought in incoming.body


def carries(name: str) -> Predicate:
    """Fit requests that carry the event with this id."""
    return lambda incoming: any(item.id == name for item in incoming.items)


def chance(probability: float, rng: random.Random) -> Predicate:
    """Fit this share of the requests, by dice of one's own."""
    return lambda _: rng.random() < probability


def all_of(*predicates: Predicate) -> Predicate:
    """Fit what all of these fit, asked in order."""
    return lambda incoming: all(predicate(incoming) for predicate in predicates)
