"""A main for tests only: `cdp-consumer run`, which also writes down when its commits were accepted and its calls began.

    python -m tests.e2e.timed_member FILE run --config cdp.yaml

The monotonic clock is one for all processes of a machine: what is written here can be laid beside what a server in
another process says it received. Nothing is missed, as it is by those who ask a page again and again.
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
REQUEST_STARTED = "call started"

_FAR_S = 0.5
"""Brokers seem to be so far away: a call that does not wait for their word is then seen to begin before it."""


def journal_commits(journal: Journal) -> None:
    """Write down each accepted commit, where the product meets the client."""

    def accepted(sent: float, answers: Collection[TopicPartition]) -> None:
        if any(answer.error is None for answer in answers):
            journal.write(COMMIT_ACCEPTED, sent=sent)

    class Consumer(confluent_kafka.Consumer):
        def __init__(self, properties: dict[str, Any], **more: Any) -> None:  # noqa: ANN401 - the client's own
            tell = properties["on_commit"]
            self._sent = 0.0
            """When the commit that has no answer yet was sent: there is one at most."""

            def answered(error: object, answers: Collection[TopicPartition]) -> None:
                if error is None:
                    accepted(self._sent, answers)
                tell(error, answers)

            super().__init__({**properties, "on_commit": answered}, **more)

        def commit(  # type: ignore[override] # as the product calls it
            self, *, offsets: list[TopicPartition], asynchronous: bool
        ) -> list[TopicPartition] | None:
            sent = time.monotonic()
            if asynchronous:
                self._sent = sent
                time.sleep(_FAR_S)
                super().commit(offsets=offsets, asynchronous=True)
                return None
            answers = super().commit(offsets=offsets, asynchronous=False)
            accepted(sent, answers)
            return answers

    replace(consumer.kafka.poller, "Consumer", Consumer)


def journal_requests(journal: Journal) -> None:
    """Write down each call where it leaves for the wire, and when the fence was asked for it."""
    allowed: dict[object, tuple[float, float]] = {}
    """Task → just before and just after the fence was asked for its call."""

    def noting(may: Callable[..., Any]) -> Callable[..., Any]:
        async def noted(self: RequestGate, batch: Sequence[Delivery], *more: float) -> bool:
            before = time.monotonic()
            can: bool = await may(self, batch, *more)
            allowed[asyncio.current_task()] = before, time.monotonic()
            return can

        return noted

    transport = httpx2.AsyncHTTPTransport.handle_async_request

    async def timed(self: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        asked, answered = allowed.pop(asyncio.current_task())
        body = json.loads(await request.aread())
        ids = [one["messageId"] for one in body.get("batch", [body])]
        journal.write(REQUEST_STARTED, asked=asked, answered=answered, ids=ids)
        return await transport(self, request)

    RequestGate.may_start = noting(RequestGate.may_start)  # type: ignore[method-assign]
    httpx2.AsyncHTTPTransport.handle_async_request = timed  # type: ignore[method-assign]


if __name__ == "__main__":
    own = Journal(Path(sys.argv[1]))
    journal_commits(own)
    journal_requests(own)
    sys.exit(main(sys.argv[2:]))
