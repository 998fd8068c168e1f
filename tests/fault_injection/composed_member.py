"""A main for tests only: `cdp-consumer run` with a journal, kill points and optionally one deliberate bug.

    python -m tests.fault_injection.composed_member --journal FILE [--bug NAME] -- run --config cdp.yaml

It reads commands on standard input: `kill POINT` arms a kill point, `freeze` stops the process, `census` writes its
tasks, threads and descriptors, `memory` writes its memory.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2

import consumer.app
import consumer.cli.run
from consumer.app import ObserverFactory
from consumer.cli.main import main
from consumer.config.run_config import RunConfig
from consumer.destinations import Destination
from consumer.kafka.dead_letters.writer import DeadLetterWriter
from consumer.model import DeadLetter
from consumer.model.observer import Observer
from consumer.observability.fan_out_observer import FanOutObserver
from tests.fault_injection.allocator import in_use_mib, resident_mib
from tests.fault_injection.bugs import BUGS
from tests.fault_injection.kill_points import (
    AFTER_DEAD_LETTER,
    AFTER_SEND,
    Journal,
    JournalObserver,
    KillPoints,
    census,
    replace,
)

_REQUEST_WRITTEN = "http11.receive_response_headers.started"


def compose(journal: Journal, points: KillPoints) -> None:
    """Add the journal and the kill points to the parts that `run` builds."""
    serve = consumer.app.run

    async def run(config: RunConfig, *, observer_factory: ObserverFactory, **more: Any) -> list[BaseException]:  # noqa: ANN401 - `run`'s own
        def observed(pipeline: str, destinations: Mapping[str, Destination]) -> Observer:
            return FanOutObserver(observer_factory(pipeline, destinations), JournalObserver(pipeline, journal, points))

        loop = asyncio.get_running_loop()
        threading.Thread(target=_read_commands, args=(loop, journal, points), name="commands", daemon=True).start()
        return await serve(config, observer_factory=observed, **more)

    class Writer(DeadLetterWriter):
        def write(self, dead_letter: DeadLetter, on_acknowledged: Callable[[], None]) -> None:
            def acknowledged() -> None:
                points.reach(AFTER_DEAD_LETTER)
                on_acknowledged()

            super().write(dead_letter, acknowledged)

    transport = httpx2.AsyncHTTPTransport.handle_async_request

    async def traced(self: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        async def trace(name: str, _: Mapping[str, Any]) -> None:
            if name == _REQUEST_WRITTEN:
                points.unsent.discard(request)
                points.reach(AFTER_SEND)

        points.unsent.add(request)
        request.extensions["trace"] = trace
        try:
            return await transport(self, request)
        finally:
            points.unsent.discard(request)
            # The trace refers to the request: this cycle would keep each request and body until a garbage collection.
            del request.extensions["trace"]

    replace(consumer.cli.run, "run_app", run)
    replace(consumer.app, "DeadLetterWriter", Writer)
    httpx2.AsyncHTTPTransport.handle_async_request = traced  # type: ignore[method-assign]


def _read_commands(loop: asyncio.AbstractEventLoop, journal: Journal, points: KillPoints) -> None:
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "kill":
            points.armed = rest
        elif word == "freeze":
            loop.call_soon_threadsafe(points.freeze)
        elif word == "census":
            loop.call_soon_threadsafe(census, journal)
        elif word == "memory":
            journal.write("memory", resident_mib=resident_mib(), in_use_mib=in_use_mib())


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--bug", choices=BUGS)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args(argv)
    journal = Journal(args.journal)
    compose(journal, KillPoints(journal))
    if args.bug:
        BUGS[args.bug]()
    return main(args.command)


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))
