"""Customer.io as a destination: batches of equal context, alias requests one by one, strict mode on.

Non-obvious:

* Without `X-Strict-Mode: 1` Customer.io answers 200 to every request, even with a wrong key.
* It answers 200 to a call over 32 KB or a batch over 500 KB and drops it, strict mode or not. Sizes are checked here.
* The reference puts `context` and `integrations` at the top of a batch, the official libraries put them into each call.
  The pair is part of the envelope and is written in both places, so that both readings work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from consumer.destinations import AccessToken, Basic, Encoded, Encoder, EntryError, OptionError, Target
from consumer.destinations.customerio.call_contracts import CALLS, CallContract, form_problem, integrations_problem
from consumer.destinations.customerio.semantic_events import ACTING, reserved_name_like
from consumer.destinations.customerio.semantic_fields import Completion, completion, typed_group
from consumer.destinations.encoding import canonical, dumps, encoding_fault, size_fault
from consumer.destinations.id_formats import ulid_text
from consumer.destinations.option_checks import check_least, check_url
from consumer.destinations.status_verdicts import json_object, judge_status, unintelligible
from consumer.model import BatchEnvelope, DeadLetterCause, Delivered, Endpoint, Fault, HttpResponse, Verdict
from consumer.model.values import Fields, iso_text

_ENVELOPES_CACHED = 256
_OK = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerioOptions:
    """Address, request limits, and events that must be allowed.

    `url` ends in `/v1`; its region must be the key's region. `bytes` limits a batch, `call_bytes` each call in it.
    `context` and `integrations` go with every call; an event's own values override them. `allow_events` names the
    events that may act on the workspace, and names close to a reserved one that are meant as written.
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
        """Check every option."""
        check_url(self.url)
        check_least("events", self.events, 1)
        check_least("call_bytes", self.call_bytes, 1000)
        check_least("bytes", self.bytes, self.call_bytes)
        if canonical(self.context) is None:
            raise OptionError("context", "a value has no JSON form", "use text, numbers, Booleans, lists and objects")
        if not all(isinstance(value, bool) for value in self.integrations.values()):
            raise OptionError("integrations", "every value must be true or false")


class Customerio:
    """The destination. `Destination` describes its attributes."""

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
        self._envelopes: dict[str, BatchEnvelope] = {}
        self._alias_envelope = BatchEnvelope(self._alias, b"", b"", 1, options.call_bytes)

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Return the encoder of one mapping entry.

        Raises:
            EntryError: unknown target; a name that is missing, not allowed here or misspelt; an event that acts on the
                workspace and is not in `allow_events`.
        """
        call = CALLS.get(target)
        if call is None:
            raise EntryError(f"{self.name} has no target of this name", ", ".join(CALLS))
        event = self._event(call.target, name)
        complete: Completion | None = typed_group if target == "group" else None
        if target == "track" and (need := ACTING.get(event or "")):
            complete = completion(need)
        # The path of a single request states its type; in a batch each call must state it.
        head = '{"messageId":"' if target == "alias" else f'{{"type":"{target}","messageId":"'
        name_part = "" if event is None else f',"{_NAME_KEYS[target]}":{orjson.dumps(event).decode()}'
        parts = _Parts(
            head, name_part, complete, (lambda _: self._alias_envelope) if target == "alias" else self._envelope
        )
        return _encoder(call, parts, self._options)

    def judge(self, envelope: BatchEnvelope, identities: Sequence[str], response: HttpResponse) -> Verdict:  # noqa: ARG002 - all endpoints respond alike
        """Return the verdict on one response. Defined for every status and any body."""
        verdict = judge_status(response, len(identities))
        if verdict is not None:
            return verdict
        document = json_object(response)
        if response.status != _OK or document is None:
            return unintelligible(response, "the body is not the JSON object of a 200 in strict mode")
        meta = document.get("meta")
        if isinstance(meta, dict) and meta.get("errors"):
            return unintelligible(response, "errors with a success status: check that strict mode is honoured")
        return Delivered()

    def _event(self, target: Target, name: str | None) -> str | None:
        """Check the name of the event or page, and return it as sent."""
        if name is None and not target.named:
            return None
        if not (target.named or target.name_optional):
            raise EntryError(f"{target.name} takes no name", "remove `name`: only track, page and screen have one")
        event = (name or "").strip()
        if not event:
            raise EntryError(
                f"{target.name} needs a name that is not blank", "set `name` to the event's name at Customer.io"
            )
        if target.name == "track" and event not in self._options.allow_events:
            if event in ACTING:
                raise EntryError(
                    f"{event} acts on the workspace and is not allowed",
                    f"add `allow_events: [{event}]` to the destination's options to allow it",
                )
            if right := reserved_name_like(event):
                raise EntryError(
                    "this name differs slightly from a reserved one, so Customer.io would not act on it",
                    f"write {right}, or add this spelling to allow_events",
                )
        return event

    def _envelope(self, pair: str) -> BatchEnvelope:
        """Return the envelope of a batch with this context. The cache is bounded: every event may have its own."""
        envelope = self._envelopes.get(pair)
        if envelope is None:
            if len(self._envelopes) >= _ENVELOPES_CACHED:
                self._envelopes.clear()
            options = self._options
            envelope = BatchEnvelope(self._batch, b'{"batch":[', f"]{pair}}}".encode(), options.events, options.bytes)
            self._envelopes[pair] = envelope
        return envelope


_NAME_KEYS = {"track": "event", "page": "name", "screen": "name"}
_SURROUNDINGS = ("context", "integrations")


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is known of an entry's calls before any event. Built once."""

    head: str
    name: str
    complete: Completion | None
    envelope_of: Callable[[str], BatchEnvelope]


