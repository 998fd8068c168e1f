"""The books: what was deliberately not made is owed and ended at once; a record nobody maps owes nobody anything."""

from __future__ import annotations

from consumer.delivery.ledger.accounting import Accounting
from consumer.model import SkipReason


def test_skips_are_entered_where_a_destination_was_owed_and_nowhere_else() -> None:
    books = Accounting(["copilot"])
    books.record_skipped(
        {("copilot", "shop.Seen", SkipReason.FILTERED): 3, ("", "shop.Seen", SkipReason.NO_MAPPING): 5}
    )
    assert (books.accounts["copilot"].owed, books.accounts["copilot"].skipped) == (3, 3)
    assert books.accounts[""].owed == 0
    assert books.accounts["copilot"].mismatch(0) == 0
