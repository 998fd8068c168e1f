"""Settlement: each delivery ends delivered or dead-lettered, and is counted in the accounting exactly once."""

from __future__ import annotations

import time
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.guards.parked_failures import ParkedFailures
from consumer.delivery.ledger.accounting import Accounting
from consumer.model import DeadLetter, DeadLetterCause, record_timestamp_ms
from consumer.model.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.guards.parked_failures import FailedDelivery
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import Fault, Message
    from consumer.model.observer import Observer
    from consumer.model.translated_batch import TranslationFailure


_FLOOD_GUARD = FloodGuardOptions()
_LEDGER = attrgetter("ledger")
_SLOT = attrgetter("slot")


class DeadLetterSink(Protocol):
    """The dead-letter topic."""

    def write(self, dead_letter: DeadLetter, acknowledged: Callable[[], None]) -> None:
        """Write a dead letter, with retries until it succeeds. `acknowledged` is called when the broker has it."""

    def stalled_reason(self) -> str | None:
        """Return why no dead letter can be written now, or `None` if they can."""


def _no_op() -> None:
    pass


class Settlement:
    """The settlement of one pipeline's deliveries.

    Attributes:
        on_settled: called after each settlement, because the buffer may have room again.
    """

    def __init__(
        self,
        destinations: Sequence[str],
        dead_letters: DeadLetterSink,
        schema_id: Callable[[Message], str | None],
        event_type: Callable[[Message], str | None],
        observer: Observer,
        flood_guard: FloodGuardOptions = _FLOOD_GUARD,
    ) -> None:
        """Start with an empty accounting.

        Args:
            destinations: the names of the pipeline's destinations.
            dead_letters: writes dead letters.
            schema_id: returns the id of the schema that a record names, for its dead letter.
            event_type: returns the full name of a record's event if it is known, for its dead letter.
            observer: receives what happens.
            flood_guard: the thresholds above which the dead letters of untranslated records are parked.
        """
        self.accounting = Accounting(destinations)
        self.parked_failures = ParkedFailures(self.accounting.names, flood_guard, self._dead_letter_failure, observer)
        self.index = {account: index for index, account in enumerate(self.accounting.names)}
        self.on_settled: Callable[[], None] = _no_op
        self._dead_letters = dead_letters
        self._schema_id = schema_id
        self._event_type = event_type
        self._observer = observer
        self._pending: dict[PartitionLedger, int] = {}

    def sink_of(self, destination: str) -> DestinationSettlement:
        """Return the settlement of one destination's deliveries."""
        return DestinationSettlement(self, destination)

    def dead_letters_in_flight(self, ledgers: Collection[PartitionLedger] | None = None) -> bool:
        """Return True if dead letters (of these ledgers) are being written, and their topic accepts them."""
        if self._dead_letters.stalled_reason():
            return False
        return bool(self._pending) if ledgers is None else any(ledger in self._pending for ledger in ledgers)

    def stalled_reason(self) -> str | None:
        """Return why no dead letter can be written now, or `None` if they can."""
        return self._dead_letters.stalled_reason()

    def pending_dead_letters(self) -> int:
        """Return the number of dead letters not yet acknowledged."""
        return sum(self._pending.values())

    def delivered(self, destination: str, batch: Sequence[Delivery]) -> None:
        """Settle deliveries that a destination accepted. A late response for an ended ledger changes nothing."""
        index = self.index[destination]
        batch = [delivery for delivery in batch if delivery.ledger.active]
        records: list[Message] = []
        for ledger, group in groupby(batch, _LEDGER):  # neighbours nearly always share a ledger
            records += ledger.settle_all(map(_SLOT, group), index)
        at_ms = time.time() * 1000
        times_ms = map(record_timestamp_ms, records)
        append_s = [(at_ms - time_ms) / 1000 for time_ms in times_ms if time_ms is not None]
        event_s = [(at_ms - delivery.event_ms) / 1000 for delivery in batch]
        self.accounting.accounts[destination].delivered += len(records)
        self._observer.delivered(destination, append_s, event_s)
        self.on_settled()

    def refused(self, destination: str, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        """Dead-letter a delivery. `acknowledged` is called when the dead-letter topic has it."""
        ledger, entry = delivery.ledger, delivery.entry
        if not ledger.active:
            acknowledged()
            return
        self._observer.refused(destination, entry.event_type, fault)
        at_ms = now_ms()
        message = ledger.record(delivery.slot)
        dead_letter = DeadLetter(
            message=message,
            fault=fault,
            delivery_id=delivery.identity,
            entry=entry,
            event_type=entry.event_type,
            schema_id=self._schema_id(message),
            attempts=delivery.attempts,
            first_failed_ms=delivery.first_failed_ms or at_ms,
            last_failed_ms=at_ms,
        )
        self._write_dead_letter(dead_letter, ledger, delivery.slot, destination, acknowledged)

    def dead_letter_untranslated(self, failure: TranslationFailure, ledger: PartitionLedger, slot: int) -> None:
        """Dead-letter a failed translation, or park it while the flood guard is tripped for it."""
        account = failure.entry.destination if failure.entry else ""
        self.accounting.accounts[account].owed += 1
        event_type = failure.entry.event_type if failure.entry else ""
        self._observer.translation_failed(
            ledger.partition.topic, account, event_type, DeadLetterCause(failure.fault.cause), 1
        )
        self.parked_failures.add(failure, ledger, slot)

    def _dead_letter_failure(self, failed: FailedDelivery) -> None:
        failure, ledger, slot, failed_at_ms = failed
        if not ledger.active:
            return
        message = ledger.record(slot)
        dead_letter = DeadLetter(
            message=message,
            fault=failure.fault,
            delivery_id=failure.identity,
            entry=failure.entry,
            event_type=failure.entry.event_type if failure.entry else self._event_type(message),
            schema_id=self._schema_id(message),
            attempts=0,
            first_failed_ms=failed_at_ms,
            last_failed_ms=failed_at_ms,
        )
        self._write_dead_letter(dead_letter, ledger, slot, failure.entry.destination if failure.entry else "", _no_op)

    def drop_revoked(self) -> None:
        """Drop the parked failures of ledgers that have ended."""
        self.parked_failures.drop_revoked()

    def _write_dead_letter(
        self, dead_letter: DeadLetter, ledger: PartitionLedger, slot: int, account: str, then: Callable[[], None]
    ) -> None:
        """Write a dead letter. Settle its delivery when the broker has acknowledged it, never before."""
        self._pending[ledger] = self._pending.get(ledger, 0) + 1

        def acknowledged() -> None:
            self._pending[ledger] -= 1
            if not self._pending[ledger]:
                del self._pending[ledger]
            if ledger.settle(slot, self.index[account]):
                self.accounting.accounts[account].dead_lettered += 1
            then()
            self.on_settled()

        self._dead_letters.write(dead_letter, acknowledged)


class DestinationSettlement:
    """The settlement of one destination's deliveries."""

    def __init__(self, settlement: Settlement, destination: str) -> None:
        """Settle deliveries to `destination` in `settlement`."""
        self._settlement = settlement
        self._destination = destination

    def delivered(self, batch: Sequence[Delivery]) -> None:
        """Settle deliveries that the destination accepted."""
        self._settlement.delivered(self._destination, batch)

    def refused(self, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        """Dead-letter a delivery that the destination will never accept."""
        self._settlement.refused(self._destination, delivery, fault, acknowledged)
