"""`check` prints every finding and the needs of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.shell import cdp
from tests.commands.shop import CONFIG, ENVIRON, configured


def test_good_configuration_prints_its_needs(tmp_path: Path) -> None:
    ended = cdp("check", cwd=configured(tmp_path), environ=ENVIRON)
    assert ended.code == 0
    assert ended.out.endswith("\nno problems found\n")
    assert "one more record in each of 12 partitions" in ended.out
    assert "to revoke partitions     drain 20s + poll gap 0.5s + commit 10s = 30.5s" in ended.out
    assert "drain 20s + poll gap 0.5s + 2 commits of 10s + closing 13s = 53.5s" in ended.out
    assert "canary" not in ended.output


def test_all_errors_are_in_one_block_on_stdout(tmp_path: Path) -> None:
    text = CONFIG.replace("topics:", "topisc:").replace("https://cdp", "gopher://cdp")
    ended = cdp("check", cwd=configured(tmp_path, text))
    assert ended.code == 2
    assert ended.err == ""
    assert "cdp.yaml:2:1: error: topisc: unknown key `topisc`\n    did you mean `topics`?" in ended.out
    assert "cdp.yaml:7:21: error: destinations.customerio.url: is not a URL" in ended.out
    assert "KAFKA is not set in the environment" in ended.out
    assert ended.out.endswith("\n8 errors\n")


def test_findings_and_needs_as_json(tmp_path: Path) -> None:
    text = CONFIG + "directives: d.yaml\n"
    ended = cdp("check", "--format", "json", "--partitions", "3", cwd=configured(tmp_path, text), environ=ENVIRON)
    assert ended.code == 0
    result = json.loads(ended.out)
    assert (result["errors"], result["warnings"]) == (0, 1)
    assert result["findings"] == [
        {
            "severity": "warning",
            "file": "d.yaml",
            "line": None,
            "column": None,
            "path": "",
            "message": "does not exist: no directive is active",
            "hint": "create it when a directive is needed; a running service reads it within two seconds",
        }
    ]
    pipelines = result["memory"]["pipelines"]
    assert list(pipelines) == ["cdp-copilot", "cdp-customerio", "cdp-yotpo"]
    total = result["memory"]["process_bytes"] + sum(each["total_bytes"] for each in pipelines.values())
    assert result["memory"]["total_bytes"] == total
    assert pipelines["cdp-yotpo"]["parts"]["one more record in each of 3 partitions"] == 3 * 1024 * 1024
    assert result["times"] == {
        "giving_back_s": 30.5,
        "leaving_s": 53.5,
        "max_poll_interval_s": 300.0,
        "termination_grace_s": 60.0,
    }


def test_findings_of_directives_are_printed_without_keys(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text("""\
directives:
  - pause: {destination: copilto}
    until: 2026-11-01T00:00:00
  - quarantine: {topic: shop.orders, offset: 5, key: canary@example.com}
    until: 2026-11-01T00:00:00Z
""")
    ended = cdp("check", cwd=configured(tmp_path, CONFIG + "directives: d.yaml\n"), environ=ENVIRON)
    assert ended.code == 2
    for line in (
        "d.yaml:2:26: error: directives[0].pause.destination: `copilto` is not a destination\n",
        "    did you mean `copilot`?\n",
        "d.yaml:3:12: error: directives[0].until: `2026-11-01T00:00:00` is an instant without a time zone",
        "d.yaml:4:38: error: directives[1].quarantine.********: unknown key `********`",
    ):
        assert line in ended.out
    assert ended.out.endswith("\n3 errors\n")
    assert "canary" not in ended.output


def test_good_directives_file_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(
        "directives:\n  - pause: {event_type: com.acme.shop.OrderPlaced}\n    until: 1999-01-01T00:00:00Z\n"
    )
    ended = cdp("check", cwd=configured(tmp_path, CONFIG + "directives: d.yaml\n"), environ=ENVIRON)
    assert ended.code == 0
    assert ended.out.endswith("\nno problems found\n")


def test_json_of_an_invalid_configuration_has_no_needs(tmp_path: Path) -> None:
    ended = cdp("check", "--format", "json", cwd=tmp_path)
    assert ended.code == 2
    result = json.loads(ended.out)
    assert result["memory"] is None
    assert result["errors"] == 1
    assert result["findings"][0]["message"] == "cannot be read: no such file or directory"


def test_findings_of_the_mapping_are_printed(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(
        "version: 1\nevents:\n  a.B:\n    deliver:\n      - to: copilot.user_creatd\n"
    )
    text = CONFIG.replace(CONFIG[CONFIG.index("mapping: ") : CONFIG.index("destinations:")], "mapping: mapping.yaml\n")
    ended = cdp("check", "--offline", cwd=configured(tmp_path, text))
    assert ended.code == 2
    assert "mapping.yaml:5:21: error:" in ended.out
    assert "user_created" in ended.out


def test_event_name_too_long_for_journeys_is_a_warning(tmp_path: Path) -> None:
    mapping = f"""\
version: 1
events:
  a.B:
    deliver:
      - to: customerio.track
        name: {"x" * 101}
        label: long
        fields: {{userId: id}}
"""
    (tmp_path / "mapping.yaml").write_text(mapping)
    text = CONFIG.replace(CONFIG[CONFIG.index("mapping: ") : CONFIG.index("destinations:")], "mapping: mapping.yaml\n")
    ended = cdp("check", "--offline", cwd=configured(tmp_path, text))
    assert ended.code == 0
    assert "mapping.yaml: warning: events.a.B.long: the event's name is longer than the 100 bytes" in ended.out
    assert ended.out.endswith("\n1 warning\n")


def test_offline_and_one_pipeline_need_fewer_variables(tmp_path: Path) -> None:
    assert cdp("check", "--offline", cwd=configured(tmp_path)).code == 0
    environ = {"KAFKA": "k", "API_KEY": "x"}
    assert cdp("check", "--pipeline", "cdp-customerio", cwd=tmp_path, environ=environ).code == 0
    ended = cdp("check", "--pipeline", "cdp-customeroi", cwd=tmp_path, environ=ENVIRON)
    assert ended.code == 2
    assert "there is no pipeline `cdp-customeroi`\n    did you mean `cdp-customerio`?" in ended.out


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ([], "cdp-consumer configuration"),
        (["config"], "cdp-consumer configuration"),
        (["mapping"], "cdp-consumer mapping"),
        (["directives"], "cdp-consumer directives"),
    ],
)
def test_json_schema_is_printed_without_any_configuration(tmp_path: Path, words: list[str], title: str) -> None:
    ended = cdp("check", "--schema", *words, cwd=tmp_path)
    assert ended.code == 0
    assert json.loads(ended.out)["title"] == title


def test_control_characters_of_a_file_are_not_printed(tmp_path: Path) -> None:
    ended = cdp("check", cwd=configured(tmp_path, '"bad\\e[31mkey": 1\n'))
    assert ended.code == 2
    assert "bad\ufffd[31mkey" in ended.out
