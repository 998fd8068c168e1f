"""Batches of records with failed translations, as a pipeline's settlement receives them."""

from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.model import BatchEnvelope, DeadLetterCause, Endpoint, Entry, Fault, Partition
from consumer.model.observer import Observer
from consumer.model.translated_batch import DeliveryColumns, Translation, TranslationFailure
from consumer.pipeline.settlement import Settlement
from tests.integration.delivery.dispatcher_harness import FakeDeadLetterTopic
from tests.unit.pipeline_harness import P
from tests.unit.test_record_buffer import FakeMessage

GUARD = FloodGuardOptions(refusals=3)
ENTRY = Entry("shop.Order", "yotpo", "yotpo.event", "event")
ENVELOPE = BatchEnvelope(Endpoint("e", "POST", "/"), b"", b"", 1, 100)
CONTRACT, UNDECODABLE = DeadLetterCause.CONTRACT, DeadLetterCause.UNDECODABLE


class TranslatedBatches:
    """A pipeline's settlement, which receives batches of one partition's records."""

    def __init__(self) -> None:
        self.topic = topic = FakeDeadLetterTopic()
        self.topic.at_once = False
        self.settlement = Settlement(["yotpo"], topic, topic.schema_id, topic.event_type, Observer(), GUARD)
        self.ledger = PartitionLedger(Partition("orders", 0), 1, 0, 2)

    def accept(self, results: str, entry: Entry | None = ENTRY, waiting: str = "") -> None:
        """Accept a batch: `.` is translated, `x` fails; those in `waiting` stay untranslated."""
        start = self.ledger.next_offset
        messages = [FakeMessage(P, start + index) for index in range(len(results) + len(waiting))]
        column = DeliveryColumns()
        for index, result in enumerate(results):
            if result == "." and entry is not None:
                column.bodies.append(b"body")
                column.entries.append(entry)
                column.records.append(index)
        fault = Fault(UNDECODABLE if entry is None else CONTRACT)
        faults = [
            TranslationFailure(n, entry, fault, str(start + n)) for n, result in enumerate(results) if result == "x"
        ]
        untranslated = list(range(len(results), len(messages)))
        self.settlement.parked_failures.count_translated(
            messages, Translation({"yotpo": column}, faults=faults, waiting=untranslated)
        )
        failed = [int(result == "x") for result in results]
        none = [0] * len(results)
        self.ledger.accept(
            messages[: len(results)], [none, failed] if entry is None else [failed, none], [1] * len(results)
        )
        for failure in faults:
            self.settlement.dead_letter_untranslated(failure, self.ledger, start + failure.record)

    def dead_letter_ids(self) -> list[str]:
        return [dead_letter.delivery_id for dead_letter in self.topic.dead_letters]

    def waiting(self, account: str = "yotpo") -> list[int]:
        return [tripped.waiting for tripped in self.settlement.parked_failures.tripped(account)]

    def balanced(self) -> bool:
        accounting = self.settlement.accounting
        open_now = [
            self.ledger.open_deliveries(index) if self.ledger.active else 0 for index in range(len(accounting.names))
        ]
        return all(
            account.counts(open_count).mismatch == 0
            for account, open_count in zip(accounting.accounts.values(), open_now, strict=True)
        )
