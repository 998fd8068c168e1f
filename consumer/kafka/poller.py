"""The poll thread: it moves records and offsets between Kafka and the loop, and decides nothing.

Non-obvious:

* `consume(n, t)` waits until it has n records or until the time is over. So the thread polls for one record, and then
  consumes, without waiting, those that are fetched already.
* A pause throws away the prefetched records, and the next record comes a second after the resume. So the thread first
  waits a little for room without pausing. It pauses only if that takes longer, because it must go on polling to stay
  in the group.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from consumer.kafka import timeouts
from consumer.kafka.client_health import BrokerLossDetector, PollError, describe_fatal, error_name, is_fatal
from consumer.kafka.committer import CommitScheduler, OffsetCommitter
from consumer.kafka.fence import Fence, now_s
from consumer.kafka.fetcher import Fetcher, PartitionPauser
from consumer.kafka.loop_bridge import CommittableOffsets, LoopBridge, PipelineHandler, RecordBatch
from consumer.kafka.properties import (
    LIBRDKAFKA_LOG,
    PollOptions,
    commit_timeout_s,
    effective_properties,
    max_poll_interval_s,
    session_timeout_s,
)
from consumer.kafka.rebalance import GroupMembership
from consumer.kafka.stopped_partitions import StoppedPartitions
from consumer.model import Message as Record
from consumer.model import Partition
from consumer.model.observer import KafkaEvents
from consumer.threads import LoopThread

_POLL_S = 0.1


class Poller:
    """One consumer and its thread.

    Args:
        options: what to read, and how.
        handler: the loop's side of the bridge.
        loop: the event loop.
        observer: is called from the thread.

    Attributes:
        done: a future of the loop, done when the thread has ended. It has a result after `shutdown`, and an exception
            if the thread failed or the client reported a fatal error. Its owner must then end the process.
    """

    def __init__(
        self, options: PollOptions, handler: PipelineHandler, loop: asyncio.AbstractEventLoop, observer: KafkaEvents
    ) -> None:
        self._options = options
        self._handler = handler
        self._observer = observer
        session_s = session_timeout_s(options.properties, options.kip848_session_s)
        # A member that has not polled for max.poll.interval.ms leaves the group by itself, whatever its heartbeats.
        self._fence = Fence(min(session_s, max_poll_interval_s(options.properties)) / 2)
        self._room_wait_s = min(timeouts.POLL_GAP_S, max_poll_interval_s(options.properties) / 10)
        self._bridge = LoopBridge(loop)
        self._committer = OffsetCommitter(observer, self._fence)
        self._membership = GroupMembership(options, handler, self._bridge, self._committer, self._fence, observer)
        self._pauser = PartitionPauser(observer)
        self._stopped_partitions = StoppedPartitions(self._membership, self._committer, handler, observer)
        self._commit_scheduler = CommitScheduler(self._fence, self._committer, observer, options.commit_interval_s)
        self._fetcher = Fetcher(self._membership, self._committer, self._stopped_partitions, observer)
        self._committable: SimpleQueue[CommittableOffsets] = SimpleQueue()
        self._shutdown_requested = threading.Event()
        self._fatal: KafkaError | None = None
        self._broker_loss = BrokerLossDetector()
        self._accepting: Future[None] | None = None
        self._finishing: Future[CommittableOffsets] | None = None
        self._ticked_s = now_s()
        self._thread = LoopThread(self._run, loop, f"kafka-poll-{options.group}")
        self.done: asyncio.Future[None] = self._thread.done

    def start(self) -> None:
        """Start the thread. From now on every failure ends `done`."""
        self._thread.start()

    def commit(self, committable: CommittableOffsets) -> None:
        """Have offsets committed soon; callable from any thread. A later call replaces an earlier one."""
        self._committable.put(committable)

    def may_send(self) -> bool:
        """Return whether a request may start now: only while the group is known to count this member in."""
        return self._fence.may_send()

    def assigned(self) -> Mapping[Partition, int]:
        """Return the assigned partitions with their epochs."""
        return self._membership.assigned

    async def shutdown(self) -> None:
        """Stop fetching, let the loop finish, commit, and leave the group.

        Raises:
            TimeoutError: the thread has not ended within `timeouts.poll_thread_seconds`.
        """
        self._shutdown_requested.set()
        timeout_s = timeouts.poll_thread_seconds(self._options.properties, self._options.drain_s)
        if self._thread.started:
            ended, _ = await asyncio.wait([self.done], timeout=timeout_s)
            if not ended:
                raise TimeoutError(f"group {self._options.group}: the poll thread has not ended within {timeout_s:g} s")

    # ── The thread ──

    def _run(self) -> None:
        try:
            self._run_consumer()
        except KafkaException as error:
            reason = error.args[0]
            if is_fatal(reason):
                raise PollError(describe_fatal(reason, self._options.group, self._options.properties)) from error
            raise
        finally:
            self._fence.close()
            if self._accepting is not None:
                with suppress(RuntimeError):  # the loop is closed
                    self._accepting.cancel()

    def _run_consumer(self) -> None:
        callbacks = {
            "error_cb": self._on_error,
            "on_commit": self._committer.on_commit,
            **self._broker_loss.properties(),
        }
        consumer = Consumer({**effective_properties(self._options), **callbacks}, logger=LIBRDKAFKA_LOG)
        try:
            self._work(consumer)
        finally:
            self._fence.close()
            self._membership.closing = True
            consumer.close()

    def _work(self, consumer: Consumer) -> None:
        member = self._membership
        member.subscribe(consumer)
        while not self._shutdown_requested.is_set():
            self._poll_once(consumer)
        self._finishing = member.shutdown()
        deadline_s = time.monotonic() + self._options.drain_s + timeouts.DRAIN_SLACK_S
        while not self._finishing.done() and time.monotonic() < deadline_s:
            self._poll_once(consumer)
        if self._finishing.done():
            self._committer.advance(self._finishing.result())
        self._commit_latest()
        commit_by_s = time.monotonic() + commit_timeout_s(self._options.properties)
        # Commits fail while the group rebalances, and polling is what completes the rebalance.
        while not self._committer.commit_sync(consumer, member.assigned.keys()):
            self._poll_once(consumer)
            if time.monotonic() >= commit_by_s:
                break  # checked only here: no commit begins after its time

    def _poll_once(self, consumer: Consumer) -> None:
        now = now_s()
        self._observer.poll_ticked(now - self._ticked_s)
        self._ticked_s = now
        self._bridge.raise_errors()
        self._commit_latest()
        self._commit_scheduler.commit_if_due(consumer, now, waiting_for_gap=bool(self._stopped_partitions.snapshot()))
        self._membership.refresh(consumer, now)
        if self._finishing is None and self._fence.may_send():
            self._stopped_partitions.resume_stopped(consumer, now)
        if self._accepting is not None and self._accepting.done():
            self._accepting.result()
            self._accepting = None
        waiting = self._accepting or self._finishing
        assigned = self._membership.assigned
        full = self._handler.full if waiting is None else frozenset(assigned)
        blocked = self._stopped_partitions.snapshot().keys() | self._committer.unconfirmed()
        self._pauser.sync(consumer, assigned, full, blocked)
        if waiting is not None:
            self._fetcher.poll_paused(consumer)
            self._bridge.wait(waiting, _POLL_S)
        elif messages := self._fetcher.fetch(consumer, self._options.max_batch_records, _POLL_S):
            self._commit_scheduler.records_fetched(consumer)
            self._hand_over(messages)
        if self._fatal is not None:
            raise KafkaException(self._fatal)
        if self._broker_loss.brokers_lost:
            raise PollError(
                f"group {self._options.group}: the Kafka client has lost every broker and does not reconnect. "
                "Restart the process."
            )

    def _hand_over(self, messages: list[Message]) -> None:
        # The client's types allow for messages without parts. A message without an error has them all.
        batch = RecordBatch(cast("list[Record]", messages), self._membership.assigned)
        self._accepting = self._bridge.submit(self._handler.accept_batch(batch))
        self._bridge.wait(self._accepting, self._room_wait_s)

    def _commit_latest(self) -> None:
        latest: CommittableOffsets | None = None
        try:
            while True:
                latest = self._committable.get_nowait()
        except Empty:
            if latest is not None:
                self._committer.advance(latest)

    def _on_error(self, error: KafkaError) -> None:
        """Report a client error (`error_cb`). The client recovers from most of them by itself."""
        if is_fatal(error):
            self._fatal = error
        self._observer.client_error(error_name(error), error.str(), fatal=is_fatal(error))
