"""A look at a file waits for its disk so long and no longer, in one thread at most, and shares what it finds."""

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
    path.write_bytes(b"what stood there")
    return path


def test_read_returns_the_present_content() -> None:
    contents = [b"what stood there"]

    async def scenario() -> None:
        look = BoundedRead(lambda: contents[-1], 30)
        assert await look() == b"what stood there"
        contents.append(b"another")
        assert await look() == b"another"
        assert not look.hangs()

    asyncio.run(scenario())


def test_concurrent_calls_share_one_thread_and_its_result(path: Path) -> None:
    async def scenario() -> None:
        look = BoundedRead(path.read_bytes, 30)
        with HungMount(path) as mount:
            asking = [asyncio.create_task(look()) for _ in range(5)]
            await mount.asked()
            assert len(mount.waiting()) == 1
            assert not look.hangs(), "it is not given up yet"
            mount.answer(b"new")
            assert await asyncio.gather(*asking) == [b"what stood there"] * 5
        assert await look() == b"new"

    asyncio.run(scenario())


def test_hanging_read_times_out_and_is_repeated_once_it_ended(path: Path) -> None:
    async def scenario() -> None:
        look = BoundedRead(path.read_bytes, 0.05)
        with HungMount(path) as mount:
            assert await look() is UNANSWERED
            assert look.hangs()
            assert [await look() for _ in range(3)] == [UNANSWERED] * 3
            assert len(mount.waiting()) == 1
            mount.answer(b"new")
            assert not look.hangs()
        look.timeout_s = 30
        assert await look() == b"new", "the answer that came too late is not kept"

    asyncio.run(scenario())


def test_cancelled_call_does_not_affect_other_calls(path: Path) -> None:
    async def scenario() -> None:
        look = BoundedRead(path.read_bytes, 30)
        with HungMount(path) as mount:
            gone, stays = asyncio.create_task(look()), asyncio.create_task(look())
            await mount.asked()
            gone.cancel()
            mount.answer()
            assert await stays == b"what stood there"
        assert gone.cancelled()

    asyncio.run(scenario())


def test_exception_in_the_thread_is_raised_by_the_call() -> None:
    def fall() -> None:
        raise ValueError("a bug")

    async def scenario() -> None:
        look = BoundedRead(fall, 30)
        for _ in range(2):
            with pytest.raises(ValueError, match="a bug"):
                await look()

    asyncio.run(scenario())


def test_process_exits_while_the_disk_hangs(path: Path) -> None:
    before = threading.active_count()
    script = (
        "import asyncio, pathlib\n"
        "from consumer.config.bounded_read import BoundedRead\n"
        f"look = BoundedRead(pathlib.Path({str(path)!r}).read_bytes, 0.05)\n"
        "print(asyncio.run(look()))\n"
    )
    with HungMount(path):
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout == "Unanswered.UNANSWERED\n"
    assert threading.active_count() == before
