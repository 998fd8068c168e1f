"""Checks promise 2 (order) per key: no overlapping requests, and rising first and final arrivals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from consumer.demo.fakes.recorder import Arrival, ReceivedRequest
from tests.e2e.produced import OwedDelivery

Key = tuple[int, str]


def violations(
    owed: Iterable[OwedDelivery],
    arrivals: Sequence[Arrival],
    requests: Sequence[ReceivedRequest],
    *,
    timeout_s: float,
    killed_at: Sequence[float] = (),
) -> Iterator[str]:
    """Yield every violation of the order at one destination.

    Args:
        owed: the deliveries owed to it.
        arrivals: the events its server accepted, in order.
        requests: its server's finished requests.
        timeout_s: the client's request timeout. A longer request counts as ended after half of it.
        killed_at: when members were killed, which ended their requests.
    """
    known = {one.stored_id: one for one in owed if one.stored_id}
    yield from _overlaps(known, requests, timeout_s, killed_at)
    sequences: dict[Key, list[OwedDelivery]] = defaultdict(list)
    for arrival in arrivals:
        if one := known.get(arrival.id):
            sequences[one.partition, one.key].append(one)
    for arrived in sequences.values():
        yield from _sequence(arrived)


def _overlaps(
    known: Mapping[str, OwedDelivery], requests: Sequence[ReceivedRequest], timeout_s: float, cut: Sequence[float]
) -> Iterator[str]:
    """Yield requests of one key that were in flight at the same time."""
    last: dict[Key, tuple[float, ReceivedRequest]] = {}
    for request in sorted(requests, key=lambda one: one.started):
        # The client's timeout starts before the server reads the request. How long before is unknown.
        given_up = request.started + timeout_s / 2 if request.ended - request.started > timeout_s / 2 else request.ended
        # The time at which the client closed is known. It is read before any later request of it or its successor.
        closed = given_up if request.client_left is None else request.client_left
        over = min((given_up, closed, *(at for at in cut if at > request.started)))
        for key in {(one.partition, one.key) for name in request.ids if (one := known.get(name))}:
            before = last.get(key)
            if before is not None and request.started < before[0]:
                yield (
                    f"order: request {request.number} began {before[0] - request.started:.3f} s before request "
                    f"{before[1].number} of the same key was over"
                )
            if before is None or over > before[0]:
                last[key] = (over, request)


def _sequence(arrived: Sequence[OwedDelivery]) -> Iterator[str]:
    """Compare the arrivals of one key with the order of its deliveries."""
    right = sorted({one.order for one in arrived})
    number = {place: index for index, place in enumerate(right)}
    seen = [number[one.order] for one in arrived]
    where = f"partition {arrived[0].partition}, offset {arrived[0].offset} and after"
    firsts = list(dict.fromkeys(seen))
    if firsts != sorted(firsts):
        yield f"order: first arrivals do not rise ({where})"
    finals = list(dict.fromkeys(reversed(seen)))[::-1]
    if finals != sorted(finals):
        yield f"order: final arrivals do not rise ({where})"
    if any(later > earlier + 1 for earlier, later in pairwise(seen)):
        yield f"order: a repeat is not a whole suffix ({where})"
