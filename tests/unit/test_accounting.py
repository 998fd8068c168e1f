"""The accounting: a skipped delivery is owed and ended at once; an event without a mapping owes nothing."""

from __future__ import annotations

from consumer.delivery.ledger.accounting import Accounting
from consumer.model import SkipReason


def test_skips_are_owed_and_skipped_only_for_a_named_destination() -> None:
    accounting = Accounting(["copilot"])
    accounting.record_skipped(
        {("copilot", "shop.Seen", SkipReason.FILTERED): 3, ("", "shop.Seen", SkipReason.NO_MAPPING): 5}
    )
    assert (accounting.accounts["copilot"].owed, accounting.accounts["copilot"].skipped) == (3, 3)
    assert accounting.accounts[""].owed == 0
    assert accounting.accounts["copilot"].counts(0).mismatch == 0
