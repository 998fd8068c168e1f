"""Customer.io as a destination: batches of equal surroundings, alias alone, strict mode on.

Non-obvious:

* Without `X-Strict-Mode: 1` everything is answered with 200, a wrong key included.
* A call over 32 KB or a batch over 500 KB is answered with 200 and dropped, strict or not: sizes are checked here.
* `context` and `integrations` hold for a whole batch, and the official libraries put them into each call: the pair is
  part of the shape, written in both places, so either reading is served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from consumer.destinations import AccessToken, Basic, Encoded, Encoder, EntryError, OptionError, Target
from consumer.destinations.customerio.call_contracts import CALLS, CallContract, form_problem, integrations_problem
from consumer.destinations.customerio.semantic_events import ACTING, meant
from consumer.destinations.customerio.semantic_fields import Completion, completion, typed_group
from consumer.destinations.encoding import canonical, dumps, fault, iso, size_fault
from consumer.destinations.id_formats import ulid_text
from consumer.destinations.option_checks import check_least, check_url
from consumer.destinations.status_verdicts import json_object, judge_status, unintelligible
from consumer.model import BatchEnvelope, DeadLetterCause, Delivered, Endpoint, Fault, HttpResponse, Verdict
from consumer.model.values import Fields

_SHAPES_REMEMBERED = 256
_OK = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerioOptions:
    """Where Customer.io is, how much a call may carry, and what is allowed.

    `url` ends in `/v1`, and its region must be the key's. `bytes` is a whole batch's body, `call_bytes` one call of it.
    `context` and `integrations` go with every call; an event's own are laid over them. `allow_events` names the acting
    events a mapping may send, and spellings that are meant.
    """

    url: str
    name: str = "customerio"
    events: int = 100
    bytes: int = 490_000
    call_bytes: int = 32_000
    context: Mapping[str, Any] = field(default_factory=lambda: {"channel": "server"})
    integrations: Mapping[str, bool] = field(default_factory=dict)
    allow_events: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        check_url(self.url)
        check_least("events", self.events, 1)
        check_least("call_bytes", self.call_bytes, 1000)
        check_least("bytes", self.bytes, self.call_bytes)
        if canonical(self.context) is None:
            raise OptionError("context", "cannot be written as JSON")
        if not all(isinstance(value, bool) for value in self.integrations.values()):
            raise OptionError("integrations", "must hold only true and false")


class Customerio:
    """The destination; see `Destination` for what its parts mean."""

    kind = "customerio"
    credential: Basic | AccessToken = Basic(user="api_key", password=None)
    headers: Mapping[str, str] = {"content-type": "application/json", "x-strict-mode": "1"}
    targets: Mapping[str, Target] = {name: call.target for name, call in CALLS.items()}
    identity = staticmethod(ulid_text)

    def __init__(self, options: CustomerioOptions) -> None:
        self.name = options.name
        self._options = options
        self._batch = Endpoint("batch", "POST", "/batch")
        self._alias = Endpoint("alias", "POST", "/alias")
        self.endpoints: Sequence[Endpoint] = (self._batch, self._alias)
        self._shapes: dict[str, BatchEnvelope] = {}
        self._alone = BatchEnvelope(self._alias, b"", b"", 1, options.call_bytes)

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Return the function that says one entry's events.

        Raises:
            EntryError: no such target; a name that is missing, not wanted or misspelt; an acting event not allowed.
        """
        call = CALLS.get(target)
        if call is None:
            raise EntryError(f"{self.name} has no target of this name", ", ".join(CALLS))
        event = self._event(call.target, name)
        complete: Completion | None = typed_group if target == "group" else None
        if target == "track" and (need := ACTING.get(event or "")):
            complete = completion(need)
        # A single call says by its path what it is; in a batch the type is mandatory.
        head = '{"messageId":"' if target == "alias" else f'{{"type":"{target}","messageId":"'
        said_name = "" if event is None else f',"{_NAME_KEYS[target]}":{orjson.dumps(event).decode()}'
        parts = _Parts(head, said_name, complete, (lambda _: self._alone) if target == "alias" else self._shape)
        return _encoder(call, parts, self._options)

    def judge(self, shape: BatchEnvelope, identities: Sequence[str], reply: HttpResponse) -> Verdict:  # noqa: ARG002 - all answer alike
        """Read one answer, whole: total over every status and any body."""
        verdict = judge_status(reply, len(identities))
        if verdict is not None:
            return verdict
        document = json_object(reply)
        if reply.status != _OK or document is None:
            return unintelligible(reply, "not the JSON object a strict 200 carries")
        meta = document.get("meta")
        if isinstance(meta, dict) and meta.get("errors"):
            return unintelligible(reply, "errors under the status of a success: is strict mode honoured?")
        return Delivered()

    def _event(self, target: Target, name: str | None) -> str | None:
        """Return the event's or page's name as it is sent, checked."""
        if name is None and not target.named:
            return None
        if not (target.named or target.name_optional):
            raise EntryError(f"{target.name} takes no name", "only track, page and screen have one")
        event = (name or "").strip()
        if not event:
            raise EntryError(f"{target.name} needs a name that is not blank", "name: the event's name at Customer.io")
        if target.name == "track" and event not in self._options.allow_events:
            if event in ACTING:
                raise EntryError(
                    f"{event} acts on the workspace and must be allowed by name",
                    f"allow_events: [{event}] among the destination's options, if it is meant",
                )
            if right := meant(event):
                raise EntryError(
                    "this name is not quite the reserved one, and nothing would act on it",
                    f"{right}; if the other spelling is meant, name it in allow_events",
                )
        return event

    def _shape(self, pair: str) -> BatchEnvelope:
        """Return the shape of a batch with these surroundings; every event may bring others, so few are remembered."""
        shape = self._shapes.get(pair)
        if shape is None:
            if len(self._shapes) >= _SHAPES_REMEMBERED:
                self._shapes.clear()
            options = self._options
            shape = BatchEnvelope(self._batch, b'{"batch":[', f"]{pair}}}".encode(), options.events, options.bytes)
            self._shapes[pair] = shape
        return shape


