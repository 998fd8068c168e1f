"""Basic credentials: secrets are read again once per rejection.

A missing file, half of a secret or a disk that hangs never replaces a good secret.
"""

import asyncio
import base64
from pathlib import Path

from consumer.config.secrets import SecretFile
from consumer.delivery.http.credentials import RECHECK_S, BasicCredentials
from consumer.destinations import Basic
from consumer.model import SecretProblem
from tests.integration.delivery.dispatcher_harness import FakeSecret
from tests.unit.hung_mount import HungMount
from tests.unit.manual_clock import ManualClock


def test_rejection_in_many_lanes_reads_the_secrets_once() -> None:
    async def run() -> None:
        user, password = FakeSecret("id"), FakeSecret("old")
        renewals: list[bool] = []
        credentials = BasicCredentials(Basic("user", "password"), {"user": user, "password": password}, renewals.append)
        headers = await credentials.current()
        assert headers == {"authorization": "Basic " + base64.b64encode(b"id:old").decode()}
        assert await asyncio.gather(*(credentials.renew(headers) for _ in range(16))) == [None] * 16
        assert (user.reads, password.reads) == (1, 1)
        password.on_disk = "new"
        renewed = await asyncio.gather(*(credentials.renew(headers) for _ in range(16)))
        assert all(each is renewed[0] for each in renewed)
        assert renewed[0] == {"authorization": "Basic " + base64.b64encode(b"id:new").decode()}
        assert password.reads == 2
        assert renewals == [False, True]

    asyncio.run(run())


def test_missing_password_is_empty_and_refresh_reports_a_change_once() -> None:
    async def run() -> None:
        key = FakeSecret("key")
        credentials = BasicCredentials(Basic("key", None), {"key": key})
        assert await credentials.current() == {"authorization": "Basic " + base64.b64encode(b"key:").decode()}
        assert not await credentials.refresh()
        key.on_disk = "other"
        assert await credentials.refresh()
        assert not await credentials.refresh()

    asyncio.run(run())


def test_hanging_disk_keeps_the_headers_and_is_reported_once(tmp_path: Path) -> None:
    user, password = tmp_path / "user", tmp_path / "password"
    user.write_text("id")
    password.write_text("good")
    secrets = {
        "user": SecretFile(user, "id", timeout_s=30),
        "password": SecretFile(password, "good", timeout_s=0.05),
    }
    renewals: list[bool] = []
    problems: list[SecretProblem | None] = []

    async def run() -> None:
        credentials = BasicCredentials(Basic("user", "password"), secrets, renewals.append, problems.append)
        headers = await credentials.current()
        with HungMount(password) as mount:
            assert credentials.problem() is None
            assert await credentials.renew(headers) is None
            assert not await credentials.refresh()
            assert await credentials.current() is headers
            assert (credentials.problem(), problems, renewals) == (
                SecretProblem.UNREADABLE,
                [SecretProblem.UNREADABLE],
                [False],
            )
            mount.answer(b"new")
        assert credentials.problem() is None, "the disk has responded"
        secrets["password"].file.timeout_s = 30
        assert await credentials.renew(headers) == {"authorization": "Basic " + base64.b64encode(b"id:new").decode()}
        assert problems == [SecretProblem.UNREADABLE, None]

    asyncio.run(run())  # the loop closes while no thread of its own waits for a disk


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def test_rejected_half_key_falls_back_to_last_accepted_until_whole() -> None:
    async def run() -> None:
        key = FakeSecret("good")
        renewals: list[bool] = []
        problems: list[SecretProblem | None] = []
        clock = ManualClock()
        credentials = BasicCredentials(Basic("key", None), {"key": key}, renewals.append, problems.append, clock=clock)
        credentials.record_accepted(good := await credentials.current())
        key.on_disk = "hal"
        assert await credentials.refresh()
        half = await credentials.current()
        assert half == basic("hal")
        assert [await credentials.renew(half) for _ in range(3)] == [good] * 3, "the writer may pause for any time"
        assert (await credentials.current(), problems, renewals) == (good, [], [False])
        credentials.record_accepted(good)
        credentials.record_accepted(good)
        assert (credentials.problem(), problems) == (SecretProblem.REJECTED, [SecretProblem.REJECTED])
        assert not await credentials.refresh()
        assert await credentials.current() is good
        reads, key.on_disk = key.reads, "half no more"
        clock.now_s += RECHECK_S - 0.1
        assert await credentials.current() is good
        assert key.reads == reads, "the file is not read for every request"
        clock.now_s += 0.1
        whole = await credentials.current()
        assert whole == basic("half no more")
        assert problems == [SecretProblem.REJECTED, None]
        credentials.record_accepted(whole)
        assert await credentials.renew(whole) is None, "a replaced secret is not used again"
        assert await credentials.current() is whole
        assert problems == [SecretProblem.REJECTED, None]

    asyncio.run(run())


def test_two_rejected_keys_alternate_until_one_is_accepted() -> None:
    async def run() -> None:
        key = FakeSecret("old")
        problems: list[SecretProblem | None] = []
        credentials = BasicCredentials(Basic("key", None), {"key": key}, on_problem=problems.append)
        credentials.record_accepted(old := await credentials.current())
        key.on_disk = "new"
        new = await credentials.renew(old)
        assert new == basic("new")
        assert await credentials.renew(new) is old
        assert await credentials.renew(old) is new
        assert await credentials.renew(new) is old
        assert problems == [], "none of them was accepted"
        credentials.record_accepted(old)
        assert await credentials.renew(old) is new
        credentials.record_accepted(new)
        assert await credentials.renew(new) is None
        assert problems == [SecretProblem.REJECTED, None]

    asyncio.run(run())


def test_key_that_was_never_accepted_is_no_alternative() -> None:
    async def run() -> None:
        key = FakeSecret("wrong")
        credentials = BasicCredentials(Basic("key", None), {"key": key})
        wrong = await credentials.current()
        assert await credentials.renew(wrong) is None
        key.on_disk = "wrong, too"
        assert (other := await credentials.renew(wrong)) == basic("wrong, too")
        assert await credentials.renew(other) is None

    asyncio.run(run())


def test_rejected_key_falls_back_even_if_another_task_read_the_file() -> None:
    async def run() -> None:
        key = FakeSecret("good")
        credentials = BasicCredentials(Basic("key", None), {"key": key})
        credentials.record_accepted(good := await credentials.current())
        key.on_disk = "hal"
        assert await credentials.refresh()
        half = await credentials.current()
        reading = asyncio.create_task(credentials.refresh())
        renewing = asyncio.create_task(credentials.renew(half))
        assert (await reading, await renewing) == (False, good)
        assert key.reads == 2

    asyncio.run(run())


def test_file_without_a_secret_is_a_problem_until_it_has_one(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("good")
    problems: list[SecretProblem | None] = []
    clock = ManualClock()

    async def run() -> None:
        secret = SecretFile(key, "good", timeout_s=30)
        credentials = BasicCredentials(Basic("key", None), {"key": secret}, on_problem=problems.append, clock=clock)
        good = await credentials.current()
        key.write_text('"better"')
        assert not await credentials.refresh()
        assert await credentials.renew(good) is None, "there is no other secret to try"
        assert (credentials.problem(), problems) == (SecretProblem.INVALID, [SecretProblem.INVALID])
        assert await credentials.current() is good
        key.write_text("better")
        clock.now_s += RECHECK_S
        assert await credentials.current() == basic("better"), "no request need fail for the file to be read again"
        assert (credentials.problem(), problems) == (None, [SecretProblem.INVALID, None])

    asyncio.run(run())
