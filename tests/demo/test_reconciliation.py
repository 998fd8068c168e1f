"""The books agree when everything is where it must be, and catch whatever is not."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from consumer.demo.oracle import Expected, expect
from consumer.demo.reconciliation import ClusterContents, Page, Said, balance
from consumer.demo.report import print_books
from consumer.model import DeadLetterCause
from tests.demo.placed_records import as_it_must_be, kinds, life_with_mishaps, without_one, written

LIFE = life_with_mishaps(11, 400)
RECORDS = written(LIFE)


def parties(destination: str = "copilot") -> tuple[Expected, ClusterContents, Said]:
    expected = expect(destination, RECORDS)
    return expected, *as_it_must_be(f"cdp-{destination}", destination, expected)


def page(expected: Expected, found: ClusterContents, said: Said, *, hurried: bool = False) -> Page:
    return balance("cdp-copilot", "copilot", expected, found, said, hurried=hurried)


@pytest.mark.parametrize("destination", ["copilot", "customerio", "yotpo"])
def test_books_of_a_day_without_errors_of_ours_balance(destination: str) -> None:
    assert len(set(kinds(LIFE))) > 10
    expected, found, said = parties(destination)
    assert balance(f"cdp-{destination}", destination, expected, found, said).wrong == ()


def test_a_lost_event_is_named_with_its_record() -> None:
    expected, found, said = parties()
    found, lost = without_one(found)
    record = expected.arrivals[lost]
    (wrong,) = page(expected, found, said).wrong
    assert wrong.startswith(f"copilot does not hold {lost}: {expected.labels[lost]} of {record.happening.kind}")
    assert wrong.endswith(f"{record.partition.topic}[{record.partition.index}]@{record.offset}")


def test_an_event_nobody_owed_is_named() -> None:
    expected, found, said = parties()
    (wrong,) = page(expected, replace(found, held=found.held | {"stranger"}), said).wrong
    assert wrong == "copilot holds stranger, which nobody owed it"


def test_a_missing_letter_is_named() -> None:
    expected, found, said = parties()
    (wrong,) = page(expected, replace(found, letters=found.letters[1:]), said).wrong
    assert wrong.startswith(f"no dead letter {found.letters[0].letter.cause} {found.letters[0].letter.delivery_id}")


def test_a_letter_with_another_cause_is_missing_and_foreign() -> None:
    expected, found, said = parties()
    first = found.letters[0]
    changed = replace(first, letter=first.letter._replace(cause="quarantined"))
    wrong = page(expected, replace(found, letters=[changed, *found.letters[1:]]), said).wrong
    assert [each.partition(" dead letter")[0] for each in wrong] == ["no", "a"]


def test_a_letter_whose_bytes_were_touched_is_named() -> None:
    expected, found, said = parties()
    changed = replace(found.letters[0], digest=b"")
    (wrong,) = page(expected, replace(found, letters=[changed, *found.letters[1:]]), said).wrong
    assert "does not carry the bytes of" in wrong


def test_a_letter_written_twice_is_one_letter() -> None:
    expected, found, said = parties()
    assert page(expected, replace(found, letters=[*found.letters, *found.letters]), said).wrong == ()


def test_an_offset_short_of_the_end_is_named() -> None:
    expected, found, said = parties()
    partition, end = next(iter(expected.records.items()))
    (wrong,) = page(expected, replace(found, committed={**found.committed, partition: end - 1}), said).wrong
    assert wrong == f"{partition.topic}[{partition.index}]: committed {end - 1}, the log ends at {end}"


def test_a_partition_without_a_commit_is_named() -> None:
    expected, found, said = parties()
    (wrong, *_) = page(expected, replace(found, committed={}), said).wrong
    assert "committed nothing" in wrong


def test_what_a_server_threw_away_behind_a_success_is_counted() -> None:
    expected, found, said = parties()
    (wrong,) = page(expected, replace(found, thrown_away=3), said).wrong
    assert wrong == "copilot answered with a success and threw away 3"


@pytest.mark.parametrize("name", ["owed", "delivered", "skipped", "dead_lettered", "open", "released"])
def test_a_counter_that_is_one_off_differs(name: str) -> None:
    expected, found, said = parties()
    books = replace(said.deliveries, **{name: getattr(said.deliveries, name) + 1})
    wrong = page(expected, found, replace(said, deliveries=books)).wrong
    assert any("do not add up" in each for each in wrong)
    assert any(f" {name.replace('_', '-')}, it must be" in each for each in wrong)


def test_both_tables_tell_of_the_same_letters() -> None:
    expected, found, said = parties()
    console = Console(width=200, record=True, file=io.StringIO())
    print_books(console, [page(expected, found, said)])
    printed = console.export_text()
    rows = re.findall(r"^ *(?:cdp-copilot|not to be decoded) +(.*)agrees", printed, re.MULTILINE)
    letters = [int(row.split("+")[2]) for row in rows]
    assert all(letters)
    assert len(letters) == 2
    assert f" {sum(letters)} of {sum(letters)} " in printed


@pytest.mark.parametrize("name", ["owed", "dead_lettered"])
def test_a_record_that_could_not_be_decoded_is_counted_like_any_delivery(name: str) -> None:
    expected, found, said = parties()
    whole = replace(said.whole, **{name: getattr(said.whole, name) + 1})
    wrong = page(expected, found, replace(said, whole=whole)).wrong
    assert any("do not add up" in each for each in wrong)
    assert any(" whole records " in each for each in wrong)


def test_a_letter_counted_under_another_cause_differs() -> None:
    expected, found, said = parties()
    letters = said.letters.copy()
    letters["copilot", DeadLetterCause.CONTRACT] -= 1
    letters["copilot", DeadLetterCause.TOO_LARGE] += 1
    assert len(page(expected, found, replace(said, letters=letters)).wrong) == 2


def test_a_skip_counted_for_another_reason_differs() -> None:
    expected, found, said = parties()
    skips = said.skips.copy()
    skips.subtract([next(iter(skips))])
    assert len(page(expected, found, replace(said, skips=skips)).wrong) == 1


def test_who_was_made_to_hurry_owes_only_what_is_committed() -> None:
    expected, found, said = parties()
    lost, record = next((name, one) for name, one in expected.arrivals.items() if one.offset > 0)
    found = replace(found, held=found.held - {lost})
    left = {**found.committed, record.partition: record.offset}
    assert page(expected, replace(found, committed=left), said, hurried=True).wrong == ()
    assert page(expected, replace(found, committed=left), said).wrong != ()
    committed = {**found.committed, record.partition: record.offset + 1}
    (wrong,) = page(expected, replace(found, committed=committed), said, hurried=True).wrong
    assert wrong.startswith(f"copilot does not hold {lost}")
