"""Copilot.cx: the Collect API's batches and the consent endpoint's single calls.

Non-obvious: a 200 is not success. The events listed in its `invalid_events` are lost, by `event_id`; the documented
`index` has no stated base and is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from consumer.destinations import AccessToken, Basic, Encoded, Encoder, EntryError, Target
from consumer.destinations.copilot_contract import (
    CONSENT,
    EVENT_TYPES,
    FREE,
    ID,
    MOST_PROPERTIES,
    PATTERN,
    CopilotFieldType,
    EventType,
    target,
)
from consumer.destinations.encoding import broken, dumps, fault, kept, quoted, size_fault
from consumer.destinations.id_formats import uuid_text
from consumer.destinations.option_checks import check_least, check_path, check_url
from consumer.destinations.redaction import scrubbed
from consumer.destinations.status_verdicts import bad_event, json_object, judge_status, unintelligible
from consumer.model import (
    BatchEnvelope,
    DeadLetterCause,
    Delivered,
    Endpoint,
    Fault,
    HttpResponse,
    PartiallyRefused,
    Verdict,
)
from consumer.model.values import Fields

MAX_AGE_MS = 30 * 24 * 3600 * 1000
"""Collect takes events of the last 30 days, never of the future."""

_NAMES_REMEMBERED = 1000
_NO_CONTENT = 204
_OK = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CopilotOptions:
    """Where Copilot is, and how much a call may carry: no limit is documented, so these are ours.

    The paths are appended to `url`. Environments with a second host for reports are in use: a destination for each.
    """

    url: str
    name: str = "copilot"
    events: int = 100
    bytes: int = 500_000
    collect_path: str = "/v2/collect"
    consent_path: str = "/v2/api/report/user_copilot_analysis_consent_changed"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        check_url(self.url)
        check_path("collect_path", self.collect_path)
        check_path("consent_path", self.consent_path)
        check_least("events", self.events, 1)
        check_least("bytes", self.bytes, 1000)


class Copilot:
    """The destination; see `Destination` for what its parts mean."""

    kind = "copilot"
    credential: Basic | AccessToken = Basic(user="client_id", password="client_secret")  # noqa: S106 - the secrets' names
    headers: Mapping[str, str] = {"content-type": "application/json"}
    identity = staticmethod(uuid_text)

    def __init__(self, options: CopilotOptions) -> None:
        self.name = options.name
        self._collect = Endpoint("collect", "POST", options.collect_path)
        self._consent = Endpoint("consent", "POST", options.consent_path)
        self.endpoints: Sequence[Endpoint] = (self._collect, self._consent)
        self.targets: Mapping[str, Target] = {
            name: target(name, event_type) for name, event_type in {**EVENT_TYPES, "consent": CONSENT}.items()
        }
        self._batch = BatchEnvelope(self._collect, b'{"events":[', b"]}", options.events, options.bytes, MAX_AGE_MS)
        self._single = BatchEnvelope(self._consent, b"", b"", 1, options.bytes)

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Return the function that says one entry's events.

        Raises:
            EntryError: no such target, or a name that is missing, not wanted, or not writable at Copilot.
        """
        if target not in self.targets:
            raise EntryError(f"{self.name} has no target of this name", "an event type of the Collect API, or consent")
        subtype = _subtype(target, name)
        if target == "consent":
            return _consent_encoder(self._single)
        event_type = EVENT_TYPES[target]
        payload = _free(target, event_type, subtype) if event_type.free else _closed(target, event_type)
        return _event_encoder(target, payload, self._batch)

    def judge(self, shape: BatchEnvelope, identities: Sequence[str], reply: HttpResponse) -> Verdict:
        """Read one answer, whole: total over every status and any body."""
        verdict = judge_status(reply, len(identities))
        if verdict is not None:
            return verdict
        if reply.status == _NO_CONTENT and shape.endpoint.name == "consent":
            return Delivered() if not reply.body else unintelligible(reply, "a 204 with a body")
        document = json_object(reply)
        if reply.status != _OK or document is None:
            return unintelligible(reply, "not the JSON object the Collect API answers with")
        if "reason" in document or "error_message" in document:
            return unintelligible(reply, "a failure under the status of a success")
        return _invalid(document.get("invalid_events"), identities, reply)


def _subtype(target: str, name: str | None) -> str | None:
    if target != "custom_event":
        if name is not None:
            raise EntryError(f"{target} takes no name", "only custom_event has one")
        return None
    if not name or not name.strip():
        raise EntryError("custom_event needs a name", "name: the event's subtype at Copilot")
    if ID.say(name.strip()) is None:
        raise EntryError("this name has characters Copilot refuses", "letters, digits and : - . _ + @, no spaces")
    return name.strip()


