"""The HTTP client: one authenticated request and its response, bounded in time and in bytes.

This is the only module that imports httpx2, the maintained successor of httpx with the same interface. Its connection
pool does not slow down with the number of connections.
"""

from __future__ import annotations

import asyncio
import re
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

_MAX_RESPONSE_BYTES = 1024 * 1024
"""Limit of a response body; no contract has a longer one. The rest is not read, and a truncated response is never a
success. JSON made for it (`[[],[],…`) takes twenty times its size in memory, once for each lane."""

_MAX_RESPONSE_CHUNKS = 8192
"""Limit of the chunks of a response. Each costs 20 µs of the loop: chunks of two bytes would take forty seconds to
reach the limit of bytes."""

_REJECTED_CREDENTIALS = (401, 403)
_SUCCESSES = range(200, 300)


@cache
def _tls_context() -> ssl.SSLContext:
    """Return the TLS context of all connections. Reading certificates takes 40 ms and a megabyte, too much per lane."""
    return httpx2.create_ssl_context()


_PROXY_HINT = (
    "write `http://host:port`; in its user name and password, write special characters in percent-encoding: "
    "`/` as `%2F`, `#` as `%23`, `?` as `%3F`"
)
_HIGHEST_PORT = 65_535


def proxy_complaint(url: str) -> tuple[str, str] | None:
    """Return why no request can go through this proxy, and what to do; `None` if one can. Connects to nothing.

    The texts contain nothing of the URL: it may contain a password.
    """
    try:
        proxy = httpx2.Proxy(url)
        # The client itself would accept a password's `#`, `?` or `/` as the end of the host: `http://me:1#x@host`.
        rest = f"{proxy.url.path.strip('/')}{proxy.url.query.decode('ascii')}{proxy.url.fragment}"
        host, port = proxy.url.host, proxy.url.port
        if rest or not re.fullmatch(r"[^\s%\"'`,;/]+", host) or not 0 < (port or 80) <= _HIGHEST_PORT:
            return "is not the URL of a proxy", _PROXY_HINT
        httpx2.AsyncHTTPTransport(proxy=proxy, verify=False)
    except ImportError:
        hint = "name an `http://` proxy, or install the Python package `socksio`"
        return "is a SOCKS proxy, and no package for SOCKS is installed", hint
    except (httpx2.InvalidURL, ValueError):
        return "is not the URL of a proxy", _PROXY_HINT
    return None


class _Route(NamedTuple):
    """The parts that are the same for every request to one endpoint."""

    url: httpx2.URL
    headers: tuple[tuple[str, str], ...]
    transport: httpx2.AsyncBaseTransport


