"""Batches: never over a limit of the request, and never an event of a key before an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.delivery import Delivery

SCAN_FACTOR = 4
"""A batch of at most n deliveries is sent as it is after 4 n queued deliveries were scanned for its envelope."""


def next_batch(queue: deque[Delivery], admit: Callable[[Delivery], bool] | None) -> list[Delivery]:
    """Take the next batch out of `queue`, oldest first; the deliveries that stay keep their order.

    The oldest eligible delivery gives the envelope. Later ones with the same envelope join while count and bytes allow.
    The fragments of a split batch never mix. Once a key was passed over, all its later deliveries are passed over too,
    so that per key requests follow the order of the queue.

    No identity comes twice in a batch: a destination that overwrites by id, or names refused events by id, could not
    tell the two apart.

    Args:
        queue: a lane's deliveries. Those of a ledger that may not send are dropped.
        admit: returns True if a delivery is eligible. Otherwise it has moved the delivery elsewhere or ended it, and
            the delivery leaves the queue. `None` = all are eligible.
    """
    batch: list[Delivery] = []
    kept: list[Delivery] = []
    passed_over: set[int] = set()
    identities: set[str] = set()
    envelope = None
    fragment = size = scanned = max_size = 0
    max_events = 1
    while queue and len(batch) < max_events and scanned < SCAN_FACTOR * max_events:
        delivery = queue.popleft()
        if not delivery.ledger.may_send:
            continue
        if passed_over and delivery.key in passed_over:
            # Before `admit`: it could move this one elsewhere while an earlier one of its key stays in the queue. Then
            # the earlier one would be blocked behind it.
            kept.append(delivery)
            scanned += 1
            continue
        if admit is not None and not admit(delivery):
            continue
        scanned += 1
        if envelope is None:
            envelope, fragment, max_events = delivery.envelope, delivery.fragment, delivery.envelope.max_events
            max_size = envelope.max_bytes - len(envelope.prefix) - len(envelope.suffix)
            size = -1  # the first one needs no comma
        identity = delivery.identity
        if (
            (delivery.envelope is not envelope and delivery.envelope != envelope)
            or delivery.fragment != fragment
            or identity in identities
        ):
            passed_over.add(delivery.key)
            kept.append(delivery)
            continue
        size += 1 + len(delivery.body)
        if size > max_size and batch:
            kept.append(delivery)
            break
        identities.add(identity)
        batch.append(delivery)
    queue.extendleft(reversed(kept))
    return batch


def body_of(batch: Sequence[Delivery]) -> bytes:
    """Return the request body that carries a batch."""
    envelope = batch[0].envelope
    return b"".join((envelope.prefix, b",".join([delivery.body for delivery in batch]), envelope.suffix))


def bytes_of(deliveries: Iterable[Delivery]) -> int:
    """Return the total bytes of the deliveries' bodies."""
    return sum([len(delivery.body) for delivery in deliveries])


def split(batch: Sequence[Delivery], next_fragment: Callable[[], int]) -> None:
    """Mark the two halves of a refused batch as fragments, so that neither grows again or mixes with the other."""
    middle = (len(batch) + 1) // 2
    set_fragment(batch[:middle], next_fragment())
    set_fragment(batch[middle:], next_fragment())


def set_fragment(batch: Iterable[Delivery], fragment: int) -> None:
    """Mark deliveries as one fragment: from now on their batch may shrink, but never grow."""
    for delivery in batch:
        delivery.fragment = fragment