Payload = Callable[[Fields], "dict[str, object] | Fault"]


def _closed(target: str, event_type: EventType) -> Payload:
    """Return the payload's maker for a type that refuses every property it does not know."""
    mandatory = tuple(event_type.mandatory)
    kinds = {**event_type.mandatory, **event_type.optional}

    def payload(fields: Fields) -> dict[str, object] | Fault:
        said: dict[str, object] = {}
        for name, value in fields.items():
            kind = kinds.get(name)
            if kind is None:
                return broken(quoted(name), f"{target} does not know this property, and refuses the event for it")
            one = kind.say(value)
            if one is None:
                return broken(name, kind.must)
            said[name] = one
        for name in mandatory:
            if name not in said:
                return broken(name, "is missing")
        return said

    return payload


def _free(target: str, event_type: EventType, subtype: str | None) -> Payload:
    """Return the payload's maker for a type that takes any flat property."""
    kinds = {**event_type.mandatory, **event_type.optional}
    needed = frozenset(event_type.mandatory or kinds)
    start: Fields = {} if subtype is None else {"subtype": subtype}
    most = MOST_PROPERTIES - len(start)

    def payload(fields: Fields) -> dict[str, object] | Fault:
        if needed.isdisjoint(fields):
            return broken(" or ".join(sorted(needed)), "is missing")
        if len(fields) > most:
            return Fault(
                DeadLetterCause.CONTRACT, f"{target} may hold {MOST_PROPERTIES} properties, ids and subtype included"
            )
        said: dict[str, object] = {**start, **fields}
        for name, value in fields.items():
            kind = kinds.get(name) or _learnt(name, kinds)
            if kind is None:
                return broken(quoted(name), "not a property name Copilot takes here")
            if kind is FREE and type(value) is str:
                continue
            one = kind.say(value)
            if one is None:
                return broken(quoted(name), kind.must)
            said[name] = one
        return said

    return payload


def _learnt(name: str, kinds: dict[str, CopilotFieldType]) -> CopilotFieldType | None:
    """Return the kind of a free property not met before; `None` if Copilot takes no such name here."""
    if not name or not PATTERN.fullmatch(name) or name == "subtype":
        return None
    if len(kinds) < _NAMES_REMEMBERED:  # names can come out of an event's map, without end
        kinds[name] = FREE
    return FREE


def _event_encoder(target: str, payload: Payload, shape: BatchEnvelope) -> Encoder:
    head = f'{{"type":"{target}","event_id":"'
    room = shape.max_bytes - len(shape.prefix) - len(shape.suffix)

    def encode(fields: Fields, identity: bytes, time_ns: int) -> Encoded | Fault:
        said = payload(fields)
        if isinstance(said, Fault):
            return said
        content = dumps(said)
        if content is None:
            return fault(said)
        event_id = Copilot.identity(identity)
        body = f'{head}{event_id}","timestamp":{time_ns // 1_000_000},"payload":'.encode() + content + b"}"
        return Encoded(body, shape, event_id) if len(body) <= room else size_fault(len(body), room)

    return encode


def _consent_encoder(shape: BatchEnvelope) -> Encoder:
    payload = _closed("consent", CONSENT)

    def encode(fields: Fields, identity: bytes, _time_ns: int) -> Encoded | Fault:
        said = payload(fields)
        if isinstance(said, Fault):
            return said
        body = orjson.dumps(said)  # ASCII text and a Boolean by now: there is nothing it could stumble over
        room = shape.max_bytes
        said_id = Copilot.identity(identity)
        return Encoded(kept(body), shape, said_id) if len(body) <= room else size_fault(len(body), room)

    return encode


def _invalid(listed: object, identities: Sequence[str], reply: HttpResponse) -> Verdict:
    """Judge a 200 by its `invalid_events`: absent, null and empty say that all is well."""
    if listed is None or listed in ([], {}):
        return Delivered()
    if not isinstance(listed, list):
        return unintelligible(reply, "invalid_events is no list")
    if len(identities) == 1:
        return bad_event(_error(listed[0]), reply.status, 1)
    places = {identity: place for place, identity in enumerate(identities)}
    refused: dict[int, Fault] = {}
    for entry in listed:
        named = entry.get("event_id") if isinstance(entry, dict) else None
        place = places.get(named) if isinstance(named, str) else None
        if place is None or place in refused:
            return bad_event("invalid_events does not say which events it means", reply.status, len(identities))
        refused[place] = Fault(DeadLetterCause.REFUSED, _error(entry), reply.status)
    return PartiallyRefused(refused)


def _error(entry: object) -> str:
    return scrubbed(entry.get("error")) if isinstance(entry, dict) else ""
