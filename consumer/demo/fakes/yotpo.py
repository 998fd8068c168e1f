"""Yotpo's Core API as a local server: expiring tokens, five requests a second, and ids that overwrite each other."""

from __future__ import annotations

import math
import secrets
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import unquote

from consumer.demo.fakes.base import Fake, json_response
from consumer.demo.fakes.fault_rules import IncomingRequest
from consumer.demo.fakes.http_server import FakeResponse
from consumer.demo.fakes.parsing import Document, is_json_content_type, is_nonempty, read_object
from consumer.demo.fakes.recorder import Item
from consumer.demo.fakes.yotpo_rules import YotpoKeys, violations

_LIFE_S = 14 * 24 * 3600.0
_STORES = "/core/v3/stores/"


class FakeYotpo(Fake):
    """One store of Yotpo's Core API.

    Args:
        store_id: the store's app key, as it is before percent-encoding.
        secret: the secret that is exchanged for a token.
        keys: names of the event's members.
        rate: requests a second, in any sliding second, before 429. `None` = no limit.
        token_life_s: seconds until a token expires.
        monotonic: the clock of the rate and of the tokens' lives, seconds.
        port: 0 for any free one.
    """

    prefix = "/core/v3"

    def __init__(
        self,
        *,
        store_id: str,
        secret: str,
        keys: YotpoKeys | None = None,
        rate: float | None = 5.0,
        token_life_s: float = _LIFE_S,
        monotonic: Callable[[], float] = time.monotonic,
        port: int = 0,
    ) -> None:
        super().__init__("yotpo", port=port)
        self._store_id = store_id
        self._secret = secret
        self._keys = keys or YotpoKeys()
        self._token_life_s = token_life_s
        self._monotonic = monotonic
        self._rate = SlidingWindowRate(rate) if rate else None
        self._tokens: dict[str, float] = {}
        self._dead_status = 401

    def accept(self, *, secret: str) -> None:
        """Replace the accepted secret. Issued tokens stay valid."""
        self._secret = secret

    def expire_tokens(self, status: int = 401) -> None:
        """Expire every issued token. A request with one gets this status (the vendor's module also knows 403)."""
        self._dead_status = status
        self._tokens = {}

    def read(self, incoming: IncomingRequest) -> list[Item]:
        """Return the one event of a request. A token request has none."""
        incoming.document, _ = read_object(incoming.body)
        event = self._keys.event_in(incoming.document) if incoming.path.endswith("/customer_events") else None
        return [] if event is None else [self._item(event, incoming)]

    def process(self, incoming: IncomingRequest) -> FakeResponse:
        """Apply the reference to one request."""
        endpoint = self._endpoint(incoming)
        if endpoint is None:
            return self.error(404, "there is no such endpoint or store")
        wait_s = self._rate.acquire(self._monotonic()) if self._rate else 0.0
        limits = self._rate.headers(wait_s) if self._rate else {}
        if wait_s:
            return json_response(429, {"errors": [{"message": "too many requests"}]}, limits)
        response = self._issue_token(incoming) if endpoint == "access_tokens" else self._accept_event(incoming)
        return FakeResponse(response.status, {**response.headers, **limits}, response.body)

    def error(self, status: int, message: str) -> FakeResponse:
        """Return an error response with `errors`."""
        return json_response(status, {"errors": [{"message": message}]})

    def _endpoint(self, incoming: IncomingRequest) -> str | None:
        store, _, endpoint = incoming.path.removeprefix(_STORES).partition("/")
        method = {"access_tokens": "POST", "customer_events": "PATCH"}.get(endpoint)
        ours = incoming.path.startswith(_STORES) and unquote(store) == self._store_id
        return endpoint if ours and method == incoming.method else None

    def _issue_token(self, incoming: IncomingRequest) -> FakeResponse:
        document = incoming.document
        if document is None or not is_json_content_type(incoming.headers.get("content-type", "")):
            return self.error(400, incoming.problem or "the content type is not application/json")
        if document.keys() != {"secret"} or not is_nonempty(document["secret"]):
            return self.error(400, "the body is not exactly a secret")
        if document["secret"] != self._secret:
            return self.error(401, "the secret is not accepted")
        token = secrets.token_urlsafe(24)
        self._tokens = {**self._tokens, token: self._monotonic() + self._token_life_s}
        return json_response(200, {"access_token": token})

    def _accept_event(self, incoming: IncomingRequest) -> FakeResponse:
        if self._tokens.get(incoming.headers.get("x-yotpo-token", ""), 0.0) <= self._monotonic():
            return self.error(self._dead_status, "the token is not valid")
        wrong = self._violations(incoming)
        if wrong:
            if incoming.items:
                self.refuse(incoming.items[0], "; ".join(wrong), incoming.number)
            else:
                self.refuse_whole(incoming, "; ".join(wrong))
            return json_response(400, {"errors": [{"message": reason} for reason in wrong]})
        item = incoming.items[0]
        if self._keys.source not in item.document:
            self.warn(item, "no source: some of the vendor's pages require it", incoming.number)
        self.store(incoming.items, incoming.number)
        # The vendor's module counts all three as success, so the server returns each in turn.
        match incoming.number % 3:
            case 0:
                return FakeResponse(204, {}, b"")
            case 1:
                return json_response(201, {"id": item.id})
            case _:
                return json_response(200, {})

    def _violations(self, incoming: IncomingRequest) -> list[str]:
        if not is_json_content_type(incoming.headers.get("content-type", "")):
            return ["the content type is not application/json"]
        if incoming.document is None:
            return [incoming.problem]
        if not incoming.items:
            return [f"{self._keys.wrapper} must be an object, and alone"]
        return list(violations(incoming.items[0].document, self._keys))

    def _item(self, event: Document, incoming: IncomingRequest) -> Item:
        customer = event.get(self._keys.customer)
        known: Document = customer if isinstance(customer, dict) else {}
        people = (known.get("external_id"), known.get("email"), known.get("phone_number"))
        return Item(
            _text(event.get(self._keys.id)),
            "event",
            _text(event.get(self._keys.type)),
            next((person for person in people if isinstance(person, str) and person), None),
            event,
            incoming.body,
        )


class SlidingWindowRate:
    """Limits the requests in any sliding second. A rejected request does not count."""

    def __init__(self, rate: float) -> None:
        self._limit = max(1, int(rate))
        self._span_s = self._limit / rate
        self._granted: deque[float] = deque()

    def acquire(self, now_s: float) -> float:
        """Count a request and return 0, or return the seconds until one is allowed."""
        while self._granted and self._granted[0] <= now_s - self._span_s:
            self._granted.popleft()
        if len(self._granted) >= self._limit:
            return self._granted[0] + self._span_s - now_s
        self._granted.append(now_s)
        return 0.0

    def headers(self, wait_s: float) -> dict[str, str]:
        """Return the vendor's rate-limit headers: the remaining requests, and the seconds to wait, rounded up."""
        return {
            "ratelimit-remaining": str(self._limit - len(self._granted)),
            "ratelimit-reset": str(math.ceil(wait_s)),
        }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
