"""A valid configuration becomes settings, with defaults as documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.config.settings import Budgets, DeadLetterSettings, HttpSettings, PipelineSettings
from consumer.delivery.backoff import Backoff
from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions
from consumer.delivery.options import DestinationOptions
from consumer.destinations.copilot import CopilotOptions
from consumer.destinations.customerio.destination import CustomerioOptions
from consumer.destinations.yotpo import YotpoOptions
from tests.unit.config_texts import ENVIRON, GOOD, loaded, settings_of

WHOLE = """\
kafka:                                  # any librdkafka property, except those the promises rest on
  bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}
topics: [shop.orders, "^shop[.]customers[.].*"]        # names, or ^regular expressions
start: earliest
schemas:
  registry:
    url: ${SCHEMA_REGISTRY_URL}
  directory: avro
mapping: mapping.yaml
pipelines:
  cdp-customerio: [customerio]
  cdp-copilot: [copilot]
destinations:
  copilot:
    url: https://api.acme.bycopilot.com
    client_id: ${COPILOT_CLIENT_ID}
    client_secret: ${COPILOT_CLIENT_SECRET}
  customerio:
    url: https://cdp.customer.io/v1
    api_key: {file: FOLDER/customerio}
    batch: {bytes: 490000, linger: 200ms}
    lanes: 4
    timeout: 15s
    backoff: {first: 500ms, cap: 30s}
    probe: 30s
  yotpo:
    enabled: false
    url: https://api.yotpo.com/core/v3
    store_id: ${YOTPO_STORE_ID}
    secret: ${YOTPO_SECRET}
    rate: 5/s
dead_letters:
  topic: cdp-dead-letters
http:
  address: 0.0.0.0:9464
directives: directives.yaml
budgets:
  drain: 20s
  termination_grace: 60s
"""


def test_documented_example_loads_without_findings(tmp_path: Path) -> None:
    (tmp_path / "customerio").write_text("canary\n")
    environ = {name: value for name, value in ENVIRON.items() if not name.startswith("YOTPO")}
    found = loaded(tmp_path, WHOLE.replace("FOLDER", str(tmp_path)), environ)
    assert found.findings == ()
    settings = found.settings
    assert settings is not None
    assert settings.pipelines == (
        PipelineSettings("cdp-customerio", ("customerio",)),
        PipelineSettings("cdp-copilot", ("copilot",)),
    )
    assert settings.topics == ("shop.orders", "^shop[.]customers[.].*")
    assert settings.kafka == {"bootstrap.servers": "kafka:9092"}
    assert settings.registry == {"url": "https://registry"}
    assert settings.schema_directory == tmp_path / "avro"
    assert settings.mapping == (tmp_path / "mapping.yaml",)
    assert settings.destinations["customerio"].options == CustomerioOptions(url="https://cdp.customer.io/v1")
    assert settings.destinations["customerio"].secrets["api_key"].reveal() == "canary"
    assert not settings.destinations["yotpo"].enabled
    assert isinstance(settings.destinations["yotpo"].options, YotpoOptions)
    assert settings.directives == tmp_path / "directives.yaml"


def test_defaults_are_as_documented(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, GOOD)
    assert settings.start == "earliest"
    assert settings.registry is None
    assert settings.schema_directory is None
    assert settings.schema_grace_s == 300.0
    assert settings.directives is None
    assert settings.pipelines == (PipelineSettings("cdp-copilot", ("copilot",)),)
    assert settings.dead_letters == DeadLetterSettings("cdp-dead-letters", connect_headers=False)
    assert settings.http == HttpSettings("0.0.0.0", 9464)  # noqa: S104 - the documented default
    assert settings.budgets == Budgets(drain_s=20.0, termination_grace_s=60.0, records=100_000, bytes=64 * 1024 * 1024)
    copilot = settings.destinations["copilot"]
    assert copilot.kind == "copilot"
    assert copilot.enabled
    assert copilot.options == CopilotOptions(url="https://api.acme.bycopilot.com")
    assert copilot.lanes == DestinationOptions(
        lanes=4,
        timeout_s=15.0,
        backoff=Backoff(0.5, 30.0),
        probe_s=30.0,
        linger_s=0.2,
        rate_per_s=None,
        poison_detection=PoisonDetectionOptions(
            failures=5, other_successes=1, give_up_after_s=3600.0, give_up_successes=100
        ),
    )
    assert settings.flood_guard == FloodGuardOptions(refusals=50, window_s=600.0, share=0.5)
    assert sorted(copilot.secrets) == ["client_id", "client_secret"]


def test_drain_defaults_to_a_third_of_a_short_poll_interval(tmp_path: Path) -> None:
    short = GOOD.replace("kafka:\n", "kafka:\n  max.poll.interval.ms: 45000\n").replace(
        "    url:", "    timeout: 5s\n    url:"
    )
    assert settings_of(tmp_path, short).budgets.drain_s == 15.0


def test_every_option_of_every_kind_is_set(tmp_path: Path) -> None:
    text = """\
