"""All threads share one arena, unless the environment sets the number of arenas."""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

import consumer.cli.run
from consumer.cli.process_tuning import share_one_arena

_THREADS = """
import ctypes, os, sys, threading
from consumer.cli.process_tuning import share_one_arena
from tests.fault_injection.allocator import in_use_mib

done = share_one_arena(os.environ)
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
together = threading.Barrier(6)

def allocate():
    together.wait()
    held.append([library.malloc(5000) for _ in range(100)])
    together.wait()

held = []
threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(done, in_use_mib() > 3, flush=True)
library.malloc_info(0, ctypes.c_void_p.in_dll(library, "stdout"))
library.fflush(None)
"""

needs_glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="only glibc has arenas")


def _arenas_of_six_threads(**variables: str) -> tuple[str, int]:
    """Let all threads of a process allocate at one time. Return what it printed, and the number of its arenas."""
    cleared = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC", "GLIBC"))}
    command = [sys.executable, "-c", _THREADS]
    root = Path(__file__).parents[2]
    printed = subprocess.run(
        command, cwd=root, env={**cleared, **variables}, check=True, capture_output=True, text=True, timeout=300
    ).stdout
    return printed.partition("\n")[0], printed.count("<heap nr=")


@needs_glibc
def test_all_threads_share_one_arena() -> None:
    assert _arenas_of_six_threads() == ("True True", 1)


@needs_glibc
@pytest.mark.parametrize(
    "variables", [{"MALLOC_ARENA_MAX": "3"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=3"}], ids=["older", "newer"]
)
def test_arenas_set_in_the_environment_are_kept(variables: dict[str, str]) -> None:
    assert _arenas_of_six_threads(**variables) == ("False True", 3)


def test_other_c_library_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not share_one_arena({})


def test_run_sets_the_arena_before_anything_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    order: list[str] = []

    def load(*_: object, **__: object) -> NoReturn:
        order.append("load")
        raise InterruptedError

    monkeypatch.setattr(consumer.cli.run, "share_one_arena", lambda _: order.append("one arena"))
    monkeypatch.setattr(consumer.cli.run, "load_run_config", load)
    with pytest.raises(InterruptedError):
        consumer.cli.run.run(argparse.Namespace(config=tmp_path / "none.yaml", pipeline=None))
    assert order == ["one arena", "load"]
