"""How partitions go: calls on the wire are waited for, everything else of theirs is released, and each ends once."""

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

LOOK_S = 0.02
"""Between looks at what is told by nobody."""


class PartitionDrain:
    """The last steps of one pipeline's tenures."""

    def __init__(self, intake: RecordBuffer, settling: Settlement, lanes: Mapping[str, Dispatcher]) -> None:
        """Let partitions of `intake` go; `lanes` may still be added to."""
        self._intake = intake
        self._settling = settling
        self._lanes = lanes

    def ledgers_of(self, partitions: Collection[Partition]) -> list[PartitionLedger]:
        """Return those in force."""
        return [self._intake.tenures[partition] for partition in partitions if partition in self._intake.tenures]

    def stop_sending(self, tenures: Sequence[PartitionLedger]) -> list[asyncio.Future[None]]:
        """Let no call begin that carries theirs; return a future for each that is on the wire."""
        for tenure in tenures:
            tenure.may_send = False
        return [answer for lanes in self._lanes.values() for answer in lanes.drop_revoked(tenures)]

    def release(self, tenures: Sequence[PartitionLedger]) -> None:
        """End them, with what they still owe."""
        for tenure in tenures:
            if tenure.active:  # a partition can be lost while it is being drained: it is booked once
                self._settling.books.close(tenure)
                self._intake.revoke(tenure)
        self._settling.drop_revoked()

    async def close(self, tenures: Sequence[PartitionLedger], deadline: float) -> CommittableOffsets:
        """Wait until `deadline` (monotonic) for their calls and letters, release the rest, and tell the frontier."""
        if answers := self.stop_sending(tenures):
            await asyncio.wait(answers, timeout=max(0.0, deadline - time.monotonic()))
        while self._settling.writing(tenures) and time.monotonic() < deadline:  # noqa: ASYNC110 - many things end it
            await asyncio.sleep(LOOK_S)
        # Nothing commits for a partition that was lost while it was drained.
        kept = [tenure for tenure in tenures if tenure.active]
        frontier = CommittableOffsets(
            {tenure.partition: (tenure.epoch, tenure.committable_offset()) for tenure in kept}
        )
        self.release(tenures)
        return frontier

    def can_make_progress(self, deadline: float) -> bool:
        """Tell whether anything is open that may still end in time.

        A back-off that is over by then is worth its wait: whatever is given up holds the frontier back, and everything
        above it, delivered or not, would be delivered again.
        """
        if not any(tenure.open_records for tenure in self._intake.tenures.values()):
            return False
        return self._settling.writing() or any(lanes.can_make_progress(deadline) for lanes in self._lanes.values())
