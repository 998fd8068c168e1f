"""Members that write a journal and obey commands, such as dying at a kill point; and queries over all journals."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.member import Member
from tests.e2e.world import World

Line = dict[str, Any]


class JournaledMember(Member):
    """A member composed by `tests.fault_injection.composed_member`.

    Args:
        world: the world it belongs to.
        name: name of its log and its journal.
        bug: name of the deliberate bug to switch on.
    """

    def __init__(self, world: World, name: str, *options: str, bug: str | None = None) -> None:
        self.name = name
        self._journal = world.folder / f"{name}.journal"
        self._lines: list[Line] = []
        self._read_to = 0
        self._assigned: set[tuple[str, int]] = set()
        bug_options = ("--bug", bug) if bug else ()
        program = ("tests.fault_injection.composed_member", "--journal", str(self._journal), *bug_options, "--")
        self.started = time.monotonic()
        super().__init__(world.config, world.folder / f"{name}.log", *options, program=program, listens=True)

    def send_command(self, line: str) -> None:
        """Write a line to its standard input: `kill POINT`, `freeze`, `census` or `memory`."""
        stdin = self.process.stdin
        assert stdin is not None
        stdin.write(line.encode() + b"\n")
        stdin.flush()

    def journal(self, event: str | None = None) -> list[Line]:
        """Return its journal, or the lines of one event. An incomplete last line is not read."""
        with contextlib.suppress(FileNotFoundError), self._journal.open("rb") as file:
            file.seek(self._read_to)
            whole, newline, _ = file.read().rpartition(b"\n")
            self._read_to += len(whole) + len(newline)
            new = [json.loads(line) for line in whole.splitlines()]
            self._lines += new
            self._track_assignment(new)
        return [line for line in self._lines if event is None or line["event"] == event]

    def _track_assignment(self, lines: list[Line]) -> None:
        for line in lines:
            if line["event"] in {"assigned", "revoked", "lost"}:
                places = {(line["pipeline"], one[0]) for one in line["partitions"]}
                self._assigned = self._assigned | places if line["event"] == "assigned" else self._assigned - places

    def assigned_partitions(self) -> set[tuple[str, int]]:
        """Return its assigned partitions by its journal, as (pipeline, partition)."""
        self.journal("")
        return self._assigned

    def census(self, within_s: float = 180.0) -> Line:
        """Return its present tasks, threads and descriptors."""
        before = len(self.journal("census"))
        self.send_command("census")
        self.wait_until(lambda: len(self.journal("census")) > before, within_s, "no census")
        return self.journal("census")[-1]

    def memory_mib(self) -> tuple[float, float]:
        """Return its resident memory now and at its peak, in MiB; zeros after its end."""
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return 0.0, 0.0
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", text, re.MULTILINE))
        return int(found.get("VmRSS", 0)) / 1024, int(found.get("VmHWM", 0)) / 1024


def read_journal(path: Path) -> list[Line]:
    """Return the whole lines of a journal; none if there is no such file yet."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]


@dataclass(frozen=True, slots=True)
class PartitionOffset:
    """A journal entry about one partition: assigned from an offset, or committed up to one."""

    at: float
    pipeline: str
    partition: int
    offset: int


def partition_offsets(journals: list[list[Line]], event: str) -> Iterator[PartitionOffset]:
    """Return all entries of one event, `assigned` or `committed`, from all journals."""
    for journal in journals:
        for line in journal:
            if line["event"] == event:
                for partition, offset in line["partitions"]:
                    yield PartitionOffset(line["at"], line["pipeline"], partition, offset)
