"""What one record of the test shop owes, entry by entry of the mapping."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.demo.oracle import delivery_digest, format_id
from tests.e2e.produced import OwedDelivery, ProducedRecord


class OwedBuilder:
    """What one record owes, entry by entry."""

    def __init__(
        self,
        pipelines: Mapping[str, tuple[str, ...]],
        record: ProducedRecord,
        event_type: str,
        key: str,
        who: bytes,
        at_ms: int,
        schema_id: str,
        mark: str,
    ) -> None:
        self._pipelines, self._record, self._event_type, self._key = pipelines, record, event_type, key
        self._who, self._at_ms, self._schema_id, self._mark = who, at_ms, schema_id, mark

    def deliver(
        self,
        destination: str,
        label: str,
        cause: str | None = None,
        status: int | None = None,
        *,
        element: tuple[str, ...] = (),
        mark: str | None = None,
        kept_as: str | None = None,
    ) -> None:
        """Owe one delivery."""
        pipeline = self._pipeline_of(destination)
        if pipeline is None:
            return
        digest = delivery_digest(self._event_type, destination, label, self._who, *element)
        ours = format_id(destination, digest, self._at_ms)
        mine = [owed for owed in self._record.owed if owed.destination == destination]
        self._record.owed.append(
            OwedDelivery(
                pipeline,
                destination,
                label,
                ours,
                kept_as or ours,
                self._key,
                self._record.partition,
                self._record.offset,
                len(mine),
                (mark or (self._mark if kept_as is None else kept_as.partition("=")[0])).encode(),
                cause,
                status,
                self._event_type,
                self._schema_id,
            )
        )

    def skip(self, destination: str, reason: str) -> None:
        """Deliberately not deliver one."""
        pipeline = self._pipeline_of(destination)
        if pipeline is not None:
            self._record.skips[pipeline, destination, reason] += 1

    def _pipeline_of(self, destination: str) -> str | None:
        return next((name for name, members in self._pipelines.items() if destination in members), None)

    def unmapped(self, *destinations: str) -> None:
        """Note that no entry speaks of the event to these: a pipeline with nobody else skips the record undecoded."""
        for pipeline, members in self._pipelines.items():
            if set(members) <= set(destinations):
                self._record.skips[pipeline, "none", "no_mapping"] += 1
