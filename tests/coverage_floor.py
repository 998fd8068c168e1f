"""Full branch coverage of modules without I/O. A complete test run fails on an uncovered branch and names it."""

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
"""Files that match a pattern of `PURE` but do I/O."""

_PARTIAL = pytest.StashKey[bool]()
"""True if tests were deselected."""
_WORKER_OUTPUT = "partial"
_SHORTFALL = pytest.StashKey[str]()


def pure_files(root: Path) -> list[Path]:
    """Return the files that must be covered.

    Raises:
        ValueError: a pattern of `PURE` matches no file.
    """
    found: set[Path] = set()
    for pattern in PURE:
        matching = set(root.glob(pattern))
        if not matching:
            raise ValueError(f"PURE: no file matches {pattern}. Replace the pattern with the new path of the file.")
        found |= matching
    return sorted(found - {root / name for name in SOCKETS})


def shortfall(measured: Coverage, files: Iterable[Path]) -> str:
    """Return a table of the uncovered lines and branches of `files`, or an empty text if all are covered."""
    table = io.StringIO()
    included = [str(path) for path in files]
    try:
        percent = measured.report(include=included, show_missing=True, skip_covered=True, file=table)
    except NoDataError:
        return "nothing was measured"
    return "" if percent == 100 else table.getvalue()  # `report` returns the exact value, not a rounded one


def is_whole(config: pytest.Config) -> bool:
    """Return True if a run includes all tests except benchmarks. A partial run covers only a part of the code."""
    option = config.option
    narrowed = option.collectonly or option.ignore or option.ignore_glob or option.deselect
    return (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and not narrowed
        and not config.stash.get(_PARTIAL, False)
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Exclude Hypothesis tests from coverage: random examples differ between runs, and measuring doubles their time."""
    for item in items:
        if item.get_closest_marker("hypothesis") is not None:
            item.add_marker("no_cover")


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Record that tests were deselected."""
    for item in items:
        if item.get_closest_marker("bench") is None:
            item.config.stash[_PARTIAL] = True


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Record that a worker deselected tests. The controller itself collects none."""
    if getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT):
        node.config.stash[_PARTIAL] = True


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a complete, otherwise successful run with an uncovered branch. A worker only reports if it is partial."""
    config = session.config
    output: dict[str, object] | None = getattr(config, "workeroutput", None)
    if output is not None:
        output[_WORKER_OUTPUT] = config.stash.get(_PARTIAL, False)
        return
    plugin = config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    if session.exitstatus != pytest.ExitCode.OK or controller is None or not is_whole(config):
        return
    config.stash[_SHORTFALL] = shortfall(controller.cov, pure_files(config.rootpath))
    if config.stash[_SHORTFALL]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the uncovered lines and branches."""
    table = config.stash.get(_SHORTFALL, None)
    if table is None:
        return
    terminalreporter.section("branch coverage of modules without I/O")
    if table:
        terminalreporter.write(table)
        terminalreporter.write_line(
            "FAILED: lines above are not covered. Add a test that fails without them, or delete them.", red=True
        )
    else:
        terminalreporter.write_line(f"complete in {len(pure_files(config.rootpath))} files")
