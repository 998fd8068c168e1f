"""Where deliveries end: delivered, or acknowledged by the dead-letter topic; counted in the accounting exactly once."""

from __future__ import annotations

import time
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.guards.parked_failures import ParkedFailures
from consumer.delivery.ledger.accounting import Accounting
from consumer.model import DeadLetter, DeadLetterCause
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
        """Write a letter, and say when the broker has it; tried for ever."""

    def stalled_reason(self) -> str | None:
        """Return why letters cannot be written now."""


def _no_op() -> None:
    pass


class Settlement:
    """One pipeline's settlements. `room` is called after each: something may fit again."""

    def __init__(
        self,
        destinations: Sequence[str],
        dead_letters: DeadLetterSink,
        schema_id: Callable[[Message], str | None],
        event_type: Callable[[Message], str | None],
        observer: Observer,
        flood_guard: FloodGuardOptions = _FLOOD_GUARD,
    ) -> None:
        """Open the books.

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
        """Return where one destination's deliveries end."""
        return DestinationSettlement(self, destination)

    def dead_letters_in_flight(self, ledgers: Collection[PartitionLedger] | None = None) -> bool:
        """Tell whether letters (of these ledgers) are on their way to a dead-letter topic that takes letters."""
        if self._dead_letters.stalled_reason():
            return False
        return bool(self._pending) if ledgers is None else any(ledger in self._pending for ledger in ledgers)

    def stalled_reason(self) -> str | None:
        """Return why letters cannot be written now."""
        return self._dead_letters.stalled_reason()

    def pending_dead_letters(self) -> int:
        """Count the letters not yet acknowledged."""
        return sum(self._pending.values())

    def delivered(self, destination: str, batch: Sequence[Delivery]) -> None:
        """Settle deliveries that a destination has; a late answer of an earlier ledger moves nothing."""
        index = self.index[destination]
        batch = [delivery for delivery in batch if delivery.ledger.active]
        records: list[Message] = []
        for ledger, run in groupby(batch, _LEDGER):  # neighbours nearly always share one
            records += ledger.settle_all(map(_SLOT, run), index)
        at_ms = time.time() * 1000
        append_s = [(at_ms - record.timestamp()[1]) / 1000 for record in records]
        event_s = [(at_ms - delivery.event_ms) / 1000 for delivery in batch]
        self.accounting.accounts[destination].delivered += len(append_s)
        self._observer.delivered(destination, append_s, event_s)
        self.on_settled()

    def refused(self, destination: str, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        """Dead-letter a delivery; `acknowledged` is called when the dead-letter topic has it."""
        ledger, entry = delivery.ledger, delivery.entry
        if not ledger.active:
            acknowledged()
            return
        self._observer.refused(destination, entry.event_type, fault)
        at_ms = now_ms()
        message = ledger.record(delivery.slot)
        letter = DeadLetter(
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
        self._write_dead_letter(letter, ledger, delivery.slot, destination, acknowledged)

    def dead_letter_untranslated(self, faulty: TranslationFailure, ledger: PartitionLedger, slot: int) -> None:
        """Dead-letter what could not be said at all, or park its letter while the flood guard is closed for it."""
        account = faulty.entry.destination if faulty.entry else ""
        self.accounting.accounts[account].owed += 1
        event_type = faulty.entry.event_type if faulty.entry else ""
        self._observer.translation_failed(
            ledger.partition.topic, account, event_type, DeadLetterCause(faulty.fault.cause), 1
        )
        self.parked_failures.add(faulty, ledger, slot)

    def _dead_letter_failure(self, unsaid: FailedDelivery) -> None:
        faulty, ledger, slot, found_ms = unsaid
        if not ledger.active:
            return
        message = ledger.record(slot)
        letter = DeadLetter(
            message=message,
            fault=faulty.fault,
            delivery_id=faulty.identity,
            entry=faulty.entry,
            event_type=faulty.entry.event_type if faulty.entry else self._event_type(message),
            schema_id=self._schema_id(message),
            attempts=0,
            first_failed_ms=found_ms,
            last_failed_ms=found_ms,
        )
        self._write_dead_letter(letter, ledger, slot, faulty.entry.destination if faulty.entry else "", _no_op)

    def drop_revoked(self) -> None:
        """Forget the letters parked of ledgers that have ended."""
        self.parked_failures.drop_revoked()

    def _write_dead_letter(
        self, letter: DeadLetter, ledger: PartitionLedger, slot: int, account: str, then: Callable[[], None]
    ) -> None:
        """Write a letter, and settle what it stands for when the broker has it, never before."""
        self._pending[ledger] = self._pending.get(ledger, 0) + 1

        def acknowledged() -> None:
            self._pending[ledger] -= 1
            if not self._pending[ledger]:
                del self._pending[ledger]
            if ledger.settle(slot, self.index[account]):
                self.accounting.accounts[account].dead_lettered += 1
            then()
            self.on_settled()

        self._dead_letters.write(letter, acknowledged)


class DestinationSettlement:
    """Where one destination's deliveries end."""

    def __init__(self, settlement: Settlement, destination: str) -> None:
        """End deliveries to `destination`."""
        self._settlement = settlement
        self._destination = destination

    def delivered(self, batch: Sequence[Delivery]) -> None:
        """Settle what the destination has."""
        self._settlement.delivered(self._destination, batch)

    def refused(self, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        """Dead-letter what it will never take."""
        self._settlement.refused(self._destination, delivery, fault, acknowledged)
