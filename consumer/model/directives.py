"""What an operator may say while the service runs: four kinds of sentence, each with its end.

They are read from a file (`consumer.directives.parser`) and acted on by whoever is spoken of. An ordering key is
personal data: it is compared, and never printed, logged or shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from consumer.model import DeadLetterCause

ResumeAt: TypeAlias = "Literal['earliest', 'latest'] | int"
"""Where a partition goes on after a gap: its first record, behind its last one, or an offset."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing goes to a destination, or nothing of an event type does; with both, only that type to that destination.

    At least one of the two is said.
    """

    kind: ClassVar[str] = "pause"

    until_ms: int
    """Its end, epoch milliseconds."""
    reason: str = field(repr=False)
    """Why, in the operator's words; "" = unsaid."""
    destination: str | None = None
    event_type: str | None = None

    def scope(self) -> Mapping[str, str]:
        """Return what it speaks of, as it may be shown to anybody."""
        return _said(destination=self.destination, event_type=self.event_type)


@dataclass(frozen=True, slots=True)
class AcceptRefusals:
    """Refusals of one cause are meant: the flood guard lets them through to the dead-letter topic.

    Without a destination, or an event type, those of all. A cause of decoding has a `topic` instead of both.
    """

    kind: ClassVar[str] = "accept_refusals"

    until_ms: int
    reason: str = field(repr=False)
    cause: DeadLetterCause
    destination: str | None = None
    event_type: str | None = None
    topic: str | None = None

    def scope(self) -> Mapping[str, str]:
        """Return what it speaks of, as it may be shown to anybody."""
        return _said(destination=self.destination, event_type=self.event_type, topic=self.topic, cause=self.cause.value)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What stands at one position, or has one ordering key, goes to the dead-letter topic with no call made for it.

    Either `partition` and `offset` are said, or `key`. Without a destination, what is owed to all.
    """

    kind: ClassVar[str] = "quarantine"

    until_ms: int
    reason: str = field(repr=False)
    topic: str
    partition: int | None = None
    offset: int | None = None
    key: str | None = field(default=None, repr=False)
    """Personal data: for comparing, and for nothing else."""
    destination: str | None = None

    def scope(self) -> Mapping[str, str]:
        """Return what it speaks of, as it may be shown to anybody: of a key only that there is one."""
        if self.key is not None:
            return _said(topic=self.topic, key="set", destination=self.destination)
        return _said(position=f"{self.topic}/{self.partition}/{self.offset}", destination=self.destination)


@dataclass(frozen=True, slots=True)
class AcceptGap:
    """A partition whose next offset is gone may go on elsewhere: what lies between is lost, and somebody said so.

    It speaks of the one stop before `stopped_at`. A later gap of the same partition would otherwise be passed over
    silently, after a restart or on another member, for as long as the directive stands in its file.
    """

    kind: ClassVar[str] = "accept_gap"

    until_ms: int
    reason: str = field(repr=False)
    topic: str
    partition: int
    stopped_at: int
    """The offset that it stopped before, as the status, the log and the page tell it; `from` in the file."""
    to: ResumeAt

    def scope(self) -> Mapping[str, str]:
        """Return what it speaks of, as it may be shown to anybody."""
        return {"partition": f"{self.topic}/{self.partition}", "from": str(self.stopped_at), "to": str(self.to)}


Directive: TypeAlias = "Pause | AcceptRefusals | Quarantine | AcceptGap"


class Directives(tuple[Directive, ...]):
    """Directives together, in the order of their file. Equal ones say the same, whoever read them when."""

    __slots__ = ()

    def in_force(self, now_ms: int) -> Directives:
        """Return those that are not over."""
        return Directives(each for each in self if each.until_ms > now_ms)

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """What is paused."""
        return tuple(each for each in self if isinstance(each, Pause))

    @property
    def accepted(self) -> tuple[AcceptRefusals, ...]:
        """Which refusals are meant."""
        return tuple(each for each in self if isinstance(each, AcceptRefusals))

    @property
    def quarantines(self) -> tuple[Quarantine, ...]:
        """What is dead-lettered unsent."""
        return tuple(each for each in self if isinstance(each, Quarantine))

    @property
    def gaps(self) -> tuple[AcceptGap, ...]:
        """Which gaps are accepted."""
        return tuple(each for each in self if isinstance(each, AcceptGap))


NONE = Directives(())


@dataclass(frozen=True, slots=True)
class DirectiveTargets:
    """What directives may speak of."""

    destinations: Collection[str]
    event_types: Collection[str]
    topics: Sequence[str]
    """Names, or regular expressions, as they are subscribed to."""


def _said(**scope: str | None) -> Mapping[str, str]:
    return {name: value for name, value in scope.items() if value is not None}
