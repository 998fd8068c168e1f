"""A missing file, missing destinations or a missing pipeline are one error, without consequential errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.config.loader import load
from tests.unit.config_texts import ENVIRON, GOOD, loaded
from tests.unit.test_config_errors import YOTPO


@pytest.mark.parametrize(
    ("pipeline", "message", "hint"),
    [
        ("cdp-copilto", "there is no pipeline `cdp-copilto`", "did you mean `cdp-copilot`?"),
        ("slow", "every destination of the pipeline `slow` is disabled", "enable one"),
    ],
)
def test_pipeline_that_cannot_run_is_one_error(tmp_path: Path, pipeline: str, message: str, hint: str) -> None:
    text = GOOD + YOTPO + "    enabled: false\npipelines: {cdp-copilot: [copilot], slow: [yotpo]}\n"
    found = loaded(tmp_path, text, pipeline=pipeline)
    assert [(each.path, each.message, each.hint) for each in found.findings] == [("pipelines", message, hint)]


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n", "a: [\n"])
def test_file_that_is_no_configuration_is_one_error(tmp_path: Path, text: str) -> None:
    found = loaded(tmp_path, text)
    assert found.settings is None
    assert len(found.findings) == 1


@pytest.mark.parametrize("destinations", ["[]", "{}", "5"])
def test_destinations_of_another_form_are_one_error(tmp_path: Path, destinations: str) -> None:
    found = loaded(tmp_path, GOOD[: GOOD.index("destinations:")] + f"destinations: {destinations}\n")
    assert "must be a mapping of destinations" in [each.message for each in found.findings]


def test_missing_destinations_are_one_error(tmp_path: Path) -> None:
    found = loaded(tmp_path, GOOD[: GOOD.index("destinations:")])
    assert [(each.path, each.message) for each in found.findings] == [("destinations", "is missing")]


def test_missing_file_is_one_error(tmp_path: Path) -> None:
    found = load(tmp_path / "none.yaml", ENVIRON)
    assert found.settings is None
    assert "cannot be read: no such file or directory" in found.findings[0].message
