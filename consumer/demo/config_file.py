"""The demo's configuration: a file in the format of `run`, its secrets in the environment and in files beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from consumer.demo.events import TOPICS
from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.yotpo import FakeYotpo

LETTERS = "cdp-dead-letters"
LETTER_PARTITIONS = 4

_YAML = """\
# Written by `cdp-consumer demo`, in the format that `cdp-consumer run` reads.
kafka:
  bootstrap.servers: ${{KAFKA_BOOTSTRAP_SERVERS}}
  fetch.wait.max.ms: 20                 # the embedded cluster answers a waiting fetch only then
  session.timeout.ms: 6000
  heartbeat.interval.ms: 1000
topics: [{topics}]
start: earliest
schemas:
  registry:
    url: ${{SCHEMA_REGISTRY_URL}}
  directory: {avro}
  grace: 30s                            # a record of an unknown schema that is older is given up
mapping: {avro}/mapping.yaml
pipelines:                              # one group each: no destination waits for another
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
  topic: {letters}
http:
  address: 127.0.0.1:{port}
budgets:
  drain: 10s
"""

_STORE = "demo-store"
_CLIENT = "demo-client"
_YOTPO_SECRET = "demo-secret-of-the-store"  # noqa: S105 - opens a server on loopback, for half a minute
_FIRST, _SECOND = "demo-secret-1", "demo-secret-2"


@dataclass(frozen=True, slots=True)
class Servers:
    """The three destinations on loopback."""

    copilot: FakeCopilot
    customerio: FakeCustomerio
    yotpo: FakeYotpo

    def by_name(self, name: str) -> Fake:
        """Return the server of the destination `name`."""
        return next(server for server in (self.copilot, self.customerio, self.yotpo) if server.name == name)


def make_servers() -> Servers:
    """Return the servers as the configuration knows them, not yet listening."""
    return Servers(
        FakeCopilot(client_id=_CLIENT, client_secret=_FIRST),
        FakeCustomerio(api_key=_FIRST),
        FakeYotpo(store_id=_STORE, secret=_YOTPO_SECRET),
    )


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """Where the configuration lies, and the environment it is read with."""

    file: Path
    environ: dict[str, str]

    def rotate(self) -> None:
        """Put the second secrets into their files, as a secrets manager does: whole, and at once."""
        _write(self.file.parent / "secrets" / "copilot", _SECOND)
        _write(self.file.parent / "secrets" / "customerio", _SECOND)


def write_setting(folder: Path, avro: Path, servers: Servers, bootstrap: str, registry: str, port: int) -> DemoConfig:
    """Write the configuration and its secrets into `folder`."""
    (folder / "secrets").mkdir()
    setting = DemoConfig(
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
        letters=LETTERS,
        port=port,
    )
    setting.file.write_text(text, encoding="utf-8")
    return setting


def expire(servers: Servers) -> None:
    """Let every credential die at its server: the old secrets are refused, and no token of Yotpo's is good any more."""
    servers.copilot.accept(client_id=_CLIENT, client_secret=_SECOND)
    servers.customerio.accept(api_key=_SECOND)
    servers.yotpo.expire_tokens()


def _write(path: Path, secret: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(secret, encoding="utf-8")
    new.chmod(0o600)
    os.replace(new, path)  # noqa: PTH105 - the one call that is atomic by contract
