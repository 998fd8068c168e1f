"""A read has a timeout, uses at most one thread, and shares its result with concurrent calls."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from consumer.config.bounded_read import UNANSWERED, BoundedRead
from tests.unit.hung_mount import HungMount


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"old content")
    return path


def test_read_returns_the_present_content() -> None:
    contents = [b"old content"]

    async def scenario() -> None:
        read = BoundedRead(lambda: contents[-1], 30)
        assert await read() == b"old content"
        contents.append(b"another")
        assert await read() == b"another"
        assert not read.hangs()

    asyncio.run(scenario())


def test_concurrent_calls_share_one_thread_and_its_result(path: Path) -> None:
    async def scenario() -> None:
        read = BoundedRead(path.read_bytes, 30)
        with HungMount(path) as mount:
            asking = [asyncio.create_task(read()) for _ in range(5)]
            await mount.asked()
            assert len(mount.waiting()) == 1
            assert not read.hangs(), "the timeout is not over yet"
            mount.answer(b"new")
            assert await asyncio.gather(*asking) == [b"old content"] * 5
        assert await read() == b"new"

    asyncio.run(scenario())


def test_hanging_read_times_out_and_is_repeated_once_it_ended(path: Path) -> None:
    async def scenario() -> None:
        read = BoundedRead(path.read_bytes, 0.05)
        with HungMount(path) as mount:
            assert await read() is UNANSWERED
            assert read.hangs()
            assert [await read() for _ in range(3)] == [UNANSWERED] * 3
            assert len(mount.waiting()) == 1
            mount.answer(b"new")
            assert not read.hangs()
        read.timeout_s = 30
        assert await read() == b"new", "the result after the timeout is discarded"

    asyncio.run(scenario())


def test_cancelled_call_does_not_affect_other_calls(path: Path) -> None:
    async def scenario() -> None:
        read = BoundedRead(path.read_bytes, 30)
        with HungMount(path) as mount:
            gone, stays = asyncio.create_task(read()), asyncio.create_task(read())
            await mount.asked()
            gone.cancel()
            mount.answer()
            assert await stays == b"old content"
        assert gone.cancelled()

    asyncio.run(scenario())


def test_exception_in_the_thread_is_raised_by_the_call() -> None:
    def fail() -> None:
        raise ValueError("a bug")

    async def scenario() -> None:
        read = BoundedRead(fail, 30)
        for _ in range(2):
            with pytest.raises(ValueError, match="a bug"):
                await read()

    asyncio.run(scenario())


def test_process_exits_while_the_disk_hangs(path: Path) -> None:
    before = threading.active_count()
    script = (
        "import asyncio, pathlib\n"
        "from consumer.config.bounded_read import BoundedRead\n"
        f"read = BoundedRead(pathlib.Path({str(path)!r}).read_bytes, 0.05)\n"
        "print(asyncio.run(read()))\n"
    )
    with HungMount(path):
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout == "Unanswered.UNANSWERED\n"
    assert threading.active_count() == before