class HttpConnection:
    """One connection to a destination, used by one lane, with one request at a time.

    Requests go to the client's transport directly. The client would add cookies, redirects and its own authentication.
    None of these may happen here, and they cost a tenth of a request.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        """Send requests to paths below `url`. A whole exchange takes at most `timeout_s` seconds."""
        self.rate_limiter: RateLimiter | None = None
        """Counts each request, if the destination has a rate."""
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        # identity: a compressed response could unfold to any size before the limit of bytes is reached
        self._headers = {**headers, "accept-encoding": "identity"}
        self._routes: dict[Endpoint, _Route] = {}
        self._verify = _tls_context() if urlsplit(url).scheme != "http" else False
        self._client = self._new_client()
        self._reconnect_next = False

    def _new_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=None,  # the deadline covers the whole exchange; a timeout per phase lets a trickle last forever
            limits=httpx2.Limits(max_connections=2, max_keepalive_connections=2, keepalive_expiry=60.0),
            verify=self._verify,
            follow_redirects=False,
        )

    def use_new_connection(self) -> None:
        """Open a new connection for the next request.

        A load balancer sends each connection to one server. If that server is ill, this lane would never reach another.
        """
        self._reconnect_next = True

    async def exchange(self, request: HttpRequest, auth_headers: Mapping[str, str]) -> HttpResponse | Fault:
        """Send one request and return the response, or the fault that prevented one. Raise for no network error."""
        if self.rate_limiter is None:
            return await self._exchange(request, auth_headers)
        number = self.rate_limiter.record_sent(time.monotonic())
        try:
            return await self._exchange(request, auth_headers)
        finally:
            self.rate_limiter.record_response(number, time.monotonic())

    async def _exchange(self, request: HttpRequest, auth_headers: Mapping[str, str]) -> HttpResponse | Fault:
        try:
            if self._reconnect_next:
                await self._reconnect()
            url, headers, transport = self._routes.get(request.endpoint) or self._route(request.endpoint)
            outgoing = httpx2.Request(
                request.endpoint.method,
                url,
                headers=[*headers, *auth_headers.items(), ("content-length", str(len(request.body)))],
                stream=httpx2.ByteStream(request.body),
            )
            async with asyncio.timeout(self._timeout_s):
                incoming = await transport.handle_async_request(outgoing)
                stream = cast("httpx2.AsyncByteStream", incoming.stream)
                connection = _connection(stream)
                try:
                    response = await _read(incoming, stream)
                    clean = connection is not None and not connection._h11_state.trailing_data[0]  # noqa: SLF001
                finally:
                    await stream.aclose()
                if connection is not None and not clean:
                    await connection.aclose()
                return response
        except TimeoutError:
            return Fault(TransientCause.TIMED_OUT, f"no whole response within {self._timeout_s:g} s")
        except httpx2.TimeoutException:
            return Fault(TransientCause.TIMED_OUT, "the connection timed out")
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            # Only the class: the text of a foreign error may quote the address, credentials included.
            return Fault(TransientCause.UNREACHABLE, type(error).__name__)

    async def _reconnect(self) -> None:
        old, self._client, self._reconnect_next = self._client, self._new_client(), False
        self._routes.clear()
        await old.aclose()

    def _route(self, endpoint: Endpoint) -> _Route:
        url = httpx2.URL(self._url + endpoint.path)
        headers = (("host", url.netloc.decode("ascii")), *self._headers.items())
        # The client chooses the transport, so that a proxy named in the environment is used.
        transport = self._client._transport_for_url(url)  # noqa: SLF001
        route = self._routes[endpoint] = _Route(url, headers, transport)
        return route

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def _connection(stream: httpx2.AsyncByteStream) -> Any:  # noqa: ANN401 - of a class that httpx2 keeps to itself
    """Return the connection that a response comes on, directly or through a proxy; `None` if httpx2 changed inside.

    Bytes after the end of a response (a wrong content-length, or a 204 with a body) stay in the connection's buffer.
    httpx2 does not check for them and would read them as the next response. So such a connection is not used again.
    """
    found: Any = stream
    for name in ("_httpcore_stream", "_stream", "_connection"):
        found = getattr(found, name, None)
    return found


async def _read(response: httpx2.Response, stream: httpx2.AsyncByteStream) -> HttpResponse:
    body = bytearray()  # not a list of chunks: two million of two bytes would take a hundred megabytes
    chunks = 0
    truncated = False
    async for chunk in stream:
        body += chunk
        chunks += 1
        if len(body) > _MAX_RESPONSE_BYTES or chunks > _MAX_RESPONSE_CHUNKS:
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
    connection: HttpConnection,
    request: HttpRequest,
    credentials: Credentials,
    *,
    may_start: Callable[[], Awaitable[bool]] = _always,
    may_repeat: Callable[[], Awaitable[bool]] = _always,
) -> HttpResponse | Fault | Blocked | Deferred | None:
    """Send one authenticated request. If its credentials are rejected, renew them and send it once more.

    Fetching credentials takes time, in which the request may lose its permission to start. So `may_start` is called
    before the first attempt and `may_repeat` before the second.

    Returns:
        The last response or fault; the reason why there are no credentials; `None` if no request was sent, so that
        there is nothing to judge.
    """
    auth_headers = await credentials.current()
    if isinstance(auth_headers, Blocked | Deferred):
        return None if auth_headers is TOKEN_DELAYED else auth_headers
    if not await may_start():
        return None
    response = await _exchange(connection, request, credentials, auth_headers)
    if isinstance(response, Fault) or response.status not in _REJECTED_CREDENTIALS:
        return response
    renewed = await credentials.renew(auth_headers)
    if renewed is None:
        return response
    if isinstance(renewed, Blocked | Deferred):
        return None if renewed is TOKEN_DELAYED else renewed
    if not await may_repeat():
        return None
    return await _exchange(connection, request, credentials, renewed)


async def _exchange(
    connection: HttpConnection, request: HttpRequest, credentials: Credentials, auth_headers: AuthHeaders
) -> HttpResponse | Fault:
    response = await connection.exchange(request, auth_headers)
    if isinstance(response, HttpResponse) and response.status in _SUCCESSES:
        credentials.record_accepted(auth_headers)
    return response


async def fetch_token(
    connection: HttpConnection, request: HttpRequest, rate_limiter: RateLimiter
) -> HttpResponse | Fault | Deferred:
    """Send a token request as the rate limit allows: the rate counts it, and a wait the server asked for applies to it.

    During such a wait return `TOKEN_DELAYED` at once. The wait can be long, and the lane that asks has deliveries in
    flight meanwhile: it requeues them and waits as for any request.
    """
    start = await rate_limiter.acquire(give_up=rate_limiter.is_paused)
    if start is None:
        return TOKEN_DELAYED
    rate_limiter.record_start(start)
    connection.rate_limiter = None if rate_limiter.rate_per_s is None else rate_limiter
    return await connection.exchange(request, {})
