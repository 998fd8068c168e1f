"""Operator directives: four kinds of instruction for the running service, each with an end.

`consumer.directives.parser` reads them from a file; the pipelines act on them. An ordering key is personal data: it is
compared, and never printed, logged or shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from consumer.model import DeadLetterCause, Fault

ResumeAt: TypeAlias = "Literal['earliest', 'latest'] | int"
"""Where a partition continues after a gap: at its first record, after its last one, or at an offset."""


QUARANTINED = Fault(DeadLetterCause.QUARANTINED, "by an operator's directive")
"""The fault of a record or delivery that a quarantine names."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Deliveries to a destination, or of an event type, wait. With both, only that type to that destination.

    At least one of the two is set.
    """

    kind: ClassVar[str] = "pause"

    until_ms: int
    """Its end, in epoch milliseconds."""
    reason: str = field(repr=False)
    """The operator's reason; "" = none given."""
    destination: str | None = None
    event_type: str | None = None

    def scope(self) -> Mapping[str, str]:
        """Return its scope in public form."""
        return _shown(destination=self.destination, event_type=self.event_type)


@dataclass(frozen=True, slots=True)
class AcceptRefusals:
    """Refusals of one cause are expected: the flood guard lets them pass to the dead-letter topic.

    Without a destination or event type it applies to all. A cause of decoding has a `topic` instead of both.
    """

    kind: ClassVar[str] = "accept_refusals"

    until_ms: int
    reason: str = field(repr=False)
    cause: DeadLetterCause
    destination: str | None = None
    event_type: str | None = None
    topic: str | None = None

    def scope(self) -> Mapping[str, str]:
        """Return its scope in public form."""
        return _shown(
            destination=self.destination, event_type=self.event_type, topic=self.topic, cause=self.cause.value
        )


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The record at one offset, or the records with one ordering key, become dead letters without any request.

    Either `partition` and `offset` are set, or `key`. Without a destination it applies to the deliveries to all.
    """

    kind: ClassVar[str] = "quarantine"

    until_ms: int
    reason: str = field(repr=False)
    topic: str
    partition: int | None = None
    offset: int | None = None
    key: str | None = field(default=None, repr=False)
    """Personal data: used for comparison only."""
    destination: str | None = None

    def scope(self) -> Mapping[str, str]:
        """Return its scope in public form. A key appears only as `set`."""
        if self.key is not None:
            return _shown(topic=self.topic, key="set", destination=self.destination)
        return _shown(position=f"{self.topic}/{self.partition}/{self.offset}", destination=self.destination)


@dataclass(frozen=True, slots=True)
class AcceptGap:
    """A partition whose next offset is gone may continue elsewhere. The records between are lost; the operator agreed.

    It applies only to the stop before `stopped_at`. Otherwise a later gap of the same partition would be skipped
    silently, after a restart or on another member, for as long as the directive is in its file.
    """

    kind: ClassVar[str] = "accept_gap"

    until_ms: int
    reason: str = field(repr=False)
    topic: str
    partition: int
    stopped_at: int
    """The offset that it stopped before, as shown by status, log and page; `from` in the file."""
    to: ResumeAt

    def scope(self) -> Mapping[str, str]:
        """Return its scope in public form."""
        return {"partition": f"{self.topic}/{self.partition}", "from": str(self.stopped_at), "to": str(self.to)}


Directive: TypeAlias = "Pause | AcceptRefusals | Quarantine | AcceptGap"


class Directives(tuple[Directive, ...]):
    """Directives in the order of their file. They compare by content."""

    __slots__ = ()

    def in_force(self, now_ms: int) -> Directives:
        """Return those that have not ended."""
        return Directives(each for each in self if each.until_ms > now_ms)

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """The pauses."""
        return tuple(each for each in self if isinstance(each, Pause))

    @property
    def accepted(self) -> tuple[AcceptRefusals, ...]:
        """The expected refusals."""
        return tuple(each for each in self if isinstance(each, AcceptRefusals))

    @property
    def quarantines(self) -> tuple[Quarantine, ...]:
        """The quarantined records."""
        return tuple(each for each in self if isinstance(each, Quarantine))

    @property
    def gaps(self) -> tuple[AcceptGap, ...]:
        """The accepted gaps."""
        return tuple(each for each in self if isinstance(each, AcceptGap))


NONE = Directives(())


@dataclass(frozen=True, slots=True)
class DirectiveTargets:
    """The names that directives may refer to."""

    destinations: Collection[str]
    event_types: Collection[str]
    topics: Sequence[str]
    """Names, or patterns, as subscribed."""
    own_topics: Collection[str] = ()
    """Topics that no pattern matches."""


def _shown(**scope: str | None) -> Mapping[str, str]:
    return {name: value for name, value in scope.items() if value is not None}
