"""The texts that users see use no private words: metric help, hints, log events, pages, findings, CLI help."""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from consumer.cli.main import COMMANDS, main
from consumer.model import DeadLetterCause, SecretProblem
from consumer.observability.health import HealthThresholds, Moment, live, ready, startup
from consumer.observability.http.status_page import page
from consumer.observability.log import hints
from consumer.observability.log.format import TEXT_LIMIT
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import CollectedStatus, StatusSources
from tests.observability.sample_status import healthy, unhealthy

CONSUMER = Path(__file__).parents[2] / "consumer"
FORBIDDEN = re.compile(
    r"\b(nobody|somebody|who|told|heard|mend(s|ed|ing)?|a yes|our fault|doubt(s|ed)?|"
    r"shelve[sd]?|tenures?|frontiers?|suspect(s|ed)?|hatch|barred)\b",
    re.IGNORECASE,
)
OLD_KEYS = {"suspects"}
"""Configuration keys that are rejected with the new name as hint."""


def found(texts: list[str]) -> list[str]:
    return [text for text in texts if FORBIDDEN.search(text)]


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every string literal except documentation: docstrings are expressions by themselves."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


@pytest.mark.parametrize("text", ["ask who told it", "Mend the file", "it is our fault", "A suspect batch"])
def test_forbidden_words_are_found(text: str) -> None:
    assert found([text, "A whole poison candidate, amended"]) == [text]


def test_string_literals_have_no_private_words() -> None:
    """Findings, errors, hints, log events and all other texts are literals of the product."""
    assert [
        f"{path.relative_to(CONSUMER)}:{line}: {text}"
        for path in sorted(CONSUMER.rglob("*.py"))
        for line, text in literals(path)
        if text not in OLD_KEYS and FORBIDDEN.search(text)
    ] == []


def test_metric_help_has_no_private_words() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.watch(StatusSources())
    texts = [f"{family.name}: {family.documentation}" for family in metrics.registry.collect()]
    assert len(texts) > 80
    assert found(texts) == []


@pytest.mark.parametrize("words", [[], *([command] for command in COMMANDS)], ids=" ".join)
def test_cli_help_has_no_private_words(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # `run` would handle this process's SIGTERM
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage:")
    assert found(text.splitlines()) == []


def test_page_and_probes_have_no_private_words() -> None:
    moment = Moment.now()
    pipelines = [healthy(), unhealthy()]
    checks = [check for probe in (live, ready, startup) for check in probe(pipelines, moment, HealthThresholds())]
    text = page(CollectedStatus(pipelines, ["cdp-yotpo"]), checks, moment)
    assert found([re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL)]) == []
    assert found([check.reason for check in checks]) == []


def test_every_hint_is_one_sentence_that_fits_a_log_line() -> None:
    """Longer text would be cut when it is logged."""
    tables = (hints.KAFKA, hints.REGISTRY, hints.HELD, hints.SECRETS, hints.DEAD_LETTERS)
    texts = [text for table in tables for text in table.values()]
    texts += [hints.STOPPED, hints.FENCED, *(hints.flood_guard_hint(cause) for cause in DeadLetterCause)]
    assert set(hints.SECRETS) == set(SecretProblem)
    for text in texts:
        assert len(text) <= TEXT_LIMIT, text
        assert text.endswith("."), text
        assert text.split()[0] in {"Accept", "Check", "Create", "Find", "Fix", "Grant", "Raise", "Set"}, text
