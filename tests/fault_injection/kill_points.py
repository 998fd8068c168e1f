"""Kill points and the journal of a member: an observer, and replacements for parts of the product."""

# ruff: noqa: ARG002 - the signatures are the observer's

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from consumer.model import Fault, Partition
from consumer.model.observer import Observer

AFTER_SEND = "after send, before response"
AFTER_DEAD_LETTER = "after dead letter, before ack"
AFTER_SETTLE = "after settle, before commit"
AFTER_COMMIT = "after commit"
AFTER_ASSIGNMENT = "after assignment"
AFTER_DEFERRAL = "after deferral"
AFTER_SPLIT = "after split"

POINTS = (
    AFTER_SEND,
    AFTER_DEAD_LETTER,
    AFTER_SETTLE,
    AFTER_COMMIT,
    AFTER_ASSIGNMENT,
    AFTER_DEFERRAL,
    AFTER_SPLIT,
)


def replace(module: ModuleType, name: str, new: Callable[..., object]) -> None:
    """Replace a function or class that a module imported.

    mypy does not see such an assignment, so the check is made here: the module has the name, and the replacement names
    no parameter that the original does not have.
    """
    assert name in vars(module), f"{module.__name__} has no {name}"
    with contextlib.suppress(ValueError):  # a C type, such as the Kafka client, has no signature
        known = inspect.signature(vars(module)[name]).parameters
        own = inspect.signature(new).parameters.values()
        unknown = [
            each.name for each in own if each.kind is not inspect.Parameter.VAR_KEYWORD and each.name not in known
        ]
        assert not unknown, f"{module.__name__}.{name} has no parameter {unknown}"
    vars(module)[name] = new


class Journal:
    """A file of JSON lines. `write` returns after the operating system has the line, so a kill loses none."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, event: str, **fields: object) -> None:
        """Write one line."""
        line = json.dumps({"at": time.monotonic(), "event": event, **fields})
        os.write(self._file, line.encode() + b"\n")


class KillPoints:
    """The armed kill point, if any. The process kills itself when it reaches that point."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.armed: str | None = None
        """Written by the thread that reads commands, read by all threads."""
        self.unsent: set[object] = set()
        """Requests that `may_send` allowed and that are not written yet."""

    def reach(self, point: str) -> None:
        """Kill the process if this is the armed point."""
        if self.armed == point:
            self._journal.write("died", point=point)
            os.kill(os.getpid(), signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the process until SIGCONT. Call it in the loop.

        It waits while a request is being written. Stopped there, the request would leave after its partition was
        reassigned, which no sender can prevent.
        """
        if self.unsent:
            asyncio.get_running_loop().call_later(0.001, self.freeze)
        else:
            self._journal.write("frozen")
            os.kill(os.getpid(), signal.SIGSTOP)


class JournalObserver(Observer):
    """Writes the journal of one pipeline, and reaches the kill points that an observer sees."""

    def __init__(self, pipeline: str, journal: Journal, points: KillPoints) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._points = points

    def partitions_assigned(self, partitions: Mapping[Partition, int]) -> None:
        self._write("assigned", [[one.index, start] for one, start in partitions.items()])
        self._points.reach(AFTER_ASSIGNMENT)

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        self._write("lost" if lost else "revoked", [[one.index] for one in partitions])

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        self._write("committed", [[one.index, offset] for one, offset in offsets.items()])
        self._points.reach(AFTER_COMMIT)

    def delivered(self, destination: str, append_s: Sequence[float], event_s: Sequence[float]) -> None:
        if append_s:
            self._points.reach(AFTER_SETTLE)

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        self._journal.write("deferred", destination=destination, cause=str(fault.cause))
        self._points.reach(AFTER_DEFERRAL)

    def batch_split(self, destination: str, events: int) -> None:
        self._points.reach(AFTER_SPLIT)

    def dead_letter_failed(self, code: str) -> None:
        self._journal.write("dead letter failed", code=code)

    def _write(self, event: str, partitions: list[list[int]]) -> None:
        self._journal.write(event, pipeline=self._pipeline, partitions=partitions)


def census(journal: Journal) -> None:
    """Write the number of tasks of this loop, threads, and descriptors by kind. Call it in the loop."""
    kinds: dict[str, int] = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the names alone are wanted
        try:
            kind = str(Path(f"/proc/self/fd/{name}").readlink()).partition(":")[0]
        except OSError:
            continue  # the folder's own descriptor
        kind = kind if kind in {"socket", "pipe", "anon_inode"} else "file"
        kinds[kind] = kinds.get(kind, 0) + 1
    # Python's own count misses the threads of the Kafka client.
    names = []
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            names.append((thread / "comm").read_text().strip())
    journal.write(
        "census",
        tasks=len(asyncio.all_tasks()),
        threads=len(names),
        names=sorted(names),
        python_threads=sorted(thread.name for thread in threading.enumerate()),
        descriptors=kinds,
    )
