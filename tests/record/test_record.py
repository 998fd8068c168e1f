"""User-visible behaviour equals the record, with the renames of `renames.toml`."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.record.comparison import differences, observed, recorded
from tests.record.config import recorded_column, with_new_keys
from tests.record.renames import RenameError, Renames, read_table

RENAMED: dict[str, Any] = {
    "metrics": {"cdp_up": "cdp_alive"},
    "label_values": {"cause": {"bad": "wrong"}, "cdp_up.reason": {"old": "new"}},
    "status_keys": {"taken": "consumed", "lanes.calls": "requests"},
    "log_events": {"call ended": "request finished"},
    "log_fields": {"call ended.told": "asked"},
    "config_keys": {"destinations.*.x": "y"},
    "checks": {"turning": "ticking"},
    "output_keys": {"said": "printed"},
    "texts": {"it is array": "got array"},
}
del RENAMED["config_keys"]

RECORD: dict[str, Any] = {
    "metrics": {"cdp_up": {"type": "gauge", "series": {"cause=bad,reason=old": 1.0}}},
    "status": {
        "records": {"taken": 3},
        "calls": 1,
        "lanes": [{"calls": 2, "cause": "bad", "at": "*", "why": "<text>"}],
    },
    "log": {"lines": [{"level": "info", "event": "call ended", "cause": "bad", "keys": {"told": True}}]},
    "probes": {"/livez": {"status": 200, "checks": [{"name": "turning"}]}},
    "translate": {"said": [{"detail": "key: it is array"}]},
}

SEEN: dict[str, Any] = {
    "metrics": {"cdp_alive": {"type": "gauge", "series": {"cause=wrong,reason=new": 1.0}}},
    "status": {
        "records": {"consumed": 3},
        "calls": 1,
        "lanes": [{"requests": 2, "cause": "wrong", "at": 17, "why": "other words"}],
    },
    "log": {"lines": [{"level": "info", "event": "request finished", "cause": "wrong", "keys": {"asked": True}}]},
    "probes": {"/livez": {"status": 200, "checks": [{"name": "ticking"}]}},
    "translate": {"printed": [{"detail": "key: got array"}]},
}


@pytest.mark.slow
def test_behaviour_matches_record() -> None:
    """Commands, requests, dead letters, pages and log equal the record with the table applied."""
    table = read_table()
    found = differences(recorded(), observed(Renames(table).new_config_keys()), table)
    assert not found, "\n".join(found)


def test_record_equals_itself() -> None:
    assert differences(recorded(), recorded(), {}) == []


@pytest.mark.parametrize("name", sorted(recorded()))
def test_altered_value_is_named(name: str) -> None:
    """One altered value in any document of the record gives one line, or two: missing and new."""
    record = recorded()
    altered = copy.deepcopy(record)
    _alter(altered, name)
    lines = differences(altered, record, {})
    assert len(lines) <= 2
    assert all(line.startswith(name) for line in lines)
    assert "altered" in lines[0]


def test_rows_of_every_section_apply() -> None:
    assert differences(RECORD, SEEN, RENAMED) == []
    assert differences(RECORD, RECORD, {}) == []


@pytest.mark.parametrize("section", sorted(RENAMED))
def test_renamed_name_without_row_fails(section: str) -> None:
    """Without its section of the table, the old name is missing or the new one is unexpected."""
    assert differences(RECORD, SEEN, {name: rows for name, rows in RENAMED.items() if name != section})


@pytest.mark.parametrize("section", sorted(RENAMED))
def test_row_whose_name_did_not_change_fails(section: str) -> None:
    """A row for a name that the code still uses gives a difference: a rename is complete or absent."""
    assert differences(RECORD, RECORD, {section: RENAMED[section]})


def test_unused_row_fails() -> None:
    assert differences(RECORD, RECORD, {"metrics": {"cdp_gone": "cdp_other"}}) == [
        "renames.toml: unused row: [metrics] cdp_gone"
    ]
    assert differences(RECORD, RECORD, {"label_values": {"cause": {"none": "other"}}}) == [
        "renames.toml: unused row: [label_values] cause=none"
    ]


def test_two_names_with_one_new_name_are_rejected() -> None:
    with pytest.raises(RenameError, match="two names map to `calls`"):
        differences({"status": {"calls": 1, "requests": 2}}, {}, {"status_keys": {"requests": "calls"}})


def test_unknown_section_is_rejected() -> None:
    with pytest.raises(RenameError, match="metric"):
        Renames({"metric": {}})


def test_wildcard_matches_one_scalar_only() -> None:
    assert differences({"status": {"at": "*"}}, {"status": {"at": [1]}}, {})
    assert differences({"status": {"at": "*"}}, {"status": {}}, {})
    assert differences({"status": {"why": "<text>"}}, {"status": {"why": None}}, {})


def test_config_key_moves_columns_and_paths() -> None:
    """A renamed key moves the rest of its line; the record keeps the old column."""
    text, keys = "a: 1\n«old»: {«b»: 0}\n", {"old": "longer", "b": "bb"}
    assert with_new_keys(text, {}) == "a: 1\nold: {b: 0}\n"
    assert with_new_keys(text, keys) == "a: 1\nlonger: {bb: 0}\n"
    assert [recorded_column(text, keys, 2, column) for column in (1, 10, 14)] == [1, 7, 10]
    record = {"check": {"x": {"findings": [{"path": "to.old.b", "column": 10}]}}}
    seen = {"check": {"x": {"findings": [{"path": "to.longer.bb", "column": 10}]}}}
    assert differences(record, seen, {"config_keys": {"old": "longer", "old.b": "bb"}}) == []
    schema = {"config_schema": ["$defs.old.properties.old.properties.b.type = 1"]}
    assert Renames({"config_keys": {"old.b": "bb"}}).apply(schema) == {
        "config_schema": ["$defs.old.properties.old.properties.bb.type = 1"]
    }


def _alter(node: Any, key: Any) -> None:  # noqa: ANN401 - JSON
    """Replace the first scalar below a key."""
    value = node[key]
    if isinstance(value, dict | list) and value:
        keys = value if isinstance(value, dict) else range(len(value))
        _alter(value, next(each for each in keys if value[each] not in ([], {}, "*", "<text>")))
    else:
        node[key] = "altered"
