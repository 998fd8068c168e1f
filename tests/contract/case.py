"""What a contract case is made of: things to say, and what must have become of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumer.demo.fakes.base import Fake
from consumer.model.values import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """One event, said to one target.

    Attributes:
        target: which.
        name: the entry's name, where the target has one.
        fields: what the mapping made of it.
        said: what the server must hold of these fields; none: the fields as they are.
        cause: why it must become a letter; none: it must be held.
        age_s: how long ago it happened; negative: it is yet to.
        key: what orders it.
    """

    target: str
    fields: Fields
    name: str | None = None
    said: Mapping[str, Any] | None = None
    cause: str | None = None
    age_s: float = 60.0
    key: int = 1

    @property
    def content(self) -> Mapping[str, Any]:
        """What the server must hold."""
        return self.fields if self.said is None else self.said


def _nothing(_: Fake) -> None:
    pass


async def _no_more(_: Fake) -> None:
    pass


def _content(_: Fake) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that can happen between a client and its server.

    Attributes:
        name: what it is about.
        sayings: what is said.
        prepare: sets the server up.
        meanwhile: what happens while the client is at work.
        also: complaints of the case's own, when all is over.
        options: of the destination.
        unsayable: entries (target, name) that must be refused before anything runs.
        repeats: whether an answer is lost, so that something may arrive twice.
    """

    name: str
    sayings: tuple[Saying, ...] = ()
    prepare: Callable[[Any], object] = _nothing
    meanwhile: Callable[[Any], Awaitable[None]] = _no_more
    also: Callable[[Any], Iterator[str]] = _content
    options: Mapping[str, Any] = field(default_factory=dict)
    unsayable: tuple[tuple[str, str | None], ...] = ()
    repeats: bool = False
