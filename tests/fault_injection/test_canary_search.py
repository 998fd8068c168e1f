"""The search for canaries is shown to find one in every channel, in every form."""

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


class Page:
    """A status server that shows one pipeline."""

    def __init__(self, port: int) -> None:
        self._port = port

    def page(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()


@contextmanager
def served(facts: PipelineStatus) -> Iterator[Page]:
    sources = StatusSources()
    sources.add(facts.name, FixedStatus(facts))
    metrics = Metrics(CollectorRegistry())
    metrics.watch(sources)
    server = StatusServer("127.0.0.1:0", metrics, sources)
    try:
        yield Page(server.start())
    finally:
        server.close()


def channels(leaks: list[Leak]) -> set[str]:
    return {leak.channel for leak in leaks}


def test_leak_on_each_page_is_found() -> None:
    said = SearchedOutput()
    with served(healthy(LEAKED)) as server:  # a pipeline's name stands on every page
        said.pages(server)
    assert said.channels == set(PAGES)
    assert channels(said.leaks([LEAKED])) == set(PAGES)


@pytest.mark.parametrize(
    ("facts", "pages"),
    [
        (
            replace(healthy(), dead_letters=DeadLetterStatus("letters", stalled_reason=f"said {LEAKED}")),
            {"/status", "/"},
        ),
        (replace(healthy(), destinations=(DestinationStatus(LEAKED),)), {"/status", "/", "/metrics"}),
    ],
)
def test_leak_is_reported_only_for_the_pages_with_it(facts: PipelineStatus, pages: set[str]) -> None:
    said = SearchedOutput()
    with served(facts) as server:
        said.pages(server)
    assert channels(said.leaks([LEAKED])) == pages


def test_leak_in_log_or_standard_error_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(LEAKED)
    with (tmp_path / "member-1.log").open("w") as stream:
        log = Log(stream)
        log.write("info", "starting")
        (tmp_path / "member-1.err").write_text("")
        said = SearchedOutput()
        said.files(tmp_path)
        assert said.leaks([LEAKED]) == []
        log.write("info", "pipeline stopped", group=LEAKED.replace("@", "/"))
        (tmp_path / "member-2.err").write_text(f"%4|CONFWARN| {LEAKED}")
        said.files(tmp_path)
    assert [leak.channel for leak in said.leaks([LEAKED, "canary-3b9d.of/example"])] == ["log", "stderr"]
    assert LEAKED in said.leaks([LEAKED])[0].around


def test_leak_in_our_dead_letter_headers_is_found() -> None:
    said = SearchedOutput()
    theirs = ("x-customer", LEAKED.encode())
    said.letters(
        [DeadLetter(LEAKED.encode(), LEAKED.encode(), [theirs, ("cdp-cause", b"refused"), ("cdp-detail", None)])]
    )
    assert said.leaks([LEAKED]) == []
    said.letters([DeadLetter(None, None, [("cdp-detail", f"no such user: {LEAKED}".encode())])])
    said.letters([DeadLetter(None, None, [("__connect.errors.exception.message", LEAKED.encode())])])
    assert channels(said.leaks([LEAKED])) == {"letter cdp-detail", "letter __connect.errors.exception.message"}


def test_leak_in_check_output_is_found(tmp_path: Path) -> None:
    config = tmp_path / "cdp.yaml"
    config.write_text(json.dumps({"canary-3b9d": 1}))
    said = SearchedOutput()
    assert said.check(config) == 2
    assert channels(said.leaks(["canary-3b9d"])) == {"check"}, "an unknown setting is named: that is what leaks here"


@pytest.mark.parametrize(
    ("text", "form"),
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
def test_canary_is_recognised_in_every_encoding(text: str, form: str) -> None:
    said = SearchedOutput()
    said.add("log", text)
    assert {leak.form for leak in said.leaks([LEAKED])} == {form}


def test_canary_with_special_characters_is_recognised_escaped() -> None:
    said = SearchedOutput()
    said.add("log", json.dumps('zoë "canary"'))
    said.add("/", "zo&amp;canary&lt;")
    assert {(leak.channel, leak.form) for leak in said.leaks(['zoë "canary"', "zo&canary<"])} == {
        ("log", "in JSON"),
        ("/", "in HTML"),
    }


def test_leaks_accumulate_and_clean_output_has_none() -> None:
    said = SearchedOutput()
    said.add("/", f"first {LEAKED}")
    said.add("/", "then nothing")
    said.add("stderr", b"")
    assert said.channels == {"/"}
    assert len(said.leaks([LEAKED])) == 1
    assert said.leaks(["somebody else"]) == []
