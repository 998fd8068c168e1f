"""What a pipeline is right now, put together from its parts for whoever asks.

`ConsumerStateObserver` keeps what only the poll thread knows.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from consumer.model.clock import now_ms
from consumer.model.observer import Observer
from consumer.model.status import (
    DeadLetterStatus,
    DeliveryCounts,
    DestinationStatus,
    HoldStatus,
    PartitionStatus,
    PipelineStatus,
    RecordCounts,
    StoppedPartitionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from consumer.delivery.dispatcher import Dispatcher
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import Partition
    from consumer.model.translated_batch import SchemaKey
    from consumer.pipeline.pipeline import Pipeline


_MISSING_FOR_S = 65.0


class ConsumerStateObserver(Observer):
    """Keeps what was said last."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self.joined_group = False
        self.fenced_now = False
        self.fatal: str | None = None
        self.lost_since_ms: int | None = None
        self.poll_ticked_at_s: float | None = None
        self.paused_now: frozenset[Partition] = frozenset()
        self.missing: dict[str, float] = {}
        self.stops: dict[Partition, StoppedPartitionStatus] = {}

    def group_joined(self, group: str, protocol: str) -> None:  # noqa: ARG002
        """Note that the member is in its group."""
        self.joined_group, self.lost_since_ms = True, None

    def partitions_assigned(self, partitions: Mapping[Partition, int]) -> None:
        """Note that the member is (again) in its group, and which topics are there."""
        self.joined_group, self.lost_since_ms = True, None
        for partition in partitions:
            self.missing.pop(partition.topic, None)
            self.stops.pop(partition, None)

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:  # noqa: ARG002
        """Note that the group went on without this member."""
        if lost:
            self.lost_since_ms = now_ms()

    def partitions_paused(self, partitions: Collection[Partition]) -> None:
        """Note what is paused."""
        self.paused_now = frozenset(partitions)

    def poll_ticked(self, interval_s: float) -> None:  # noqa: ARG002
        """Note that the poll thread turned."""
        self.poll_ticked_at_s = time.monotonic()

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:  # noqa: ARG002
        """Note a fatal error."""
        if fatal:
            self.fatal = code

    def topic_missing(self, topic: str) -> None:
        """Note a topic that is not there; said again every half a minute while it is missing."""
        self.missing[topic] = time.monotonic()

    def topic_found(self, topic: str) -> None:
        """Note that it is there now."""
        self.missing.pop(topic, None)

    def partition_stopped(self, partition: Partition, offset: int, code: str) -> None:
        """Note a partition that goes no further: until it goes on elsewhere, or is assigned again."""
        self.stops[partition] = StoppedPartitionStatus(code, offset, now_ms())

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:  # noqa: ARG002
        """Note that it goes on."""
        self.stops.pop(partition, None)

    def fence_closed(self) -> None:
        """Note the fence."""
        self.fenced_now = True

    def fence_released(self) -> None:
        """Note its end."""
        self.fenced_now = False


