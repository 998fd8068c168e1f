"""The search for canaries finds one in every channel and in every encoding."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from consumer.model.status import DeadLetterStatus, DestinationStatus, PipelineStatus
from consumer.observability.http.server import StatusServer
from consumer.observability.log.writer import Log
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources
from tests.e2e.kafka_io import DeadLetter
from tests.fault_injection.canary_search import PAGES, Leak, SearchedOutput
from tests.observability.sample_status import FixedStatus, healthy

LEAKED = "canary-3b9d.of@example.com"


class RunningServer:
    """A status server that shows one pipeline."""

    def __init__(self, port: int) -> None:
        self._port = port

    def page(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as response:
            return response.status, response.read().decode()


@contextmanager
def running_server(status: PipelineStatus) -> Iterator[RunningServer]:
    sources = StatusSources()
    sources.add(status.name, FixedStatus(status))
    metrics = Metrics(CollectorRegistry())
    metrics.watch(sources)
    server = StatusServer("127.0.0.1:0", metrics, sources)
    try:
        yield RunningServer(server.start())
    finally:
        server.close()


def channels(leaks: list[Leak]) -> set[str]:
    return {leak.channel for leak in leaks}


def test_leak_on_each_page_is_found() -> None:
    output = SearchedOutput()
    with running_server(healthy(LEAKED)) as server:  # a pipeline's name is on every page
        output.pages(server)
    assert output.channels == set(PAGES)
    assert channels(output.leaks([LEAKED])) == set(PAGES)


@pytest.mark.parametrize(
    ("status", "pages"),
    [
        (
            replace(healthy(), dead_letters=DeadLetterStatus("letters", stalled_reason=f"failed: {LEAKED}")),
            {"/status", "/"},
        ),
        (replace(healthy(), destinations=(DestinationStatus(LEAKED),)), {"/status", "/", "/metrics"}),
    ],
)
def test_leak_is_reported_only_for_the_pages_with_it(status: PipelineStatus, pages: set[str]) -> None:
    output = SearchedOutput()
    with running_server(status) as server:
        output.pages(server)
    assert channels(output.leaks([LEAKED])) == pages


def test_leak_in_log_or_standard_error_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(LEAKED)
    with (tmp_path / "member-1.log").open("w") as stream:
        log = Log(stream)
        log.write("info", "starting")
        (tmp_path / "member-1.err").write_text("")
        output = SearchedOutput()
        output.files(tmp_path)
        assert output.leaks([LEAKED]) == []
        log.write("info", "pipeline stopped", group=LEAKED.replace("@", "/"))
        (tmp_path / "member-2.err").write_text(f"%4|CONFWARN| {LEAKED}")
        output.files(tmp_path)
    assert [leak.channel for leak in output.leaks([LEAKED, "canary-3b9d.of/example"])] == ["log", "stderr"]
    assert LEAKED in output.leaks([LEAKED])[0].context


def test_leak_in_our_dead_letter_headers_is_found() -> None:
    """The original's key, value and headers are not searched: they must be unchanged."""
    output = SearchedOutput()
    original_header = ("x-customer", LEAKED.encode())
    output.dead_letters(
        [
            DeadLetter(
                LEAKED.encode(), LEAKED.encode(), [original_header, ("cdp-cause", b"refused"), ("cdp-detail", None)]
            )
        ]
    )
    assert output.leaks([LEAKED]) == []
    output.dead_letters([DeadLetter(None, None, [("cdp-detail", f"no such user: {LEAKED}".encode())])])
    output.dead_letters([DeadLetter(None, None, [("__connect.errors.exception.message", LEAKED.encode())])])
    assert channels(output.leaks([LEAKED])) == {
        "dead letter cdp-detail",
        "dead letter __connect.errors.exception.message",
    }


def test_leak_in_check_output_is_found(tmp_path: Path) -> None:
    config = tmp_path / "cdp.yaml"
    config.write_text(json.dumps({"canary-3b9d": 1}))
    output = SearchedOutput()
    assert output.check(config) == 2
    assert channels(output.leaks(["canary-3b9d"])) == {"check"}, (
        "the canary is an unknown setting, which is named in the error"
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (f"to {LEAKED}.", "plain"),
        (LEAKED.upper(), "plain"),
        ("canary-3b9d.of%40example.com", "in a URL"),
        (LEAKED.encode().hex().upper(), "in hex"),
        (LEAKED[::-1], "reversed"),
        (LEAKED.encode("utf-16-le").decode(), "in UTF-16"),
        (base64.b64encode(LEAKED.encode()).decode(), "base64 at 0"),
        (base64.b64encode(f"idX:{LEAKED}:more".encode()).decode(), "base64 at 1"),
        (base64.b64encode(f"id:pa{LEAKED}".encode()).decode(), "base64 at 2"),
    ],
)
def test_canary_is_recognised_in_every_encoding(text: str, encoding: str) -> None:
    output = SearchedOutput()
    output.add("log", text)
    assert {leak.encoding for leak in output.leaks([LEAKED])} == {encoding}


def test_canary_with_special_characters_is_recognised_escaped() -> None:
    output = SearchedOutput()
    output.add("log", json.dumps('zoë "canary"'))
    output.add("/", "zo&amp;canary&lt;")
    assert {(leak.channel, leak.encoding) for leak in output.leaks(['zoë "canary"', "zo&canary<"])} == {
        ("log", "in JSON"),
        ("/", "in HTML"),
    }


def test_leaks_accumulate_and_clean_output_has_none() -> None:
    output = SearchedOutput()
    output.add("/", f"first {LEAKED}")
    output.add("/", "then nothing")
    output.add("stderr", b"")
    assert output.channels == {"/"}
    assert len(output.leaks([LEAKED])) == 1
    assert output.leaks(["another canary"]) == []
