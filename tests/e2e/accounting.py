"""Compares the service's accounting, on `/status` and `/metrics`, with the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.e2e.produced import ProducedRecord

Sample = tuple[str, tuple[tuple[str, str], ...]]
Metrics = Mapping[Sample, float]
Status = Mapping[str, Mapping[str, Any]]


def mismatches(status: Status) -> list[str]:
    """Return every part of one member's accounting that does not balance."""
    found = []
    for name, pipeline in status.items():
        records = pipeline["records"]
        if records["accepted"] != records["settled"] + records["open"] + records["released"] or records["mismatch"]:
            found.append(f"{name}: records do not balance: {records}")
        for destination in pipeline["destinations"]:
            counts = destination["accounting"]
            ended = (
                counts["delivered"] + counts["skipped"] + counts["dead_lettered"] + counts["open"] + counts["released"]
            )
            if counts["owed"] != ended or counts["mismatch"]:
                found.append(f"{name}: deliveries to {destination['name']} do not balance: {counts}")
    return found


def differences(records: Sequence[ProducedRecord], status: Status, metrics: Metrics) -> list[str]:
    """Return the differences between the oracle and the accounting of a member that handled every record."""
    return [
        *mismatches(status),
        *(one for name, pipeline in status.items() for one in _pipeline(records, name, pipeline)),
        *(one for name, pipeline in status.items() for one in _metrics(records, name, pipeline, metrics)),
    ]


def _pipeline(records: Sequence[ProducedRecord], name: str, pipeline: Mapping[str, Any]) -> Iterator[str]:
    expected = {"accepted": len(records), "settled": len(records), "open": 0, "released": 0, "mismatch": 0}
    if pipeline["records"] != expected:
        yield f"{name}: records are {pipeline['records']}, not {expected}"
    for destination in pipeline["destinations"]:
        to = destination["name"]
        owed = [one for record in records for one in record.owed if (one.pipeline, one.destination) == (name, to)]
        skipped = sum(
            count
            for record in records
            for (owner, destination_name, _), count in record.skips.items()
            if (owner, destination_name) == (name, to)
        )
        dead_lettered = sum(one.cause is not None for one in owed)
        counts = {
            "owed": len(owed) + skipped,
            "delivered": len(owed) - dead_lettered,
            "skipped": skipped,
            "dead_lettered": dead_lettered,
            "open": 0,
            "released": 0,
            "mismatch": 0,
        }
        if destination["accounting"] != counts:
            yield f"{name}: the accounting of {to} is {destination['accounting']}, not {counts}"


def _metrics(
    records: Sequence[ProducedRecord], name: str, pipeline: Mapping[str, Any], metrics: Metrics
) -> Iterator[str]:
    expected = _expected(records, name, pipeline)
    for sample, count in expected.items():
        if metrics.get(sample) != count:
            yield f"/metrics: {sample[0]}{dict(sample[1])} is {metrics.get(sample)}, not {count}"
    for sample in metrics:
        known = sample[0] in {"cdp_dead_letters_total", "cdp_events_skipped_total"}
        if known and ("pipeline", name) in sample[1] and metrics[sample] and sample not in expected:
            yield f"/metrics: {sample[0]}{dict(sample[1])} is {metrics[sample]}, but none was owed"


def _expected(records: Sequence[ProducedRecord], name: str, pipeline: Mapping[str, Any]) -> Counter[Sample]:
    """Return the expected samples of `/metrics`, from the oracle and from `/status`, which was checked before."""
    expected: Counter[Sample] = Counter()

    def expect(metric: str, count: int, **labels: str) -> None:
        expected[metric, tuple(sorted({"pipeline": name, **labels}.items()))] += count

    expect("cdp_records_accepted_total", pipeline["records"]["accepted"])
    expect("cdp_records_settled_total", pipeline["records"]["settled"])
    expect("cdp_accounting_records_mismatch", 0)
    for record in records:
        for (owner, to, reason), count in record.skips.items():
            if owner == name:
                expect("cdp_events_skipped_total", count, destination=to, reason=reason)
        for one in record.owed:
            if one.pipeline == name and one.cause is not None:
                expect("cdp_dead_letters_total", 1, destination=one.destination or "none", cause=one.cause)
    for destination in pipeline["destinations"]:
        to, counts = destination["name"], destination["accounting"]
        expect("cdp_deliveries_owed_total", counts["owed"], destination=to)
        expect("cdp_deliveries_total", counts["delivered"], destination=to, outcome="delivered")
        expect("cdp_deliveries_total", counts["dead_lettered"], destination=to, outcome="dead_lettered")
        expect("cdp_accounting_mismatch", 0, destination=to)
    return expected
