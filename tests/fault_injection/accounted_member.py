"""A main for tests only: `cdp-consumer run`, which also records the ids that its accounting counts.

    python -m tests.fault_injection.accounted_member FILE run --config cdp.yaml

The accounting is only numbers, in which two errors can cancel out. The ids show which deliveries were counted.

The process also writes its accounting to FILE: after its shutdown, when it has no status page any more, and on each
line of standard input. On a line, it writes the accounting of every pipeline in one step of the loop, so that it agrees
with the ids recorded before it. A status page would be older than the ids that a test reads after it, much older on a
busy machine.
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

_ACCOUNTING = "accounting"
DeliveryKey = tuple[str, str]
"""(destination, or "" for undecodable records; delivery id)."""


@dataclass(slots=True)
class RecordedIds:
    """The ids that one process recorded, each with its number of occurrences."""

    owed: Counter[DeliveryKey] = field(default_factory=Counter)
    delivered: Counter[DeliveryKey] = field(default_factory=Counter)
    dead_lettered: Counter[DeliveryKey] = field(default_factory=Counter)

    @property
    def unfinished(self) -> Counter[DeliveryKey]:
        """Owed deliveries that did not end: open or released."""
        return self.owed - self.delivered - self.dead_lettered

    def count(self, what: Counter[DeliveryKey], destination: str) -> int:
        """Return the number of ids of one destination."""
        return sum(number for (to, _), number in what.items() if to == destination)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]


def final_accounting(path: Path) -> dict[str, dict[str, Any]]:
    """Read a process's final accounting: the `/status` of each pipeline."""
    return {line["pipeline"]: line["status"] for line in _lines(path) if line["event"] == _ACCOUNTING}


def recorded_ids(path: Path) -> RecordedIds:
    """Read the ids that a process recorded."""
    return _ids_of(_lines(path))


def recorded_ids_at_last_mark(path: Path) -> tuple[int, RecordedIds]:
    """Read how often a process wrote its accounting, and the ids recorded before the last time."""
    lines = _lines(path)
    marks = [number for number, line in enumerate(lines) if line["event"] == _ACCOUNTING]
    return len(marks), _ids_of(lines[: marks[-1]] if marks else [])


def _ids_of(lines: Iterable[dict[str, Any]]) -> RecordedIds:
    found = RecordedIds()
    for line in lines:
        if line["event"] == _ACCOUNTING:
            continue
        counter: Counter[DeliveryKey] = getattr(found, line["event"])
        counter.update((line["to"], identity) for identity in line["ids"])
    return found


def record_ids(journal: Journal) -> None:
    """Record owed, delivered and acknowledged ids where the product counts them."""

    def record(event: str, destination: str, identities: Sequence[str]) -> None:
        if identities:
            journal.write(event, to=destination, ids=list(identities))

    enqueue, delivered, write_dead_letter, dead_letter_untranslated = (
        Dispatcher.enqueue,
        Settlement.delivered,
        Settlement._write_dead_letter,
        Settlement.dead_letter_untranslated,
    )

    def recording_enqueue(self: Dispatcher, deliveries: Iterable[Delivery]) -> None:
        every = list(deliveries)
        record("owed", self.name, [delivery.identity for delivery in every])
        enqueue(self, every)

    def recording_dead_letter_untranslated(
        self: Settlement, failure: TranslationFailure, ledger: PartitionLedger, slot: int
    ) -> None:
        record("owed", failure.entry.destination if failure.entry else "", [failure.identity])
        dead_letter_untranslated(self, failure, ledger, slot)

    def recording_delivered(self: Settlement, destination: str, batch: Sequence[Delivery]) -> None:
        active = [delivery.identity for delivery in batch if delivery.ledger.active]
        delivered(self, destination, batch)
        record("delivered", destination, active)

    def recording_write_dead_letter(
        self: Settlement,
        dead_letter: DeadLetter,
        ledger: PartitionLedger,
        slot: int,
        account: str,
        then: Callable[[], None],
    ) -> None:
        def acknowledged() -> None:
            if ledger.active:
                record("dead_lettered", account, [dead_letter.delivery_id])
            then()

        write_dead_letter(self, dead_letter, ledger, slot, account, acknowledged)

    Dispatcher.enqueue = recording_enqueue  # type: ignore[method-assign]
    Settlement.dead_letter_untranslated = recording_dead_letter_untranslated  # type: ignore[method-assign]
    Settlement.delivered = recording_delivered  # type: ignore[method-assign]
    Settlement._write_dead_letter = recording_write_dead_letter  # type: ignore[method-assign]


def record_accounting(journal: Journal) -> None:
    """Write the accounting of every pipeline on each line of standard input, and of each one after its shutdown."""
    runners: list[PipelineRunner] = []
    run = PipelineRunner.run

    def write(runner: PipelineRunner) -> None:
        (status,) = cast(
            "list[object]",
            status_document(CollectedStatus([runner.status_reporter.status()], []), Moment.now())["pipelines"],
        )
        journal.write(_ACCOUNTING, pipeline=runner.name, status=status)

    def write_all() -> None:
        for runner in runners:
            runner.status_reporter.refresh()
            write(runner)

    def read_commands(loop: asyncio.AbstractEventLoop) -> None:
        for _ in sys.stdin:
            loop.call_soon_threadsafe(write_all)

    async def recording_run(self: PipelineRunner, shutdown: asyncio.Event) -> None:
        if not runners:
            loop = asyncio.get_running_loop()
            threading.Thread(target=read_commands, args=(loop,), name="commands", daemon=True).start()
        runners.append(self)
        await run(self, shutdown)
        write(self)

    PipelineRunner.run = recording_run  # type: ignore[method-assign]


if __name__ == "__main__":
    own = Journal(Path(sys.argv[1]))
    record_ids(own)
    record_accounting(own)
    sys.exit(main(sys.argv[2:]))
