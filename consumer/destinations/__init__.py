"""The protocol that every destination implements. Implementations are pure: no clock, no I/O, no randomness."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from consumer.model import BatchEnvelope, Endpoint, Fault, HttpResponse, Verdict
from consumer.model.values import Fields


class EntryError(ValueError):
    """A mapping entry that its destination cannot serve. Raised when the mapping is loaded.

    Args:
        message: what is wrong, one sentence.
        hint: what to do instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class OptionError(ValueError):
    """An invalid option of a destination.

    Args:
        option: its name, as the configuration file has it.
        message: what is wrong, one sentence, without the value.
        hint: what to write instead.
    """

    def __init__(self, option: str, message: str, hint: str = "") -> None:
        super().__init__(f"{option}: {message}")
        self.option = option
        self.message = message
        self.hint = hint


class Encoded(NamedTuple):
    """One delivery, encoded once. A request joins the bodies of one `envelope` without changing them."""

    body: bytes
    envelope: BatchEnvelope
    identity: str


Encoder: TypeAlias = Callable[[Fields, bytes, int], "Encoded | Fault"]
"""(fields, identity as 16 bytes, event time in epoch nanoseconds) → the encoded delivery, or the contract violation."""


NamesProblem: TypeAlias = Callable[[Collection[str]], "str | None"]
"""Mapped names of one object → what the destination refuses about their number or combination."""

PropertyProblem: TypeAlias = Callable[[str, object], "str | None"]
"""(property name, value) → what the destination refuses about it, in words without the value."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field of a target."""

    mandatory: bool = False
    fields: Mapping[str, FieldRule] | None = None
    """The fields of an object with fixed names. `None` = any value, or an object with any names."""
    free: bool = True
    """With `fields`: whether the object may hold other names too."""
    carries_consent: bool = False
    """Whether the field states a consent. `consent:` never gates an entry that maps it: a withdrawal must be sent."""
    problem: Callable[[object], str | None] | None = None
    """Value → what the destination refuses about it; checked for constants, lists and objects of the mapping."""
    property_problem: PropertyProblem | None = None
    """The rule for each property of an object with any names."""
    names_problem: NamesProblem | None = None
    """With `fields`: the rule for the names of the object together."""


@dataclass(frozen=True, slots=True)
class Target:
    """The contract of one `to: destination.target`. The mapping is checked against it when it is loaded."""

    name: str
    named: bool = False
    """Whether the entry's `name:` is mandatory (`True`) or refused (`False`, unless `name_optional`)."""
    name_optional: bool = False
    fields: Mapping[str, FieldRule] = field(default_factory=dict)
    free: bool = False
    """Whether fields with other names are allowed too."""
    property_problem: PropertyProblem | None = None
    """The rule for each field with another name."""
    names_problem: NamesProblem | None = None
    """The rule for the names of the fields together."""
    one_of: tuple[tuple[str, ...], ...] = ()
    """Groups of fields. At least one field of each group must be mapped."""
    carries_consent: bool = False
    """Whether the request itself changes a consent. Such a target is never gated by `consent:`."""
    by_name: Mapping[str, Target] = field(default_factory=dict)
    """Contracts for certain names of the entry: `target.by_name.get(name.strip(), target)` is the one in force."""


@dataclass(frozen=True, slots=True)
class Basic:
    """HTTP Basic credentials: names of two secrets among the destination's options. `password` `None` = empty."""

    user: str
    password: str | None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token from a token endpoint, sent in a header. Renewed when it is rejected or older than `life_s` seconds."""

    header: str
    endpoint: Endpoint
    secret: str
    """Name of the secret, among the destination's options, that `body` is called with."""
    life_s: float
    body: Callable[[str], bytes]
    """Secret value → body of the token request."""
    read: Callable[[HttpResponse], str | Fault]
    """The token call's response → the token, or the reason why there is none."""


class Destination(Protocol):
    """One destination: its targets, its encoding, and the meaning of its responses."""

    name: str
    kind: str
    targets: Mapping[str, Target]
    endpoints: Sequence[Endpoint]
    """All endpoints, so that metrics can create their series before the first request."""
    headers: Mapping[str, str]
    """Constant headers of every request."""
    credential: Basic | AccessToken

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Return the encoder of one mapping entry; `name` is the entry's `name:`.

        Raises:
            EntryError: the target or the name is not valid for this destination.
        """

    def identity(self, digest: bytes, time_ms: int, /) -> str:
        """Return a delivery's identity in this destination's format. It is the same on every attempt and redrive.

        Args:
            digest: the identity as 16 bytes.
            time_ms: the event's time in epoch milliseconds, without limits. A ULID holds it.
        """

    def judge(self, envelope: BatchEnvelope, identities: Sequence[str], response: HttpResponse) -> Verdict:
        """Return the verdict on one response. Defined for every status and any body."""
