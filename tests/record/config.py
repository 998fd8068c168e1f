"""Configurations of the corpus. `renames.toml` may rename the keys between « and »."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.record.events import CORPUS, ROOT

ENVIRON = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "SCHEMA_REGISTRY_URL": "https://registry",
    "COPILOT_CLIENT_ID": "id",
    "COPILOT_CLIENT_SECRET": "secret-1",
    "CUSTOMERIO_KEY": "secret-2",
    "YOTPO_STORE_ID": "store",
    "YOTPO_SECRET": "secret-3",
}

MINIMAL = """\
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
"""A minimal configuration. Each situation of `corpus/situations.json` breaks it."""

FULL = f"""\
kafka:
  bootstrap.servers: ${{KAFKA_BOOTSTRAP_SERVERS}}
  fetch.wait.max.ms: 20
  session.timeout.ms: 300000
  max.poll.interval.ms: 900000
  heartbeat.interval.ms: 500
topics: [TOPICS]
start: earliest
schemas:
  registry: {{url: "${{SCHEMA_REGISTRY_URL}}"}}
  directory: schemas
  grace: 30s
mapping: [{ROOT}/avro/mapping.yaml, {CORPUS}/more.yaml]
pipelines:
  cdp-copilot: [copilot]
  cdp-customerio: [customerio]
  cdp-yotpo: [yotpo]
destinations:
  copilot:
    url: COPILOT_URL
    client_id: ${{COPILOT_CLIENT_ID}}
    client_secret: ${{COPILOT_CLIENT_SECRET}}
    lanes: 1
    timeout: 120s
    batch: {{events: 8, linger: 0ms}}
    backoff: {{first: 10ms, cap: 20ms}}
    probe: 1s
    «suspects»: {{«failures»: 50, «successes»: 1, «after»: 1h, «others»: 100}}
  customerio:
    url: CUSTOMERIO_URL
    api_key: ${{CUSTOMERIO_KEY}}
    lanes: 1
    timeout: 120s
    batch: {{events: 8, linger: 0ms}}
    backoff: {{first: 10ms, cap: 20ms}}
    probe: 1s
  yotpo:
    url: YOTPO_URL
    store_id: ${{YOTPO_STORE_ID}}
    secret: ${{YOTPO_SECRET}}
    lanes: 1
    timeout: 120s
    rate: 1000/s
    backoff: {{first: 10ms, cap: 20ms}}
    probe: 1s
dead_letters:
  topic: record.dead-letters
http:
  address: 127.0.0.1:0
directives: directives.yaml
budgets:
  drain: 150s
  termination_grace: 10m
"""

URLS = {
    "COPILOT_URL": "https://api.acme.bycopilot.com",
    "CUSTOMERIO_URL": "https://cdp.customer.io/v1",
    "YOTPO_URL": "https://api.yotpo.com/core/v3",
}

_KEY = re.compile("«([^»]+)»")


def with_new_keys(text: str, new_names: Mapping[str, str]) -> str:
    """Return a text of the corpus with the current names of its keys."""
    return _KEY.sub(lambda key: new_names.get(key[1], key[1]), text)


def recorded_column(text: str, new_names: Mapping[str, str], line: int | None, column: int | None) -> int | None:
    """Return the column in the text with the old keys of a position in the text with the new keys."""
    if line is None or column is None or line > text.count("\n") + 1:
        return column
    new_start = old_start = 0
    for index, part in enumerate(_KEY.split(text.split("\n")[line - 1])):
        new_length, old_length = len(new_names.get(part, part) if index % 2 else part), len(part)
        if column - 1 < new_start + new_length:
            break
        new_start, old_start = new_start + new_length, old_start + old_length
    return column - new_start + old_start
