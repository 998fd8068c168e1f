"""Fault injection: rules that match requests, and the actions they take."""

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
    """One complete request. Header names are lower-case, `path` is the unchanged request target."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    started: float
    client_left: float | None = None
    """When its client closed the connection before the response (monotonic seconds)."""
    number: int = 0
    document: Document | None = None
    items: list[Item] = field(default_factory=list)
    """Its readable events. An unreadable body has none."""
    problem: str = ""
    """Why the body is unreadable."""
    fault: str | None = None
    mark_invalid: MarkInvalid | None = None


# ── actions ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Respond:
    """Respond with this instead of processing. A body of `None` is an error in the vendor's format."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection instead of processing."""


@dataclass(frozen=True, slots=True)
class LoseResponse:
    """Process, then reset the connection without a response."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Neither process nor respond for `seconds` or until the client closes, then reset."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Respond after `seconds`. The request is processed before the wait, or after it."""

    seconds: float
    processed_first: bool = True


@dataclass(frozen=True, slots=True)
class WaitForGate:
    """Respond when the gate is open. The request is processed before the wait, or after it."""

    gate: Gate
    processed_first: bool = True


@dataclass(frozen=True, slots=True)
class Trickle:
    """Process, and spread the bytes of the response over `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Garbage:
    """Do not process. Write these bytes unchanged and close the connection."""

    data: bytes


@dataclass(frozen=True, slots=True)
class MarkInvalid:
    """Process, but list these events among `invalid_events` (Copilot only)."""

    error: str = "marked invalid by a fault rule"
    which: Callable[[Item], bool] = lambda _: True


Action: TypeAlias = Respond | Reset | LoseResponse | Hang | Delay | WaitForGate | Trickle | Garbage | MarkInvalid
Chooser: TypeAlias = "Callable[[IncomingRequest], Action | None]"
Predicate: TypeAlias = "Callable[[IncomingRequest], bool]"


class Gate:
    """A gate to wait for. Any thread can open it, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = False
        self._waiting: list[asyncio.Future[None]] = []

    def open(self) -> None:
        """Release every present and future waiter."""
        with self._lock:
            self._is_open = True
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.get_loop().is_closed():
                future.get_loop().call_soon_threadsafe(_pass, future)

    async def wait(self) -> None:
        """Wait until the gate is open."""
        with self._lock:
            if self._is_open:
                return
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
        await future


def _pass(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True, eq=False)
class Rule:
    """An action and the requests it applies to. It has acted `hits` times, and acts at most `times` times."""

    action: Action | Chooser
    when: Predicate
    times: int | None = None
    name: str = ""
    refuses: Callable[[Item], bool] | None = None
    """Selects the events to record as refused if this rule responds with a 4xx."""
    hits: int = 0


class FaultRules:
    """The rules of one server. The first rule that matches a request and is not used up acts."""

    def __init__(self, *, can_mark: bool) -> None:
        self._can_mark = can_mark
        self._rules: tuple[Rule, ...] = ()

    def add(
        self, action: Action | Chooser, *, when: Predicate | None = None, times: int | None = None, name: str = ""
    ) -> Rule:
        """Append a rule.

        Raises:
            ValueError: `MarkInvalid` for a vendor whose responses list no invalid events.
        """
        return self.add_rule(Rule(action, when or always, times, name or type(action).__name__))

    def add_rule(self, rule: Rule) -> Rule:
        """Append a complete rule; see `add`."""
        if isinstance(rule.action, MarkInvalid) and not self._can_mark:
            raise ValueError("only Copilot lists invalid events in its responses; use Respond here")
        self._rules = (*self._rules, rule)
        return rule

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, in the order in which they are tried."""
        return self._rules

    def remove(self, rule: Rule) -> None:
        """Remove a rule. A rule that is not present is ignored."""
        self._rules = tuple(kept for kept in self._rules if kept is not rule)

    def clear(self) -> None:
        """Remove all rules."""
        self._rules = ()

    def choose(self, incoming: IncomingRequest) -> tuple[Rule, Action] | None:
        """Return the rule that acts on this request and its action, and count it. `None` = no rule."""
        for rule in self._rules:
            if (rule.times is not None and rule.hits >= rule.times) or not rule.when(incoming):
                continue
            action = rule.action(incoming) if callable(rule.action) else rule.action
            if action is not None:
                rule.hits += 1
                return rule, action
        return None


# ── predicates ────────────────────────────────────────────────────────────────────────────────────────────────────────


def always(_: IncomingRequest) -> bool:
    """Match every request."""
    return True


def nth(number: int) -> Predicate:
    """Match the request with this number. The first one is 1."""
    return lambda incoming: incoming.number == number


def every(number: int) -> Predicate:
    """Match each request whose number is a multiple of `number`."""
    return lambda incoming: incoming.number % number == 0


def endpoint(path: str) -> Predicate:
    """Match requests whose path ends with `path`."""
    return lambda incoming: incoming.path.endswith(path)


def contains(text: str) -> Predicate:
    """Match requests whose body contains `text`, as spelled in the JSON."""
    encoded = text.encode()
    return lambda incoming: encoded in incoming.body


def carries(name: str) -> Predicate:
    """Match requests that carry the event with the id `name`."""
    return lambda incoming: any(item.id == name for item in incoming.items)


def chance(probability: float, rng: random.Random) -> Predicate:
    """Match a share `probability` of the requests, drawn from `rng`."""
    return lambda _: rng.random() < probability


def all_of(*predicates: Predicate) -> Predicate:
    """Match requests that all of these match. They are called in order, up to the first that does not match."""
    return lambda incoming: all(predicate(incoming) for predicate in predicates)
