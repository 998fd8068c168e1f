"""The poll thread: it moves records and offsets between Kafka and the loop, and decides nothing.

Non-obvious:

* `consume(n, t)` waits for n records or the whole time, so one record is waited for and the rest is taken as it lies
  there.
* A pause throws away what was fetched ahead, and the next record comes a second after the resume. So the thread first
  waits a little for room without pausing; it pauses only when that takes longer, because it must go on polling to stay
  in the group.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
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
from consumer.model.observer import Observer

_POLL_S = 0.1


class Poller:
    """One consumer and its thread.

    Args:
        options: what to read, and how.
        road: the loop's side.
        loop: the loop.
        observer: told what happens; from the thread.

    Attributes:
        done: ends when the thread has ended: with a result after `leave`, with an exception when it fell or the client
        reported
            a fatal error. Whoever owns it must then end the process.
    """

    def __init__(
        self, options: PollOptions, handler: PipelineHandler, loop: asyncio.AbstractEventLoop, observer: Observer
    ) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self._options = options
        self._handler = handler
        self._loop = loop
        self._observer = observer
        session_s = session_timeout_s(options.properties, options.kip848_session_s)
        # Who has not polled for the second of these leaves the group by itself, heartbeats or none.
        self._fence = Fence(min(session_s, max_poll_interval_s(options.properties)) / 2)
        self._patience_s = min(timeouts.POLL_GAP_S, max_poll_interval_s(options.properties) / 10)
        self._bridge = LoopBridge(loop)
        self._commits = OffsetCommitter(observer, self._fence)
        self._membership = GroupMembership(options, handler, self._bridge, self._commits, self._fence, observer)
        self._pauses = PartitionPauser(observer)
        self._stopped_partitions = StoppedPartitions(self._membership, self._commits, handler, observer)
        self._commit_scheduler = CommitScheduler(self._fence, self._commits, observer, options.commit_interval_s)
        self._taking = Fetcher(self._membership, self._commits, self._stopped_partitions, observer)
        self._committable: SimpleQueue[CommittableOffsets] = SimpleQueue()
        self._leaving = threading.Event()
        self._fatal: KafkaError | None = None
        self._broker_loss = BrokerLossDetector()
        self._accepting: Future[None] | None = None
        self._finishing: Future[CommittableOffsets] | None = None
        self._ticked_s = now_s()
        # A daemon: if the loop died, nobody would end the thread, and the process must still end.
        self._thread = threading.Thread(target=self._run, name=f"kafka-poll-{options.group}", daemon=True)

    def start(self) -> None:
        """Start the thread; what goes wrong from here on ends `done`."""
        self._thread.start()

    def commit(self, committable: CommittableOffsets) -> None:
        """Have a committable offset committed soon; from any thread. A later one replaces it."""
        self._committable.put(committable)

    def may_send(self) -> bool:
        """Whether a call may start now: only while the group is known to know this member."""
        return self._fence.may_send()

    def assigned(self) -> Mapping[Partition, int]:
        """Return the partitions held now, with their epochs."""
        return self._membership.assigned

    async def shutdown(self) -> None:
        """Leave: take nothing more, let the loop finish, commit, leave the group.

        Raises:
            TimeoutError: the thread has not ended within what `consumer.kafka.timeouts` grants it.
        """
        self._leaving.set()
        within_s = timeouts.poll_thread_seconds(self._options.properties, self._options.drain_s)
        if self._thread.ident is not None:
            ended, _ = await asyncio.wait([self.done], timeout=within_s)
            if not ended:
                raise TimeoutError(f"group {self._options.group}: the poll thread has not ended within {within_s:g} s")

    # ── The thread ──

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            callbacks = {
                "error_cb": self._error,
                "on_commit": self._commits.on_commit,
                **self._broker_loss.properties(),
            }
            consumer = Consumer({**effective_properties(self._options), **callbacks}, logger=LIBRDKAFKA_LOG)
            try:
                self._work(consumer)
            finally:
                self._fence.close()
                self._membership.closing = True
                consumer.close()
        except KafkaException as error:
            why = error.args[0]
            failure = (
                PollError(describe_fatal(why, self._options.group, self._options.properties))
                if is_fatal(why)
                else error
            )
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends the process, by way of `done`
            failure = error
        self._fence.close()
        self._end(failure)

    def _end(self, failure: BaseException | None) -> None:
        def tell() -> None:
            if self.done.done():
                return
            if failure is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(failure)

        try:
            if self._accepting is not None:
                self._accepting.cancel()
            self._loop.call_soon_threadsafe(tell)
        except RuntimeError:
            return  # the loop is closed: nobody is left to tell

    def _work(self, consumer: Consumer) -> None:
        member = self._membership
        consumer.subscribe(
            list(self._options.topics), on_assign=member.on_assign, on_revoke=member.on_revoke, on_lost=member.on_lost
        )
        while not self._leaving.is_set():
            self._poll_once(consumer)
        self._finishing = member.shutdown()
        deadline_s = time.monotonic() + self._options.drain_s + timeouts.DRAIN_SLACK_S
        while not self._finishing.done() and time.monotonic() < deadline_s:
            self._poll_once(consumer)
        if self._finishing.done():
            self._commits.advance(self._finishing.result())
        self._commit_latest()
        commit_by_s = time.monotonic() + commit_timeout_s(self._options.properties)
        # "Not now" while the group rebalances: polling lets it get on.
        while not self._commits.commit_sync(consumer, member.assigned.keys()):
            self._poll_once(consumer)
            if time.monotonic() >= commit_by_s:
                break  # asked only now: no commit begins after its time

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
        held = self._membership.assigned
        full = self._handler.full if waiting is None else frozenset(held)
        self._pauses.sync(
            consumer, held, full, self._stopped_partitions.snapshot().keys() | self._commits.unconfirmed()
        )
        if waiting is not None:
            self._taking.poll_paused(consumer)
            self._bridge.wait(waiting, _POLL_S)
        elif messages := self._taking.fetch(consumer, self._options.max_batch_records, _POLL_S):
            self._commit_scheduler.records_fetched(consumer)
            self._hand_over(messages)
        if self._fatal is not None:
            raise KafkaException(self._fatal)
        if self._broker_loss.brokers_lost:
            raise PollError(f"group {self._options.group}: the Kafka client has lost every broker and cannot find one")

    def _hand_over(self, messages: list[Message]) -> None:
        # The client's types allow for messages without parts; one without an error has them all.
        lot = RecordBatch(cast("list[Record]", messages), self._membership.assigned)
        self._accepting = self._bridge.submit(self._handler.accept_batch(lot))
        self._bridge.wait(self._accepting, self._patience_s)

    def _commit_latest(self) -> None:
        latest: CommittableOffsets | None = None
        try:
            while True:
                latest = self._committable.get_nowait()
        except Empty:
            if latest is not None:
                self._commits.advance(latest)

    def _error(self, error: KafkaError) -> None:
        """Take the client's own errors: it mends most of them by itself."""
        if is_fatal(error):
            self._fatal = error
        self._observer.client_error(error_name(error), error.str(), fatal=is_fatal(error))
