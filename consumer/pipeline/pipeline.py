"""The path of one pipeline: records in → translate → lanes → settle → commit.

Everything here runs in the loop, in batches of records.
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
"""How long one translation may block the loop. Requests and probes wait at most that long."""

_GRACE_CHECK_S = 1.0
"""Between two checks whether records that wait for an unknown schema are past their grace time."""


class Pipeline:
    """One consumer group with its destinations. Handles the bridge's requests in the loop."""

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
        """Create an idle pipeline. Add the `dispatchers` before `run`.

        Args:
            name: the pipeline, and its consumer group.
            limits: the limits of records and bytes in flight.
            drain_s: the longest drain, in seconds.
            translator: translates records into deliveries.
            settlement: where deliveries end.
            request_schema: starts to fetch a missing schema, and returns at once.
            observer: receives what happens.
            grace_check_s: seconds between two checks of records that wait for an unknown schema.
        """
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
        self._wake_translation = asyncio.Event()
        self._room_changed = asyncio.Event()
        self._per_chunk = 32
        self._translating = False
        settlement.on_settled = self._on_settled

    # ── The bridge: what the poll thread requests of the loop ──

    def assigned(self, assignment: Assignment) -> None:
        """Open a ledger for each assigned partition, and update this member's share of each rate limit."""
        self.joined = True
        if still_open := assignment.epochs.keys() & self.record_buffer.ledgers.keys():
            self.lost(still_open)  # the previous drain timed out and still holds the old epoch
        for partition, epoch in assignment.epochs.items():
            self.record_buffer.assign(
                PartitionLedger(partition, epoch, assignment.starts[partition], len(self.accounting.names))
            )
        self._total_partitions = assignment.total
        self._update_rate_share()
        self._update_full()

    def partition_count_changed(self, total: int) -> None:
        """Update this member's share of each rate limit. `total`: partitions of all members together."""
        self._total_partitions = total
        self._update_rate_share()

    def _update_rate_share(self) -> None:
        share, now = len(self.record_buffer.ledgers) / max(1, self._total_partitions), time.monotonic()
        for dispatcher in self.dispatchers.values():
            dispatcher.rate_limiter.set_share(share, now)

    async def accept_batch(self, batch: RecordBatch) -> None:
        """Accept a batch of records; return when the next one may come. During shutdown it is dropped."""
        if self.shutting_down:
            return
        self.record_buffer.add(batch.messages, batch.epochs)
        self._translating = True
        self._wake_translation.set()
        while self._translating or (self.full and len(self.full) == len(self.record_buffer.ledgers)):
            self._room_changed.clear()
            await self._room_changed.wait()

    async def drain(self, partitions: Collection[Partition]) -> CommittableOffsets:
        """Wait for requests in flight, release the rest, and return the committable offsets of these partitions."""
        committable = await self._drain.run(self._drain.active_ledgers(partitions), time.monotonic() + self._drain_s)
        self._after_revocation()
        return committable

    def lost(self, partitions: Collection[Partition]) -> None:
        """Release everything of partitions that may already belong to another member."""
        ledgers = self._drain.active_ledgers(partitions)
        self._drain.stop_sending(ledgers)
        self._drain.release(ledgers)
        self._after_revocation()

    async def shutdown(self) -> CommittableOffsets:
        """Deliver what can end within the drain time, release the rest, and return the committable offsets."""
        self.shutting_down = True
        self._observer.shutdown_started()
        deadline = time.monotonic() + self._drain_s
        self.record_buffer.drop_backlog()
        for dispatcher in self.dispatchers.values():
            dispatcher.end_linger()
        goes_on = self._drain.can_make_progress
        while time.monotonic() < deadline and not self._drain_skipped and goes_on(deadline):  # noqa: ASYNC110 - several events end it
            await asyncio.sleep(POLL_S)
        released_before = self.accounting.released_deliveries()
        committable = await self._drain.run(list(self.record_buffer.ledgers.values()), deadline)
        self._after_revocation()
        self.shut_down = True
        self._observer.shutdown_finished(self.accounting.released_deliveries() - released_before)
        return committable

    def skip_drain(self) -> None:
        """Wait only for requests in flight, because a second signal asked for shutdown."""
        self._drain_skipped = True

    def apply_directives(self, directives: Directives) -> None:
        """Apply the directives now in force. They replace all earlier ones."""
        self.accepted_gaps = directives.gaps
        for dispatcher in self.dispatchers.values():
            dispatcher.apply_directives(directives)
        self.settlement.parked_failures.apply_directives(directives)
        positions = [
            (each.topic, each.partition, each.offset)
            for each in directives.quarantines
            if each.destination is None and each.partition is not None and each.offset is not None
        ]
        self._translator.quarantine(frozenset(positions))
        self.schemas_changed()

    def tripped_guards(self, account: str) -> Sequence[FloodGuardStatus]:
        """Return the scopes in which the flood guard of a destination is tripped. "": records that do not decode."""
        dispatcher = self.dispatchers.get(account)
        return merge_tripped(
            [
                *(dispatcher.flood_guard.tripped() if dispatcher else ()),
                *self.settlement.parked_failures.tripped(account),
            ]
        )

    def committable_offsets(self) -> CommittableOffsets:
        """Return the committable offset of every assigned partition."""
        return CommittableOffsets(
            {p: (ledger.epoch, ledger.committable_offset()) for p, ledger in self.record_buffer.ledgers.items()}
        )

    def _after_revocation(self) -> None:
        self._update_rate_share()  # at once: the next owner already uses its share of the rate
        self._update_full()

    # ── Records in ──

    async def run(self, commit: Callable[[CommittableOffsets], None], every_s: float) -> None:
        """Run the path and all lanes until cancelled or until one of them fails.

        Calls `commit` with the committable offsets if they have changed, every `every_s` seconds.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._translate_loop(), name=f"{self.name}-translate")
            tasks.create_task(self._commit_loop(commit, every_s), name=f"{self.name}-commit")
            for name, dispatcher in self.dispatchers.items():
                tasks.create_task(dispatcher.run(), name=f"{self.name}-{name}")

    async def _translate_loop(self) -> None:
        checked_at = time.monotonic()
        while True:
            due = checked_at + self._grace_check_s if self.record_buffer.waiting_for_schema() else None
            try:
                async with asyncio.timeout(None if due is None else due - time.monotonic()):
                    await self._wake_translation.wait()
            except TimeoutError:
                pass
            # Whether a record is past its grace time depends on its age, and no event reports that. The check goes by
            # the clock and not by the timeout above: with other busy partitions that timeout never fires.
            if due is None or time.monotonic() >= due:
                checked_at = time.monotonic()
                self.record_buffer.schemas_changed()
            self._wake_translation.clear()
            while chunks := self.record_buffer.take_chunks(self._per_chunk):
                self._translate(chunks)
                await asyncio.sleep(0)
            self._translating = False
            self._update_full()

    def _update_full(self) -> None:
        self.full = self.record_buffer.full_partitions()
        self._room_changed.set()

    def schemas_changed(self) -> None:
        """Translate the records that wait for a schema again."""
        self.record_buffer.schemas_changed()
        self._wake_translation.set()

    def _translate(self, chunks: Sequence[Chunk]) -> None:
        """Translate records, record in the ledger what they owe, and queue the deliveries."""
        records = [message for chunk in chunks for message in chunk.messages]
        began = time.perf_counter()
        translation = self._translator.translate(records)
        per_record_s = (time.perf_counter() - began) / len(records)
        self._per_chunk = max(1, min(256, int(_MAX_TRANSLATE_S / per_record_s) if per_record_s else 256))
        slots = record_in_ledger(chunks, translation, self.settlement.index)
        self.record_buffer.record_growth(sum(sum(chunk.sizes) for chunk in chunks), slots.weight)
        for ledger, messages in slots.not_accepted:
            self.record_buffer.put_back(ledger, messages)
        for name, column in translation.columns.items():
            self.accounting.accounts[name].owed += len(column.bodies)
            self.dispatchers[name].enqueue(slots.deliveries(column))
            self._observer.events_translated(name, column.by_event_type())
        self.accounting.record_skipped(translation.skipped)
        self._observer.events_decoded(translation.decoded)
        self._observer.events_skipped(translation.skipped)
        self.settlement.parked_failures.count_translated(records, translation)
        for failure in translation.faults:
            self.settlement.dead_letter_untranslated(
                failure, slots.ledgers[failure.record], slots.slots[failure.record]
            )
        for key in translation.missing:
            self._request_schema(key)

    def _on_settled(self) -> None:
        """Wake the translation, because a full partition may have room again."""
        if self.full:
            self._wake_translation.set()

    async def _commit_loop(self, commit: Callable[[CommittableOffsets], None], every_s: float) -> None:
        last_offsets: Mapping[Partition, tuple[int, int]] = {}
        while True:
            await asyncio.sleep(every_s)
            committable = self.committable_offsets()
            if committable.offsets != last_offsets:
                last_offsets = committable.offsets
                commit(committable)
