"""Customer.io's Data Pipelines API as a local server: six calls, the batch, and every 200 that is not a delivery."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain

from consumer.demo.fakes.base import Fake, json_response
from consumer.demo.fakes.customerio_rules import (
    BATCHABLE,
    KINDS,
    is_boolean_map,
    is_context,
    violations,
    warnings,
)
from consumer.demo.fakes.customerio_semantics import semantic_violations
from consumer.demo.fakes.fault_rules import IncomingRequest
from consumer.demo.fakes.http_server import FakeResponse
from consumer.demo.fakes.parsing import (
    Document,
    RequestParseError,
    is_json_content_type,
    is_timestamp,
    parse_basic_auth,
    read_object,
)
from consumer.demo.fakes.recorder import Item

_BATCH_KEYS = frozenset({"batch", "context", "integrations", "sentAt", "messageId"})
_MAX_UNPACKED_BYTES = 16 << 20


class FakeCustomerio(Fake):
    """Customer.io's Data Pipelines API.

    Without `X-Strict-Mode: 1` every request gets 200, even one with a wrong key, and invalid calls are dropped. With it
    an invalid request gets 400 or 401, and none of its calls is stored. Calls over the size limits get 200 and are
    dropped in both modes.

    Args:
        api_key: user of the Basic authentication. The password is empty.
        max_call_bytes: limit of one call, alone or in a batch, in bytes as sent.
        max_batch_bytes: limit of a batch's body, in bytes before compression.
        clock: epoch seconds, for the header `Date`.
        port: 0 for any free one.
    """

    prefix = "/v1"

    def __init__(
        self,
        *,
        api_key: str,
        max_call_bytes: int = 32_000,
        max_batch_bytes: int = 500_000,
        clock: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        super().__init__("customerio", clock=clock, port=port)
        self._api_key = api_key
        self._max_call_bytes = max_call_bytes
        self._max_batch_bytes = max_batch_bytes

    def accept(self, *, api_key: str) -> None:
        """Replace the accepted key."""
        self._api_key = api_key

    def read(self, incoming: IncomingRequest) -> list[Item]:
        """Return the one call, or the calls of a batch. A compressed body is decompressed in place."""
        if incoming.headers.get("content-encoding", "identity") == "gzip":
            incoming.body = _unpack(incoming.body)
        kind = _kind(incoming.path)
        incoming.document, raws = read_object(incoming.body, "batch" if kind == "batch" else None)
        if kind != "batch":
            return [_call(incoming.document, kind, incoming.body)]
        calls = incoming.document.get("batch")
        if not isinstance(calls, list):
            return []
        return [_call(call, "", raw) for call, raw in zip(calls, raws, strict=True) if isinstance(call, dict)]

    def process(self, incoming: IncomingRequest) -> FakeResponse:
        """Apply the reference to one request, in strict or permissive mode."""
        kind = _kind(incoming.path)
        if incoming.method != "POST" or (kind != "batch" and kind not in KINDS):
            return self.error(404, "there is no such endpoint")
        strict = incoming.headers.get("x-strict-mode") == "1"
        if parse_basic_auth(incoming.headers.get("authorization")) != (self._api_key, ""):
            if strict:
                return self.error(401, "the key is not accepted")
            return self._drop_all(incoming, "the key is not accepted")
        if self._is_too_large(incoming, kind):
            return self._drop_all(incoming, "over the size limit")
        wrong = list(self._request_violations(incoming, kind))
        rejected = [] if wrong else self._rejected_items(incoming, kind)
        if not wrong and not rejected:
            self._record_warnings(incoming, kind)
            self.store(incoming.items, incoming.number)
            return json_response(200, {})
        if not strict:
            return self._drop_rejected(incoming, rejected, wrong)
        if wrong:
            self.refuse_whole(incoming, "; ".join(wrong))
        for item, reason in rejected:
            self.refuse(item, reason, incoming.number)
        return json_response(400, {"meta": {"errors": [*wrong, *(reason for _, reason in rejected)]}})

    def error(self, status: int, message: str) -> FakeResponse:
        """Return an error response with `meta.errors`."""
        return json_response(status, {"meta": {"errors": [message]}})

    def _drop_all(self, incoming: IncomingRequest, reason: str) -> FakeResponse:
        self.drop_whole(incoming, reason)
        return json_response(200, {})

    def _drop_rejected(
        self, incoming: IncomingRequest, rejected: list[tuple[Item, str]], wrong: list[str]
    ) -> FakeResponse:
        if wrong:
            return self._drop_all(incoming, "; ".join(wrong))
        for item, reason in rejected:
            self.drop(item, reason, incoming.number)
        bad = {id(item) for item, _ in rejected}
        self.store((item for item in incoming.items if id(item) not in bad), incoming.number)
        return json_response(200, {})

    def _is_too_large(self, incoming: IncomingRequest, kind: str) -> bool:
        if kind != "batch":
            return len(incoming.body) > self._max_call_bytes
        return len(incoming.body) > self._max_batch_bytes or any(
            len(item.raw) > self._max_call_bytes for item in incoming.items
        )

    def _request_violations(self, incoming: IncomingRequest, kind: str) -> Iterator[str]:
        """Yield the violations of the request as a whole, before its single calls are checked."""
        document = incoming.document
        if not is_json_content_type(incoming.headers.get("content-type", "")):
            yield "the content type is not application/json"
        if document is None:
            yield incoming.problem
        elif kind == "batch":
            calls = document.get("batch")
            if not isinstance(calls, list) or not calls:
                yield "batch is not a non-empty array"
            elif len(calls) != len(incoming.items):
                yield "an element of the batch is not an object"
            if not is_context(document.get("context", {})) or not is_boolean_map(document.get("integrations", {})):
                yield "context or integrations has an invalid value"
            if "sentAt" in document and not is_timestamp(document["sentAt"]):
                yield "sentAt is not an ISO 8601 timestamp"

    def _rejected_items(self, incoming: IncomingRequest, kind: str) -> list[tuple[Item, str]]:
        """Return the invalid calls, each with its violations."""
        shared = (incoming.document or {}).get("context") if kind == "batch" else None
        counts = Counter(item.id for item in incoming.items)
        rejected: list[tuple[Item, str]] = []
        for item in incoming.items:
            if kind == "batch" and item.kind not in BATCHABLE:
                rejected.append((item, "type is missing, or not one that a batch may hold"))
                continue
            wrong = list(chain(violations(item.document, item.kind), _semantic(item, shared)))
            if item.id and counts[item.id] > 1:
                wrong.append("messageId stands twice in this batch")
            if wrong:
                rejected.append((item, "; ".join(wrong)))
        return rejected

    def _record_warnings(self, incoming: IncomingRequest, kind: str) -> None:
        for item in incoming.items:
            for reason in warnings(item.document, item.kind):
                self.warn(item, reason, incoming.number)
        document = incoming.document or {}
        if kind != "batch":
            return
        for name in document.keys() - _BATCH_KEYS:
            self.warn(None, f"{name} has no meaning in a batch", incoming.number)
        for name in ("context", "integrations"):
            shared = document.get(name)
            values = [item.document.get(name, shared) for item in incoming.items]
            if any(value != (values[0] if shared is None else shared) for value in values):
                self.warn(None, f"{name} differs within a batch: one value wins for all", incoming.number)


def _semantic(item: Item, shared_context: object) -> Iterator[str]:
    return semantic_violations(item.document, shared_context) if item.kind == "track" else iter(())


def _kind(path: str) -> str:
    return path.removeprefix("/v1/") if path.startswith("/v1/") else ""


def _call(call: Document, kind: str, raw: bytes) -> Item:
    traits = call.get("traits")
    email = traits.get("email") if isinstance(traits, dict) else None
    people = (call.get("userId"), call.get("anonymousId"), email)
    kind = kind or _text(call.get("type")) or ""
    name = _text(call.get("event")) if kind == "track" else _text(call.get("name"))
    return Item(
        _text(call.get("messageId")),
        kind,
        name.strip() if name else None,
        next((person for person in people if isinstance(person, str) and person), None),
        call,
        raw,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _unpack(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, _MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise RequestParseError("the body is not gzip, as its Content-Encoding says") from error
    if not unpacker.eof:
        raise RequestParseError("the compressed body is truncated or too long")
    return unpacked
