"""How revoked partitions are drained: requests in flight are waited for, everything else is released."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consumer.kafka.loop_bridge import CommittableOffsets

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.delivery.dispatcher import Dispatcher
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.delivery.record_buffer import RecordBuffer
    from consumer.model import Partition
    from consumer.pipeline.settlement import Settlement

POLL_S = 0.02
"""Between looks at what is told by nobody."""


class PartitionDrain:
    """The last steps of one pipeline's ledgers."""

    def __init__(
        self, record_buffer: RecordBuffer, settlement: Settlement, dispatchers: Mapping[str, Dispatcher]
    ) -> None:
        """Let partitions of `intake` go; `lanes` may still be added to."""
        self._record_buffer = record_buffer
        self._settlement = settlement
        self._dispatchers = dispatchers

    def active_ledgers(self, partitions: Collection[Partition]) -> list[PartitionLedger]:
        """Return those in force."""
        return [
            self._record_buffer.ledgers[partition]
            for partition in partitions
            if partition in self._record_buffer.ledgers
        ]

    def stop_sending(self, ledgers: Sequence[PartitionLedger]) -> list[asyncio.Future[None]]:
        """Let no call begin that carries theirs; return a future for each that is on the wire."""
        for ledger in ledgers:
            ledger.may_send = False
        return [answer for lanes in self._dispatchers.values() for answer in lanes.drop_revoked(ledgers)]

    def release(self, ledgers: Sequence[PartitionLedger]) -> None:
        """End them, with what they still owe."""
        for ledger in ledgers:
            if ledger.active:  # a partition can be lost while it is being drained: it is booked once
                self._settlement.accounting.close(ledger)
                self._record_buffer.revoke(ledger)
        self._settlement.drop_revoked()

    async def run(self, ledgers: Sequence[PartitionLedger], deadline: float) -> CommittableOffsets:
        """Wait for their requests and dead letters, release the rest, and return their committable offsets.

        `deadline`: monotonic seconds after which nothing is waited for.
        """
        if answers := self.stop_sending(ledgers):
            await asyncio.wait(answers, timeout=max(0.0, deadline - time.monotonic()))
        while self._settlement.dead_letters_in_flight(ledgers) and time.monotonic() < deadline:  # noqa: ASYNC110 - many things end it
            await asyncio.sleep(POLL_S)
        # Nothing commits for a partition that was lost while it was drained.
        kept = [ledger for ledger in ledgers if ledger.active]
        committable = CommittableOffsets(
            {ledger.partition: (ledger.epoch, ledger.committable_offset()) for ledger in kept}
        )
        self.release(ledgers)
        return committable

    def can_make_progress(self, deadline: float) -> bool:
        """Return True if a delivery can still end before `deadline`. Shutdown waits for this.

        It waits for back-offs that end in time, too: a delivery that is given up holds the committable offset back,
        and everything above it, delivered or not, would be delivered again.
        """
        if not any(ledger.open_records for ledger in self._record_buffer.ledgers.values()):
            return False
        return self._settlement.dead_letters_in_flight() or any(
            lanes.can_make_progress(deadline) for lanes in self._dispatchers.values()
        )
