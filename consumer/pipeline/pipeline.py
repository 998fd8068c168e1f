"""The path of one pipeline: records in → translate → lanes → settle → commit.

Everything here runs in the loop, by the lot.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consumer.delivery.guards.flood_guard import merge_tripped
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.record_buffer import BufferLimits, Chunk, RecordBuffer, record_in_ledger
from consumer.kafka.loop_bridge import Assignment, CommittableOffsets, RecordBatch
from consumer.model import Partition
from consumer.pipeline.drain import POLL_S, PartitionDrain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from consumer.delivery.dispatcher import Dispatcher
    from consumer.model.directives import AcceptGap, Directives
    from consumer.model.observer import Observer
    from consumer.model.status import FloodGuardStatus
    from consumer.model.translated_batch import SchemaKey, Translates
    from consumer.pipeline.settlement import Settlement

_MAX_TRANSLATE_S = 0.005
"""How long one translation may keep the loop: calls and probes wait that long at the most."""

_GRACE_CHECK_S = 1.0


class Pipeline:
    """One consumer group with its destinations: the loop's side of the bridge."""

    def __init__(
        self,
        name: str,
        *,
        limits: BufferLimits,
        drain_s: float,
        translator: Translates,
        settlement: Settlement,
        request_schema: Callable[[SchemaKey], None],
        observer: Observer,
        grace_check_s: float = _GRACE_CHECK_S,
    ) -> None:
        """Make an idle pipeline; `lanes` are added before it runs, `want` asks for a schema without waiting."""
        self.name = name
        self.dispatchers: dict[str, Dispatcher] = {}
        self.settlement = settlement
        self.accounting = settlement.accounting
        self.record_buffer = RecordBuffer(limits)
        self.full: frozenset[Partition] = frozenset()
        self.accepted_gaps: Sequence[AcceptGap] = ()
        self.joined = False
        self.shutting_down = False
        self.shut_down = False
        self._drain_skipped = False
        self._total_partitions = 0
        self._drain_s = drain_s
        self._drain = PartitionDrain(self.record_buffer, settlement, self.dispatchers)
        self._translator = translator
        self._request_schema = request_schema
        self._observer = observer
        self._grace_check_s = grace_check_s
        self._records_waiting = asyncio.Event()
        self._room_changed = asyncio.Event()
        self._per_chunk = 32
        self._translating = False
        settlement.on_settled = self._on_settled

    # ── The bridge: what the poll thread asks of the loop ──

    def assigned(self, assignment: Assignment) -> None:
        """Begin ledgers, and use this member's share of each destination's rate."""
        self.joined = True
        if again := assignment.epochs.keys() & self.record_buffer.ledgers.keys():
            self.lost(again)  # a drain that nobody waited for to the end is still at work on the earlier ledger
        for partition, number in assignment.epochs.items():
            self.record_buffer.assign(
                PartitionLedger(partition, number, assignment.starts[partition], len(self.accounting.names))
            )
        self._total_partitions = assignment.total
        self._update_rate_share()
        self._update_full()

    def partition_count_changed(self, total: int) -> None:
        """Use this member's share of each rate, of so many partitions."""
        self._total_partitions = total
        self._update_rate_share()

    def _update_rate_share(self) -> None:
        share, now = len(self.record_buffer.ledgers) / max(1, self._total_partitions), time.monotonic()
        for lanes in self.dispatchers.values():
            lanes.rate_limiter.set_share(share, now)

    async def accept_batch(self, batch: RecordBatch) -> None:
        """Take a lot, and return when the next one may come."""
        if self.shutting_down:
            return
        self.record_buffer.add(batch.messages, batch.epochs)
        self._translating = True
        self._records_waiting.set()
        while self._translating or (self.full and len(self.full) == len(self.record_buffer.ledgers)):
            self._room_changed.clear()
            await self._room_changed.wait()

    async def drain(self, partitions: Collection[Partition]) -> CommittableOffsets:
        """Wait for calls on the wire, release the rest, and tell the committable offset."""
        committable = await self._drain.run(self._drain.active_ledgers(partitions), time.monotonic() + self._drain_s)
        self._after_revocation()
        return committable

    def lost(self, partitions: Collection[Partition]) -> None:
        """Release everything of partitions that already belong to another member."""
        ledgers = self._drain.active_ledgers(partitions)
        self._drain.stop_sending(ledgers)
        self._drain.release(ledgers)
        self._after_revocation()

    async def shutdown(self) -> CommittableOffsets:
        """Deliver what can be delivered in the time there is, release the rest, and tell the committable offset."""
        self.shutting_down = True
        self._observer.shutdown_started()
        deadline = time.monotonic() + self._drain_s
        self.record_buffer.drop_backlog()
        for lanes in self.dispatchers.values():
            lanes.end_linger()
        going = self._drain.can_make_progress
        while time.monotonic() < deadline and not self._drain_skipped and going(deadline):  # noqa: ASYNC110 - many things end it
            await asyncio.sleep(POLL_S)
        before = self.accounting.released_deliveries()
        committable = await self._drain.run(list(self.record_buffer.ledgers.values()), deadline)
        self._after_revocation()
        self.shut_down = True
        self._observer.shutdown_finished(self.accounting.released_deliveries() - before)
        return committable

    def skip_drain(self) -> None:
        """Wait for calls on the wire only: somebody asked to leave twice."""
        self._drain_skipped = True

    def apply_directives(self, directives: Directives) -> None:
        """Act on what an operator says from now on: all that is in force, and nothing else."""
        self.accepted_gaps = directives.gaps
        for lanes in self.dispatchers.values():
            lanes.apply_directives(directives)
        self.settlement.parked_failures.apply_directives(directives)

    def tripped_guards(self, account: str) -> Sequence[FloodGuardStatus]:
        """Return where the flood guard is tripped for a destination, or, for "", for records that do not decode."""
        lanes = self.dispatchers.get(account)
        return merge_tripped(
            [*(lanes.flood_guard.tripped() if lanes else ()), *self.settlement.parked_failures.tripped(account)]
        )

    def committable_offsets(self) -> CommittableOffsets:
        """Tell the committable offset of every ledger in force."""
        return CommittableOffsets(
            {p: (ledger.epoch, ledger.committable_offset()) for p, ledger in self.record_buffer.ledgers.items()}
        )

    def _after_revocation(self) -> None:
        self._update_rate_share()  # what is lost counts at once: its next owner uses that part of the rate already
        self._update_full()

    # ── Records in ──

    async def run(self, commit: Callable[[CommittableOffsets], None], every_s: float) -> None:
        """Run the path and all lanes until cancelled or until one of them fails.

        Calls `commit` with the committable offsets whenever they have moved.
        """
        async with asyncio.TaskGroup() as house:
            house.create_task(self._translate_loop(), name=f"{self.name}-pump")
            house.create_task(self._commit_loop(commit, every_s), name=f"{self.name}-commit")
            for name, lanes in self.dispatchers.items():
                house.create_task(lanes.run(), name=f"{self.name}-{name}")

    async def _translate_loop(self) -> None:
        looked = time.monotonic()
        while True:
            due = looked + self._grace_check_s if self.record_buffer.waiting_for_schema() else None
            try:
                async with asyncio.timeout(None if due is None else due - time.monotonic()):
                    await self._records_waiting.wait()
            except TimeoutError:
                pass
            # An unknown id is judged by the record's age, which changes by itself. By the clock, and not by a quiet
            # second: where other partitions are busy there is none.
            if due is None or time.monotonic() >= due:
                looked = time.monotonic()
                self.record_buffer.schemas_changed()
            self._records_waiting.clear()
            while chunks := self.record_buffer.take_chunks(self._per_chunk):
                self._translate(chunks)
                await asyncio.sleep(0)
            self._translating = False
            self._update_full()

    def _update_full(self) -> None:
        self.full = self.record_buffer.full_partitions()
        self._room_changed.set()

    def schemas_changed(self) -> None:
        """Let records that wait for a schema try again."""
        self.record_buffer.schemas_changed()
        self._records_waiting.set()

    def _translate(self, chunks: Sequence[Chunk]) -> None:
        """Translate records, enter what they owe in the ledger, and queue the deliveries."""
        lot = [message for chunk in chunks for message in chunk.messages]
        began = time.perf_counter()
        translation = self._translator.translate(lot)
        spent = (time.perf_counter() - began) / len(lot)
        self._per_chunk = max(1, min(256, int(_MAX_TRANSLATE_S / spent) if spent else 256))
        places = record_in_ledger(chunks, translation, self.settlement.index)
        self.record_buffer.record_growth(sum(sum(chunk.sizes) for chunk in chunks), places.weight)
        for ledger, messages in places.not_entered:
            self.record_buffer.put_back(ledger, messages)
        for name, column in translation.columns.items():
            self.accounting.accounts[name].owed += len(column.bodies)
            self.dispatchers[name].enqueue(places.deliveries(column))
            self._observer.events_translated(name, column.by_event_type())
        self.accounting.record_skipped(translation.skipped)
        self._observer.events_decoded(translation.decoded)
        self._observer.events_skipped(translation.skipped)
        self.settlement.parked_failures.count_translated(lot, translation)
        for faulty in translation.faults:
            self.settlement.dead_letter_untranslated(faulty, places.ledgers[faulty.record], places.slots[faulty.record])
        for key in translation.missing:
            self._request_schema(key)

    def _on_settled(self) -> None:
        """Note that something was settled: a full partition may have room again."""
        if self.full:
            self._records_waiting.set()

    async def _commit_loop(self, commit: Callable[[CommittableOffsets], None], every_s: float) -> None:
        last: Mapping[Partition, tuple[int, int]] = {}
        while True:
            await asyncio.sleep(every_s)
            committable = self.committable_offsets()
            if committable.offsets != last:
                last = committable.offsets
                commit(committable)
