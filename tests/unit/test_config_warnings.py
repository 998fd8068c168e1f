"""A doubtful setting is a warning, and the configuration can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config_texts import GOOD, loaded
from tests.unit.test_config_errors import CUSTOMERIO, YOTPO

WARNINGS = [
    (("https://api", "http://api"), 7, 10, "destinations.copilot.url", "is not encrypted"),
    (("${COPILOT_CLIENT_ID}", "hunter2"), 8, 16, "destinations.copilot.client_id",
     "the secret is written in the configuration file"),
    (("${COPILOT_CLIENT_ID}", "${NO:-hunter2}"), 8, 16, "destinations.copilot.client_id",
     "the secret is written in the configuration file"),
    (("kafka:\n", "kafka:\n  sasl.password: hunter2\n"), 2, 18, "kafka.sasl.password",
     "the secret is written in the configuration file"),
    (CUSTOMERIO + "    rate: 1001/s\n", 13, 11, "destinations.customerio.rate",
     "is above the documented rate of customerio (1000/s)"),
    (("kafka:\n", "kafka:\n  session.timeout.ms: 9000\n"), 8, 5, "destinations.copilot.timeout",
     "the timeout of a request (15s) is longer than half the session (9s)"),
    (("kafka:\n", "kafka:\n  group.protocol: consumer\n"), 8, 5, "destinations.copilot.timeout",
     "the timeout of a request (15s) is longer than half the session (6s)"),
    (YOTPO + "    rate: 6/s\n", 14, 11, "destinations.yotpo.rate", "is above the documented rate of yotpo (5/s)"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "line", "column", "path", "message"), WARNINGS)
def test_warning_does_not_prevent_settings(
    tmp_path: Path, change: str | tuple[str, str], line: int, column: int, path: str, message: str
) -> None:
    found = loaded(tmp_path, GOOD + change if isinstance(change, str) else GOOD.replace(*change))
    assert found.settings is not None
    reported = [(each.severity, each.line, each.column, each.path, each.message) for each in found.findings]
    assert reported == [("warning", line, column, path, message)]
    assert all("hunter2" not in each.text() for each in found.findings)
