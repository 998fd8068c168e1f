"""The accounting: records accepted, deliveries owed, how they ended. Open ones are counted from the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import SkipReason


@dataclass(slots=True)
class Account:
    """One destination's deliveries; the pipeline's own account, named "", has the records that could not be decoded."""

    owed: int = 0
    delivered: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    released: int = 0

    def mismatch(self, still_open: int) -> int:
        """Return what does not add up: 0 when the books balance."""
        return self.owed - self.delivered - self.skipped - self.dead_lettered - self.released - still_open


class Accounting:
    """The accounts of one pipeline, ledgers that have ended included."""

    def __init__(self, destinations: Sequence[str]) -> None:
        """Open one account a destination, and the pipeline's own."""
        self.names = (*destinations, "")
        self.accounts = {name: Account() for name in self.names}
        self._past_taken = 0
        self._past_settled = 0
        self.released_records = 0

    def record_skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        """Enter deliveries that were deliberately not made, by (destination, event type, reason); "" owes nothing."""
        for (destination, _, _), count in counts.items():
            if destination:
                self.accounts[destination].owed += count
                self.accounts[destination].skipped += count

    def close(self, ledger: PartitionLedger) -> None:
        """End a ledger and book what it leaves open as released.

        Counted slot by slot once more: had a running count gone astray, the books would be off from here on.
        """
        ledger.end()
        for index, name in enumerate(self.names):
            self.accounts[name].released += ledger.count_open_deliveries(index)
        self.released_records += ledger.count_open_records()
        self._past_taken += ledger.accepted
        self._past_settled += ledger.settled

    def released_deliveries(self) -> int:
        """Count the deliveries given up unfinished so far."""
        return sum(account.released for account in self.accounts.values())

    def record_counts(self, ledgers: Iterable[PartitionLedger]) -> tuple[int, int, int, int]:
        """Return (taken, settled, open, released) records, over all ledgers there ever were."""
        taken, settled, still_open = self._past_taken, self._past_settled, 0
        for ledger in ledgers:
            taken += ledger.accepted
            settled += ledger.settled
            still_open += ledger.open_records
        return taken, settled, still_open, self.released_records
