"""What is doubtful in a configuration is said, and stops nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.configured import GOOD, loaded
from tests.unit.test_config_complaints import CUSTOMERIO, YOTPO

WARNINGS = [
    (("https://api", "http://api"), 7, 10, "destinations.copilot.url", "is not encrypted"),
    (("${COPILOT_CLIENT_ID}", "hunter2"), 8, 16, "destinations.copilot.client_id",
     "a secret stands in the file itself"),
    (("${COPILOT_CLIENT_ID}", "${NO:-hunter2}"), 8, 16, "destinations.copilot.client_id",
     "a secret stands in the file itself"),
    (("kafka:\n", "kafka:\n  sasl.password: hunter2\n"), 2, 18, "kafka.sasl.password",
     "a secret stands in the file itself"),
    (CUSTOMERIO + "    rate: 1001/s\n", 13, 11, "destinations.customerio.rate",
     "is above the rate customerio documents, 1000/s"),
    (("kafka:\n", "kafka:\n  session.timeout.ms: 9000\n"), 8, 5, "destinations.copilot.timeout",
     "a call may take 15s, longer than half the session of 9s"),
    (("kafka:\n", "kafka:\n  group.protocol: consumer\n"), 8, 5, "destinations.copilot.timeout",
     "a call may take 15s, longer than half the session of 6s"),
    (YOTPO + "    rate: 6/s\n", 14, 11, "destinations.yotpo.rate", "is above the rate yotpo documents, 5/s"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "line", "column", "path", "message"), WARNINGS)
def test_a_warning_stops_nothing(
    tmp_path: Path, change: str | tuple[str, str], line: int, column: int, path: str, message: str
) -> None:
    found = loaded(tmp_path, GOOD + change if isinstance(change, str) else GOOD.replace(*change))
    assert found.settings is not None
    said = [(each.severity, each.line, each.column, each.path, each.message) for each in found.findings]
    assert said == [("warning", line, column, path, message)]
    assert all("hunter2" not in each.text() for each in found.findings)