def _encoder(call: CallContract, parts: _Parts, options: CustomerioOptions) -> Encoder:
    head, name_part, complete, envelope_of = parts.head, parts.name, parts.complete, parts.envelope_of
    known, problem_with, limit = frozenset(call.target.fields), call.problem, options.call_bytes
    pair = _pair(options.context, options.integrations) or ""
    constant_envelope = envelope_of(pair)
    constant_tail = f'"{name_part}{pair},'
    constant_room = _room(constant_envelope, limit)

    def encode(fields: Fields, identity: bytes, time_ns: int) -> Encoded | Fault:
        completed: Fields | str = fields if complete is None else complete(fields)
        problem = completed if isinstance(completed, str) else form_problem(completed, known) or problem_with(completed)
        if isinstance(completed, str) or problem is not None:
            return Fault(DeadLetterCause.CONTRACT, problem or "")
        envelope, tail, room = constant_envelope, constant_tail, constant_room
        if "context" in completed or "integrations" in completed:
            own = _own_pair(completed, options)
            if isinstance(own, Fault):
                return own
            envelope, tail = envelope_of(own), f'"{name_part}{own},'
            room = _room(envelope, limit)
            completed = {name: value for name, value in completed.items() if name not in _SURROUNDINGS}
        content, time = dumps(completed), iso_text(time_ns)
        if content is None:
            return encoding_fault(completed)
        if time is None:
            return Fault(DeadLetterCause.CONTRACT, "the event's time is outside the years 1 to 9999")
        message_id = Customerio.identity(identity, time_ns // 1_000_000)
        # `content` is never empty: it holds the person's id.
        body = f'{head}{message_id}","timestamp":"{time}{tail}'.encode() + content[1:]
        return Encoded(body, envelope, message_id) if len(body) <= room else size_fault(len(body), room)

    return encode


def _room(envelope: BatchEnvelope, call_bytes: int) -> int:
    """Return the maximum bytes of one call: its own limit, and what a batch of one leaves for it."""
    return min(call_bytes, envelope.max_bytes - len(envelope.prefix) - len(envelope.suffix))


def _own_pair(fields: Fields, options: CustomerioOptions) -> str | Fault:
    """Return context and integrations of an event that has its own. They override those of the options."""
    context, integrations = _object(fields, "context"), _object(fields, "integrations")
    if problem := integrations_problem(integrations):
        return Fault(DeadLetterCause.CONTRACT, problem)
    pair = _pair({**options.context, **context}, {**options.integrations, **integrations})
    return encoding_fault({"context": context}) if pair is None else pair


def _object(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _pair(context: Mapping[str, Any], integrations: Mapping[str, Any]) -> str | None:
    """Return `,"context":{…},"integrations":{…}`, keys sorted, without empty ones, or `None` without a JSON form."""
    pair = ""
    for name, value in (("context", context), ("integrations", integrations)):
        if value:
            content = canonical(value)
            if content is None:
                return None
            pair += f',"{name}":{content.decode()}'
    return pair
