"""The reconciliation of a faultless run has no differences, and every single fault makes one."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from consumer.demo.oracle import ExpectedState, expect
from consumer.demo.reconciliation import ObservedState, Reconciliation, ServiceCounts, reconcile
from consumer.demo.report import print_report
from consumer.model import DeadLetterCause
from tests.demo.placed_records import as_produced, defects, faultless, mixed_events, without_one

EVENTS = mixed_events(11, 400)
RECORDS = as_produced(EVENTS)


def sources(destination: str = "copilot") -> tuple[ExpectedState, ObservedState, ServiceCounts]:
    expected = expect(destination, RECORDS)
    return expected, *faultless(f"cdp-{destination}", destination, expected)


def result(
    expected: ExpectedState, observed: ObservedState, counted: ServiceCounts, *, drain_skipped: bool = False
) -> Reconciliation:
    return reconcile("cdp-copilot", "copilot", expected, observed, counted, drain_skipped=drain_skipped)


@pytest.mark.parametrize("destination", ["copilot", "customerio", "yotpo"])
def test_faultless_run_has_no_differences(destination: str) -> None:
    assert len(set(defects(EVENTS))) > 10
    expected, observed, counted = sources(destination)
    assert reconcile(f"cdp-{destination}", destination, expected, observed, counted).differences == ()


def test_lost_event_is_named_with_its_record() -> None:
    expected, observed, counted = sources()
    observed, lost = without_one(observed)
    record = expected.stored[lost]
    (difference,) = result(expected, observed, counted).differences
    assert difference.startswith(f"copilot has not stored {lost}: {expected.labels[lost]} of {record.event.kind}")
    assert difference.endswith(f"{record.partition.topic}[{record.partition.index}]@{record.offset}")


def test_event_that_was_not_owed_is_named() -> None:
    expected, observed, counted = sources()
    observed = replace(observed, stored_ids=observed.stored_ids | {"stranger"})
    (difference,) = result(expected, observed, counted).differences
    assert difference == "copilot has stored stranger, which was not owed"


def test_missing_dead_letter_is_named() -> None:
    expected, observed, counted = sources()
    key = observed.dead_letters[0].key
    (difference,) = result(expected, replace(observed, dead_letters=observed.dead_letters[1:]), counted).differences
    assert difference.startswith(f"missing dead letter: {key.cause} {key.delivery_id}")


def test_dead_letter_with_another_cause_is_missing_and_unexpected() -> None:
    expected, observed, counted = sources()
    first = observed.dead_letters[0]
    changed = replace(first, key=first.key._replace(cause="quarantined"))
    observed = replace(observed, dead_letters=[changed, *observed.dead_letters[1:]])
    differences = result(expected, observed, counted).differences
    assert [each.partition(" dead letter")[0] for each in differences] == ["missing", "unexpected"]


def test_dead_letter_with_changed_bytes_is_named() -> None:
    expected, observed, counted = sources()
    changed = replace(observed.dead_letters[0], content_digest=b"")
    observed = replace(observed, dead_letters=[changed, *observed.dead_letters[1:]])
    (difference,) = result(expected, observed, counted).differences
    assert "its key or value differs from" in difference


def test_dead_letter_written_twice_counts_once() -> None:
    expected, observed, counted = sources()
    observed = replace(observed, dead_letters=[*observed.dead_letters, *observed.dead_letters])
    assert result(expected, observed, counted).differences == ()


def test_committed_offset_below_the_log_end_is_named() -> None:
    expected, observed, counted = sources()
    partition, end = next(iter(expected.log_ends.items()))
    observed = replace(observed, committed={**observed.committed, partition: end - 1})
    (difference,) = result(expected, observed, counted).differences
    assert difference == (
        f"{partition.topic}[{partition.index}]: offset {end - 1} is committed, but the log ends at {end}"
    )


def test_partition_without_a_commit_is_named() -> None:
    expected, observed, counted = sources()
    (difference, *_) = result(expected, replace(observed, committed={}), counted).differences
    assert "no offset is committed" in difference


def test_events_dropped_behind_a_success_are_counted() -> None:
    expected, observed, counted = sources()
    (difference,) = result(expected, replace(observed, dropped=3), counted).differences
    assert difference == "copilot responded with success but dropped 3 events"


@pytest.mark.parametrize("name", ["owed", "delivered", "skipped", "dead_lettered", "open", "released"])
def test_delivery_counter_off_by_one_is_a_difference(name: str) -> None:
    expected, observed, counted = sources()
    deliveries = replace(counted.deliveries, **{name: getattr(counted.deliveries, name) + 1})
    differences = result(expected, observed, replace(counted, deliveries=deliveries)).differences
    assert any("does not balance" in each for each in differences)
    assert any(f" {name.replace('_', '-')}, expected" in each for each in differences)


def test_both_tables_show_the_same_number_of_dead_letters() -> None:
    expected, observed, counted = sources()
    console = Console(width=200, record=True, file=io.StringIO())
    print_report(console, [result(expected, observed, counted)])
    printed = console.export_text()
    rows = re.findall(r"^ *(?:cdp-copilot|undecodable) +(.*)balances", printed, re.MULTILINE)
    dead_letters = [int(row.split("+")[2]) for row in rows]
    assert all(dead_letters)
    assert len(dead_letters) == 2
    assert f" {sum(dead_letters)} of {sum(dead_letters)} " in printed


@pytest.mark.parametrize("name", ["owed", "dead_lettered"])
def test_undecodable_record_counter_off_by_one_is_a_difference(name: str) -> None:
    expected, observed, counted = sources()
    undecodable = replace(counted.undecodable, **{name: getattr(counted.undecodable, name) + 1})
    differences = result(expected, observed, replace(counted, undecodable=undecodable)).differences
    assert any("does not balance" in each for each in differences)
    assert any(" undecodable records " in each and ", expected" in each for each in differences)


def test_dead_letter_counted_under_another_cause_is_a_difference() -> None:
    expected, observed, counted = sources()
    dead_letters = counted.dead_letters.copy()
    dead_letters["copilot", DeadLetterCause.CONTRACT] -= 1
    dead_letters["copilot", DeadLetterCause.TOO_LARGE] += 1
    assert len(result(expected, observed, replace(counted, dead_letters=dead_letters)).differences) == 2


def test_skip_counted_for_another_reason_is_a_difference() -> None:
    expected, observed, counted = sources()
    skips = counted.skips.copy()
    skips.subtract([next(iter(skips))])
    assert len(result(expected, observed, replace(counted, skips=skips)).differences) == 1


def test_skipped_drain_owes_only_what_is_committed() -> None:
    expected, observed, counted = sources()
    lost, record = next((name, one) for name, one in expected.stored.items() if one.offset > 0)
    observed = replace(observed, stored_ids=observed.stored_ids - {lost})
    below = replace(observed, committed={**observed.committed, record.partition: record.offset})
    assert result(expected, below, counted, drain_skipped=True).differences == ()
    assert result(expected, below, counted).differences != ()
    above = replace(observed, committed={**observed.committed, record.partition: record.offset + 1})
    (difference,) = result(expected, above, counted, drain_skipped=True).differences
    assert difference.startswith(f"copilot has not stored {lost}")
