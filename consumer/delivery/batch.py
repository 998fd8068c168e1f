"""Batches: never over a limit of the request, and never one event of a key before an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.delivery import Delivery

SCAN_FACTOR = 4
"""How many times a call's count is looked through for deliveries of its shape before the call goes as it is."""


def next_batch(queue: deque[Delivery], admit: Callable[[Delivery], bool] | None) -> list[Delivery]:
    """Take the next batch out of `queue`, oldest first; what stays keeps its order.

    The oldest eligible delivery gives the shape; later ones of that shape (and of the same half, once split) join while
    count and bytes allow. A key that was passed over once is passed over to the end, so that per key the order of the
    queue is the order of the calls. No identity comes twice: a destination that overwrites by id, or names refused
    events by id, could not tell them apart. `admit` tells whether a delivery is eligible; one that is not has been set
    aside or ended by it, and leaves the queue. So does one whose ledger sends no more.
    """
    batch: list[Delivery] = []
    left: list[Delivery] = []
    passed: set[int] = set()
    identities: set[str] = set()
    shape = None
    piece = size = scanned = room = 0
    most = 1
    while queue and len(batch) < most and scanned < SCAN_FACTOR * most:
        delivery = queue.popleft()
        if not delivery.ledger.may_send:
            continue
        if passed and delivery.key in passed:
            # Before `admit`: it could set this one aside while an earlier one of its key stays here, and then find that
            # one blocked behind it.
            left.append(delivery)
            scanned += 1
            continue
        if admit is not None and not admit(delivery):
            continue
        scanned += 1
        if shape is None:
            shape, piece, most = delivery.envelope, delivery.fragment, delivery.envelope.max_events
            room = shape.max_bytes - len(shape.prefix) - len(shape.suffix)
            size = -1  # the first one needs no comma
        identity = delivery.identity
        if (
            (delivery.envelope is not shape and delivery.envelope != shape)
            or delivery.fragment != piece
            or identity in identities
        ):
            passed.add(delivery.key)
            left.append(delivery)
            continue
        size += 1 + len(delivery.body)
        if size > room and batch:
            left.append(delivery)
            break
        identities.add(identity)
        batch.append(delivery)
    queue.extendleft(reversed(left))
    return batch


def body_of(batch: Sequence[Delivery]) -> bytes:
    """Return the body of the call that carries a batch."""
    shape = batch[0].envelope
    return b"".join((shape.prefix, b",".join([delivery.body for delivery in batch]), shape.suffix))


def bytes_of(deliveries: Iterable[Delivery]) -> int:
    """Return the bytes of deliveries' bodies."""
    return sum([len(delivery.body) for delivery in deliveries])


def split(batch: Sequence[Delivery], next_piece: Callable[[], int]) -> None:
    """Mark the two halves of a refused batch, so that neither ever grows again or meets the other."""
    middle = (len(batch) + 1) // 2
    set_fragment(batch[:middle], next_piece())
    set_fragment(batch[middle:], next_piece())


def set_fragment(batch: Iterable[Delivery], piece: int) -> None:
    """Mark a batch as a piece: from now on it may shrink, but never grow."""
    for delivery in batch:
        delivery.fragment = piece
