"""The status of one pipeline, collected from its parts.

`ConsumerStateObserver` keeps what only the poll thread knows.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from consumer.kafka.properties import max_poll_interval_s
from consumer.model import record_timestamp_ms
from consumer.model.clock import now_ms
from consumer.model.observer import Observer
from consumer.model.status import (
    DeadLetterStatus,
    DeliveryCounts,
    DestinationStatus,
    HoldStatus,
    LagStatus,
    PartitionStatus,
    PipelineStatus,
    SchemaFetchStatus,
    StoppedPartitionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from consumer.delivery.dispatcher import Dispatcher
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.delivery.record_buffer import BufferLimits
    from consumer.model import Partition
    from consumer.pipeline.pipeline import Pipeline


_MISSING_FOR_S = 65.0
"""A topic counts as missing for this long after the last report. Reports repeat every half minute while it is."""


class ConsumerStateObserver(Observer):
    """The state of the consumer group member, from the poll thread's reports."""

    def __init__(self) -> None:
        self.has_joined = False
        self.fenced = False
        self.fatal: str | None = None
        self.lost_since_ms: int | None = None
        self.poll_ticked_at_s: float | None = None
        self.paused: frozenset[Partition] = frozenset()
        self.missing_topics: dict[str, float] = {}
        """With the monotonic instant of the last report."""
        self.stopped: dict[Partition, StoppedPartitionStatus] = {}

    def group_joined(self, group: str, protocol: str) -> None:  # noqa: ARG002
        """Record that the member is in its group."""
        self.has_joined, self.lost_since_ms = True, None

    def partitions_assigned(self, partitions: Mapping[Partition, int]) -> None:
        """Record that the member is in its group (again). Assigned partitions are not missing, nor stopped."""
        self.has_joined, self.lost_since_ms = True, None
        for partition in partitions:
            self.missing_topics.pop(partition.topic, None)
            self.stopped.pop(partition, None)

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:  # noqa: ARG002
        """Record since when the member is out of its group, if the partitions were lost."""
        if lost:
            self.lost_since_ms = now_ms()

    def partitions_paused(self, partitions: Collection[Partition]) -> None:
        """Record the paused partitions."""
        self.paused = frozenset(partitions)

    def poll_ticked(self, interval_s: float) -> None:  # noqa: ARG002
        """Record the poll thread's tick."""
        self.poll_ticked_at_s = time.monotonic()

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:  # noqa: ARG002
        """Record a fatal error."""
        if fatal:
            self.fatal = code

    def topic_missing(self, topic: str) -> None:
        """Record that a topic is missing."""
        self.missing_topics[topic] = time.monotonic()

    def topic_found(self, topic: str) -> None:
        """Record that a topic exists now."""
        self.missing_topics.pop(topic, None)

    def partition_stopped(self, partition: Partition, offset: int, code: str) -> None:
        """Record a stopped partition, until its gap is accepted or it is assigned again."""
        self.stopped[partition] = StoppedPartitionStatus(code, offset, now_ms())

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:  # noqa: ARG002
        """Record that a stopped partition continues."""
        self.stopped.pop(partition, None)

    def fence_closed(self) -> None:
        """Record that the fence is active."""
        self.fenced = True

    def fence_released(self) -> None:
        """Record that the fence is released."""
        self.fenced = False


