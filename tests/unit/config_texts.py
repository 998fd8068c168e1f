"""A small valid configuration for tests, and functions that load variants of it."""

from __future__ import annotations

from pathlib import Path

from consumer.config.loader import LoadedConfig, load
from consumer.config.settings import Settings

ENVIRON = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "SCHEMA_REGISTRY_URL": "https://registry",
    "COPILOT_CLIENT_ID": "id",
    "COPILOT_CLIENT_SECRET": "canary-copilot",
    "CUSTOMERIO_KEY": "canary-customerio",
    "YOTPO_STORE_ID": "store",
    "YOTPO_SECRET": "canary-yotpo",
}

GOOD = """\
kafka:
  bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}
topics: [shop.orders]
mapping: mapping.yaml
destinations:
  copilot:
    url: https://api.acme.bycopilot.com
    client_id: ${COPILOT_CLIENT_ID}
    client_secret: ${COPILOT_CLIENT_SECRET}
"""
"""The smallest valid configuration: nine lines."""


def loaded(
    folder: Path,
    text: str,
    environ: dict[str, str] | None = None,
    *,
    pipeline: str | None = None,
    offline: bool = False,
) -> LoadedConfig:
    """Load a text as `cdp.yaml` in `folder`."""
    path = folder / "cdp.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, ENVIRON if environ is None else environ, pipeline=pipeline, offline=offline)


def settings_of(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    """Load a text that must be valid."""
    found = loaded(folder, text, environ)
    assert found.settings is not None, [finding.text() for finding in found.findings]
    return found.settings
