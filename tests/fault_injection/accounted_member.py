"""A main for tests only: `cdp-consumer run`, which also records the ids that its accounting counts.

    python -m tests.fault_injection.accounted_member FILE run --config cdp.yaml

When it has left it writes down its books as they are then, too: nobody can ask a process that has gone. And for each
line of its standard input as they are then, all in one step of its loop: what a page says is older, and what is read
from the file afterwards is newer, by as much as the machine is busy.
Books are numbers, and two wrongs can make a right number: the identities tell which deliveries were meant.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from consumer.app import PipelineRunner
from consumer.cli.main import main
from consumer.delivery.delivery import Delivery
from consumer.delivery.dispatcher import Dispatcher
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.model import DeadLetter
from consumer.model.translated_batch import TranslationFailure
from consumer.observability.health import Moment
from consumer.observability.http.status_json import status_document
from consumer.observability.status_sources import CollectedStatus
from consumer.pipeline.settlement import Settlement
from tests.fault_injection.kill_points import Journal

_BOOKS = "books"
Whose = tuple[str, str]
"""(destination, or "" for undecodable records; identity)."""


@dataclass(slots=True)
class RecordedIds:
    """The ids that one process recorded, each with its number of occurrences."""

    owed: Counter[Whose] = field(default_factory=Counter)
    delivered: Counter[Whose] = field(default_factory=Counter)
    lettered: Counter[Whose] = field(default_factory=Counter)

    @property
    def unfinished(self) -> Counter[Whose]:
        """Owed deliveries that did not end: open or released."""
        return self.owed - self.delivered - self.lettered

    def count(self, what: Counter[Whose], destination: str) -> int:
        """Return the number of ids of one destination."""
        return sum(number for (to, _), number in what.items() if to == destination)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]


def final_accounting(path: Path) -> dict[str, dict[str, Any]]:
    """Read a process's final accounting: the `/status` of each pipeline."""
    return {line["pipeline"]: line["status"] for line in _lines(path) if line["event"] == _BOOKS}


def recorded_ids(path: Path) -> RecordedIds:
    """Read the ids that a process recorded."""
    return _kept(_lines(path))


def recorded_ids_at_last_mark(path: Path) -> tuple[int, RecordedIds]:
    """Read how often a process wrote its accounting, and the ids recorded up to the last time."""
    lines = _lines(path)
    marks = [number for number, line in enumerate(lines) if line["event"] == _BOOKS]
    return len(marks), _kept(lines[: marks[-1]] if marks else [])


def _kept(lines: Iterable[dict[str, Any]]) -> RecordedIds:
    found = RecordedIds()
    for line in lines:
        if line["event"] == _BOOKS:
            continue
        counter: Counter[Whose] = getattr(found, line["event"])
        counter.update((line["to"], identity) for identity in line["ids"])
    return found


def record_ids(journal: Journal) -> None:
    """Record owed, delivered and acknowledged ids where the product counts them."""

    def note(event: str, destination: str, identities: Sequence[str]) -> None:
        if identities:
            journal.write(event, to=destination, ids=list(identities))

    put, delivered, shelve, unsaid = (
        Dispatcher.enqueue,
        Settlement.delivered,
        Settlement._write_dead_letter,
        Settlement.dead_letter_untranslated,
    )

    def owing(self: Dispatcher, deliveries: Iterable[Delivery]) -> None:
        every = list(deliveries)
        note("owed", self.name, [delivery.identity for delivery in every])
        put(self, every)

    def owing_unsaid(self: Settlement, failure: TranslationFailure, ledger: PartitionLedger, slot: int) -> None:
        note("owed", failure.entry.destination if failure.entry else "", [failure.identity])
        unsaid(self, failure, ledger, slot)

    def settled(self: Settlement, destination: str, batch: Sequence[Delivery]) -> None:
        live = [delivery.identity for delivery in batch if delivery.ledger.active]
        delivered(self, destination, batch)
        note("delivered", destination, live)

    def written(
        self: Settlement,
        dead_letter: DeadLetter,
        ledger: PartitionLedger,
        slot: int,
        account: str,
        then: Callable[[], None],
    ) -> None:
        def acknowledged() -> None:
            if ledger.active:
                note("lettered", account, [dead_letter.delivery_id])
            then()

        shelve(self, dead_letter, ledger, slot, account, acknowledged)

    Dispatcher.enqueue = owing  # type: ignore[method-assign]
    Settlement.dead_letter_untranslated = owing_unsaid  # type: ignore[method-assign]
    Settlement.delivered = settled  # type: ignore[method-assign]
    Settlement._write_dead_letter = written  # type: ignore[method-assign]


def record_accounting(journal: Journal) -> None:
    """Write the accounting of every pipeline on each line of standard input, and of each one when it has stopped."""
    living: list[PipelineRunner] = []
    live = PipelineRunner.run

    def write(running: PipelineRunner) -> None:
        (said,) = cast(
            "list[object]",
            status_document(CollectedStatus([running.status_reporter.status()], []), Moment.now())["pipelines"],
        )
        journal.write(_BOOKS, pipeline=running.name, status=said)

    def write_all() -> None:
        for running in living:
            running.status_reporter.refresh()
            write(running)

    def listen(loop: asyncio.AbstractEventLoop) -> None:
        for _ in sys.stdin:
            loop.call_soon_threadsafe(write_all)

    async def living_on(self: PipelineRunner, shutdown: asyncio.Event) -> None:
        if not living:
            loop = asyncio.get_running_loop()
            threading.Thread(target=listen, args=(loop,), name="listen", daemon=True).start()
        living.append(self)
        await live(self, shutdown)
        write(self)

    PipelineRunner.run = living_on  # type: ignore[method-assign]


if __name__ == "__main__":
    own = Journal(Path(sys.argv[1]))
    record_ids(own)
    record_accounting(own)
    sys.exit(main(sys.argv[2:]))
