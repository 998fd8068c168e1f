"""Copilot.cx as a local server: the collect endpoint with a verdict for each event, and the consent endpoint."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from consumer.demo.fakes.base import Fake, json_response
from consumer.demo.fakes.copilot_rules import find_violation, is_ignored, is_patterned
from consumer.demo.fakes.fault_rules import IncomingRequest
from consumer.demo.fakes.http_server import FakeResponse
from consumer.demo.fakes.parsing import (
    Document,
    is_json_content_type,
    is_nonempty,
    parse_basic_auth,
    read_object,
)
from consumer.demo.fakes.recorder import Item

COLLECT = "/v2/collect"
CONSENT = "/v2/api/report/user_copilot_analysis_consent_changed"

_UNAUTHORIZED = 401


def consent_id(user_id: str, value: bool) -> str:  # noqa: FBT001 - a consent is a Boolean
    """Return the id under which a consent change is stored. The endpoint itself takes no id."""
    return f"{user_id}={'true' if value else 'false'}"


class FakeCopilot(Fake):
    """Copilot's collect and consent endpoints.

    Args:
        client_id: user of the Basic authentication.
        client_secret: its password.
        max_events: a request with more events gets 413 (the vendor states no number).
        max_bytes: a longer body gets 413 (the vendor states no number).
        clock: epoch seconds. An event's timestamp must lie in the 30 days before.
        port: 0 for any free one.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        max_events: int = 100,
        max_bytes: int = 500_000,
        clock: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        super().__init__("copilot", clock=clock, port=port, can_mark=True)
        self._credentials = (client_id, client_secret)
        self._max_events = max_events
        self._max_bytes = max_bytes

    def accept(self, *, client_id: str, client_secret: str) -> None:
        """Replace the accepted credentials."""
        self._credentials = (client_id, client_secret)

    def read(self, incoming: IncomingRequest) -> list[Item]:
        """Return the events of a collect request, or the one change of a consent request."""
        incoming.document, raws = read_object(incoming.body, "events")
        if incoming.path == CONSENT:
            return [_consent(incoming.document, incoming.body)]
        events = incoming.document.get("events")
        if not isinstance(events, list):
            return []
        return [_event(event, raw) for event, raw in zip(events, raws, strict=True) if isinstance(event, dict)]

    def process(self, incoming: IncomingRequest) -> FakeResponse:
        """Apply the collect and consent reference to one request."""
        if parse_basic_auth(incoming.headers.get("authorization")) != self._credentials:
            return self.error(_UNAUTHORIZED, "the credentials are not accepted")
        violation = self._malformed(incoming)
        if violation is not None:
            self.refuse_whole(incoming, violation)
            return self.error(400, violation)
        if len(incoming.body) > self._max_bytes:
            return self.error(413, "the body is too large")
        if incoming.path == CONSENT:
            self.store(incoming.items, incoming.number)
            return json_response(200, {}) if incoming.number % 2 else FakeResponse(204, {}, b"")
        if len(incoming.items) > self._max_events:
            return self.error(413, "there are too many events")
        return self._collect(incoming)

    def error(self, status: int, message: str) -> FakeResponse:
        """Return an error response with `reason` and `error_message`, as every status but 200 has them."""
        reason = "AUTH.UNAUTHORIZED" if status == _UNAUTHORIZED else "COMMON.REQUEST_VALIDATION"
        return json_response(status, {"reason": reason, "error_message": message})

    def _malformed(self, incoming: IncomingRequest) -> str | None:
        document = incoming.document
        if incoming.method != "POST" or incoming.path not in {COLLECT, CONSENT}:
            return "there is no such endpoint"
        if not is_json_content_type(incoming.headers.get("content-type", "")):
            return "the content type is not application/json"
        if document is None:
            return incoming.problem
        if incoming.path == CONSENT:
            return _consent_violation(document)
        events = document.get("events")
        if document.keys() != {"events"} or not isinstance(events, list) or not events:
            return "the body is not an object with one or more events"
        if len(incoming.items) != len(events):
            return "an event is not an object"
        if any(item.id is None for item in incoming.items):
            return "an event has no event_id"
        return None

    def _collect(self, incoming: IncomingRequest) -> FakeResponse:
        now_ms = int(self.clock() * 1000)
        counts = Counter(item.id for item in incoming.items)
        good: list[Item] = []
        invalid: list[Document] = []
        for index, item in enumerate(incoming.items):
            # The response names events by id: with two of the same id it could not tell which one was stored.
            wrong = (
                "event_id stands twice in this request"
                if counts[item.id] > 1
                else find_violation(item.document, now_ms)
            )
            if wrong is None and incoming.mark_invalid and incoming.mark_invalid.which(item):
                wrong = incoming.mark_invalid.error
            if wrong is not None:
                self.refuse(item, wrong, incoming.number)
                invalid.append({"event_id": item.id, "index": index, "error": wrong})
            elif is_ignored(item.document):
                self.drop(item, "a custom_event with neither user_id nor thing_id is ignored", incoming.number)
            else:
                good.append(item)
        self.store(good, incoming.number)
        # The vendor returns success with and without an empty list, so this server does both.
        return json_response(200, {"invalid_events": invalid} if invalid or incoming.number % 2 == 0 else {})


def _event(event: Document, raw: bytes) -> Item:
    payload = event.get("payload")
    fields: Document = payload if isinstance(payload, dict) else {}
    return Item(
        _text(event.get("event_id")),
        _text(event.get("type")) or "",
        _text(fields.get("subtype")) if event.get("type") == "custom_event" else None,
        _text(fields.get("user_id")),
        event,
        raw,
    )


def _consent(document: Document, raw: bytes) -> Item:
    user, value = _text(document.get("user_id")), document.get("consent_value")
    name = consent_id(user, value) if user and isinstance(value, bool) else None
    return Item(name, "consent", None, user, document, raw)


def _consent_violation(document: Document) -> str | None:
    if document.keys() != {"user_id", "consent_value"}:
        return "the body is not exactly user_id and consent_value"
    if not is_nonempty(document["user_id"]) or not is_patterned(document["user_id"]):
        return "user_id is not a string of allowed characters"
    return None if isinstance(document["consent_value"], bool) else "consent_value is not a Boolean"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
