"""One exchange: bounded in time as a whole and in bytes, and no foreign exception gets out."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping

import httpx2
import pytest

from consumer.delivery.http.client import HttpConnection
from consumer.model import Endpoint, Fault, HttpRequest, HttpResponse, TransientCause

CALL = HttpRequest(Endpoint("batch", "POST", "/batch"), b"{}")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def with_server(
    serve: Serve, timeout_s: float = 30.0, signature: Mapping[str, str] | None = None
) -> HttpResponse | Fault:
    """Make one call to a server that does exactly what `serve` says once it has the request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"{}")
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wire = HttpConnection(f"http://127.0.0.1:{port}", {"content-type": "application/json"}, timeout_s)
    try:
        async with asyncio.timeout(120):
            return await wire.exchange(CALL, signature or {})
    finally:
        await wire.close()
        server.close()


def writes(data: bytes) -> Serve:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return serve


def ok(body: bytes, *more: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *more]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_an_answer_is_read_whole_with_its_header_names_in_lower_case() -> None:
    reply = asyncio.run(with_server(writes(ok(b'{"a":1}', b"Retry-After: 3"))))
    assert isinstance(reply, HttpResponse)
    assert (reply.status, reply.body, reply.truncated) == (200, b'{"a":1}', False)
    assert reply.headers["retry-after"] == "3"


def test_an_answer_says_when_it_came() -> None:
    before_ms = int(time.time() * 1000)
    reply = asyncio.run(with_server(writes(ok(b"{}"))))
    assert isinstance(reply, HttpResponse)
    assert before_ms <= reply.received_ms <= time.time() * 1000


def test_the_deadline_is_for_the_whole_exchange_however_steadily_it_trickles() -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _piece in range(100_000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    began = time.monotonic()
    reply = asyncio.run(with_server(trickle, timeout_s=0.4))
    assert isinstance(reply, Fault)
    assert reply.cause is TransientCause.TIMED_OUT
    assert 0.35 <= time.monotonic() - began < 60


def test_a_server_that_says_nothing_is_timed_out() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    reply = asyncio.run(with_server(hang, timeout_s=0.2))
    assert isinstance(reply, Fault)
    assert reply.cause is TransientCause.TIMED_OUT


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
def test_what_is_no_answer_is_unreachable_and_names_no_address(data: bytes) -> None:
    reply = asyncio.run(with_server(writes(data)))
    assert isinstance(reply, Fault)
    assert reply.cause is TransientCause.UNREACHABLE
    assert "127.0.0.1" not in reply.detail


def test_a_reset_is_unreachable() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    reply = asyncio.run(with_server(reset))
    assert isinstance(reply, Fault)
    assert reply.cause is TransientCause.UNREACHABLE


def test_nobody_listening_is_unreachable() -> None:
    async def run() -> HttpResponse | Fault:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        wire = HttpConnection(f"http://127.0.0.1:{port}", {}, 1.0)
        try:
            return await wire.exchange(CALL, {})
        finally:
            await wire.close()

    reply = asyncio.run(run())
    assert isinstance(reply, Fault)
    assert reply.cause is TransientCause.UNREACHABLE


def test_a_body_of_a_hundred_megabytes_is_cut_long_before_its_end() -> None:
    sent = 0

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        for _piece in range(100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    reply = asyncio.run(with_server(pour, timeout_s=10))
    assert isinstance(reply, HttpResponse)
    assert reply.truncated
    assert 1024 * 1024 < len(reply.body) < 2 * 1024 * 1024
    assert sent < 50_000_000


def test_a_compressed_answer_is_not_unfolded() -> None:
    reply = asyncio.run(with_server(writes(ok(b"\x1f\x8b bomb", b"content-encoding: gzip"))))
    assert isinstance(reply, HttpResponse)
    assert reply.body == b"\x1f\x8b bomb"


@pytest.mark.parametrize(
    "location", [b"/elsewhere", b"http://127.0.0.1:1/other", b"http://[", b"\xff\xfe", b"mailto:x", b""]
)
def test_a_redirect_is_an_answer_and_is_not_followed_wherever_it_points(location: bytes) -> None:
    data = b"HTTP/1.1 307 Temporary Redirect\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n"
    reply = asyncio.run(with_server(writes(data)))
    assert isinstance(reply, HttpResponse)
    assert reply.status == 307


@pytest.mark.parametrize("value", ["line\nbreak", "\u20ac", "nul\x00"])
def test_a_signature_that_is_no_header_is_a_trouble_and_no_crash(value: str) -> None:
    reply = asyncio.run(with_server(writes(ok(b"{}")), signature={"authorization": value}))
    assert isinstance(reply, Fault)
    assert value not in reply.detail


# ── Foreign exceptions ──

NOT_OF_A_CALL = {
    "CookieConflict",  # raised by asking a jar for a cookie by name
    "SSEError",  # raised while reading server-sent events
}


def foreign() -> list[type[Exception]]:
    """Every exception class httpx2 shows, but those that no call can raise."""
    classes = [thing for _, thing in inspect.getmembers(httpx2, inspect.isclass) if issubclass(thing, Exception)]
    return [each for each in classes if each.__name__ not in NOT_OF_A_CALL]


def an_instance(kind: type[Exception]) -> Exception:
    """Make one whatever its arguments are called: only its class matters."""
    made = kind.__new__(kind)
    Exception.__init__(made, "https://user:secret@host/path")
    return made


@pytest.mark.parametrize("kind", foreign(), ids=lambda kind: kind.__name__)
def test_every_exception_of_httpx2_becomes_a_trouble(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> HttpResponse | Fault:
        wire = HttpConnection("http://127.0.0.1:1", {}, 1.0)

        async def fall(*_: object, **__: object) -> httpx2.Response:
            raise an_instance(kind)

        monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", fall)
        try:
            return await wire.exchange(CALL, {})
        finally:
            await wire.close()

    reply = asyncio.run(run())
    assert isinstance(reply, Fault)
    assert reply.cause in {TransientCause.TIMED_OUT, TransientCause.UNREACHABLE}
    assert "secret" not in reply.detail
    assert reply.status is None
