"""Closing time: everything that is needed for the books is fetched from where it really is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from consumer.app import PipelineRunner
from consumer.demo.cluster_reader import read_committed, read_letters
from consumer.demo.config_file import LETTERS, Servers
from consumer.demo.observer import Tally
from consumer.demo.oracle import expect
from consumer.demo.produced_records import ProducedRecords
from consumer.demo.reconciliation import ClusterContents, Page, Said, balance


def close_books(
    running: Sequence[PipelineRunner],
    notes: ProducedRecords,
    servers: Servers,
    tallies: Mapping[str, Tally],
    bootstrap: str,
    *,
    hurried: bool,
) -> list[Page]:
    """Return a page for each pipeline, all of which have left.

    Raises:
        UnreadableError: the brokers do not give what is needed.
    """
    letters = read_letters(bootstrap, LETTERS)
    written = list(notes)
    pages = []
    for each in running:
        facts = each.status_reporter.status()
        destination = facts.destinations[0]
        fake = servers.by_name(destination.name)
        tally = tallies[each.name]
        found = ClusterContents(
            held=fake.stored_ids(),
            letters=[letter for letter in letters if letter.pipeline == each.name],
            committed=read_committed(bootstrap, each.name, notes.ends()),
            thrown_away=len(fake.dropped),
            taken=len(fake.received),
            answers=Counter(request.status for request in fake.requests),
        )
        said = Said(
            destination.accounting,
            facts.records,
            Counter(tally.skips),
            Counter(tally.letters),
            facts.other_accounts[""],
        )
        expected = expect(destination.name, written)
        pages.append(balance(each.name, destination.name, expected, found, said, hurried=hurried))
    return pages
