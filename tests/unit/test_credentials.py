"""Basic credentials: read again once however many are refused, never replaced by nothing, half or a disk that hangs."""

import asyncio
import base64
from pathlib import Path

from consumer.config.secrets import SecretFile
from consumer.delivery.http.credentials import BasicCredentials
from consumer.destinations import Basic
from consumer.model import SecretProblem
from tests.integration.delivery.dispatcher_harness import FakeSecret
from tests.unit.hung_mount import HungMount


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
        "user": SecretFile(user, "id", timeout_s=30),
        "password": SecretFile(password, "good", timeout_s=0.05),
    }
    renewals: list[bool] = []
    doubts: list[SecretProblem | None] = []

    async def run() -> None:
        door = BasicCredentials(Basic("user", "password"), secrets, renewals.append, doubts.append)
        signature = await door.current()
        with HungMount(password) as mount:
            assert door.problem() is None
            assert await door.renew(signature) is None
            assert not await door.refresh()
            assert await door.current() is signature
            assert (door.problem(), doubts, renewals) == (SecretProblem.UNREADABLE, [SecretProblem.UNREADABLE], [False])
            mount.answer(b"new")
        assert door.problem() is None, "as soon as the disk has answered, whoever reads next"
        secrets["password"].file.timeout_s = 30
        assert await door.renew(signature) == {"authorization": "Basic " + base64.b64encode(b"id:new").decode()}
        assert doubts == [SecretProblem.UNREADABLE, None]

    asyncio.run(run())  # the loop closes while no thread of its own waits for a disk


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def test_half_of_a_key_is_tried_and_gives_way_to_the_one_that_was_taken_until_it_is_whole() -> None:
    async def run() -> None:
        key = FakeSecret("good")
        renewals: list[bool] = []
        doubts: list[SecretProblem | None] = []
        door = BasicCredentials(Basic("key", None), {"key": key}, renewals.append, doubts.append)
        door.record_accepted(good := await door.current())
        key.on_disk = "hal"
        assert await door.refresh()
        half = await door.current()
        assert half == basic("hal")
        assert [await door.renew(half) for _ in range(3)] == [good] * 3, "the writer may pause for any time"
        assert (await door.current(), doubts, renewals) == (good, [], [False])
        door.record_accepted(good)
        door.record_accepted(good)
        assert (door.problem(), doubts) == (SecretProblem.REJECTED, [SecretProblem.REJECTED])
        assert not await door.refresh()
        assert await door.current() is good
        reads, key.on_disk = key.reads, "half no more"
        assert door._look_at > 0
        door._look_at = float("inf")
        assert await door.current() is good
        assert key.reads == reads, "not at every call"
        door._look_at = 0.0
        whole = await door.current()
        assert whole == basic("half no more")
        assert doubts == [SecretProblem.REJECTED, None]
        door.record_accepted(whole)
        assert await door.renew(whole) is None, "what was replaced is not gone back to"
        assert await door.current() is whole
        assert doubts == [SecretProblem.REJECTED, None]

    asyncio.run(run())


def test_of_two_keys_that_are_refused_neither_is_given_up_before_one_is_taken() -> None:
    async def run() -> None:
        key = FakeSecret("old")
        doubts: list[SecretProblem | None] = []
        door = BasicCredentials(Basic("key", None), {"key": key}, doubted=doubts.append)
        door.record_accepted(old := await door.current())
        key.on_disk = "new"
        new = await door.renew(old)
        assert new == basic("new")
        assert await door.renew(new) is old
        assert await door.renew(old) is new
        assert await door.renew(new) is old
        assert doubts == [], "none of them was taken"
        door.record_accepted(old)
        assert await door.renew(old) is new
        door.record_accepted(new)
        assert await door.renew(new) is None
        assert doubts == [SecretProblem.REJECTED, None]

    asyncio.run(run())


def test_a_key_that_was_never_taken_is_nothing_to_go_back_to() -> None:
    async def run() -> None:
        key = FakeSecret("wrong")
        door = BasicCredentials(Basic("key", None), {"key": key})
        wrong = await door.current()
        assert await door.renew(wrong) is None
        key.on_disk = "wrong, too"
        assert (other := await door.renew(wrong)) == basic("wrong, too")
        assert await door.renew(other) is None

    asyncio.run(run())


def test_a_refused_key_gives_way_though_the_file_was_read_by_somebody_else_meanwhile() -> None:
    async def run() -> None:
        key = FakeSecret("good")
        door = BasicCredentials(Basic("key", None), {"key": key})
        door.record_accepted(good := await door.current())
        key.on_disk = "hal"
        assert await door.refresh()
        half = await door.current()
        looking = asyncio.create_task(door.refresh())
        renewing = asyncio.create_task(door.renew(half))
        assert (await looking, await renewing) == (False, good)
        assert key.reads == 2

    asyncio.run(run())
