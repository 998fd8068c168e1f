"""A test entry point: `cdp-consumer run` that also journals when commits were accepted and requests started.

    python -m tests.e2e.timed_member FILE run --config cdp.yaml

All processes of a machine share the monotonic clock, so the journal can be compared with a server's log in another
process. Nothing is missed, as it would be by polling the status page.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import confluent_kafka
import httpx2
from confluent_kafka import TopicPartition

import consumer.kafka.poller
from consumer.cli.main import main
from consumer.delivery.delivery import Delivery
from consumer.delivery.http.rate_limiter import RequestGate
from tests.fault_injection.kill_points import Journal, replace

COMMIT_ACCEPTED = "commit accepted"
REQUEST_STARTED = "request started"

_FAR_S = 0.5
"""Simulated delay of each commit in flight. A request that does not wait for the broker's response starts before it."""


def journal_commits(journal: Journal) -> None:
    """Journal each accepted commit, at the interface between the product and the Kafka client."""

    def accepted(sent: float, results: Collection[TopicPartition]) -> None:
        if any(result.error is None for result in results):
            journal.write(COMMIT_ACCEPTED, sent=sent)

    class Consumer(confluent_kafka.Consumer):
        def __init__(self, properties: dict[str, Any], **more: Any) -> None:  # noqa: ANN401 - as the client has it
            report = properties["on_commit"]
            self._sent = 0.0
            """When the commit in flight was sent. There is at most one."""

            def committed(error: object, results: Collection[TopicPartition]) -> None:
                if error is None:
                    accepted(self._sent, results)
                report(error, results)

            super().__init__({**properties, "on_commit": committed}, **more)

        def commit(  # type: ignore[override] # as the product calls it
            self, *, offsets: list[TopicPartition], asynchronous: bool
        ) -> list[TopicPartition] | None:
            sent = time.monotonic()
            if asynchronous:
                self._sent = sent
                time.sleep(_FAR_S)
                super().commit(offsets=offsets, asynchronous=True)
                return None
            results = super().commit(offsets=offsets, asynchronous=False)
            accepted(sent, results)
            return results

    replace(consumer.kafka.poller, "Consumer", Consumer)


def journal_requests(journal: Journal) -> None:
    """Journal each request where it is sent, and when the fence was asked for it."""
    allowed: dict[object, tuple[float, float]] = {}
    """Task → the times just before and just after the fence was asked for its request."""

    def timed_gate(may_start: Callable[..., Any]) -> Callable[..., Any]:
        async def may_start_timed(self: RequestGate, batch: Sequence[Delivery], *more: float) -> bool:
            before = time.monotonic()
            allowed_now: bool = await may_start(self, batch, *more)
            allowed[asyncio.current_task()] = before, time.monotonic()
            return allowed_now

        return may_start_timed

    transport = httpx2.AsyncHTTPTransport.handle_async_request

    async def timed(self: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        asked, allowed_at = allowed.pop(asyncio.current_task())
        body = json.loads(await request.aread())
        ids = [one["messageId"] for one in body.get("batch", [body])]
        journal.write(REQUEST_STARTED, asked=asked, allowed=allowed_at, ids=ids)
        return await transport(self, request)

    RequestGate.may_start = timed_gate(RequestGate.may_start)  # type: ignore[method-assign]
    httpx2.AsyncHTTPTransport.handle_async_request = timed  # type: ignore[method-assign]


if __name__ == "__main__":
    own = Journal(Path(sys.argv[1]))
    journal_commits(own)
    journal_requests(own)
    sys.exit(main(sys.argv[2:]))
