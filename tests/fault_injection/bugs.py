"""Deliberate bugs. A test switches one on in a process of its own and checks that the suite catches it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from consumer.delivery import batch as batches
from consumer.delivery.delivery import Delivery
from consumer.delivery.dispatcher import Dispatcher
from consumer.delivery.http.client import HttpConnection
from consumer.delivery.lane import Lane
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.destinations.copilot import Copilot
from consumer.kafka.dead_letters.writer import DeadLetterWriter
from consumer.model import DeadLetter, Delivered, HttpResponse, Message, Verdict

COMMIT_BEFORE_DELIVERY = "commit before delivery"
INVALID_EVENTS_IGNORED = "invalid_events ignored"
EARLIER_EPOCH_ACCEPTED = "outcome of an earlier epoch accepted"
TWO_REQUESTS_OF_A_LANE = "two requests of a lane at once"
SETTLED_BEFORE_ACK = "dead letter settled before its ack"
HALVES_SWAPPED = "halves sent in the wrong order"
SETTLE_REMOVED = "one settle removed"


def _commit_before_delivery() -> None:
    PartitionLedger.committable_offset = lambda self: self.next_offset  # type: ignore[method-assign]


def _invalid_events_ignored() -> None:
    judge = Copilot.judge

    def lenient(self: Copilot, envelope: Any, identities: Sequence[str], response: HttpResponse) -> Verdict:  # noqa: ANN401
        return Delivered() if response.status == 200 else judge(self, envelope, identities, response)

    Copilot.judge = lenient  # type: ignore[method-assign]


def _earlier_epoch_accepted() -> None:
    def end(self: PartitionLedger) -> None:
        self.may_send = False  # and `active` stays true

    PartitionLedger.end = end  # type: ignore[method-assign]


def _two_requests_of_a_lane() -> None:
    build = Dispatcher.__init__

    def init_with_twins(self: Dispatcher, *args: Any, connect: Callable[[], HttpConnection], **more: Any) -> None:  # noqa: ANN401 - the dispatcher's own
        build(self, *args, connect=connect, **more)
        run = self.run

        async def run_with_twins() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run())
                for one in self.lanes:
                    twin = Lane(one._context, self.prober, connect())
                    twin._queue, twin._wake = one._queue, one._wake
                    tasks.create_task(twin.run())

        self.run = run_with_twins  # type: ignore[method-assign]

    Dispatcher.__init__ = init_with_twins  # type: ignore[method-assign]


def _settled_before_ack() -> None:
    write = DeadLetterWriter.write

    def eager(self: DeadLetterWriter, dead_letter: DeadLetter, on_acknowledged: Callable[[], None]) -> None:
        write(self, dead_letter, lambda: None)
        on_acknowledged()

    DeadLetterWriter.write = eager  # type: ignore[method-assign]


def _halves_swapped() -> None:
    halve = batches.split

    def swapped(batch: list[Delivery], next_piece: Callable[[], int]) -> None:
        halve(batch, next_piece)
        middle = (len(batch) + 1) // 2
        batch[:] = batch[middle:] + batch[:middle]

    importers = [module for name, module in sys.modules.items() if name.startswith("consumer.delivery.")]
    importers = [module for module in importers if vars(module).get("split") is halve]
    assert importers, "no module of consumer.delivery imports split()"
    for module in importers:
        vars(module)["split"] = swapped


def _settle_removed() -> None:
    settle_all, omitted = PartitionLedger.settle_all, [False]

    def all_but_one(self: PartitionLedger, slots: Iterable[int], destination: int) -> list[Message]:
        every = list(slots)
        if omitted[0] or len(every) < 2:
            return settle_all(self, every, destination)
        omitted[0] = True
        return [*settle_all(self, every[1:], destination), self.record(every[0])]

    PartitionLedger.settle_all = all_but_one  # type: ignore[method-assign]


BUGS: Mapping[str, Callable[[], None]] = {
    COMMIT_BEFORE_DELIVERY: _commit_before_delivery,
    INVALID_EVENTS_IGNORED: _invalid_events_ignored,
    EARLIER_EPOCH_ACCEPTED: _earlier_epoch_accepted,
    TWO_REQUESTS_OF_A_LANE: _two_requests_of_a_lane,
    SETTLED_BEFORE_ACK: _settled_before_ack,
    HALVES_SWAPPED: _halves_swapped,
    SETTLE_REMOVED: _settle_removed,
}
"""Bug name → the function that breaks the product in this process."""
