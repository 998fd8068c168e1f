"""Builds the owed deliveries of one record of the test shop, entry by entry of the mapping."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.demo.oracle import delivery_digest, format_id
from tests.e2e.produced import OwedDelivery, ProducedRecord


class OwedBuilder:
    """Adds owed deliveries and skips to one record.

    Args:
        pipelines: pipeline → its destinations.
        record: the record to add to.
        event_type: full name of the record's schema.
        key: the ordering key.
        event_parts: the parts of the identity formula that identify the event.
        at_ms: event time, epoch milliseconds.
        schema_id: as a dead letter must name it.
        marker: text that each delivery's body must contain.
    """

    def __init__(
        self,
        pipelines: Mapping[str, tuple[str, ...]],
        record: ProducedRecord,
        event_type: str,
        key: str,
        event_parts: bytes,
        at_ms: int,
        schema_id: str,
        marker: str,
    ) -> None:
        self._pipelines, self._record, self._event_type, self._key = pipelines, record, event_type, key
        self._event_parts, self._at_ms, self._schema_id, self._marker = event_parts, at_ms, schema_id, marker

    def deliver(
        self,
        destination: str,
        label: str,
        cause: str | None = None,
        status: int | None = None,
        *,
        element: tuple[str, ...] = (),
        marker: str | None = None,
        stored_id: str | None = None,
    ) -> None:
        """Add an owed delivery, or a dead letter if it has a cause."""
        pipeline = self._pipeline_of(destination)
        if pipeline is None:
            return
        digest = delivery_digest(self._event_type, destination, label, self._event_parts, *element)
        delivery_id = format_id(destination, digest, self._at_ms)
        earlier = [owed for owed in self._record.owed if owed.destination == destination]
        self._record.owed.append(
            OwedDelivery(
                pipeline,
                destination,
                label,
                delivery_id,
                stored_id or delivery_id,
                self._key,
                self._record.partition,
                self._record.offset,
                len(earlier),
                (marker or (self._marker if stored_id is None else stored_id.partition("=")[0])).encode(),
                cause,
                status,
                self._event_type,
                self._schema_id,
            )
        )

    def skip(self, destination: str, reason: str) -> None:
        """Add a deliberately skipped delivery."""
        pipeline = self._pipeline_of(destination)
        if pipeline is not None:
            self._record.skips[pipeline, destination, reason] += 1

    def _pipeline_of(self, destination: str) -> str | None:
        return next((name for name, members in self._pipelines.items() if destination in members), None)

    def unmapped(self, *destinations: str) -> None:
        """Note that these destinations have no entry. A pipeline with no other destination skips the whole record."""
        for pipeline, members in self._pipelines.items():
            if set(members) <= set(destinations):
                self._record.skips[pipeline, "none", "no_mapping"] += 1
