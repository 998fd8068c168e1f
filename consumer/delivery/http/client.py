"""One HTTP exchange, signed and bounded: in time as a whole, in the bytes it reads, in the errors it lets through.

httpx2's only door. It is httpx's maintained successor with the same interface; its connection pool does not slow down
with the number of connections.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

import httpx2

from consumer.delivery.http.credentials import TOKEN_DELAYED
from consumer.model import Blocked, Deferred, Fault, HttpRequest, HttpResponse, TransientCause
from consumer.model.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from consumer.delivery.http.credentials import AuthHeaders, Credentials
    from consumer.delivery.http.rate_limiter import RateLimiter
    from consumer.model import Endpoint

_MAX_REPLY_BYTES = 1024 * 1024
"""No contract answers with more; what lies beyond is not read, and a cut answer is never taken for a good one. JSON
made for it takes twenty times its size in memory (`[[],[],…`), once for each lane."""

_MAX_REPLY_PARTS = 8192
"""Nor in more pieces: each costs 20 µs of the loop, and chunks of two bytes would take forty seconds to the limit."""

_REFUSED_CREDENTIALS = (401, 403)
_SUCCESSES = range(200, 300)

_LONGEST_NAP_S = 1.0
"""A token's call that waits for the rate looks again after this: the share of it may have changed meanwhile."""


@cache
def _trust() -> ssl.SSLContext:
    """Return what all connections trust: reading certificates takes 40 ms and a megabyte, too dear for each lane."""
    return httpx2.create_ssl_context()


class _Way(NamedTuple):
    """What is the same for every call of one endpoint."""

    url: httpx2.URL
    headers: tuple[tuple[str, str], ...]
    transport: httpx2.AsyncBaseTransport


