"""Daemon threads hand their results to the loop, whatever happens to the thread, the waiting task or the loop."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading

import pytest

from consumer.threads import LoopThread, run_in_daemon_thread


def test_daemon_thread_returns_its_result() -> None:
    assert run_in_daemon_thread(lambda: threading.current_thread().name, "a name").result(30) == "a name"


@pytest.mark.parametrize("error", [ValueError("a bug"), SystemExit(3)])
def test_daemon_thread_exception_is_raised_in_the_waiting_task(error: BaseException) -> None:
    def fail() -> None:
        raise error

    assert run_in_daemon_thread(fail, "fails").exception(30) is error


def test_cancelled_waiter_leaves_the_future_to_others() -> None:
    go_on = threading.Event()

    async def scenario() -> None:
        future = run_in_daemon_thread(go_on.wait, "waits")
        waiter = asyncio.wrap_future(future)
        waiter.cancel()
        assert not future.cancel(), "its thread cannot be stopped"
        go_on.set()
        assert await asyncio.wrap_future(future)

    asyncio.run(scenario())


def test_loop_thread_ends_done() -> None:
    ran: list[int] = []

    async def scenario() -> None:
        thread = LoopThread(lambda: ran.append(1), asyncio.get_running_loop(), "works")
        before = thread.started
        thread.start()
        assert (before, thread.started) == (False, True)
        await asyncio.wait_for(thread.done, 30)
        assert ran == [1]

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [ValueError("a bug"), SystemExit(3)])
def test_loop_thread_exception_ends_done(error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def scenario() -> BaseException | None:
        thread = LoopThread(fail, asyncio.get_running_loop(), "fails")
        thread.start()
        await asyncio.wait([thread.done], timeout=30)
        return thread.done.exception()

    assert asyncio.run(scenario()) is error


def test_cancelled_done_stays_cancelled() -> None:
    async def scenario() -> None:
        thread = LoopThread(lambda: None, asyncio.get_running_loop(), "works")
        thread.done.cancel()
        thread.start()
        thread._thread.join(30)
        await asyncio.sleep(0)
        assert thread.done.cancelled()

    asyncio.run(scenario())


def test_loop_thread_outlives_a_closed_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed loop accepts no calls: `call_in_loop` returns False, and the thread ends without an error."""
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    closed, calls = threading.Event(), list[bool]()

    def work() -> None:
        closed.wait()
        calls.append(thread.call_in_loop(calls.clear))

    loop = asyncio.new_event_loop()
    thread = LoopThread(work, loop, "works")
    thread.start()
    loop.close()
    closed.set()
    thread._thread.join(30)
    assert calls == [False]
    gc.collect()
    assert failures == []


@pytest.mark.parametrize(
    "start",
    [
        "run_in_daemon_thread(threading.Event().wait, 'hangs')",
        "LoopThread(lambda: threading.Event().wait(), asyncio.new_event_loop(), 'hangs').start()",
    ],
)
def test_process_ends_while_a_daemon_thread_hangs(start: str) -> None:
    script = f"import asyncio, threading\nfrom consumer.threads import LoopThread, run_in_daemon_thread\n{start}\n"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=300, check=True)
