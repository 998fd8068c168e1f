"""The shutdown time: the printed sum equals the timeouts that are used."""

import asyncio
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka import timeouts
from consumer.kafka.poller import Poller
from consumer.kafka.properties import PollOptions
from consumer.threads import LoopThread
from tests.integration.kafka.recording_handler import RecordingHandler, RecordingObserver

SECONDS = st.integers(1, 3000).map(lambda tenths: tenths / 10)


def sum_of(text: str) -> float:
    """Evaluate a printed sum: `drain 20s + 2 commits of 10s`."""
    parts = [re.fullmatch(r"(?:([0-9]+) )?[a-z ]+ ([0-9.]+)s", part) for part in text.split(" + ")]
    return sum(int(part[1] or 1) * float(part[2]) for part in parts if part is not None)


@given(SECONDS, st.integers(10, 300_000))
def test_printed_sum_equals_the_seconds(drain_s: float, socket_ms: int) -> None:
    properties = {"socket.timeout.ms": str(socket_ms)}
    for seconds, text in (
        timeouts.shutdown_seconds(properties, drain_s),
        timeouts.revoke_seconds(properties, drain_s),
    ):
        assert sum_of(text) == pytest.approx(seconds, rel=1e-4)


@given(SECONDS, st.integers(10, 300_000))
def test_shutdown_is_the_sum_of_its_steps(drain_s: float, socket_ms: int) -> None:
    properties = {"socket.timeout.ms": str(socket_ms)}
    seconds, _ = timeouts.shutdown_seconds(properties, drain_s)
    assert seconds == pytest.approx(
        timeouts.poll_thread_seconds(properties, drain_s) + timeouts.DEAD_LETTERS_S + timeouts.LAG_S
    )
    assert seconds > timeouts.revoke_seconds(properties, drain_s)[0] == pytest.approx(drain_s + 0.5 + socket_ms / 1000)


def test_shutdown_gives_up_on_a_poll_thread_after_its_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeouts, "poll_thread_seconds", lambda _, drain_s: drain_s / 100)

    async def run() -> None:
        options = PollOptions({}, "group", ("orders",), "earliest", 20)
        poller = Poller(options, RecordingHandler(), asyncio.get_running_loop(), RecordingObserver())
        stuck = threading.Event()

        def stuck_run() -> None:
            stuck.wait()

        poller._thread = LoopThread(stuck_run, asyncio.get_running_loop(), "stuck")
        poller.start()
        with pytest.raises(TimeoutError, match=re.escape("the poll thread has not ended within 0.2 s")):
            await poller.shutdown()
        stuck.set()

    asyncio.run(run())
