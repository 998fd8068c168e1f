"""A changed file is read twice, and its content counts once both reads agree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from consumer.config.stable_file import FILE_UNANSWERED, FILE_UNCHANGED, FILE_UNSTABLE, NoNewContent, StableFile
from tests.unit.hung_mount import HungMount


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        (["known"], FILE_UNCHANGED),
        (["new", "new"], "new"),
        (["ne", "new"], FILE_UNSTABLE),
        (["new", "known"], FILE_UNSTABLE),
    ],
)
def test_changed_content_counts_if_two_reads_agree(reads: Sequence[str], expected: str | NoNewContent) -> None:
    left, sleeps = list(reads), list[float]()

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)

    file = StableFile(lambda: left.pop(0), 30, 0.5, sleep)
    assert asyncio.run(file.read_new("known")) == expected
    assert not left
    assert sleeps == [0.5] * (len(reads) - 1), "unchanged content is returned at once"


def test_hanging_disk_is_unanswered(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")

    async def scenario() -> None:
        file = StableFile(path.read_bytes, 0.05, 0)
        with HungMount(path) as mount:
            assert await file.read_new() is FILE_UNANSWERED
            assert file.hangs()
            mount.answer()

    asyncio.run(scenario())


def test_disk_that_hangs_at_the_second_read_is_unstable(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    mount = HungMount(path)

    async def hang(_seconds: float) -> None:
        mount.__enter__()

    async def scenario() -> None:
        file = StableFile(path.read_bytes, 0.5, 0, hang)
        assert await file.read_new() is FILE_UNSTABLE
        mount.answer()
        mount.__exit__(None, None, None)

    asyncio.run(scenario())