kafka: {bootstrap.servers: b, group.protocol: consumer, enable.ssl.certificate.verification: false, fetch.min.bytes: 1}
topics: shop.orders
start: 2026-11-01T00:00:00Z
schemas: {grace: 1m}
mapping: [a.yaml, /b.yaml]
dead_letters: {topic: letters, connect_headers: true}
http: {address: "[::1]:0"}
budgets: {drain: 16s, termination_grace: 90s, session: 45s, records: 10, bytes: 2MiB}
flood_guard: {refusals: 7, window: 1m, share: 80%}
pipelines:
  together: {destinations: [one, two, yotpo], shared_pace: accepted}
destinations:
  one:
    kind: copilot
    url: https://one/
    client_id: ${COPILOT_CLIENT_ID}
    client_secret: ${COPILOT_CLIENT_SECRET}
    collect_path: /c
    consent_path: /d
    batch: {events: 7, bytes: 5000, linger: 1s}
    lanes: 64
    timeout: 2s
    backoff: {first: 1s, cap: 2s}
    probe: 3s
    rate: 60/m
    poison_detection: {failures: 2, other_successes: 3, give_up_after: 4s, give_up_successes: 5}
  two:
    kind: customerio
    url: https://two/v1
    api_key: ${CUSTOMERIO_KEY}
    call_bytes: 20KiB
    context: {channel: web, n: 1.5, list: ["${YOTPO_STORE_ID}", true, null]}
    integrations: {all: false}
    allow_events: [User Deleted]
  yotpo:
    url: https://three/core/v3
    store_id: 123
    secret: ${YOTPO_SECRET}
    source: shop
    keys: {id: event_id}
    wrapper: event
"""
    settings = settings_of(tmp_path, text)
    assert settings.kafka == {
        "bootstrap.servers": "b",
        "group.protocol": "consumer",
        "enable.ssl.certificate.verification": "false",
        "fetch.min.bytes": "1",
    }
    assert settings.topics == ("shop.orders",)
    assert settings.start == 1_793_491_200_000
    assert settings.schema_grace_s == 60.0
    assert settings.mapping == (tmp_path / "a.yaml", Path("/b.yaml"))
    assert settings.dead_letters == DeadLetterSettings("letters", connect_headers=True)
    assert settings.http == HttpSettings("::1", 0)
    assert settings.budgets == Budgets(16.0, 90.0, 45.0, 10, 2 * 1024 * 1024)
    assert settings.flood_guard == FloodGuardOptions(7, 60.0, 0.8)
    assert settings.pipelines == (PipelineSettings("together", ("one", "two", "yotpo"), shared_pace_accepted=True),)
    one, two, yotpo = (settings.destinations[name] for name in ("one", "two", "yotpo"))
    assert one.options == CopilotOptions(
        name="one", url="https://one", events=7, bytes=5000, collect_path="/c", consent_path="/d"
    )
    assert one.lanes == DestinationOptions(
        lanes=64,
        timeout_s=2.0,
        backoff=Backoff(1.0, 2.0),
        probe_s=3.0,
        linger_s=1.0,
        rate_per_s=1.0,
        poison_detection=PoisonDetectionOptions(2, 3, 4.0, 5),
    )
    assert two.options == CustomerioOptions(
        name="two",
        url="https://two/v1",
        call_bytes=20_480,
        context={"channel": "web", "n": 1.5, "list": ["store", True, None]},
        integrations={"all": False},
        allow_events=frozenset({"User Deleted"}),
    )
    assert yotpo.options == YotpoOptions(
        url="https://three/core/v3", store_id="123", source="shop", keys={"id": "event_id"}, wrapper="event"
    )
    assert yotpo.lanes.rate_per_s == 5.0


def test_offline_needs_no_variable_and_no_secret(tmp_path: Path) -> None:
    text = WHOLE.replace("FOLDER", "/nowhere")
    assert loaded(tmp_path, text, {}, offline=True).settings is not None
    assert loaded(tmp_path, text, {}).settings is None


SASL = """kafka:
  bootstrap.servers: broker:9092
  security.protocol: SASL_SSL
  sasl.mechanism: SCRAM-SHA-512
  sasl.username: ${KAFKA_USER}
  sasl.password: {file: FOLDER/kafka-password}
  ssl.ca.location: FOLDER/ca.pem
