"""Findings as text and as JSON."""

from __future__ import annotations

import json

from consumer.model.findings import Finding, did_you_mean, errors, in_order, nearest


def test_finding_text_is_place_severity_path_message_hint() -> None:
    finding = Finding("error", "cdp.yaml", 12, 5, "destinations.copilot", "unknown key `x`", "did you mean `y`?")
    assert finding.text() == ("cdp.yaml:12:5: error: destinations.copilot: unknown key `x`\n    did you mean `y`?")
    assert Finding("warning", "cdp.yaml", None, None, "", "is odd").text() == "cdp.yaml: warning: is odd"


def test_finding_as_json_has_every_field() -> None:
    document = json.loads(json.dumps(Finding("warning", "f", None, None, "", "m").as_json()))
    assert document == {
        "severity": "warning",
        "file": "f",
        "line": None,
        "column": None,
        "path": "",
        "message": "m",
        "hint": "",
    }


def test_findings_are_in_file_order_without_repeats() -> None:
    late, early = Finding("error", "b", 2, 1, "", "x"), Finding("warning", "a", 9, 1, "", "x")
    assert in_order([late, early, late]) == [early, late]
    assert errors([late, early]) == [late]


def test_nearest_name_ignores_case() -> None:
    assert nearest("USER_ID", ["user_id", "thing_id"]) == "user_id"
    assert nearest("qqq", ["user_id"]) is None
    assert did_you_mean("usr_id", ["user_id"]) == "did you mean `user_id`?"
    assert did_you_mean("qqq", ["b", "a"]) == "known here: `a`, `b`"
    assert did_you_mean("qqq", []) == ""
    assert did_you_mean("qqq", [f"name{n}" for n in range(50)]) == ""
