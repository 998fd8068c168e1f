"""Lots of which some records cannot be said, as a pipeline's settlements meet them."""

from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.model import BatchEnvelope, DeadLetterCause, Endpoint, Entry, Fault, Partition
from consumer.model.observer import Observer
from consumer.model.translated_batch import DeliveryColumns, Translation, TranslationFailure
from consumer.pipeline.settlement import Settlement
from tests.integration.delivery.dispatcher_harness import FakeShelf
from tests.unit.pipeline_harness import P
from tests.unit.test_record_buffer import FakeMessage

GUARD = FloodGuardOptions(refusals=3)
ENTRY = Entry("shop.Order", "yotpo", "yotpo.event", "event")
SHAPE = BatchEnvelope(Endpoint("e", "POST", "/"), b"", b"", 1, 100)
CONTRACT, UNDECODABLE = DeadLetterCause.CONTRACT, DeadLetterCause.UNDECODABLE


class Lots:
    """A pipeline's settlements, given lots of one partition whose records are fine or not."""

    def __init__(self) -> None:
        self.shelf = shelf = FakeShelf()
        self.shelf.at_once = False
        self.settling = Settlement(["yotpo"], shelf, shelf.schema_id, shelf.event_type, Observer(), GUARD)
        self.ledger = PartitionLedger(Partition("orders", 0), 1, 0, 2)

    def lot(self, fates: str, entry: Entry | None = ENTRY, waiting: str = "") -> None:
        """Take a lot: `.` is said, `x` cannot be; `waiting` are left untranslated."""
        start = self.ledger.next_offset
        messages = [FakeMessage(P, start + index) for index in range(len(fates) + len(waiting))]
        column = DeliveryColumns()
        for index, fate in enumerate(fates):
            if fate == "." and entry is not None:
                column.bodies.append(b"body")
                column.entries.append(entry)
                column.records.append(index)
        fault = Fault(UNDECODABLE if entry is None else CONTRACT)
        faults = [TranslationFailure(n, entry, fault, str(start + n)) for n, fate in enumerate(fates) if fate == "x"]
        left = list(range(len(fates), len(messages)))
        self.settling.parked_failures.count_translated(
            messages, Translation({"yotpo": column}, faults=faults, waiting=left)
        )
        bad = [int(fate == "x") for fate in fates]
        none = [0] * len(fates)
        self.ledger.accept(messages[: len(fates)], [none, bad] if entry is None else [bad, none], [1] * len(fates))
        for faulty in faults:
            self.settling.dead_letter_untranslated(faulty, self.ledger, start + faulty.record)

    def letters(self) -> list[str]:
        return [letter.delivery_id for letter in self.shelf.letters]

    def waiting(self, account: str = "yotpo") -> list[int]:
        return [closed.waiting for closed in self.settling.parked_failures.tripped(account)]

    def balanced(self) -> bool:
        books = self.settling.accounting
        open_now = [
            self.ledger.open_deliveries(index) if self.ledger.active else 0 for index in range(len(books.names))
        ]
        return all(a.mismatch(left) == 0 for a, left in zip(books.accounts.values(), open_now, strict=True))
