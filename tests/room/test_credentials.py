"""Credentials: renewed once however many meet the expiry, never replaced by nothing."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.config import SecretFile
from consumer.delivery.credentials import BasicCredentials, Signature, TokenCredentials
from consumer.destinations import Basic, Token
from consumer.model import Barred, Call, Deferred, Doubt, Endpoint, Fault, Reply, Trouble
from tests.lanes.road import FakeSecret
from tests.room.hung_mount import HungMount

TOKENS = Endpoint("access_tokens", "POST", "/tokens")
TOKEN = Token("x-token", TOKENS, "secret", 100.0, lambda secret: secret.encode(), lambda reply: reply.body.decode())
SAD = Token("x-token", TOKENS, "secret", 100.0, lambda secret: secret.encode(), lambda _: Fault(Trouble.UNAUTHORIZED))


class Exchange:
    """Answers token calls, with what it is given, when it is let."""

    def __init__(self, answer: Callable[[int], Reply | Fault]) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []

    async def __call__(self, call: Call) -> Reply | Fault:
        self.bodies.append(call.body)
        await asyncio.sleep(0.01)
        return self.answer(len(self.bodies))


def numbered(count: int) -> Reply:
    return Reply(200, {}, b"token-%d" % count)


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
            assert isinstance(signature, Signature)
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
        (Fault(Trouble.TIMED_OUT, "late"), Deferred(Fault(Trouble.TIMED_OUT, "late"))),
        (Reply(503, {}, b""), Deferred(Fault(Trouble.SERVER_ERROR, "the token call", 503))),
        (
            Reply(429, {"retry-after": "7"}, b""),
            Deferred(Fault(Trouble.THROTTLED, "the token call", 429), 7.0, everyone=True),
        ),
        (Reply(401, {}, b""), Barred(Fault(Trouble.UNAUTHORIZED))),
    ],
    ids=["no answer", "server error", "throttled", "refused"],
)
def test_a_token_call_that_fails_fails_all_who_waited_for_it_and_is_made_anew_for_the_next(
    answer: Reply | Fault, expected: Barred | Deferred
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


def test_basic_credentials_are_read_again_once_however_many_lanes_were_refused() -> None:
    async def run() -> None:
        user, password = FakeSecret("id"), FakeSecret("old")
        heard: list[bool] = []
        door = BasicCredentials(Basic("user", "password"), {"user": user, "password": password}, heard.append)
        signature = await door.current()
        assert signature == {"authorization": "Basic " + base64.b64encode(b"id:old").decode()}
        assert await asyncio.gather(*(door.renew(signature) for _ in range(16))) == [None] * 16
        assert (user.reads, password.reads) == (1, 1)
        password.on_disk = "new"
        renewed = await asyncio.gather(*(door.renew(signature) for _ in range(16)))
        assert all(each is renewed[0] for each in renewed)
        assert renewed[0] == {"authorization": "Basic " + base64.b64encode(b"id:new").decode()}
        assert password.reads == 2
        assert heard == [False, True]

    asyncio.run(run())


def test_a_blank_password_is_signed_as_blank_and_refresh_tells_a_change_once() -> None:
    async def run() -> None:
        key = FakeSecret("key")
        door = BasicCredentials(Basic("key", None), {"key": key})
        assert await door.current() == {"authorization": "Basic " + base64.b64encode(b"key:").decode()}
        assert not await door.refresh()
        key.on_disk = "other"
        assert await door.refresh()
        assert not await door.refresh()

    asyncio.run(run())


def test_a_disk_that_hangs_keeps_no_basic_credentials_from_signing_and_is_said_once(tmp_path: Path) -> None:
    user, password = tmp_path / "user", tmp_path / "password"
    user.write_text("id")
    password.write_text("good")
    secrets = {
        "user": SecretFile(user, "id", within_s=30),
        "password": SecretFile(password, "good", within_s=0.05),
    }
    renewals: list[bool] = []
    doubts: list[Doubt | None] = []

    async def run() -> None:
        door = BasicCredentials(Basic("user", "password"), secrets, renewals.append, doubts.append)
        signature = await door.current()
        with HungMount(password) as mount:
            assert door.doubt() is None
            assert await door.renew(signature) is None
            assert not await door.refresh()
            assert await door.current() is signature
            assert (door.doubt(), doubts, renewals) == (Doubt.UNREAD, [Doubt.UNREAD], [False])
            mount.answer(b"new")
        assert door.doubt() is None, "as soon as the disk has answered, whoever reads next"
        secrets["password"]._look._within_s = 30
        assert await door.renew(signature) == {"authorization": "Basic " + base64.b64encode(b"id:new").decode()}
        assert doubts == [Doubt.UNREAD, None]

    asyncio.run(run())  # the loop closes while no thread of its own waits for a disk


def test_a_disk_that_hangs_keeps_no_token_from_being_renewed_with_the_secret_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("good")
    secret = SecretFile(path, "good", within_s=0.05)
    doubts: list[Doubt | None] = []

    async def run() -> None:
        exchange = Exchange(numbered)
        door = TokenCredentials(TOKEN, {"secret": secret}, exchange, doubted=doubts.append)
        with HungMount(path) as mount:
            for count in (1, 2, 3):
                signature = await door.current()
                assert signature == {"x-token": f"token-{count}"}
                assert isinstance(signature, Signature)
                door._fetched_at -= 101
            assert (door.doubt(), doubts) == (Doubt.UNREAD, [Doubt.UNREAD])
            mount.answer()
        secret._look._within_s = 30
        assert not await door.refresh()
        assert (door.doubt(), doubts) == (None, [Doubt.UNREAD, None])
        assert set(exchange.bodies) == {b"good"}

    asyncio.run(run())
