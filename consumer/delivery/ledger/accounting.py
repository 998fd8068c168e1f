"""The accounting: records accepted, deliveries owed and their outcomes. Open ones are counted from the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.model.status import DeliveryCounts, RecordCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import SkipReason


@dataclass(slots=True)
class Account:
    """Counts of one destination's deliveries. The account named "" counts undecodable records."""

    owed: int = 0
    delivered: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    released: int = 0

    def counts(self, still_open: int) -> DeliveryCounts:
        """Return the account together with the deliveries still open, which only the ledger can count."""
        return DeliveryCounts(
            owed=self.owed,
            delivered=self.delivered,
            skipped=self.skipped,
            dead_lettered=self.dead_lettered,
            open=still_open,
            released=self.released,
        )


class Accounting:
    """The accounts of one pipeline, including ledgers that have ended."""

    def __init__(self, destinations: Sequence[str]) -> None:
        """Open one account per destination, and the pipeline's own."""
        self.names = (*destinations, "")
        self.accounts = {name: Account() for name in self.names}
        self._closed_accepted = 0
        self._closed_settled = 0
        self.released_records = 0

    def record_skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        """Record deliveries that were deliberately skipped, by (destination, event type, reason).

        An event that has no mapping, destination "", owes nothing and is not recorded.
        """
        for (destination, _, _), count in counts.items():
            if destination:
                self.accounts[destination].owed += count
                self.accounts[destination].skipped += count

    def close(self, ledger: PartitionLedger) -> None:
        """End a ledger and count its open deliveries as released.

        They are counted slot by slot: if a running count were wrong, the accounting would show it from here on.
        """
        ledger.end()
        for index, name in enumerate(self.names):
            self.accounts[name].released += ledger.count_open_deliveries(index)
        self.released_records += ledger.count_open_records()
        self._closed_accepted += ledger.accepted
        self._closed_settled += ledger.settled

    def released_deliveries(self) -> int:
        """Return the deliveries released so far."""
        return sum(account.released for account in self.accounts.values())

    def record_counts(self, ledgers: Iterable[PartitionLedger]) -> RecordCounts:
        """Return the counts of records, over `ledgers` and all closed ones."""
        accepted, settled, still_open = self._closed_accepted, self._closed_settled, 0
        for ledger in ledgers:
            accepted += ledger.accepted
            settled += ledger.settled
            still_open += ledger.open_records
        return RecordCounts(accepted, settled, still_open, self.released_records)
