"""The rooms without I/O have no branch that no test takes: a whole run that leaves one out fails, and names it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from coverage import Coverage
from coverage.exceptions import NoDataError
from xdist.workermanage import WorkerController

PURE = (
    "consumer/model/*.py",
    "consumer/yaml_document.py",
    "consumer/check/*.py",
    "consumer/config/*.py",
    "consumer/directives/parser.py",
    "consumer/delivery/backoff.py",
    "consumer/delivery/batch.py",
    "consumer/delivery/ledger/accounting.py",
    "consumer/delivery/delivery.py",
    "consumer/delivery/guards/directive_filter.py",
    "consumer/delivery/guards/flood_guard.py",
    "consumer/delivery/guards/circuit_breaker.py",
    "consumer/delivery/record_buffer.py",
    "consumer/delivery/ledger/partition_ledger.py",
    "consumer/delivery/http/rate_limiter.py",
    "consumer/delivery/keyed_queue.py",
    "consumer/delivery/guards/parked_failures.py",
    "consumer/delivery/guards/poison_detector.py",
    "consumer/delivery/guards/time_window.py",
    "consumer/destinations/**/*.py",
    "consumer/kafka/committer.py",
    "consumer/kafka/fence.py",
    "consumer/kafka/timeouts.py",
    "consumer/kafka/dead_letters/headers.py",
    "consumer/kafka/properties.py",
    "consumer/kafka/start_offsets.py",
    "consumer/kafka/topics.py",
    "consumer/translation/**/*.py",
    "consumer/observability/**/*.py",
)
SOCKETS = ("consumer/observability/http/server.py",)
"""Stands beside pure files and is none."""

_PARTIAL = pytest.StashKey[bool]()
_SENT = "leaves tests out"
_SHORTFALL = pytest.StashKey[str]()


def pure_files(root: Path) -> list[Path]:
    """Return the files that must be covered; an entry of the list that names none is an error."""
    found: set[Path] = set()
    for pattern in PURE:
        matching = set(root.glob(pattern))
        if not matching:
            raise ValueError(f"{pattern} names no file: what was moved must stay covered")
        found |= matching
    return sorted(found - {root / name for name in SOCKETS})


def shortfall(measured: Coverage, files: Iterable[Path]) -> str:
    """Return a table of the lines and branches of `files` that nothing took; empty if there is none."""
    table = io.StringIO()
    included = [str(path) for path in files]
    try:
        percent = measured.report(include=included, show_missing=True, skip_covered=True, file=table)
    except NoDataError:
        return "nothing was measured"
    return "" if percent == 100 else table.getvalue()  # the number is not rounded


def is_whole(config: pytest.Config) -> bool:
    """Tell whether a run was asked for everything but the benchmarks: a part of the tests covers a part of the code."""
    option = config.option
    narrowed = option.collectonly or option.ignore or option.ignore_glob or option.deselect
    return (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and not narrowed
        and not config.stash.get(_PARTIAL, False)
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Count nothing that only a random example takes: another day's would not, and measuring doubles their time."""
    for item in items:
        if item.get_closest_marker("hypothesis") is not None:
            item.add_marker("no_cover")


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Note that a run leaves tests out."""
    for item in items:
        if item.get_closest_marker("bench") is None:
            item.config.stash[_PARTIAL] = True


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Note that a worker was to leave tests out: the controller collects none itself."""
    if getattr(node, "workeroutput", {}).get(_SENT):
        node.config.stash[_PARTIAL] = True


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole run, otherwise good, that left a branch out; a worker reports whether its run is whole."""
    config = session.config
    output: dict[str, object] | None = getattr(config, "workeroutput", None)
    if output is not None:
        output[_SENT] = config.stash.get(_PARTIAL, False)
        return
    plugin = config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    if session.exitstatus != pytest.ExitCode.OK or controller is None or not is_whole(config):
        return
    config.stash[_SHORTFALL] = shortfall(controller.cov, pure_files(config.rootpath))
    if config.stash[_SHORTFALL]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was left out."""
    found = config.stash.get(_SHORTFALL, None)
    if found is None:
        return
    terminalreporter.section("branches of rooms without I/O")
    if found:
        terminalreporter.write(found)
        terminalreporter.write_line(
            "FAILED: each line above needs a test that says what breaks without it; or it is dead, and goes", red=True
        )
    else:
        terminalreporter.write_line(f"all taken, in {len(pure_files(config.rootpath))} files")
