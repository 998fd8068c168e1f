"""Names of tests stay short: what a longer name would say is the test's docstring."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST = 70


def test_no_test_name_is_too_long() -> None:
    assert _long_names() == {}


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