"""


def test_offline_needs_no_kafka_credentials_and_no_certificate(tmp_path: Path) -> None:
    """Properties are checked all the same."""
    text = GOOD.replace("kafka:\n  bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}\n", SASL.replace("FOLDER", "/nowhere"))
    found = loaded(tmp_path, text, ENVIRON, offline=True)
    assert found.settings is not None, [finding.text() for finding in found.findings]
    wrong = loaded(tmp_path, text.replace("SASL_SSL", "SASL_TLS"), ENVIRON, offline=True)
    assert [finding.path for finding in wrong.findings] == ["kafka.security.protocol"]


def test_kafka_error_that_names_no_property_is_reported_at_kafka(tmp_path: Path) -> None:
    text = GOOD.replace("topics:", "  security.protocol: SASL_PLAINTEXT\n  sasl.mechanism: NONE-512\ntopics:")
    assert [finding.path for finding in loaded(tmp_path, text, ENVIRON).findings] == ["kafka"]


def test_missing_certificate_file_has_a_hint(tmp_path: Path) -> None:
    text = GOOD.replace("topics:", "  security.protocol: SSL\n  ssl.ca.location: /nowhere/ca.pem\ntopics:")
    (finding,) = loaded(tmp_path, text, ENVIRON).findings
    assert (finding.path, finding.hint) == ("kafka.ssl.ca.location", "check that the file exists and holds PEM text")


def test_flawed_secret_of_a_disabled_destination_is_no_error(tmp_path: Path) -> None:
    text = GOOD + "    enabled: false\n  customerio: {url: https://cdp.customer.io/v1, api_key: '${CUSTOMERIO_KEY}'}\n"
    text = text.replace("${COPILOT_CLIENT_SECRET}", "'\"quoted\"'")
    found = loaded(tmp_path, text, ENVIRON)
    assert found.settings is not None, [finding.text() for finding in found.findings]


def test_unreadable_kafka_credentials_are_reported_once_each(tmp_path: Path) -> None:
    """The client library's complaint that both are missing would be a consequence."""
    text = GOOD.replace("kafka:\n  bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}\n", SASL.replace("FOLDER", "/nowhere"))
    found = loaded(tmp_path, text, ENVIRON)
    assert sorted(finding.path for finding in found.findings) == ["kafka.sasl.password", "kafka.sasl.username"]


@pytest.mark.parametrize("spelling", ["true", "True", '"true"', "${ON}", '"${ON:-false}"'])
def test_boolean_may_come_from_the_environment(tmp_path: Path, spelling: str) -> None:
    text = GOOD + f"    enabled: {spelling}\n"
    assert settings_of(tmp_path, text, {**ENVIRON, "ON": "true"}).destinations["copilot"].enabled
