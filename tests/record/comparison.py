"""The record on disk, a new observation, and their differences."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.record import clock
from tests.record.observe import ANY, TEXT
from tests.record.renames import Renames

RECORDED = Path(__file__).parent / "recorded"
_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 300
_MAX_LINES = 60

Json = Any


def recorded() -> dict[str, Json]:
    """Return the record."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDED.glob("*.json"))}


def record(seen: Mapping[str, Json]) -> None:
    """Replace the record on disk."""
    RECORDED.mkdir(exist_ok=True)
    for path in RECORDED.glob("*.json"):
        path.unlink()
    for name, document in seen.items():
        text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=isinstance(document, dict))
        (RECORDED / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def observed(new_keys: Mapping[str, str]) -> dict[str, Json]:
    """Return a new observation, made by a separate process with the fixed clock.

    Raises:
        RuntimeError: that process failed. The message is its output.
    """
    with tempfile.TemporaryDirectory(prefix="cdp-record-") as folder:
        path = Path(folder) / "seen.json"
        command = clock.command("tests.record.observe", str(path), json.dumps(new_keys))
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, check=False, timeout=_TIMEOUT_S, text=True)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        seen: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
        return seen


def differences(record: Mapping[str, Json], seen: Mapping[str, Json], table: Mapping[str, Json]) -> list[str]:
    """Return one line for each difference, and one for each unused row of the table."""
    renames = Renames(table)
    lines = list(_differ("", renames.apply(record), seen))
    more = [f"… and {len(lines) - _MAX_LINES} more"] if len(lines) > _MAX_LINES else []
    return [*lines[:_MAX_LINES], *more, *(f"renames.toml: unused row: {row}" for row in renames.unused)]


def _differ(path: str, expected: Json, seen: Json) -> Iterator[str]:
    if (expected == ANY and not isinstance(seen, dict | list)) or (expected == TEXT and isinstance(seen, str)):
        return
    if isinstance(expected, dict) and isinstance(seen, dict):
        for key in sorted(expected.keys() | seen.keys()):
            here = f"{path} › {key}" if path else key
            if key not in seen:
                yield f"{here}: missing; recorded: {_short(expected[key])}"
            elif key not in expected:
                yield f"{here}: new; now: {_short(seen[key])}"
            else:
                yield from _differ(here, expected[key], seen[key])
    elif isinstance(expected, list) and isinstance(seen, list):
        yield from _differ_in_lists(path, expected, seen)
    elif expected != seen or type(expected) is not type(seen):
        yield f"{path}: recorded {_short(expected)}, now {_short(seen)}"


def _differ_in_lists(path: str, expected: list[Json], seen: list[Json]) -> Iterator[str]:
    """Compare item by item. If items were inserted or removed, compare the lists as multisets."""
    by_index = [
        line
        for index, (one, other) in enumerate(zip(expected, seen, strict=False))
        for line in _differ(f"{path}[{index}]", one, other)
    ]
    old, new = ([json.dumps(each, sort_keys=True, ensure_ascii=False) for each in some] for some in (expected, seen))
    missing, added = Counter(old) - Counter(new), Counter(new) - Counter(old)
    if len(expected) == len(seen) and (len(by_index) <= missing.total() + added.total() or not missing):
        yield from by_index
        return
    if len(expected) != len(seen):
        yield f"{path}: {len(expected)} recorded, now {len(seen)}"
    yield from (f"{path}: missing; recorded: {_short(each)}" for each in missing)
    yield from (f"{path}: new; now: {_short(each)}" for each in added)


def _short(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}…"
