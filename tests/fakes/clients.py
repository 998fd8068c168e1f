"""HTTP clients of the local servers, and valid events to send."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.yotpo import FakeYotpo

NOW_S = 1_790_000_000.0
"""The time of the servers' clocks in these tests: 2026-09-21T14:13:20Z."""
NOW_MS = 1_790_000_000_000

Document = dict[str, Any]
JSON = {"content-type": "application/json"}


def client(fake: Fake, auth: tuple[str, str] | None = None) -> httpx2.Client:
    return httpx2.Client(base_url=fake.url, auth=auth, headers=JSON, timeout=10)


# ── Copilot ───────────────────────────────────────────────────────────────────────────────────────────────────────


def event(kind: str = "custom_event", **changed: object) -> Document:
    """A valid Copilot event; `payload` replaces the payload."""
    payload: Document = {"subtype": "order_placed", "user_id": "u1"} if kind == "custom_event" else {"user_id": "u1"}
    made = {"type": kind, "event_id": str(uuid.uuid4()), "timestamp": NOW_MS - 1000, "payload": payload}
    return {**made, **changed}


def collect(fake: FakeCopilot, *events: object, auth: tuple[str, str] = ("id", "secret")) -> httpx2.Response:
    with client(fake, auth) as http:
        return http.post("/v2/collect", json={"events": events})


def errors(response: httpx2.Response) -> dict[str, str]:
    """The errors of a collect response, by event id."""
    return {entry["event_id"]: entry["error"] for entry in response.json().get("invalid_events", [])}


# ── Customer.io ───────────────────────────────────────────────────────────────────────────────────────────────────

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid() -> str:
    number = uuid.uuid4().int >> 2
    return "".join(_CROCKFORD[number >> (5 * place) & 31] for place in reversed(range(26)))


def call(kind: str = "track", **changed: object) -> Document:
    """A valid Customer.io call for a batch."""
    own: Mapping[str, Document] = {
        "track": {"event": "Order Completed", "properties": {"total": 20.5}},
        "identify": {"traits": {"email": "a@b.example"}},
        "page": {"name": "Home"},
        "screen": {"name": "Home"},
        "group": {"groupId": "g1", "objectTypeId": "1"},
        "alias": {"previousId": "u0"},
    }
    common = {"type": kind, "messageId": ulid(), "timestamp": "2026-09-21T14:13:19.000Z", "userId": "u1"}
    return {**common, **own[kind], **changed}


def without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def send(
    fake: FakeCustomerio, path: str, document: object, *, strict: bool = True, key: str = "key"
) -> httpx2.Response:
    with client(fake, (key, "")) as http:
        return http.post(path, json=document, headers={"x-strict-mode": "1"} if strict else {})


def batch(
    fake: FakeCustomerio, calls: Sequence[object], shared: Mapping[str, object] | None = None, *, strict: bool = True
) -> httpx2.Response:
    return send(fake, "/batch", {"batch": calls, **(shared or {})}, strict=strict)


# ── Yotpo ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def yotpo_event(**changed: object) -> Document:
    """A valid Yotpo event."""
    made = {
        "source": "shop",
        "type": "order_placed",
        "occurred_at": "2026-09-21T14:13:19Z",
        "id": str(uuid.uuid4()),
        "customer": {"external_id": "c1"},
        "properties": {"total": 20.5, "paid": True, "number": 7},
    }
    return {**made, **changed}


def token(fake: FakeYotpo) -> str:
    with client(fake) as http:
        response = http.post("/stores/store/access_tokens", json={"secret": "secret"})
    assert response.status_code == 200
    return str(response.json()["access_token"])


def patch(fake: FakeYotpo, document: object, key: str) -> httpx2.Response:
    with client(fake) as http:
        return http.patch("/stores/store/customer_events", json=document, headers={"x-yotpo-token": key})


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()
