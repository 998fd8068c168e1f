"""The demo's configuration: a file for `run`, with secrets in the environment and in files beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from consumer.demo.events import TOPICS
from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.yotpo import FakeYotpo

DEAD_LETTER_TOPIC = "cdp-dead-letters"
DEAD_LETTER_PARTITIONS = 4

_YAML = """\
# Written by `cdp-consumer demo`, in the format that `cdp-consumer run` reads.
kafka:
  bootstrap.servers: ${{KAFKA_BOOTSTRAP_SERVERS}}
  fetch.wait.max.ms: 20                 # the embedded cluster completes an empty fetch only after this
  session.timeout.ms: 6000
  heartbeat.interval.ms: 1000
topics: [{topics}]
start: earliest
schemas:
  registry:
    url: ${{SCHEMA_REGISTRY_URL}}
  directory: {avro}
  grace: 30s                            # an older record of an unknown schema is dead-lettered
mapping: {avro}/mapping.yaml
pipelines:                              # one consumer group each: a slow destination delays no other
  cdp-copilot: [copilot]
  cdp-customerio: [customerio]
  cdp-yotpo: [yotpo]
destinations:
  copilot:
    url: {copilot}
    client_id: ${{COPILOT_CLIENT_ID}}
    client_secret: {{file: secrets/copilot}}
    timeout: 3s
    backoff: {{first: 200ms, cap: 2s}}
    probe: 1s
  customerio:
    url: {customerio}
    api_key: {{file: secrets/customerio}}
    timeout: 3s
    backoff: {{first: 200ms, cap: 2s}}
    probe: 1s
  yotpo:
    url: {yotpo}
    store_id: ${{YOTPO_STORE_ID}}
    secret: ${{YOTPO_SECRET}}
    timeout: 3s
    backoff: {{first: 200ms, cap: 2s}}
    probe: 1s
dead_letters:
  topic: {dead_letters}
http:
  address: 127.0.0.1:{port}
budgets:
  drain: 10s
"""

_STORE = "demo-store"
_CLIENT = "demo-client"
_YOTPO_SECRET = "demo-secret-of-the-store"  # noqa: S105 - of a server on loopback that lives for half a minute
_FIRST, _SECOND = "demo-secret-1", "demo-secret-2"


@dataclass(frozen=True, slots=True)
class Servers:
    """The local servers of the three destinations."""

    copilot: FakeCopilot
    customerio: FakeCustomerio
    yotpo: FakeYotpo

    def by_name(self, name: str) -> Fake:
        """Return the server of the destination `name`."""
        return next(server for server in (self.copilot, self.customerio, self.yotpo) if server.name == name)


def make_servers() -> Servers:
    """Return the servers with the credentials of the configuration, not yet listening."""
    return Servers(
        FakeCopilot(client_id=_CLIENT, client_secret=_FIRST),
        FakeCustomerio(api_key=_FIRST),
        FakeYotpo(store_id=_STORE, secret=_YOTPO_SECRET),
    )


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """The configuration file and the environment variables it is read with."""

    file: Path
    environ: dict[str, str]

    def rotate_secrets(self) -> None:
        """Replace both secret files atomically, as a secrets manager does."""
        _write(self.file.parent / "secrets" / "copilot", _SECOND)
        _write(self.file.parent / "secrets" / "customerio", _SECOND)


def write_config(folder: Path, avro: Path, servers: Servers, bootstrap: str, registry: str, port: int) -> DemoConfig:
    """Write the configuration and its secret files into `folder`."""
    (folder / "secrets").mkdir()
    config = DemoConfig(
        folder / "cdp.yaml",
        {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "SCHEMA_REGISTRY_URL": registry,
            "COPILOT_CLIENT_ID": _CLIENT,
            "YOTPO_STORE_ID": _STORE,
            "YOTPO_SECRET": _YOTPO_SECRET,
        },
    )
    _write(folder / "secrets" / "copilot", _FIRST)
    _write(folder / "secrets" / "customerio", _FIRST)
    text = _YAML.format(
        topics=", ".join(TOPICS),
        avro=avro,
        copilot=servers.copilot.url,
        customerio=servers.customerio.url,
        yotpo=servers.yotpo.url,
        dead_letters=DEAD_LETTER_TOPIC,
        port=port,
    )
    config.file.write_text(text, encoding="utf-8")
    return config


def expire_credentials(servers: Servers) -> None:
    """Make every server reject its current credentials: the old secrets, and all tokens of Yotpo."""
    servers.copilot.accept(client_id=_CLIENT, client_secret=_SECOND)
    servers.customerio.accept(api_key=_SECOND)
    servers.yotpo.expire_tokens()


def _write(path: Path, secret: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(secret, encoding="utf-8")
    new.chmod(0o600)
    os.replace(new, path)  # noqa: PTH105 - atomic by contract
