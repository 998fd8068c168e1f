"""What the README says is true: its settings, its examples, and the tests it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consumer.config.run_config import known_to, load_run_config
from consumer.directives.parser import read_directives
from consumer.observability.metrics.registry import Metrics
from tests.docs import reference

ROOT = Path(__file__).parents[2]
TEXT = reference.README.read_text()


def test_the_readme_lists_every_setting_with_its_default() -> None:
    assert reference.block("settings", TEXT) == reference.settings(), "run python -m tests.docs.reference"


def test_every_promise_names_tests_that_exist() -> None:
    text = (ROOT / "tests" / "README.md").read_text()
    _, *promises = re.split(r"^(?=\d+\. )", reference.block("promises", text), flags=re.MULTILINE)
    assert [int(promise.split(".")[0]) for promise in promises] == list(range(1, 11))
    for promise in promises:
        named = re.findall(r"^ +\* `(tests/[\w/]+\.py)(?:::(\w+))?`$", promise, re.MULTILINE)
        assert named, f"no test keeps: {promise}"
        for file, name in named:
            code = (ROOT / file).read_text()
            assert not name or re.search(rf"(def|class) {name}\b|^{name} = ", code, re.MULTILINE), (
                f"{file} has no {name}"
            )


def test_every_metric_the_readme_names_is_on_the_page() -> None:
    page, _ = Metrics().page(None)
    named = set(re.findall(r"`(cdp_\w+)`", TEXT))
    assert "cdp_accounting_mismatch" in named
    for name in named:
        assert name.encode() in page or name in _only_with_a_pipeline(), f"no metric is called {name}"


def _only_with_a_pipeline() -> str:
    return "".join(path.read_text() for path in (ROOT / "consumer" / "observability").rglob("*.py"))


def test_the_readmes_configuration_and_mapping_can_be_used_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = [_dedented(each) for each in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    configuration = next(each for each in blocks if each.startswith("kafka:"))
    mapping = next(each for each in blocks if each.startswith("version:"))
    (tmp_path / "avro").symlink_to(ROOT / "avro")
    (tmp_path / "cdp.yaml").write_text(configuration)
    (tmp_path / "other.yaml").write_text(mapping)
    for name in (tmp_path / "cdp.yaml", _with_mapping(tmp_path, "other.yaml")):
        planned = load_run_config(name, {}, offline=True)
        assert planned.plan is not None, [finding.text() for finding in planned.findings]


def test_the_readmes_directives_can_be_said_of_its_own_configuration(tmp_path: Path) -> None:
    blocks = [_dedented(each) for each in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    configuration = next(each for each in blocks if each.startswith("kafka:"))
    directives = next(each for each in blocks if each.startswith("directives:"))
    (tmp_path / "avro").symlink_to(ROOT / "avro")
    (tmp_path / "cdp.yaml").write_text(configuration)
    planned = load_run_config(tmp_path / "cdp.yaml", {}, offline=True)
    assert planned.plan is not None
    read = read_directives(directives, "README.md", known_to(planned.plan))
    assert read.directives is not None, [finding.text() for finding in read.findings]
    assert {each.kind for each in read.directives} == {"pause", "accept_refusals", "quarantine", "accept_gap"}


def _with_mapping(folder: Path, mapping: str) -> Path:
    path = folder / "second.yaml"
    path.write_text((folder / "cdp.yaml").read_text().replace("mapping: avro/mapping.yaml", f"mapping: {mapping}"))
    return path


def _dedented(block: str) -> str:
    lines = block.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[indent:] for line in lines)


def test_the_top_level_is_as_agreed() -> None:
    allowed = {"pyproject.toml", "consumer", "avro", "deploy", "tests", "README.md", "Makefile"}
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - allowed == set()
