"""Promise 2 held against the servers' logs: per key, calls one after another, first and final arrivals rising."""

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
    """Say everything that breaks the order at one destination.

    Args:
        owed: what is owed to it.
        arrivals: what its server took, in order.
        requests: its server's log.
        timeout_s: after this a sender gives a call up, whatever the server still does. What lasted more than half of
            it counts for that half only.
        killed_at: when senders were killed: their exchanges were over then.
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
    """Find calls of one key that were on the wire together."""
    last: dict[Key, tuple[float, ReceivedRequest]] = {}
    for request in sorted(requests, key=lambda one: one.started):
        # A sender's clock ran before the server had read the call: how long before is not known.
        given_up = request.started + timeout_s / 2 if request.ended - request.started > timeout_s / 2 else request.ended
        # But when it left is known: before the server had read anything that it, or its heir, began afterwards.
        left = given_up if request.client_left is None else request.client_left
        over = min((given_up, left, *(at for at in cut if at > request.started)))
        for key in {(one.partition, one.key) for name in request.ids if (one := known.get(name))}:
            before = last.get(key)
            if before is not None and request.started < before[0]:
                yield (
                    f"order: call {request.number} began {before[0] - request.started:.3f} s before call "
                    f"{before[1].number} of the same key was over"
                )
            if before is None or over > before[0]:
                last[key] = (over, request)


def _sequence(arrived: Sequence[OwedDelivery]) -> Iterator[str]:
    """Hold what arrived of one key against the order in which it had to."""
    right = sorted({one.order for one in arrived})
    number = {place: index for index, place in enumerate(right)}
    seen = [number[one.order] for one in arrived]
    who = f"partition {arrived[0].partition}, offset {arrived[0].offset} and after"
    firsts = list(dict.fromkeys(seen))
    if firsts != sorted(firsts):
        yield f"order: first arrivals do not rise ({who})"
    finals = list(dict.fromkeys(reversed(seen)))[::-1]
    if finals != sorted(finals):
        yield f"order: final arrivals do not rise ({who})"
    if any(later > earlier + 1 for earlier, later in pairwise(seen)):
        yield f"order: a repeat is not a whole suffix ({who})"
