"""The protocol every destination shares: pure, no clock, no I/O, no randomness of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from consumer.model import BatchEnvelope, Endpoint, Fault, HttpResponse, Verdict
from consumer.model.values import Fields


class EntryError(ValueError):
    """An entry of the mapping that its destination cannot serve, found before anything runs.

    Args:
        message: what is wrong, one sentence.
        hint: what to do instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class OptionError(ValueError):
    """An option of a destination that cannot be meant.

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
    """One delivery in the destination's words, encoded once: `body` is joined into calls of `shape` as it is."""

    body: bytes
    envelope: BatchEnvelope
    identity: str


Encoder: TypeAlias = Callable[[Fields, bytes, int], "Encoded | Fault"]
"""(fields, identity as 16 bytes, event time in epoch nanoseconds) → the body, or what the contract forbids."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field a target knows: whether it must be there, and the fields inside it where these are fixed too."""

    mandatory: bool = False
    fields: Mapping[str, FieldRule] | None = None
    """The fields of an object whose names are fixed; `None` = any value, or an object with free names."""
    free: bool = True
    """With `fields`: whether other names may stand beside them."""
    carries_consent: bool = False
    """Whether it states a consent: an entry that maps it is never gated by one, else no withdrawal would be said."""


@dataclass(frozen=True, slots=True)
class Target:
    """What one `to: destination.target` of the mapping may say; checked when the mapping is loaded."""

    name: str
    named: bool = False
    """Whether the entry's `name:` is mandatory (`True`) or not understood (`False`)."""
    name_optional: bool = False
    fields: Mapping[str, FieldRule] = field(default_factory=dict)
    free: bool = False
    """Whether fields with other names may stand beside the known ones."""
    one_of: tuple[tuple[str, ...], ...] = ()
    """Of each group at least one field must be mapped."""
    carries_consent: bool = False
    """Consent changes are never gated by a consent."""
    by_name: Mapping[str, Target] = field(default_factory=dict)
    """What certain names of the entry need instead: `target.by_name.get(name.strip(), target)` is the contract."""


@dataclass(frozen=True, slots=True)
class Basic:
    """HTTP Basic credentials: the names of the two secrets in the destination's options; a `None` password is blank."""

    user: str
    password: str | None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token fetched by a call of its own, sent in a header; renewed when refused or older than `life_s` seconds."""

    header: str
    endpoint: Endpoint
    secret: str
    """Name of the secret among the destination's options that `body` needs."""
    life_s: float
    body: Callable[[str], bytes]
    """The secret's value → body of the token call."""
    read: Callable[[HttpResponse], str | Fault]
    """The token call's reply → the token, or why there is none."""


class Destination(Protocol):
    """One destination: what may be said to it, how it is said, and what its answers mean."""

    name: str
    kind: str
    targets: Mapping[str, Target]
    endpoints: Sequence[Endpoint]
    """All endpoints, so that metrics know their labels before the first call."""
    headers: Mapping[str, str]
    """Constant headers of every call."""
    credential: Basic | AccessToken

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Return the function that says one entry's events; `name` is the entry's `name:`."""

    def identity(self, digest: bytes, time_ms: int, /) -> str:
        """Return a delivery's 16 bytes in this destination's form, on every attempt, letter and redrive the same.

        `time_ms` is the event's time in epoch milliseconds, whatever it is: the form may hold it.
        """

    def judge(self, envelope: BatchEnvelope, identities: Sequence[str], response: HttpResponse) -> Verdict:
        """Read one answer, whole: total over every status and any body."""
