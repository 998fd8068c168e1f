"""The commands in an environment with a mistake: one finding from `check` and `run` alike, exit code 2, no value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.shell import EndedProcess, cdp
from tests.commands.shop import CONFIG, CONSENT, ENVIRON, configured, event
from tests.kafka_clusters.broker import free_port

REGISTRY = CONFIG.replace("schemas: {", "schemas: {registry: {url: 'http://127.0.0.1:9'}, ")
MISTAKES = {
    "ALL_PROXY": "socks5h://127.0.0.1:1080",
    "https_proxy": "http://ferry:Canary5/x@quay.example:3128",
    "SSL_CERT_FILE": "/nowhere/canary.pem",
    "SSL_CERT_DIR": "/nowhere/canary",
    "KAFKA": "kafka://canary:9092",
    "API_KEY": '"key-canary"',
    "YOTPO": "two\nlines of canary",
}


def checked(*words: str, folder: Path, environ: dict[str, str]) -> tuple[EndedProcess, list[dict[str, object]]]:
    ended = cdp("check", "--format", "json", *words, cwd=folder, environ=environ)
    return ended, json.loads(ended.out)["findings"]


@pytest.mark.parametrize("text", [CONFIG, REGISTRY], ids=["without registry", "with registry"])
@pytest.mark.parametrize("name", MISTAKES)
def test_check_and_run_report_the_same_variable(tmp_path: Path, text: str, name: str) -> None:
    folder, environ = configured(tmp_path, text), {**ENVIRON, name: MISTAKES[name]}
    ended, findings = checked(folder=folder, environ=environ)
    assert ended.code == 2
    (finding,) = findings
    assert name in f"{finding['path']} {finding['message']}"
    run = cdp("run", cwd=folder, environ=environ)
    assert (run.code, run.out) == (2, "")
    (line,) = [json.loads(each) for each in run.err.splitlines()]
    assert (line["level"], line["event"]) == ("error", "configuration error")
    assert (line["about"], line["message"]) == (finding["path"], finding["message"])
    assert line["hint"]
    assert "anary" not in ended.output + run.output


def test_errors_at_start_are_text_if_the_log_is(tmp_path: Path) -> None:
    ended = cdp("run", "--log", "text", cwd=configured(tmp_path), environ={**ENVIRON, "ALL_PROXY": "ftp://quay"})
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("cdp-consumer cannot start:\n  error: ALL_PROXY: is not the URL of a proxy\n    ")


def test_offline_check_finds_the_proxy_and_translate_needs_none(tmp_path: Path) -> None:
    folder, environ = configured(tmp_path, REGISTRY), {"ALL_PROXY": "socks5://127.0.0.1:1080"}
    ended, findings = checked("--offline", folder=folder, environ=environ)
    assert (ended.code, [each["path"] for each in findings]) == (2, ["ALL_PROXY"])
    translated = cdp("translate", cwd=folder, environ=environ, stdin=event("ConsentChanged", CONSENT))
    assert (translated.code, translated.err) == (0, "")


def test_demo_reports_the_variable_and_starts_nothing(tmp_path: Path) -> None:
    ended = cdp("demo", "--for", "1s", cwd=tmp_path, environ={"ALL_PROXY": "socks5://127.0.0.1:1080"})
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ALL_PROXY: is a SOCKS proxy")


def test_unreachable_proxy_is_no_finding(tmp_path: Path) -> None:
    environ = {**ENVIRON, "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}", "NO_PROXY": "localhost,127.0.0.1"}
    assert checked(folder=configured(tmp_path, REGISTRY), environ=environ)[1] == []


@pytest.mark.parametrize("environ", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LANG": "POSIX"}])
def test_narrow_encoding_ends_no_command(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = configured(tmp_path, CONFIG.replace("https://cdp", "hôte://cdp") + "größe: 1\n")
    wrong = cdp("check", cwd=folder, environ={**ENVIRON, **environ})
    assert wrong.code == 2
    assert "größe" in wrong.out or "gr\\u00f6\\u00dfe" in wrong.out
    run = cdp("run", cwd=folder, environ={**ENVIRON, **environ})
    assert run.code == 2
    assert [json.loads(each)["about"] for each in run.err.splitlines()] == ["destinations.customerio.url", "größe"]
    (tmp_path / "größe-\U0001f40b.jsonl").write_text(event("ConsentChanged", CONSENT))
    configured(tmp_path)
    for words in ((), ("--format", "json")):
        ended = cdp("translate", "--events", "größe-\U0001f40b.jsonl", *words, cwd=folder, environ=environ)
        assert (ended.code, ended.err) == (0, "")
        if words:
            assert json.loads(ended.out)["event"] == "größe-\U0001f40b.jsonl:1"
