"""Names of tests stay short: what a longer name would say is the test's docstring."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST = 70

NOT_YET = frozenset(
    {
        "tests/commands/test_translate.py",
        "tests/fakes/test_copilot.py",
        "tests/fakes/test_copilot_events.py",
        "tests/fakes/test_customerio.py",
        "tests/fakes/test_customerio_semantics.py",
        "tests/fakes/test_fault_rules.py",
        "tests/fakes/test_faults.py",
        "tests/fakes/test_server.py",
        "tests/unit/test_bounded_read.py",
        "tests/unit/test_config_schema.py",
        "tests/unit/test_dry_run.py",
        "tests/unit/test_run_config.py",
        "tests/unit/test_secrets.py",
    }
)
"""Files that still have longer names. This list only shrinks."""


def test_no_test_name_is_too_long() -> None:
    long = _long_names()
    assert {file: names for file, names in long.items() if file not in NOT_YET} == {}


def _long_names() -> dict[str, list[str]]:
    """Return the names that are too long, by file."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
                continue
            if len(node.name) > LONGEST:
                found.setdefault(str(path.relative_to(ROOT)), []).append(node.name)
    return found
