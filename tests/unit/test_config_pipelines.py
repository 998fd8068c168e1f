"""The pipelines of a configuration, and the variables that one of them needs."""

from __future__ import annotations

from pathlib import Path

from consumer.config.settings import PipelineSettings
from tests.unit.config_texts import ENVIRON, loaded, settings_of

SHARED = """\
kafka: {bootstrap.servers: b}
topics: [t]
mapping: m.yaml
destinations:
  copilot: {url: "https://c", client_id: "${COPILOT_CLIENT_ID}", client_secret: "${COPILOT_CLIENT_SECRET}"}
  customerio: {url: "https://i/v1", api_key: "${CUSTOMERIO_KEY}"}
  yotpo: {url: "https://y/core/v3", store_id: s, secret: "${YOTPO_SECRET}", enabled: "${YOTPO_ON:-true}"}
"""


def test_without_pipelines_each_enabled_destination_has_a_group(tmp_path: Path) -> None:
    names = [each.name for each in settings_of(tmp_path, SHARED).pipelines]
    assert names == ["cdp-copilot", "cdp-customerio", "cdp-yotpo"]
    without = settings_of(tmp_path, SHARED, {**ENVIRON, "YOTPO_ON": "false"})
    assert [each.name for each in without.pipelines] == ["cdp-copilot", "cdp-customerio"]
    assert "yotpo" in without.destinations


def test_group_may_be_shared_by_destinations_without_a_rate(tmp_path: Path) -> None:
    text = SHARED + "pipelines: {cdp: [copilot, customerio], slow: [yotpo]}\n"
    assert settings_of(tmp_path, text).pipelines[0] == PipelineSettings("cdp", ("copilot", "customerio"))


def test_disabled_destination_may_share_a_group_but_has_none_alone(tmp_path: Path) -> None:
    environ = {**ENVIRON, "YOTPO_ON": "false"}
    shared = settings_of(tmp_path, SHARED + "pipelines: {cdp: [copilot, customerio, yotpo]}\n", environ)
    assert shared.pipelines == (PipelineSettings("cdp", ("copilot", "customerio", "yotpo")),)
    assert [each.name for each in shared.enabled(shared.pipelines[0])] == ["copilot", "customerio"]
    alone = settings_of(tmp_path, SHARED + "pipelines: {cdp: [copilot, customerio], slow: [yotpo]}\n", environ)
    assert [each.name for each in alone.pipelines] == ["cdp"]


def test_one_pipeline_needs_only_its_own_variables(tmp_path: Path) -> None:
    environ = {"CUSTOMERIO_KEY": "k"}
    found = loaded(tmp_path, SHARED, environ, pipeline="cdp-customerio")
    assert found.settings is not None
    assert [each.name for each in found.settings.pipelines] == ["cdp-customerio"]
    assert sorted(found.settings.destinations) == ["copilot", "customerio", "yotpo"]
    assert loaded(tmp_path, SHARED, environ).settings is None
