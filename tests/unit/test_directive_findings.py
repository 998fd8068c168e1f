"""`check` reads the directives file; a missing file is only a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.check.directives_check import directive_findings
from consumer.config.run_config import RunConfig, load_run_config

MAPPING = """\
version: 1
events:
  shop.Seen:
    deliver:
      - to: copilot.custom_event
        name: seen
        fields: {user_id: who}
"""
CONFIG = """\
kafka: {bootstrap.servers: "a:1"}
topics: [orders]
mapping: mapping.yaml
destinations:
  copilot: {url: "https://api.acme.bycopilot.com", client_id: "${ID:-}", client_secret: "${SECRET:-}"}
"""


def run_config(folder: Path, more: str = "") -> RunConfig:
    (folder / "mapping.yaml").write_text(MAPPING)
    (folder / "cdp.yaml").write_text(CONFIG + more)
    loaded = load_run_config(folder / "cdp.yaml", {}, offline=True)
    assert loaded.config is not None, loaded.findings
    return loaded.config


def test_no_directives_setting_has_no_findings(tmp_path: Path) -> None:
    assert directive_findings(run_config(tmp_path)) == []


def test_missing_file_is_a_warning(tmp_path: Path) -> None:
    (warning,) = directive_findings(run_config(tmp_path, "directives: d.yaml\n"))
    assert (warning.severity, warning.file, warning.message) == (
        "warning",
        str(tmp_path / "d.yaml"),
        "does not exist: no directive is active",
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pause: {event_type: shop.Seen}", []),
        ("pause: {event_type: shop.Sen}", ["`shop.Sen` is not an event type of the mapping"]),
        ("accept_gap: {partition: order/1, from: 5, to: latest}", ["is in a topic that is not subscribed"]),
    ],
)
def test_names_are_checked_against_configuration_and_mapping(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "d.yaml").write_text(f"directives:\n  - {text}\n    until: 2026-11-01T00:00:00Z\n")
    assert [each.message for each in directive_findings(run_config(tmp_path, "directives: d.yaml\n"))] == found
