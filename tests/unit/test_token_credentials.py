"""Tokens: renewed once however many meet the expiry, with a secret that is never replaced by nothing or half."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.config.secrets import SecretFile
from consumer.delivery.http.credentials import AuthHeaders, TokenCredentials
from consumer.destinations import AccessToken
from consumer.model import Blocked, Deferred, Endpoint, Fault, HttpRequest, HttpResponse, SecretProblem, TransientCause
from tests.integration.delivery.dispatcher_harness import FakeSecret
from tests.unit.hung_mount import HungMount

TOKENS = Endpoint("access_tokens", "POST", "/tokens")
TOKEN = AccessToken(
    "x-token", TOKENS, "secret", 100.0, lambda secret: secret.encode(), lambda reply: reply.body.decode()
)
SAD = AccessToken(
    "x-token", TOKENS, "secret", 100.0, lambda secret: secret.encode(), lambda _: Fault(TransientCause.UNAUTHORIZED)
)


class Exchange:
    """Answers token calls, with what it is given, when it is let."""

    def __init__(self, answer: Callable[[int], HttpResponse | Fault]) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []

    async def __call__(self, call: HttpRequest) -> HttpResponse | Fault:
        self.bodies.append(call.body)
        await asyncio.sleep(0.01)
        return self.answer(len(self.bodies))


def numbered(count: int) -> HttpResponse:
    return HttpResponse(200, {}, b"token-%d" % count)


def test_a_token_is_fetched_once_for_all_who_ask_and_kept() -> None:
    async def run() -> None:
        exchange = Exchange(numbered)
        door = TokenCredentials(TOKEN, {"secret": FakeSecret("s")}, exchange)
        got = await asyncio.gather(*(door.current() for _ in range(16)))
        assert all(each is got[0] for each in got)
        assert got[0] == {"x-token": "token-1"}
        assert await door.current() is got[0]
        assert exchange.bodies == [b"s"]

    asyncio.run(run())


def test_a_token_refused_in_many_lanes_is_renewed_once_and_again_when_that_one_dies() -> None:
    async def run() -> None:
        exchange = Exchange(numbered)
        heard: list[bool] = []
        door = TokenCredentials(TOKEN, {"secret": FakeSecret("s")}, exchange, heard.append)
        for count in (1, 2, 3):
            signature = await door.current()
            assert signature == {"x-token": f"token-{count}"}
            assert isinstance(signature, AuthHeaders)
            await asyncio.gather(*(door.renew(signature) for _ in range(16)))
        assert len(exchange.bodies) == 4
        assert heard == [True] * 4

    asyncio.run(run())


def test_an_old_token_is_replaced_before_it_dies() -> None:
    async def run() -> None:
        door = TokenCredentials(TOKEN, {"secret": FakeSecret("s")}, Exchange(numbered))
        first = await door.current()
        door._fetched_at -= 99
        assert await door.current() is first
        door._fetched_at -= 2
        assert await door.current() == {"x-token": "token-2"}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Fault(TransientCause.TIMED_OUT, "late"), Deferred(Fault(TransientCause.TIMED_OUT, "late"))),
        (HttpResponse(503, {}, b""), Deferred(Fault(TransientCause.SERVER_ERROR, "the token call", 503))),
        (
            HttpResponse(429, {"retry-after": "7"}, b""),
            Deferred(Fault(TransientCause.THROTTLED, "the token call", 429), 7.0, whole_destination=True),
        ),
        (HttpResponse(401, {}, b""), Blocked(Fault(TransientCause.UNAUTHORIZED))),
    ],
    ids=["no answer", "server error", "throttled", "refused"],
)
def test_a_token_call_that_fails_fails_all_who_waited_for_it_and_is_made_anew_for_the_next(
    answer: HttpResponse | Fault, expected: Blocked | Deferred
) -> None:
    async def run() -> None:
        exchange = Exchange(lambda _: answer)
        door = TokenCredentials(SAD, {"secret": FakeSecret("s")}, exchange)
        assert await asyncio.gather(*(door.current() for _ in range(16))) == [expected] * 16
        assert len(exchange.bodies) == 1
        assert await door.current() == expected
        assert len(exchange.bodies) == 2

    asyncio.run(run())


def test_a_changed_secret_makes_the_token_stale_even_while_one_is_fetched() -> None:
    async def run() -> None:
        secret = FakeSecret("old")
        exchange = Exchange(numbered)
        door = TokenCredentials(TOKEN, {"secret": secret}, exchange)
        fetching = asyncio.create_task(door.current())
        while not exchange.bodies:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not await door.refresh()
        secret.on_disk = "new"
        assert await door.refresh()
        await fetching
        assert await door.current() == {"x-token": "token-2"}
        assert exchange.bodies == [b"old", b"new"]

    asyncio.run(run())


def test_a_disk_that_hangs_keeps_no_token_from_being_renewed_with_the_secret_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("good")
    secret = SecretFile(path, "good", timeout_s=0.05)
    doubts: list[SecretProblem | None] = []

    async def run() -> None:
        exchange = Exchange(numbered)
        door = TokenCredentials(TOKEN, {"secret": secret}, exchange, doubted=doubts.append)
        with HungMount(path) as mount:
            for count in (1, 2, 3):
                signature = await door.current()
                assert signature == {"x-token": f"token-{count}"}
                assert isinstance(signature, AuthHeaders)
                door._fetched_at -= 101
            assert (door.problem(), doubts) == (SecretProblem.UNREADABLE, [SecretProblem.UNREADABLE])
            mount.answer()
        secret.file.timeout_s = 30
        assert not await door.refresh()
        assert (door.problem(), doubts) == (None, [SecretProblem.UNREADABLE, None])
        assert set(exchange.bodies) == {b"good"}

    asyncio.run(run())


class Taking(Exchange):
    """Gives tokens for some secrets, and refuses all others."""

    def __init__(self, *secrets: bytes) -> None:
        super().__init__(lambda count: numbered(count) if self.bodies[-1] in self.taken else HttpResponse(401, {}, b""))
        self.taken = secrets


STRICT = AccessToken(
    "x-token",
    TOKENS,
    "secret",
    100.0,
    lambda secret: secret.encode(),
    lambda reply: reply.body.decode() if reply.status == 200 else Fault(TransientCause.UNAUTHORIZED),
)


def test_half_of_a_secret_gives_way_to_the_one_that_tokens_were_had_with_until_it_is_whole() -> None:
    async def run() -> None:
        secret, exchange = FakeSecret("good"), Taking(b"good", b"whole")
        doubts: list[SecretProblem | None] = []
        door = TokenCredentials(STRICT, {"secret": secret}, exchange, doubted=doubts.append)
        assert await door.current() == {"x-token": "token-1"}
        secret.on_disk = "wh"
        assert await door.refresh()
        signature = await door.current()
        assert signature == {"x-token": "token-3"}
        assert exchange.bodies == [b"good", b"wh", b"good"]
        assert await door.current() is signature, "it is kept"
        door.record_accepted(signature)
        assert (door.problem(), doubts) == (SecretProblem.REJECTED, [SecretProblem.REJECTED])
        assert door._look_at > 0
        secret.on_disk, door._look_at = "whole", float("inf")
        assert await door.current() is signature
        door._look_at = 0.0
        assert await door.current() == {"x-token": "token-4"}
        assert exchange.bodies[3:] == [b"whole"]
        assert doubts == [SecretProblem.REJECTED, None]

    asyncio.run(run())


def test_of_two_secrets_that_are_refused_neither_is_given_up() -> None:
    async def run() -> None:
        secret, exchange = FakeSecret("old"), Taking(b"old")
        doubts: list[SecretProblem | None] = []
        door = TokenCredentials(STRICT, {"secret": secret}, exchange, doubted=doubts.append)
        await door.current()
        exchange.taken = ()
        secret.on_disk = "new"
        assert await door.refresh()
        for _ in range(2):
            assert isinstance(await door.current(), Blocked)
        assert exchange.bodies == [b"old", b"new", b"old", b"new", b"old"]
        assert doubts == []
        exchange.taken = (b"new",)
        assert await door.current() == {"x-token": "token-6"}
        exchange.taken = ()
        door._fetched_at -= 101
        assert isinstance(await door.current(), Blocked)
        assert exchange.bodies[5:] == [b"new", b"new"], "what was replaced is not gone back to"

    asyncio.run(run())


def test_a_token_call_that_fails_for_another_reason_is_no_matter_of_secrets() -> None:
    async def run() -> None:
        secret, exchange = (
            FakeSecret("old"),
            Exchange(lambda count: numbered(count) if count == 1 else HttpResponse(503, {}, b"")),
        )
        door = TokenCredentials(STRICT, {"secret": secret}, exchange)
        await door.current()
        secret.on_disk = "new"
        assert await door.refresh()
        assert isinstance(await door.current(), Deferred)
        assert exchange.bodies == [b"old", b"new"]

    asyncio.run(run())