class HttpConnection:
    """One connection to a destination, used by one lane: one call at a time.

    Calls go to the client's transport directly. What the client would add for each (cookies, redirects, authentication
    of its own) may not happen here, and cost a tenth of a call.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        """Call paths below `url`; a whole exchange takes at most `timeout_s` seconds."""
        self.rate_limiter: RateLimiter | None = None
        """Told of every call, where the destination has a rate."""
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        # identity: a compressed answer could unfold to any size before the bound on bytes is met
        self._headers = {**headers, "accept-encoding": "identity"}
        self._ways: dict[Endpoint, _Way] = {}
        self._trusted = _trust() if urlsplit(url).scheme != "http" else False
        self._client = self._new_client()
        self._worn = False

    def _new_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=None,  # the deadline is for the whole exchange; a phase's would let a trickle last for ever
            limits=httpx2.Limits(max_connections=2, max_keepalive_connections=2, keepalive_expiry=60.0),
            verify=self._trusted,
            follow_redirects=False,
        )

    def use_new_connection(self) -> None:
        """Let the next call take a new connection.

        A balancer of connections leads each to one server, so that a kept one to a server that is ill would make it all
        that this lane ever meets.
        """
        self._worn = True

    async def exchange(self, call: HttpRequest, signature: Mapping[str, str]) -> HttpResponse | Fault:
        """Make one call; return the answer, or the trouble in getting one. Never raises for what the network does."""
        if self.rate_limiter is None:
            return await self._exchange(call, signature)
        number = self.rate_limiter.record_sent(time.monotonic())
        try:
            return await self._exchange(call, signature)
        finally:
            self.rate_limiter.record_response(number, time.monotonic())

    async def _exchange(self, call: HttpRequest, signature: Mapping[str, str]) -> HttpResponse | Fault:
        try:
            if self._worn:
                await self._reconnect()
            url, headers, transport = self._ways.get(call.endpoint) or self._way(call.endpoint)
            request = httpx2.Request(
                call.endpoint.method,
                url,
                headers=[*headers, *signature.items(), ("content-length", str(len(call.body)))],
                stream=httpx2.ByteStream(call.body),
            )
            async with asyncio.timeout(self._timeout_s):
                response = await transport.handle_async_request(request)
                stream = cast("httpx2.AsyncByteStream", response.stream)
                connection = _connection(stream)
                try:
                    reply = await _read(response, stream)
                    clean = connection is not None and not connection._h11_state.trailing_data[0]  # noqa: SLF001
                finally:
                    await stream.aclose()
                if connection is not None and not clean:
                    await connection.aclose()
                return reply
        except TimeoutError:
            return Fault(TransientCause.TIMED_OUT, f"no whole answer within {self._timeout_s:g} s")
        except httpx2.TimeoutException:
            return Fault(TransientCause.TIMED_OUT, "the connection timed out")
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            # Only the class: the text of a foreign error may quote the address, credentials included.
            return Fault(TransientCause.UNREACHABLE, type(error).__name__)

    async def _reconnect(self) -> None:
        old, self._client, self._worn = self._client, self._new_client(), False
        self._ways.clear()
        await old.aclose()

    def _way(self, endpoint: Endpoint) -> _Way:
        url = httpx2.URL(self._url + endpoint.path)
        headers = (("host", url.netloc.decode("ascii")), *self._headers.items())
        # The client knows which transport leads there: a proxy that the environment names is honoured.
        transport = self._client._transport_for_url(url)  # noqa: SLF001
        way = self._ways[endpoint] = _Way(url, headers, transport)
        return way

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def _connection(stream: httpx2.AsyncByteStream) -> Any:  # noqa: ANN401 - of a class that httpx2 keeps to itself
    """Return the connection an answer comes on, directly or through a proxy; `None` if httpx2 has changed within.

    What came beyond the end of an answer (its length was a lie, or a 204 had a body) stays in the connection's buffer,
    where nobody asks for it, and would be read as the answer to the next call: a connection with such bytes is not
    used again.
    """
    found: Any = stream
    for name in ("_httpcore_stream", "_stream", "_connection"):
        found = getattr(found, name, None)
    return found


async def _read(response: httpx2.Response, stream: httpx2.AsyncByteStream) -> HttpResponse:
    body = bytearray()  # not a list of parts: two million of two bytes would take a hundred megabytes
    parts = 0
    truncated = False
    async for part in stream:
        body += part
        parts += 1
        if len(body) > _MAX_REPLY_BYTES or parts > _MAX_REPLY_PARTS:
            truncated = True
            break
    return HttpResponse(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        bytes(body),
        truncated,
        received_ms=now_ms(),
    )


async def _always() -> bool:
    return True


async def send(
    wire: HttpConnection,
    call: HttpRequest,
    credentials: Credentials,
    *,
    may_start: Callable[[], Awaitable[bool]] = _always,
    may_repeat: Callable[[], Awaitable[bool]] = _always,
) -> HttpResponse | Fault | Blocked | Deferred | None:
    """Make one signed call. Refused credentials are renewed, and the call made again, once; the answer to that stands.

    `may_start` is asked before the call, `may_repeat` before it is made again: fetching credentials takes time, and
    meanwhile the call may have lost its right to start. It is then not made, and there is nothing to judge: `None`.
    """
    signature = await credentials.current()
    if isinstance(signature, Blocked | Deferred):
        return None if signature is TOKEN_DELAYED else signature
    if not await may_start():
        return None
    reply = await _signed(wire, call, credentials, signature)
    if isinstance(reply, Fault) or reply.status not in _REFUSED_CREDENTIALS:
        return reply
    renewed = await credentials.renew(signature)
    if renewed is None:
        return reply
    if isinstance(renewed, Blocked | Deferred):
        return None if renewed is TOKEN_DELAYED else renewed
    if not await may_repeat():
        return None
    return await _signed(wire, call, credentials, renewed)


async def _signed(
    wire: HttpConnection, call: HttpRequest, credentials: Credentials, signature: AuthHeaders
) -> HttpResponse | Fault:
    reply = await wire.exchange(call, signature)
    if isinstance(reply, HttpResponse) and reply.status in _SUCCESSES:
        credentials.record_accepted(signature)
    return reply


async def fetch_token(wire: HttpConnection, call: HttpRequest, pace: RateLimiter) -> HttpResponse | Fault | Deferred:
    """Make the call for a token in its turn: the rate counts it too, and a told wait is meant for it as well.

    A told wait can be long, and the lane that asks carries deliveries meanwhile: it is sent back to wait as for a call.
    """
    while True:
        now = time.monotonic()
        wait_s, source = pace.delay(now)
        if wait_s <= 0:
            break
        if source == "server":
            return TOKEN_DELAYED
        await asyncio.sleep(min(wait_s, _LONGEST_NAP_S))
    pace.record_start(now)
    wire.rate_limiter = None if pace.rate_per_s is None else pace
    return await wire.exchange(call, {})
