"""A contract case: events to send, and the expected outcome of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumer.demo.fakes.base import Fake
from consumer.model.values import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event for one target.

    Attributes:
        target: the target's name.
        name: the entry's name, if the target has one.
        fields: the mapped fields.
        expected: the fields that the server must have stored; `None` = `fields`.
        cause: the dead-letter cause; `None` = the event must be delivered.
        age_s: age in seconds; negative = in the future.
        key: ordering key.
    """

    target: str
    fields: Fields
    name: str | None = None
    expected: Mapping[str, Any] | None = None
    cause: str | None = None
    age_s: float = 60.0
    key: int = 1

    @property
    def expected_fields(self) -> Mapping[str, Any]:
        """The fields that the server must have stored."""
        return self.fields if self.expected is None else self.expected


def _nothing(_: Fake) -> None:
    pass


async def _no_more(_: Fake) -> None:
    pass


def _content(_: Fake) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One situation between a client and its server.

    Attributes:
        name: the situation.
        events: the events to send.
        prepare: sets the server up.
        meanwhile: runs while the client works.
        extra_complaints: further checks of this case, run at the end.
        options: options of the destination.
        refused_entries: entries (target, name) that must raise `EntryError`.
        repeats: whether a response is lost, so that an event may arrive twice.
    """

    name: str
    events: tuple[Event, ...] = ()
    prepare: Callable[[Any], object] = _nothing
    meanwhile: Callable[[Any], Awaitable[None]] = _no_more
    extra_complaints: Callable[[Any], Iterator[str]] = _content
    options: Mapping[str, Any] = field(default_factory=dict)
    refused_entries: tuple[tuple[str, str | None], ...] = ()
    repeats: bool = False
