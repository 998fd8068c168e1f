"""Fixtures for brokers, and the report at the end of the session: which test ran on which broker."""

import os
from collections.abc import Callable, Iterator

import pytest
from xdist.workermanage import WorkerController

from tests.examples import register_profiles
from tests.kafka_clusters import Broker, EmbeddedBroker, RealBroker
from tests.kafka_clusters.choose import Choice, choose_here
from tests.kafka_clusters.record import BROKERS, Key, Record

pytest_plugins = ("tests.busy", "tests.coverage_floor")

_RECORD = pytest.StashKey[Record]()
_WORKER_OUTPUT = "brokers"
_MEASURED = "measured"

register_profiles()


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The embedded cluster, with its faults. Prefer `broker`."""
    broker = EmbeddedBroker()
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def chosen_broker(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Choice]:
    """The result of the search for an Apache Kafka, once per session."""
    choice = choose_here(tmp_path_factory.mktemp("kafka"))
    record = pytestconfig.stash[_RECORD]
    record.reasons = choice.reasons
    record.real = choice.broker.origin if choice.broker else None
    yield choice
    if choice.broker:
        choice.broker.close()


@pytest.fixture(scope="session")
def apache_broker(chosen_broker: Choice) -> RealBroker:
    """An Apache Kafka. Skip the test if none is available. Prefer `broker`."""
    if chosen_broker.broker is None:
        reasons = "; ".join(chosen_broker.reasons)
        if os.environ.get("CDP_REQUIRE_REAL_KAFKA"):
            # Each worker makes its own choice. A skip here would be hidden by the results of others.
            pytest.fail(f"CDP_REQUIRE_REAL_KAFKA is set, but this worker has no Apache Kafka: {reasons}")
        pytest.skip(f"no Apache Kafka: {reasons}")
    return chosen_broker.broker


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Report a sentence with a measurement. It is printed at the end of the session, whether the test passes or not."""
    return lambda sentence: record_property(_MEASURED, sentence)


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each broker in turn. The shared suite runs on the embedded cluster and on an Apache Kafka."""
    mark = request.node.get_closest_marker("needs_real_broker")
    if mark is not None:
        reason = mark.args[0] if mark.args else ""
        if not reason:
            pytest.fail("needs_real_broker: the reason is missing. Write what the embedded cluster cannot do.")
        if request.param == "embedded":
            pytest.skip(f"needs a real broker: {reason}")
    chosen: Broker = request.getfixturevalue(f"{request.param}_broker")
    return chosen


def pytest_configure(config: pytest.Config) -> None:
    """Create the record."""
    config.stash[_RECORD] = Record()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Add the record of a worker. A crashed worker sends none, and its test has failed."""
    sent = getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT)
    if sent is not None:
        node.config.stash[_RECORD].merge(sent)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Record the broker of every collected test."""
    record = session.config.stash[_RECORD]
    for item in session.items:
        if isinstance(item, pytest.Function) and (name := _broker_of(item)) is not None:
            record.expect(item.nodeid, _key(item), name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Record that a test was called, or was skipped in any phase."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    record = item.config.stash[_RECORD]
    if report.skipped and isinstance(report.longrepr, tuple):
        record.skipped(item.nodeid, str(report.longrepr[2]))
    elif report.when == "call":
        record.ran(item.nodeid)
    return report  # type: ignore[return-value]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session if a test ran on no broker, or no test on a required Apache Kafka."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_WORKER_OUTPUT] = session.config.stash[_RECORD].sent()
    elif session.exitstatus == pytest.ExitCode.OK and _complaints(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the measurements, the number of tests per broker, and every skip with its reason."""
    record = config.stash[_RECORD]
    write = terminalreporter.write_line
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, [])]
    measurements = [(each.nodeid, text) for each in reports for name, text in each.user_properties if name == _MEASURED]
    if measurements:
        terminalreporter.section("measured")
    for test, text in measurements:
        write(f"{test}:\n  {text}")
    terminalreporter.section("brokers")
    for name, count in record.counts().items():
        origin = EmbeddedBroker.origin if name == "embedded" else record.real or "none"
        write(f"{name}: {count} tests ran ({origin})")
    for reason in record.reasons:
        write(f"  not chosen: {reason}")
    for reason, tests in record.skips().items():
        write(f"skipped, {reason}:")
        for test in tests:
            write(f"  {test}")
    for complaint in _complaints(config):
        write(f"FAILED: {complaint}", red=True)


def _complaints(config: pytest.Config) -> list[str]:
    if config.option.collectonly:
        return []
    return config.stash[_RECORD].complaints(
        require_real=bool(os.environ.get("CDP_REQUIRE_REAL_KAFKA")),
        embedded_only=bool(os.environ.get("CDP_EMBEDDED_ONLY")),
    )


def _broker_of(item: pytest.Function) -> str | None:
    if hasattr(item, "callspec") and "broker" in item.callspec.params:
        return str(item.callspec.params["broker"])
    return next((name for name in BROKERS if f"{name}_broker" in item.fixturenames), None)


def _key(item: pytest.Function) -> Key:
    """Return the identity of a test on every broker: its parent, its name and its other parameters."""
    others = item.callspec.params.items() if hasattr(item, "callspec") else ()
    values = sorted(f"{name}={value!r}" for name, value in others if name != "broker")
    parent = item.parent.nodeid if item.parent else ""
    return (parent, item.originalname, *values)
