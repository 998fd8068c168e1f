"""Collects the data for the reconciliation after the run, each from its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from consumer.app import PipelineRunner
from consumer.demo.cluster_reader import read_committed, read_dead_letters
from consumer.demo.config_file import DEAD_LETTER_TOPIC, Servers
from consumer.demo.observer import CountingObserver
from consumer.demo.oracle import expect
from consumer.demo.produced_records import ProducedRecords
from consumer.demo.reconciliation import ObservedState, Reconciliation, ServiceCounts, reconcile


def reconcile_pipelines(
    runners: Sequence[PipelineRunner],
    produced: ProducedRecords,
    servers: Servers,
    observers: Mapping[str, CountingObserver],
    bootstrap: str,
    *,
    drain_skipped: bool,
) -> list[Reconciliation]:
    """Return the reconciliation of each pipeline. All pipelines must have stopped.

    Raises:
        ClusterReadError: the brokers do not return the data.
    """
    dead_letters = read_dead_letters(bootstrap, DEAD_LETTER_TOPIC)
    records = list(produced)
    results = []
    for runner in runners:
        status = runner.status_reporter.status()
        destination = status.destinations[0]
        server = servers.by_name(destination.name)
        observer = observers[runner.name]
        observed = ObservedState(
            stored_ids=server.stored_ids(),
            dead_letters=[one for one in dead_letters if one.pipeline == runner.name],
            committed=read_committed(bootstrap, runner.name, produced.log_ends()),
            dropped=len(server.dropped),
            received=len(server.received),
            statuses=Counter(request.status for request in server.requests),
        )
        counted = ServiceCounts(
            destination.accounting,
            status.records,
            Counter(observer.skips),
            Counter(observer.dead_letters),
            status.other_accounts[""],
        )
        expected = expect(destination.name, records)
        results.append(
            reconcile(runner.name, destination.name, expected, observed, counted, drain_skipped=drain_skipped)
        )
    return results