class StatusReporter:
    """One pipeline's status: collected in the loop, where nothing changes meanwhile; read from any thread.

    Args:
        pipeline: the pipeline.
        consumer_state: the state of its consumer group member.
        properties: the Kafka client's properties.
        dead_letter_topic: where its dead letters are written.
        limits: how much the pipeline may have open.
        lag: returns the offsets that the brokers reported.
        schema_fetches: returns the schemas that are being fetched.
        schemas_known: returns the number of schemas in the cache.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        consumer_state: ConsumerStateObserver,
        *,
        properties: Mapping[str, str],
        dead_letter_topic: str,
        limits: BufferLimits,
        lag: Callable[[], LagStatus],
        schema_fetches: Callable[[], SchemaFetchStatus],
        schemas_known: Callable[[], int],
    ) -> None:
        self._pipeline = pipeline
        self._consumer = consumer_state
        self._protocol = properties.get("group.protocol", "classic")
        self._dead_letter_topic = dead_letter_topic
        self._max_poll_interval_s = max_poll_interval_s(properties)
        self._limits = limits
        self._lag = lag
        self._schema_fetches = schema_fetches
        self._schemas_known = schemas_known
        self._last = self.refresh()

    def status(self) -> PipelineStatus:
        """Return the status as of the last refresh; the poll thread's own state is current."""
        state = self._consumer
        return replace(self._last, poll_ticked_at_s=state.poll_ticked_at_s, fatal=state.fatal, fenced=state.fenced)

    def refresh(self) -> PipelineStatus:
        """Collect the status anew. Call it in the loop only."""
        pipeline, state = self._pipeline, self._consumer
        ledgers = tuple(pipeline.record_buffer.ledgers.values())
        lag, schemas = self._lag(), self._schema_fetches()
        settlement = pipeline.settlement
        now = time.monotonic()
        self._last = PipelineStatus(
            name=pipeline.name,
            group=pipeline.name,
            protocol=self._protocol,
            joined=state.has_joined or pipeline.joined,
            shutting_down=pipeline.shutting_down,
            shut_down=pipeline.shut_down,
            fenced=state.fenced,
            lost_since_ms=state.lost_since_ms,
            fatal=state.fatal,
            partitions=tuple(self._partition(ledger, lag.offsets) for ledger in ledgers),
            destinations=tuple(self._destination(each, ledgers) for each in pipeline.dispatchers.values()),
            other_accounts={
                name: self._deliveries(name, ledgers)
                for name in pipeline.accounting.names
                if name not in pipeline.dispatchers
            },
            records=pipeline.accounting.record_counts(ledgers),
            dead_letters=DeadLetterStatus(
                self._dead_letter_topic, settlement.stalled_reason(), settlement.pending_dead_letters()
            ),
            poll_ticked_at_s=state.poll_ticked_at_s,
            loop_ticked_at_s=now,
            lag_updated_ms=lag.updated_ms,
            max_poll_interval_s=self._max_poll_interval_s,
            max_records=self._limits.records,
            max_bytes=self._limits.size,
            guards=tuple(pipeline.tripped_guards("")),
            # Copied first: the poll thread changes both while they are iterated.
            stopped={
                partition: stop
                for partition, stop in tuple(state.stopped.items())
                if partition in pipeline.record_buffer.ledgers
            },
            missing_topics=tuple(
                sorted(topic for topic, at in tuple(state.missing_topics.items()) if now - at < _MISSING_FOR_S)
            ),
            schemas_pending=schemas.pending,
            schema_problems=schemas.problems,
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
            head_ms=None if head is None else record_timestamp_ms(head),
            paused=partition in self._consumer.paused,
            full=partition in self._pipeline.full,
            log_end=log_end,
            committed=committed,
        )

    def _deliveries(self, account: str, ledgers: Sequence[PartitionLedger]) -> DeliveryCounts:
        index = self._pipeline.settlement.index[account]
        still_open = sum(ledger.open_deliveries(index) for ledger in ledgers)
        return self._pipeline.accounting.accounts[account].counts(still_open)

    def _destination(self, dispatcher: Dispatcher, ledgers: Sequence[PartitionLedger]) -> DestinationStatus:
        pipeline, name = self._pipeline, dispatcher.name
        accounting, index = self._deliveries(name, ledgers), pipeline.settlement.index[name]
        now, wall_ms = time.monotonic(), now_ms()
        heads = [record_timestamp_ms(head) for ledger in ledgers if (head := ledger.oldest_open_for(index))]
        paused_until = dispatcher.rate_limiter.paused_until
        rate = dispatcher.rate_limiter.rate_per_s
        return DestinationStatus(
            name=name,
            accounting=accounting,
            lanes=len(dispatcher.lanes),
            requests=dispatcher.requests_in_flight,
            open_events=accounting.open,
            open_bytes=dispatcher.open_bytes(),
            oldest_open_ms=min((each for each in heads if each is not None), default=None),
            holds=tuple(
                HoldStatus(
                    endpoint=endpoint.name,
                    cause=hold.fault.cause,
                    since_ms=wall_ms - int((now - hold.since) * 1000),
                    next_probe_ms=None if hold.probing else wall_ms + int((hold.next_probe - now) * 1000),
                )
                for endpoint, hold in dispatcher.circuit_breakers
            ),
            waiting_until_ms=wall_ms + int((paused_until - now) * 1000) if paused_until > now else None,
            rate=None if rate is None else rate * dispatcher.rate_limiter.share_at(now),
            credentials_valid=dispatcher.credentials_valid,
            credentials_proven=dispatcher.credentials_proven,
            secret_problem=dispatcher.credentials.problem(),
            guards=tuple(pipeline.tripped_guards(name)),
            poison_candidates=dispatcher.poison_candidates,
            paused=dispatcher.directive_filter.pauses,
        )
