"""The drain of revoked partitions: wait for requests in flight, release everything else."""

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
"""Between two checks of a condition that sends no notification."""


class PartitionDrain:
    """Ends the ledgers of one pipeline."""

    def __init__(
        self, record_buffer: RecordBuffer, settlement: Settlement, dispatchers: Mapping[str, Dispatcher]
    ) -> None:
        """End ledgers of `record_buffer`. Entries may still be added to `dispatchers`."""
        self._record_buffer = record_buffer
        self._settlement = settlement
        self._dispatchers = dispatchers

    def active_ledgers(self, partitions: Collection[Partition]) -> list[PartitionLedger]:
        """Return the ledgers of these partitions, as far as they are assigned."""
        return [
            self._record_buffer.ledgers[partition]
            for partition in partitions
            if partition in self._record_buffer.ledgers
        ]

    def stop_sending(self, ledgers: Sequence[PartitionLedger]) -> list[asyncio.Future[None]]:
        """Start no request with their deliveries any more; return a future for each such request in flight."""
        for ledger in ledgers:
            ledger.may_send = False
        return [answered for dispatcher in self._dispatchers.values() for answered in dispatcher.drop_revoked(ledgers)]

    def release(self, ledgers: Sequence[PartitionLedger]) -> None:
        """End these ledgers. Everything they still owe is released."""
        for ledger in ledgers:
            if ledger.active:  # a partition can be lost during its drain: count it once
                self._settlement.accounting.close(ledger)
                self._record_buffer.revoke(ledger)
        self._settlement.drop_revoked()

    async def run(self, ledgers: Sequence[PartitionLedger], deadline: float) -> CommittableOffsets:
        """Wait for their requests and dead letters, release the rest, and return their committable offsets.

        `deadline`: when to stop waiting, monotonic seconds.
        """
        if in_flight := self.stop_sending(ledgers):
            await asyncio.wait(in_flight, timeout=max(0.0, deadline - time.monotonic()))
        while self._settlement.dead_letters_in_flight(ledgers) and time.monotonic() < deadline:  # noqa: ASYNC110 - several events end it
            await asyncio.sleep(POLL_S)
        # Commit nothing for a partition that was lost during its drain.
        still_assigned = [ledger for ledger in ledgers if ledger.active]
        committable = CommittableOffsets(
            {ledger.partition: (ledger.epoch, ledger.committable_offset()) for ledger in still_assigned}
        )
        self.release(ledgers)
        return committable

    def can_make_progress(self, deadline: float) -> bool:
        """Return True if a delivery can still end before `deadline`. Shutdown waits for this.

        Shutdown also waits for back-offs that end in time. A delivery released unfinished holds the committable offset
        back, and everything above it, delivered or not, would be delivered again.
        """
        if not any(ledger.open_records for ledger in self._record_buffer.ledgers.values()):
            return False
        return self._settlement.dead_letters_in_flight() or any(
            dispatcher.can_make_progress(deadline) for dispatcher in self._dispatchers.values()
        )
