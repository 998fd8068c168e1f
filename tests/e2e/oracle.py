"""The oracle: compares the evidence with the deliveries that every record owes.

It compares sets of ids, never counts. It reads servers, the dead-letter topic and the broker, never the service.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from consumer.demo.fakes.recorder import Arrival, ReceivedRequest
from tests.e2e import dead_letters, order
from tests.e2e.evidence import Evidence
from tests.e2e.produced import OwedDelivery, ProducedRecord

LATE_RESPONSES = frozenset({"late", "held response", "trickle"})
"""Names of fault rules that process a request and respond after the client has timed out."""


def violations(
    records: Sequence[ProducedRecord], evidence: Evidence, *, may_repeat: frozenset[str] = frozenset()
) -> list[str]:
    """Return every violation.

    Args:
        records: the produced records.
        evidence: of the run.
        may_repeat: ids that may have been delivered or dead-lettered again although the response was not lost: a
            killed member had not committed them.
    """
    return [
        *_servers(records, evidence, may_repeat),
        *_dead_letters(records, evidence, may_repeat),
        *_order(records, evidence),
        *_offsets(evidence),
    ]


def repeated(evidence: Evidence) -> dict[str, set[str]]:
    """Return the ids that arrived more than once, by destination."""
    found: dict[str, set[str]] = {}
    for destination, arrivals in evidence.arrivals.items():
        seen: set[str] = set()
        found[destination] = {one.id for one in arrivals if one.id in seen or seen.add(one.id)}  # type: ignore[func-returns-value]
    return found


def _servers(records: Sequence[ProducedRecord], evidence: Evidence, may_repeat: frozenset[str]) -> Iterator[str]:
    owed = [one for record in records for one in record.owed if one.destination is not None]
    for destination, arrivals in evidence.arrivals.items():
        due = {one.stored_id: one for one in owed if one.destination == destination and one.cause is None}
        dead_lettered = {one.stored_id for one in owed if one.destination == destination and one.cause is not None}
        by_id: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in arrivals:
            by_id[arrival.id].append(arrival)
        for name in sorted(due.keys() - by_id.keys()):
            one = due[name]
            yield f"lost: {destination} never got {one.label} of partition {one.partition}, offset {one.offset}"
        for name in sorted(by_id.keys() & dead_lettered - due.keys()):
            yield f"{destination} stored {name}, which had to become a dead letter"
        for name in sorted(by_id.keys() - due.keys() - dead_lettered):
            yield f"{destination} stored {name}, which was not owed"
        for name in due.keys() & by_id.keys():
            if any(due[name].marker not in arrival.raw for arrival in by_id[name]):
                yield f"{destination} stored {name} with another event's body"
        requests = {request.number: request for request in evidence.requests[destination]}
        for name, found in by_id.items():
            if name not in may_repeat and any(not _response_lost(requests.get(one.request)) for one in found[:-1]):
                yield f"duplicate: {destination} stored {name} again although it had responded"


def _response_lost(request: ReceivedRequest | None) -> bool:
    """Return True if the client cannot have received the response to a processed request."""
    return request is not None and (request.status is None or request.fault in LATE_RESPONSES)


def _dead_letters(records: Sequence[ProducedRecord], evidence: Evidence, may_repeat: frozenset[str]) -> Iterator[str]:
    due: dict[tuple[str, str], tuple[OwedDelivery, ProducedRecord]] = {
        (one.pipeline, one.delivery_id): (one, record) for record in records for one in record.owed if one.cause
    }
    seen: set[tuple[str, str]] = set()
    for dead_letter in evidence.dead_letters:
        name = (dead_letter.header("cdp-pipeline") or "", dead_letter.header("cdp-delivery-id") or "")
        if name not in due:
            where = (
                f"{dead_letter.header('cdp-original-partition')}, offset {dead_letter.header('cdp-original-offset')}"
            )
            yield f"unexpected dead letter: {dead_letter.header('cdp-cause')} of partition {where}"
            continue
        if name in seen and name[1] not in may_repeat:
            yield f"duplicate: dead letter {name[1]} of {name[0]} was written twice"
        seen.add(name)
        yield from dead_letters.violations(dead_letter, *due[name], evidence.topic)
    for name in due.keys() - seen:
        one = due[name][0]
        yield f"lost: no dead letter ({one.cause}) of {one.label} of partition {one.partition}, offset {one.offset}"


def _order(records: Sequence[ProducedRecord], evidence: Evidence) -> Iterator[str]:
    owed = [one for record in records for one in record.owed]
    for destination, arrivals in evidence.arrivals.items():
        mine = [one for one in owed if one.destination == destination]
        requests = evidence.requests[destination]
        timeout_s, cut = evidence.timeout_s, evidence.killed_at
        for violation in order.violations(mine, arrivals, requests, timeout_s=timeout_s, killed_at=cut):
            yield f"{destination}: {violation}"


def _offsets(evidence: Evidence) -> Iterator[str]:
    for pipeline, offsets in evidence.committed.items():
        for partition, end in evidence.log_ends.items():
            if offsets.get(partition) != end:
                yield f"{pipeline} committed {offsets.get(partition)} in partition {partition}, whose log ends at {end}"