_NAME_KEYS = {"track": "event", "page": "name", "screen": "name"}
_SURROUNDINGS = ("context", "integrations")


@dataclass(frozen=True, slots=True)
class _Parts:
    """What of an entry's calls is known before any event: done once."""

    head: str
    name: str
    complete: Completion | None
    shape_of: Callable[[str], BatchEnvelope]


def _encoder(call: CallContract, parts: _Parts, options: CustomerioOptions) -> Encoder:
    head, said_name, complete, shape_of = parts.head, parts.name, parts.complete, parts.shape_of
    known, problem_with, most = frozenset(call.target.fields), call.problem, options.call_bytes
    pair = _pair(options.context, options.integrations) or ""
    constant_shape = shape_of(pair)
    constant_tail = f'"{said_name}{pair},'
    constant_room = _room(constant_shape, most)

    def encode(fields: Fields, identity: bytes, time_ns: int) -> Encoded | Fault:
        said: Fields | str = fields if complete is None else complete(fields)
        problem = said if isinstance(said, str) else form_problem(said, known) or problem_with(said)
        if isinstance(said, str) or problem is not None:
            return Fault(DeadLetterCause.CONTRACT, problem or "")
        shape, tail, room = constant_shape, constant_tail, constant_room
        if "context" in said or "integrations" in said:
            own = _own_pair(said, options)
            if isinstance(own, Fault):
                return own
            shape, tail = shape_of(own), f'"{said_name}{own},'
            room = _room(shape, most)
            said = {name: value for name, value in said.items() if name not in _SURROUNDINGS}
        content, time = dumps(said), iso(time_ns)
        if content is None:
            return fault(said)
        if time is None:
            return Fault(DeadLetterCause.CONTRACT, "the event's time lies outside the years 1 to 9999")
        message_id = Customerio.identity(identity, time_ns // 1_000_000)
        # Whoever the call speaks of is in `content`, so it is never empty.
        body = f'{head}{message_id}","timestamp":"{time}{tail}'.encode() + content[1:]
        return Encoded(body, shape, message_id) if len(body) <= room else size_fault(len(body), room)

    return encode


def _room(shape: BatchEnvelope, call_bytes: int) -> int:
    """Return the bytes one call of this shape may have: its own limit, and what a batch of one leaves it."""
    return min(call_bytes, shape.max_bytes - len(shape.prefix) - len(shape.suffix))


def _own_pair(fields: Fields, options: CustomerioOptions) -> str | Fault:
    """Return the surroundings of an event that brings its own, laid over those of the options."""
    context, integrations = _object(fields, "context"), _object(fields, "integrations")
    if problem := integrations_problem(integrations):
        return Fault(DeadLetterCause.CONTRACT, problem)
    pair = _pair({**options.context, **context}, {**options.integrations, **integrations})
    return fault({"context": context}) if pair is None else pair


def _object(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _pair(context: Mapping[str, Any], integrations: Mapping[str, Any]) -> str | None:
    """Return `,"context":{…},"integrations":{…}`, keys sorted, empty ones left out; `None` if it cannot be said."""
    pair = ""
    for name, value in (("context", context), ("integrations", integrations)):
        if value:
            content = canonical(value)
            if content is None:
                return None
            pair += f',"{name}":{content.decode()}'
    return pair
