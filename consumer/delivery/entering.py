"""Entering a translated lot in the ledger: what each record owes, and where it stands from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from consumer.delivery.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.delivery.ledger.partition_ledger import Tenure
    from consumer.delivery.record_buffer import Chunk
    from consumer.model import Message
    from consumer.model.delivery_columns import Column, Translation


DELIVERY_BYTES = 310
"""A delivery besides its body (measured): its object, its identity's text, its places in queues and books."""

LETTER_BYTES = 512
"""What could not be said, until its letter is acknowledged (measured, parked: 470, with what is wrong in a line)."""


class Places(NamedTuple):
    """Where the records of a lot stand: by index in the lot, each one's tenure and slot."""

    tenures: list[Tenure]
    slots: list[int]
    back: list[tuple[Tenure, Sequence[Message]]]
    """What was not entered: its schema is missing, or that of an earlier record of its partition."""
    weight: int
    """Bytes that the whole lot counts for, with all it owes."""

    def deliveries(self, column: Column) -> list[Delivery]:
        """Return one destination's deliveries of the lot, in order, each with its place in the ledger."""
        rows = zip(
            column.bodies,
            column.keys,
            column.shapes,
            column.identities,
            column.times_ms,
            column.entries,
            map(self.tenures.__getitem__, column.records),
            map(self.slots.__getitem__, column.records),
            strict=True,
        )
        return [Delivery(*row) for row in rows]


def enter(chunks: Sequence[Chunk], translation: Translation, accounts: Mapping[str, int]) -> Places:
    """Enter the records of `chunks`, translated in this order; `accounts` are the ledger's, by destination."""
    weights = [size for chunk in chunks for size in chunk.sizes]
    owed = _owed(translation, weights, accounts)
    waiting = set(translation.waiting)
    places = Places([], [], [], sum(weights))
    start = 0
    for tenure, messages, _ in chunks:
        end = start + len(messages)
        ready = end
        if waiting:
            ready = next((index for index in range(start, end) if index in waiting), end)
        if ready < end:
            places.back.append((tenure, messages[ready - start :]))
        columns = [column[start:ready] for column in owed]
        first = tenure.open(messages[: ready - start], columns, weights[start:ready])
        places.tenures.extend([tenure] * (end - start))
        places.slots.extend(range(first, first + end - start))
        start = end
    return places


def _owed(translation: Translation, weights: list[int], accounts: Mapping[str, int]) -> list[list[int]]:
    """Return how many deliveries each record owes to each account; add their bytes to its weight.

    Each counts for more than its body: else an `each` of many small elements would pass any limit unnoticed.
    """
    owed = [[0] * len(weights) for _ in accounts]
    for name, column in translation.columns.items():
        mine = owed[accounts[name]]
        for record, body in zip(column.records, column.bodies, strict=True):
            mine[record] += 1
            weights[record] += len(body) + DELIVERY_BYTES
    for faulty in translation.faults:
        owed[accounts[faulty.entry.destination if faulty.entry else ""]][faulty.record] += 1
        weights[faulty.record] += LETTER_BYTES
    return owed
