"""Tokens: renewed once per expiry. A missing secret, or half of one, never replaces a good one."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.config.secrets import SecretFile
from consumer.delivery.http.credentials import RECHECK_S, AuthHeaders, TokenCredentials
from consumer.destinations import AccessToken
from consumer.model import Blocked, Deferred, Endpoint, Fault, HttpRequest, HttpResponse, SecretProblem, TransientCause
from tests.integration.delivery.dispatcher_harness import FakeSecret
from tests.unit.hung_mount import HungMount
from tests.unit.manual_clock import ManualClock

TOKENS = Endpoint("access_tokens", "POST", "/tokens")
TOKEN = AccessToken(
    "x-token", TOKENS, "secret", 100.0, lambda secret: secret.encode(), lambda response: response.body.decode()
)
REJECTING = AccessToken(
    "x-token", TOKENS, "secret", 100.0, lambda secret: secret.encode(), lambda _: Fault(TransientCause.UNAUTHORIZED)
)


class Exchange:
    """Responds to token requests with the results of `respond`, called with their number."""

    def __init__(self, respond: Callable[[int], HttpResponse | Fault]) -> None:
        self.respond = respond
        self.bodies: list[bytes] = []

    async def __call__(self, request: HttpRequest) -> HttpResponse | Fault:
        self.bodies.append(request.body)
        await asyncio.sleep(0.01)
        return self.respond(len(self.bodies))


def numbered(count: int) -> HttpResponse:
    return HttpResponse(200, {}, b"token-%d" % count)


def test_concurrent_callers_share_one_token_request() -> None:
    async def run() -> None:
        exchange = Exchange(numbered)
        credentials = TokenCredentials(TOKEN, {"secret": FakeSecret("s")}, exchange)
        got = await asyncio.gather(*(credentials.current() for _ in range(16)))
        assert all(each is got[0] for each in got)
        assert got[0] == {"x-token": "token-1"}
        assert await credentials.current() is got[0]
        assert exchange.bodies == [b"s"]

    asyncio.run(run())


def test_token_rejected_in_many_lanes_is_renewed_once_per_expiry() -> None:
    async def run() -> None:
        exchange = Exchange(numbered)
        renewals: list[bool] = []
        credentials = TokenCredentials(TOKEN, {"secret": FakeSecret("s")}, exchange, renewals.append)
        for count in (1, 2, 3):
            headers = await credentials.current()
            assert headers == {"x-token": f"token-{count}"}
            assert isinstance(headers, AuthHeaders)
            await asyncio.gather(*(credentials.renew(headers) for _ in range(16)))
        assert len(exchange.bodies) == 4
        assert renewals == [True] * 4

    asyncio.run(run())


def test_token_is_replaced_at_the_end_of_its_life() -> None:
    async def run() -> None:
        clock = ManualClock()
        credentials = TokenCredentials(TOKEN, {"secret": FakeSecret("s")}, Exchange(numbered), clock=clock)
        first = await credentials.current()
        clock.now_s += 99
        assert await credentials.current() is first
        clock.now_s += 2
        assert await credentials.current() == {"x-token": "token-2"}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Fault(TransientCause.TIMED_OUT, "late"), Deferred(Fault(TransientCause.TIMED_OUT, "late"))),
        (HttpResponse(503, {}, b""), Deferred(Fault(TransientCause.SERVER_ERROR, "the token request", 503))),
        (
            HttpResponse(429, {"retry-after": "7"}, b""),
            Deferred(Fault(TransientCause.THROTTLED, "the token request", 429), 7.0, whole_destination=True),
        ),
        (HttpResponse(401, {}, b""), Blocked(Fault(TransientCause.UNAUTHORIZED))),
    ],
    ids=["no response", "server error", "throttled", "rejected"],
)
def test_failed_token_request_fails_all_waiters_and_is_sent_again(
    response: HttpResponse | Fault, expected: Blocked | Deferred
) -> None:
    async def run() -> None:
        exchange = Exchange(lambda _: response)
        credentials = TokenCredentials(REJECTING, {"secret": FakeSecret("s")}, exchange)
        assert await asyncio.gather(*(credentials.current() for _ in range(16))) == [expected] * 16
        assert len(exchange.bodies) == 1
        assert await credentials.current() == expected
        assert len(exchange.bodies) == 2

    asyncio.run(run())


def test_secret_changed_during_a_fetch_invalidates_the_token() -> None:
    async def run() -> None:
        secret = FakeSecret("old")
        exchange = Exchange(numbered)
        credentials = TokenCredentials(TOKEN, {"secret": secret}, exchange)
        fetching = asyncio.create_task(credentials.current())
        while not exchange.bodies:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not await credentials.refresh()
        secret.on_disk = "new"
        assert await credentials.refresh()
        await fetching
        assert await credentials.current() == {"x-token": "token-2"}
        assert exchange.bodies == [b"old", b"new"]

    asyncio.run(run())


def test_hanging_disk_renews_tokens_with_the_secret_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("good")
    secret = SecretFile(path, "good", timeout_s=0.05)
    problems: list[SecretProblem | None] = []

    async def run() -> None:
        exchange = Exchange(numbered)
        clock = ManualClock()
        credentials = TokenCredentials(TOKEN, {"secret": secret}, exchange, on_problem=problems.append, clock=clock)
        with HungMount(path) as mount:
            for count in (1, 2, 3):
                headers = await credentials.current()
                assert headers == {"x-token": f"token-{count}"}
                assert isinstance(headers, AuthHeaders)
                clock.now_s += 101
            assert (credentials.problem(), problems) == (SecretProblem.UNREADABLE, [SecretProblem.UNREADABLE])
            mount.answer()
        secret.file.timeout_s = 30
        assert not await credentials.refresh()
        assert (credentials.problem(), problems) == (None, [SecretProblem.UNREADABLE, None])
        assert set(exchange.bodies) == {b"good"}

    asyncio.run(run())


class SecretChecker(Exchange):
    """Gives tokens for some secrets, and rejects all others."""

    def __init__(self, *secrets: bytes) -> None:
        super().__init__(
            lambda count: numbered(count) if self.bodies[-1] in self.accepted else HttpResponse(401, {}, b"")
        )
        self.accepted = secrets


STRICT = AccessToken(
    "x-token",
    TOKENS,
    "secret",
    100.0,
    lambda secret: secret.encode(),
    lambda response: response.body.decode() if response.status == 200 else Fault(TransientCause.UNAUTHORIZED),
)


def test_rejected_half_secret_falls_back_to_last_accepted_until_whole() -> None:
    async def run() -> None:
        secret, exchange = FakeSecret("good"), SecretChecker(b"good", b"whole")
        problems: list[SecretProblem | None] = []
        clock = ManualClock()
        credentials = TokenCredentials(STRICT, {"secret": secret}, exchange, on_problem=problems.append, clock=clock)
        assert await credentials.current() == {"x-token": "token-1"}
        secret.on_disk = "wh"
        assert await credentials.refresh()
        headers = await credentials.current()
        assert headers == {"x-token": "token-3"}
        assert exchange.bodies == [b"good", b"wh", b"good"]
        assert await credentials.current() is headers, "it is kept"
        credentials.record_accepted(headers)
        assert (credentials.problem(), problems) == (SecretProblem.REJECTED, [SecretProblem.REJECTED])
        secret.on_disk = "whole"
        clock.now_s += RECHECK_S - 0.1
        assert await credentials.current() is headers
        clock.now_s += 0.1
        assert await credentials.current() == {"x-token": "token-4"}
        assert exchange.bodies[3:] == [b"whole"]
        assert problems == [SecretProblem.REJECTED, None]

    asyncio.run(run())


def test_two_rejected_secrets_are_both_tried_again() -> None:
    async def run() -> None:
        secret, exchange = FakeSecret("old"), SecretChecker(b"old")
        problems: list[SecretProblem | None] = []
        clock = ManualClock()
        credentials = TokenCredentials(STRICT, {"secret": secret}, exchange, on_problem=problems.append, clock=clock)
        await credentials.current()
        exchange.accepted = ()
        secret.on_disk = "new"
        assert await credentials.refresh()
        for _ in range(2):
            assert isinstance(await credentials.current(), Blocked)
        assert exchange.bodies == [b"old", b"new", b"old", b"new", b"old"]
        assert problems == []
        exchange.accepted = (b"new",)
        assert await credentials.current() == {"x-token": "token-6"}
        exchange.accepted = ()
        clock.now_s += 101
        assert isinstance(await credentials.current(), Blocked)
        assert exchange.bodies[5:] == [b"new", b"new"], "a replaced secret is not used again"

    asyncio.run(run())


def test_token_server_error_does_not_try_the_other_secret() -> None:
    async def run() -> None:
        secret, exchange = (
            FakeSecret("old"),
            Exchange(lambda count: numbered(count) if count == 1 else HttpResponse(503, {}, b"")),
        )
        credentials = TokenCredentials(STRICT, {"secret": secret}, exchange)
        await credentials.current()
        secret.on_disk = "new"
        assert await credentials.refresh()
        assert isinstance(await credentials.current(), Deferred)
        assert exchange.bodies == [b"old", b"new"]

    asyncio.run(run())
