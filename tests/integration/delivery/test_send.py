"""One exchange: bounded in time and bytes, without exceptions of httpx2."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping

import httpx2
import pytest

from consumer.delivery.http.client import HttpConnection
from consumer.model import Endpoint, Fault, HttpRequest, HttpResponse, TransientCause

REQUEST = HttpRequest(Endpoint("batch", "POST", "/batch"), b"{}")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def with_server(
    serve: Serve, timeout_s: float = 30.0, auth_headers: Mapping[str, str] | None = None
) -> HttpResponse | Fault:
    """Send one request to a server that runs `serve` once it has read it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"{}")
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = HttpConnection(f"http://127.0.0.1:{port}", {"content-type": "application/json"}, timeout_s)
    try:
        async with asyncio.timeout(120):
            return await connection.exchange(REQUEST, auth_headers or {})
    finally:
        await connection.close()
        server.close()


def writes(data: bytes) -> Serve:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return serve


def ok(body: bytes, *more: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *more]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_response_is_read_whole_with_lower_case_header_names() -> None:
    response = asyncio.run(with_server(writes(ok(b'{"a":1}', b"Retry-After: 3"))))
    assert isinstance(response, HttpResponse)
    assert (response.status, response.body, response.truncated) == (200, b'{"a":1}', False)
    assert response.headers["retry-after"] == "3"


def test_response_has_its_arrival_time() -> None:
    before_ms = int(time.time() * 1000)
    response = asyncio.run(with_server(writes(ok(b"{}"))))
    assert isinstance(response, HttpResponse)
    assert before_ms <= response.received_ms <= time.time() * 1000


def test_trickling_response_times_out_as_a_whole() -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _piece in range(100_000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    began = time.monotonic()
    response = asyncio.run(with_server(trickle, timeout_s=0.4))
    assert isinstance(response, Fault)
    assert response.cause is TransientCause.TIMED_OUT
    assert 0.35 <= time.monotonic() - began < 60


def test_silent_server_times_out() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    response = asyncio.run(with_server(hang, timeout_s=0.2))
    assert isinstance(response, Fault)
    assert response.cause is TransientCause.TIMED_OUT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff\x13\x37 not http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: nonsense\r\n\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "garbage", "truncated", "bad chunk", "bad length", "bad status", "endless header"],
)
def test_invalid_response_is_unreachable_without_an_address(data: bytes) -> None:
    response = asyncio.run(with_server(writes(data)))
    assert isinstance(response, Fault)
    assert response.cause is TransientCause.UNREACHABLE
    assert "127.0.0.1" not in response.detail


def test_connection_reset_is_unreachable() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    response = asyncio.run(with_server(reset))
    assert isinstance(response, Fault)
    assert response.cause is TransientCause.UNREACHABLE


def test_refused_connection_is_unreachable() -> None:
    async def run() -> HttpResponse | Fault:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        connection = HttpConnection(f"http://127.0.0.1:{port}", {}, 1.0)
        try:
            return await connection.exchange(REQUEST, {})
        finally:
            await connection.close()

    response = asyncio.run(run())
    assert isinstance(response, Fault)
    assert response.cause is TransientCause.UNREACHABLE


def test_body_of_a_hundred_megabytes_is_truncated_early() -> None:
    sent = 0

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        for _piece in range(100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    response = asyncio.run(with_server(pour, timeout_s=10))
    assert isinstance(response, HttpResponse)
    assert response.truncated
    assert 1024 * 1024 < len(response.body) < 2 * 1024 * 1024
    assert sent < 50_000_000


def test_compressed_response_is_not_decompressed() -> None:
    response = asyncio.run(with_server(writes(ok(b"\x1f\x8b bomb", b"content-encoding: gzip"))))
    assert isinstance(response, HttpResponse)
    assert response.body == b"\x1f\x8b bomb"


@pytest.mark.parametrize(
    "location", [b"/elsewhere", b"http://127.0.0.1:1/other", b"http://[", b"\xff\xfe", b"mailto:x", b""]
)
def test_redirect_is_returned_and_not_followed(location: bytes) -> None:
    data = b"HTTP/1.1 307 Temporary Redirect\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n"
    response = asyncio.run(with_server(writes(data)))
    assert isinstance(response, HttpResponse)
    assert response.status == 307


@pytest.mark.parametrize("value", ["line\nbreak", "\u20ac", "nul\x00"])
def test_invalid_auth_header_is_a_fault(value: str) -> None:
    response = asyncio.run(with_server(writes(ok(b"{}")), auth_headers={"authorization": value}))
    assert isinstance(response, Fault)
    assert value not in response.detail


# ── Exceptions of httpx2 ──

NOT_OF_A_REQUEST = {
    "CookieConflict",  # raised by asking a jar for a cookie by name
    "SSEError",  # raised while reading server-sent events
}


def exception_classes() -> list[type[Exception]]:
    """Return every public exception class of httpx2, except those that no request can raise."""
    classes = [member for _, member in inspect.getmembers(httpx2, inspect.isclass) if issubclass(member, Exception)]
    return [each for each in classes if each.__name__ not in NOT_OF_A_REQUEST]


def instance_of(kind: type[Exception]) -> Exception:
    """Build one without its arguments: only its class matters."""
    error = kind.__new__(kind)
    Exception.__init__(error, "https://user:secret@host/path")
    return error


@pytest.mark.parametrize("kind", exception_classes(), ids=lambda kind: kind.__name__)
def test_every_httpx2_exception_becomes_a_fault(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> HttpResponse | Fault:
        connection = HttpConnection("http://127.0.0.1:1", {}, 1.0)

        async def fall(*_: object, **__: object) -> httpx2.Response:
            raise instance_of(kind)

        monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", fall)
        try:
            return await connection.exchange(REQUEST, {})
        finally:
            await connection.close()

    response = asyncio.run(run())
    assert isinstance(response, Fault)
    assert response.cause in {TransientCause.TIMED_OUT, TransientCause.UNREACHABLE}
    assert "secret" not in response.detail
    assert response.status is None
