"""Copilot.cx: batches for the Collect API and single requests for the consent endpoint.

Non-obvious: a 200 is not success. Copilot drops the events listed in `invalid_events`, named by `event_id`. Its
documented `index` does not say whether it starts at 0 or 1, so it is not used.
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
    KEY,
    MAX_PROPERTIES,
    UNACCEPTED_NAME,
    CopilotFieldType,
    EventType,
    is_property_name,
    target,
    too_many_properties,
)
from consumer.destinations.encoding import (
    dumps,
    encoding_fault,
    exact_size_copy,
    field_fault,
    safe_field_name,
    size_fault,
)
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
"""Collect accepts events of the last 30 days, never of the future."""

_NAMES_CACHED = 1000
_NO_CONTENT = 204
_OK = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CopilotOptions:
    """Address and request limits. Copilot documents no limits, so the defaults are our choice.

    The paths are appended to `url`. An environment with a second host for reports needs one destination for each host.
    """

    url: str
    name: str = "copilot"
    events: int = 100
    bytes: int = 500_000
    collect_path: str = "/v2/collect"
    consent_path: str = "/v2/api/report/user_copilot_analysis_consent_changed"

    def __post_init__(self) -> None:
        """Check every option."""
        check_url(self.url)
        check_path("collect_path", self.collect_path)
        check_path("consent_path", self.consent_path)
        check_least("events", self.events, 1)
        check_least("bytes", self.bytes, 1000)


class Copilot:
    """The destination. `Destination` describes its attributes."""

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
        """Return the encoder of one mapping entry.

        Raises:
            EntryError: unknown target, or a name that is missing, not allowed here, or has invalid characters.
        """
        if target not in self.targets:
            raise EntryError(f"{self.name} has no target of this name", ", ".join(sorted(self.targets)))
        subtype = _subtype(target, name)
        if target == "consent":
            return _consent_encoder(self._single)
        event_type = EVENT_TYPES[target]
        payload = _open_payload(target, event_type, subtype) if event_type.free else _fixed_payload(target, event_type)
        return _event_encoder(target, payload, self._batch)

    def judge(self, envelope: BatchEnvelope, identities: Sequence[str], response: HttpResponse) -> Verdict:
        """Return the verdict on one response. Defined for every status and any body."""
        verdict = judge_status(response, len(identities))
        if verdict is not None:
            return verdict
        if response.status == _NO_CONTENT and envelope.endpoint.name == "consent":
            return Delivered() if not response.body else unintelligible(response, "204 with a body")
        document = json_object(response)
        if response.status != _OK or document is None:
            return unintelligible(response, "the body is not the JSON object of the Collect API")
        if "reason" in document or "error_message" in document:
            return unintelligible(response, "an error body with a success status")
        return _invalid(document.get("invalid_events"), identities, response)


def _subtype(target: str, name: str | None) -> str | None:
    if target != "custom_event":
        if name is not None:
            raise EntryError(f"{target} takes no name", "remove `name`: only custom_event has one")
        return None
    if not name or not name.strip():
        raise EntryError("custom_event needs a name", "set `name` to the event's subtype at Copilot")
    if KEY.convert(name.strip()) is None:
        raise EntryError(
            "this name has characters that Copilot refuses", "use letters, digits and : - . _ + @, no spaces"
        )
    return name.strip()


Payload = Callable[[Fields], "dict[str, object] | Fault"]


def _fixed_payload(target: str, event_type: EventType) -> Payload:
    """Return the payload builder of an event type with a fixed set of properties."""
    mandatory = tuple(event_type.mandatory)
    kinds = {**event_type.mandatory, **event_type.optional}

    def payload(fields: Fields) -> dict[str, object] | Fault:
        checked: dict[str, object] = {}
        for name, value in fields.items():
            kind = kinds.get(name)
            if kind is None:
                return field_fault(
                    safe_field_name(name), f"{target} has no such property; Copilot would refuse the event"
                )
            one = kind.convert(value)
            if one is None:
                return field_fault(name, kind.requirement)
            checked[name] = one
        for name in mandatory:
            if name not in checked:
                return field_fault(name, "is missing")
        return checked

    return payload


def _open_payload(target: str, event_type: EventType, subtype: str | None) -> Payload:
    """Return the payload builder of an event type that accepts any flat property."""
    kinds = {**event_type.mandatory, **event_type.optional}
    needed = frozenset(event_type.mandatory or kinds)
    start: Fields = {} if subtype is None else {"subtype": subtype}
    limit = MAX_PROPERTIES - len(start)

    def payload(fields: Fields) -> dict[str, object] | Fault:
        if needed.isdisjoint(fields):
            return field_fault(" or ".join(sorted(needed)), "is missing")
        if len(fields) > limit:
            return Fault(DeadLetterCause.CONTRACT, too_many_properties(target))
        checked: dict[str, object] = {**start, **fields}
        for name, value in fields.items():
            kind = kinds.get(name) or _type_of_free_property(name, kinds)
            if kind is None:
                return field_fault(safe_field_name(name), UNACCEPTED_NAME)
            if kind is FREE and type(value) is str:
                continue
            one = kind.convert(value)
            if one is None:
                return field_fault(safe_field_name(name), kind.requirement)
            checked[name] = one
        return checked

    return payload


def _type_of_free_property(name: str, kinds: dict[str, CopilotFieldType]) -> CopilotFieldType | None:
    """Return the type of a free property seen for the first time; `None` if Copilot does not accept its name."""
    if not is_property_name(name):
        return None
    if len(kinds) < _NAMES_CACHED:  # names may come from an event's map, so their number has no limit
        kinds[name] = FREE
    return FREE


def _event_encoder(target: str, payload: Payload, envelope: BatchEnvelope) -> Encoder:
    head = f'{{"type":"{target}","event_id":"'
    room = envelope.max_bytes - len(envelope.prefix) - len(envelope.suffix)

    def encode(fields: Fields, identity: bytes, time_ns: int) -> Encoded | Fault:
        checked = payload(fields)
        if isinstance(checked, Fault):
            return checked
        content = dumps(checked)
        if content is None:
            return encoding_fault(checked)
        event_id = Copilot.identity(identity)
        body = f'{head}{event_id}","timestamp":{time_ns // 1_000_000},"payload":'.encode() + content + b"}"
        return Encoded(body, envelope, event_id) if len(body) <= room else size_fault(len(body), room)

    return encode


def _consent_encoder(envelope: BatchEnvelope) -> Encoder:
    payload = _fixed_payload("consent", CONSENT)

    def encode(fields: Fields, identity: bytes, _time_ns: int) -> Encoded | Fault:
        checked = payload(fields)
        if isinstance(checked, Fault):
            return checked
        body = orjson.dumps(checked)  # only ASCII text and a Boolean: orjson cannot fail
        room = envelope.max_bytes
        event_id = Copilot.identity(identity)
        return Encoded(exact_size_copy(body), envelope, event_id) if len(body) <= room else size_fault(len(body), room)

    return encode


def _invalid(listed: object, identities: Sequence[str], response: HttpResponse) -> Verdict:
    """Return the verdict on a 200 by its `invalid_events`; absent, null or empty means that all were accepted."""
    if listed is None or listed in ([], {}):
        return Delivered()
    if not isinstance(listed, list):
        return unintelligible(response, "invalid_events is not a list")
    if len(identities) == 1:
        return bad_event(_error(listed[0]), response.status, 1)
    indexes = {identity: index for index, identity in enumerate(identities)}
    refused: dict[int, Fault] = {}
    for entry in listed:
        named = entry.get("event_id") if isinstance(entry, dict) else None
        index = indexes.get(named) if isinstance(named, str) else None
        if index is None or index in refused:
            return bad_event(
                "invalid_events names an event that is not in the batch, or one twice", response.status, len(identities)
            )
        refused[index] = Fault(DeadLetterCause.REFUSED, _error(entry), response.status)
    return PartiallyRefused(refused)


def _error(entry: object) -> str:
    return scrubbed(entry.get("error")) if isinstance(entry, dict) else ""
