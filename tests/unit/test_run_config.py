"""Configuration and mapping are read together, so that the findings of both appear at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from consumer.config.run_config import RunConfigResult, destinations_of, load_run_config
from consumer.model.findings import errors

MAPPING = """
version: 1
events:
  shop.Seen:
    deliver:
      - to: customerio.trak
        name: Seen
        fields: {userId: who}
"""


def load(folder: Path, destination: str, mapping: str = MAPPING) -> RunConfigResult:
    (folder / "mapping.yaml").write_text(mapping)
    (folder / "cdp.yaml").write_text(
        "kafka: {bootstrap.servers: 'a:1'}\ntopics: [a]\nmapping: mapping.yaml\n"
        f"destinations:\n  customerio: {destination}\n"
    )
    return load_run_config(folder / "cdp.yaml", {})


def paths(found: RunConfigResult) -> set[str]:
    return {each.path for each in found.findings if each.severity == "error"}


def test_unset_variable_does_not_hide_errors_of_the_mapping(tmp_path: Path) -> None:
    found = load(tmp_path, '{url: "https://cdp.customer.io/v1", api_key: "${NOPE}"}')
    assert found.config is None
    assert paths(found) == {"destinations.customerio.api_key", "events.shop.Seen.deliver[0].to"}


def test_destination_with_an_error_is_not_reported_as_unknown(tmp_path: Path) -> None:
    found = load(tmp_path, "{api_key: x}", MAPPING.replace("trak", "track"))
    assert paths(found) == {"destinations.customerio.url"}


def test_valid_configuration_keeps_its_warnings(tmp_path: Path) -> None:
    found = load(tmp_path, '{url: "https://cdp.customer.io/v1", api_key: x}', MAPPING.replace("trak", "track"))
    assert found.config is not None
    assert [each.severity for each in found.findings] == ["warning"]


@pytest.mark.parametrize(
    ("written", "line", "column", "path", "file"),
    [
        ("mapping: maping.yaml\n", 3, 10, "mapping", "maping.yaml"),
        ("mapping: [mapping.yaml, maping.yaml]\n", 3, 25, "mapping", "maping.yaml"),
        ("mapping: mapping.yaml\nschemas: {directory: avr}\n", 4, 22, "schemas.directory", "avr"),
    ],
)
def test_missing_file_is_reported_at_the_setting_that_names_it(
    tmp_path: Path, written: str, line: int, column: int, path: str, file: str
) -> None:
    good = load(tmp_path, '{url: "https://cdp.customer.io/v1", api_key: x}', MAPPING.replace("trak", "track"))
    assert good.config is not None
    config = tmp_path / "cdp.yaml"
    config.write_text(config.read_text().replace("mapping: mapping.yaml\n", written))
    [error] = errors(load_run_config(config, {}).findings)
    assert (error.file, error.line, error.column, error.path) == (str(config), line, column, path)
    assert error.message.startswith(f"`{tmp_path / file}` ")


def test_file_that_is_no_configuration_is_the_only_finding(tmp_path: Path) -> None:
    (tmp_path / "cdp.yaml").write_text("- a list\n")
    assert [each.path for each in load_run_config(tmp_path / "cdp.yaml", {}).findings] == [""]


def test_run_config_has_its_destinations_and_the_wall_clock(tmp_path: Path) -> None:
    found = load(tmp_path, '{url: "https://cdp.customer.io/v1", api_key: x}', MAPPING.replace("trak", "track"))
    assert found.config is not None
    (pipeline,) = found.config.settings.pipelines
    assert set(destinations_of(found.config.settings, pipeline)) == {"customerio"}
    before_ms = int(time.time() * 1000)
    assert before_ms <= found.config.clock_ms() <= before_ms + 60_000