class StatusReporter:
    """One pipeline's facts: seen in the loop, where nothing moves meanwhile; told to whoever asks, from any thread."""

    def __init__(
        self,
        pipeline: Pipeline,
        heard: ConsumerStateObserver,
        *,
        protocol: str,
        dead_letter_topic: str,
        max_poll_interval_s: float,
        limits: tuple[int, int],
        lag: Callable[[], tuple[Mapping[Partition, tuple[int, int]], float]],
        schemas_pending: Callable[[], Mapping[SchemaKey, int]],
        schema_problems: Callable[[], Mapping[SchemaKey, str]],
        schemas_known: Callable[[], int],
    ) -> None:
        """Look into `pipeline` and what was `heard` of its poll thread."""
        self._pipeline = pipeline
        self._heard = heard
        self._protocol = protocol
        self._dead_letter_topic = dead_letter_topic
        self._max_poll_interval_s = max_poll_interval_s
        self._limits = limits
        self._lag = lag
        self._schema_waits = schemas_pending
        self._schema_troubles = schema_problems
        self._schemas_known = schemas_known
        self._last = self.refresh()

    def status(self) -> PipelineStatus:
        """Return what was seen last, with the poll thread's own clock."""
        heard = self._heard
        return replace(self._last, poll_ticked_at_s=heard.poll_ticked_at_s, fatal=heard.fatal, fenced=heard.fenced_now)

    def refresh(self) -> PipelineStatus:
        """See how everything stands; in the loop only."""
        pipeline, heard = self._pipeline, self._heard
        ledgers = tuple(pipeline.record_buffer.ledgers.values())
        lag, lag_updated = self._lag()
        settling = pipeline.settlement
        taken, settled, still_open, released = pipeline.accounting.record_counts(ledgers)
        now = time.monotonic()
        self._last = PipelineStatus(
            name=pipeline.name,
            group=pipeline.name,
            protocol=self._protocol,
            joined=heard.joined_group or pipeline.joined,
            shutting_down=pipeline.shutting_down,
            shut_down=pipeline.shut_down,
            fenced=heard.fenced_now,
            lost_since_ms=heard.lost_since_ms,
            fatal=heard.fatal,
            partitions=tuple(self._partition(ledger, lag) for ledger in ledgers),
            destinations=tuple(self._destination(lanes, ledgers) for lanes in pipeline.dispatchers.values()),
            other_accounts={
                name: self._books(name, ledgers)
                for name in pipeline.accounting.names
                if name not in pipeline.dispatchers
            },
            records=RecordCounts(taken, settled, still_open, released),
            dead_letters=DeadLetterStatus(
                self._dead_letter_topic, settling.stalled_reason(), settling.pending_dead_letters()
            ),
            poll_ticked_at_s=heard.poll_ticked_at_s,
            loop_ticked_at_s=now,
            lag_updated_ms=int(lag_updated * 1000) if lag_updated else None,
            max_poll_interval_s=self._max_poll_interval_s,
            max_records=self._limits[0],
            max_bytes=self._limits[1],
            guards=tuple(pipeline.tripped_guards("")),
            stopped={one: stop for one, stop in tuple(heard.stops.items()) if one in pipeline.record_buffer.ledgers},
            missing_topics=tuple(sorted(t for t, at in tuple(heard.missing.items()) if now - at < _MISSING_FOR_S)),
            schemas_pending=dict(self._schema_waits()),
            schema_problems=dict(self._schema_troubles()),
            schemas_known=self._schemas_known(),
        )
        return self._last

    def _partition(self, ledger: PartitionLedger, lag: Mapping[Partition, tuple[int, int]]) -> PartitionStatus:
        partition = ledger.partition
        head = ledger.oldest_record()
        log_end, committed = lag.get(partition, (None, None))
        return PartitionStatus(
            partition=partition,
            epoch=ledger.epoch,
            committable_offset=ledger.committable_offset(),
            accepted_to=ledger.next_offset,
            open_records=ledger.open_records,
            retained_records=ledger.retained,
            open_bytes=ledger.open_bytes,
            head_ms=None if head is None else head.timestamp()[1],
            paused=partition in self._heard.paused_now,
            full=partition in self._pipeline.full,
            log_end=log_end,
            committed=committed,
        )

    def _books(self, name: str, ledgers: Sequence[PartitionLedger]) -> DeliveryCounts:
        account, index = self._pipeline.accounting.accounts[name], self._pipeline.settlement.index[name]
        return DeliveryCounts(
            owed=account.owed,
            delivered=account.delivered,
            skipped=account.skipped,
            dead_lettered=account.dead_lettered,
            open=sum(ledger.open_deliveries(index) for ledger in ledgers),
            released=account.released,
        )

    def _destination(self, lanes: Dispatcher, ledgers: Sequence[PartitionLedger]) -> DestinationStatus:
        pipeline, name = self._pipeline, lanes.name
        books, index = self._books(name, ledgers), pipeline.settlement.index[name]
        now, wall_ms = time.monotonic(), now_ms()
        heads = [head.timestamp()[1] for ledger in ledgers if (head := ledger.oldest_open_for(index))]
        told = lanes.rate_limiter.paused_until
        rate = lanes.rate_limiter.rate_per_s
        return DestinationStatus(
            name=name,
            accounting=books,
            lanes=len(lanes.lanes),
            requests=lanes.requests_in_flight,
            open_events=books.open,
            open_bytes=lanes.open_bytes(),
            oldest_open_ms=min(heads, default=None),
            holds=tuple(
                HoldStatus(
                    endpoint=endpoint.name,
                    cause=hold.fault.cause,
                    since_ms=wall_ms - int((now - hold.since) * 1000),
                    next_probe_ms=None if hold.probing else wall_ms + int((hold.next_probe - now) * 1000),
                )
                for endpoint, hold in lanes.circuit_breakers
            ),
            waiting_until_ms=wall_ms + int((told - now) * 1000) if told > now else None,
            rate=None if rate is None else rate * lanes.rate_limiter.share_at(now),
            credentials_valid=lanes.credentials_valid,
            credentials_proven=lanes.credentials_proven,
            secret_problem=lanes.credentials.problem(),
            guards=tuple(pipeline.tripped_guards(name)),
            poison_candidates=lanes.poison_candidates,
            paused=lanes.directive_filter.pauses,
        )
