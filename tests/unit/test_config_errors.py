"""All errors of a configuration are reported at once, each with its position and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.config import schema
from tests.unit.config_texts import GOOD, loaded

CUSTOMERIO = """\
  customerio:
    url: https://cdp.customer.io/v1
    api_key: ${CUSTOMERIO_KEY}
"""
YOTPO = """\
  yotpo:
    url: https://api.yotpo.com/core/v3
    store_id: s
    secret: ${YOTPO_SECRET}
"""

SHORTER = (
    "shorten the timeout, or lengthen `budgets.drain`: otherwise a drain abandons requests that would have succeeded"
)
KILLED = (
    "shorten the drain, or raise `budgets.termination_grace` and the platform's grace period: "
    "otherwise the process is killed during the drain"
)

TABLE = [
    # (what is appended to the good file, or (old, new)), line, column, path, message, hint
    ("topic: x\n", 10, 1, "topic", "unknown key `topic`", "did you mean `topics`?"),
    ("    clientid: x\n", 10, 5, "destinations.copilot.clientid", "unknown key `clientid`",
     "did you mean `client_id`?"),
    ("    lanes: 0\n", 10, 12, "destinations.copilot.lanes", "must be at least 1", ""),
    ("    lanes: 2000\n", 10, 12, "destinations.copilot.lanes", "must be at most 1024", ""),
    ("    lanes: many\n", 10, 12, "destinations.copilot.lanes", "`many` is not a whole number", ""),
    ("    lanes: [1]\n", 10, 12, "destinations.copilot.lanes", "must be a single value, not a list", ""),
    ("    lanes:\n", 10, 5, "destinations.copilot.lanes", "is empty", "give it a value, or remove the line"),
    ("    lanes: ${LANES}\n", 10, 12, "destinations.copilot.lanes", "LANES is not set in the environment",
     "set it, or give a default"),
    ("    timeout: 15\n", 10, 14, "destinations.copilot.timeout", "`15` is not a duration",
     "write a number and its unit: `200ms`, `15s`, `5m`, `1h`"),
    ("    timeout: 1ms\n", 10, 14, "destinations.copilot.timeout", "must be at least 0.05s", ""),
    ("    timeout: 20s\n", 10, 14, "destinations.copilot.timeout",
     "the timeout of a request (20s) is not below the drain (20s)", SHORTER),
    ("    rate: fast\n", 10, 11, "destinations.copilot.rate", "`fast` is not a rate",
     "write requests per time: `5/s`, `300/m`"),
    ("    batch: 5\n", 10, 12, "destinations.copilot.batch", "must be a mapping, not a single value",
     "known keys: `events`, `bytes`, `linger`"),
    ("pipelines: 5\n", 10, 12, "pipelines", "must be a mapping, not a single value",
     "write `name: value` lines under it"),
    ("    batch:\n", 10, 5, "destinations.copilot.batch", "must be a mapping, not nothing",
     "known keys: `events`, `bytes`, `linger`"),
    ("    batch: {byte: 5}\n", 10, 13, "destinations.copilot.batch.byte", "unknown key `byte`",
     "did you mean `bytes`?"),
    ("    backoff: {first: 10s, cap: 1s}\n", 10, 22, "destinations.copilot.backoff", "`first` is above `cap`",
     "swap them"),
    ("    enabled: yes\n", 10, 14, "destinations.copilot.enabled", "`yes` is neither true nor false",
     "write `true` or `false`"),
    ("    kind: copilo\n", 10, 11, "destinations.copilot.kind", "`copilo` is not a known value",
     "write `copilot`, `customerio`, `yotpo`"),
    ('  mixpanel: {url: "https://x"}\n', 10, 3, "destinations.mixpanel",
     "`mixpanel` is not a kind of destination, and `kind` is missing",
     "known here: `copilot`, `customerio`, `yotpo`; for any other name, add `kind: …`"),
    ('  Copilot: {url: "https://x"}\n', 10, 3, "destinations.Copilot", "`Copilot` is not a destination's name",
     "use lower-case letters, digits and `_`, at most 63; begin with a letter"),
    ("  yotpo:\n", 10, 3, "destinations.yotpo", "must be a mapping of options",
     "`url` and the credentials are mandatory"),
    (CUSTOMERIO + "    batch: {bytes: 600000}\n", 13, 20, "destinations.customerio.batch.bytes",
     "is above the limit of customerio (500000)", ""),
    (CUSTOMERIO + "    call_bytes: 40KiB\n", 13, 17, "destinations.customerio.call_bytes",
     "is above the limit of customerio (32768)", ""),
    (CUSTOMERIO + "    context: web\n", 13, 14, "destinations.customerio.context", "must be a mapping", ""),
    (YOTPO + "    batch: {events: 2}\n", 14, 21, "destinations.yotpo.batch.events", "yotpo takes one event per request",
     "remove the line"),
    (YOTPO + "    source: Shop\n", 14, 13, "destinations.yotpo.source", "not snake_case",
     "use lower-case letters, digits and _, at most 255 characters"),
    (CUSTOMERIO + "    context: {a: .inf}\n", 13, 18, "destinations.customerio.context.a",
     "is not a number in JSON", ""),
    ("schemas: {registry: {timeout: 5}}\n", 10, 21, "schemas.registry", "`url` is missing",
     "write `url: ${SCHEMA_REGISTRY_URL}`"),
    ("schemas: {directory: {}}\n", 10, 22, "schemas.directory", "must be a single value, not a mapping (`{…}`)", ""),
    ("start: yesterday\n", 10, 8, "start", "`yesterday` is not a start position",
     "write `earliest`, `latest`, or an instant such as `2026-11-01T00:00:00Z`"),
    ("http: {address: 9464}\n", 10, 17, "http.address", "`9464` is not an address",
     "write `host:port`, such as `0.0.0.0:9464` or `[::1]:9464`"),
    ('dead_letters: {topic: "^x"}\n', 10, 23, "dead_letters.topic", "`^x` is a pattern", "name one topic"),
    ("dead_letters: {topic: shop.orders}\n", 3, 9, "topics",
     "`shop.orders` is the dead-letter topic", "remove it from `topics`, or give the dead letters another topic"),
    ("budgets: {drain: 55s}\n", 10, 18, "budgets.drain",
     "drain 55s + poll gap 0.5s + 2 commits of 10s + closing 13s = 88.5s is not below the termination grace (60s)",
     KILLED),
    ("budgets: {drain: 20s, termination_grace: 53.5s}\n", 10, 18, "budgets.drain",
     "drain 20s + poll gap 0.5s + 2 commits of 10s + closing 13s = 53.5s is not below the termination grace (53.5s)",
     KILLED),
    ("budgets: {drain: 290s, termination_grace: 1h}\n", 10, 18, "budgets.drain",
     "drain 290s + poll gap 0.5s + commit 10s = 300.5s is not below max.poll.interval.ms (300s)",
     "shorten the drain, or raise `max.poll.interval.ms`: otherwise the group expels a draining member"),
    ("budgets: {session: 45s}\n", 10, 20, "budgets.session", "applies only to `group.protocol: consumer`",
     "for a classic group, set `session.timeout.ms` under `kafka`"),
    ("budgets: {bytes: 5}\n", 10, 18, "budgets.bytes", "must be at least 1048576 bytes", ""),
    ("flood_guard: {refusals: 0}\n", 10, 25, "flood_guard.refusals", "must be at least 1", ""),
    ("flood_guard: {share: 150%}\n", 10, 22, "flood_guard.share", "must be at most 1", ""),
    ("flood_guard: {share: most}\n", 10, 22, "flood_guard.share", "`most` is not a share",
     "write a number from 0 to 1, or `50%`"),
    ("flood_guard: {window: 2d}\n", 10, 23, "flood_guard.window", "must be at most 86400s", ""),
    ("flood_guards: {}\n", 10, 1, "flood_guards", "unknown key `flood_guards`", "did you mean `flood_guard`?"),
    ("    poison_detection: {failures: 0}\n", 10, 34, "destinations.copilot.poison_detection.failures",
     "must be at least 1", ""),
    ("    poison_detection: {give_up_successes: 0}\n", 10, 43,
     "destinations.copilot.poison_detection.give_up_successes", "must be at least 1", ""),
    ("    poison_detection: {give_up_aftr: 1h}\n", 10, 24, "destinations.copilot.poison_detection.give_up_aftr",
     "unknown key `give_up_aftr`", "did you mean `give_up_after`?"),
    ("    suspects: {after: 2h}\n", 10, 5, "destinations.copilot.suspects", "unknown key `suspects`",
     "was renamed to `poison_detection`"),
    ("    poison_detection: {successes: 1}\n", 10, 24, "destinations.copilot.poison_detection.successes",
     "unknown key `successes`", "was renamed to `other_successes`"),
    ("    poison_detection: {after: 1h}\n", 10, 24, "destinations.copilot.poison_detection.after",
     "unknown key `after`", "was renamed to `give_up_after`"),
    ("    poison_detection: {others: 9}\n", 10, 24, "destinations.copilot.poison_detection.others",
     "unknown key `others`", "was renamed to `give_up_successes`"),
    ("schemas: {registry: {}}\n", 10, 21, "schemas.registry", "is empty", "name at least one"),
    ("pipelines: {a: [copilot], b: [copilot]}\n", 10, 30, "pipelines.b", "`copilot` is also in the pipeline `a`",
     "list each destination once: otherwise it would receive every event twice"),
    ("pipelines: {a: [copilot, copilot]}\n", 10, 16, "pipelines.a", "`copilot` is listed twice",
     "list each destination once: otherwise it would receive every event twice"),
    ("pipelines: {a: [copilot, copilto]}\n", 10, 16, "pipelines.a", "there is no destination `copilto`",
     "did you mean `copilot`?"),
    (CUSTOMERIO + "pipelines: {a: [copilot]}\n", 13, 12, "pipelines",
     "the enabled destination `customerio` is in no pipeline", "name it under a pipeline, or set `enabled: false`"),
    ('pipelines: {"a b": [copilot]}\n', 10, 13, "pipelines.a b", "`a b` is not a consumer group's name",
     "use letters, digits, `.`, `_`, `-`, at most 200"),
    ("pipelines: {a: {destinations: [copilot], shared_pace: yes}}\n", 10, 55, "pipelines.a.shared_pace",
     "`yes` is not a known value", "write `accepted`"),
    (YOTPO + "pipelines: {a: [copilot, yotpo]}\n", 14, 16, "pipelines.a",
     "`yotpo` is limited to 5/s and would slow down the other destinations of the group",
     "give it its own pipeline, or write `{destinations: […], shared_pace: accepted}`"),
    (("topics: [shop.orders]", "topics: []"), 3, 9, "topics", "is an empty list", "name at least one"),
    (("topics: [shop.orders]", "topics: [a b]"), 3, 10, "topics[0]", "`a b` is not a topic's name",
     "use letters, digits, `.`, `_`, `-`; begin a pattern with `^`"),
    (("topics: [shop.orders]", "topics: {a: b}"), 3, 9, "topics", "must be a list, not a mapping (`{…}`)",
     "write `[one, two]`"),
    # A misspelt mandatory key is one finding, at the key: it is not missing as well.
    (("topics:", "topcis:"), 3, 1, "topcis", "unknown key `topcis`", "did you mean `topics`?"),
    (("kafka:\n", "kafak:\n"), 1, 1, "kafak", "unknown key `kafak`", "did you mean `kafka`?"),
    (("destinations:\n", "destinatons:\n"), 5, 1, "destinatons", "unknown key `destinatons`",
     "did you mean `destinations`?"),
    (("    client_id:", "    clientId:"), 8, 5, "destinations.copilot.clientId", "unknown key `clientId`",
     "did you mean `client_id`?"),
    (("    url:", "    ulr:"), 7, 5, "destinations.copilot.ulr", "unknown key `ulr`", "did you mean `url`?"),
    (("kafka:\n  bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}\n", ""), 1, 1, "kafka", "is missing",
     schema.TOP["kafka"].doc),
    (CUSTOMERIO + "pipelines: {a: [copilot], b: [custmerio]}\n", 13, 30, "pipelines.b",
     "there is no destination `custmerio`", "did you mean `customerio`?"),
    (("topics: [shop.orders]\n", ""), 1, 1, "topics", "is missing",
     "Topics to read: names, or patterns that begin with `^` (regular expressions of RE2)."),
    (("topics: [shop.orders]", 'topics: ["^cdp-.*", shop.orders, cdp-dead-letters, "^.*letters"]'), 3, 9, "topics",
     "`cdp-dead-letters` is the dead-letter topic", "remove it from `topics`, or give the dead letters another topic"),
    (("topics: [shop.orders]", 'topics: ["^(?!cdp)shop"]'), 3, 10, "topics[0]",
     "`^(?!cdp)shop` is not a regular expression of RE2 (invalid perl operator: (?!)",
     "RE2 has no look-around: list the names of the topics, or several patterns"),
    (("bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}", "bootstrap.servers: ${NOBODY}"), 2, 22,
     "kafka.bootstrap.servers", "NOBODY is not set in the environment", "set it, or give a default"),
    (("bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}", "client.id: x"), 2, 3, "kafka",
     "`bootstrap.servers` is missing", "write `bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}`"),
    (("kafka:\n", "kafka:\n  group.id: x\n"), 2, 13, "kafka.group.id",
     "may not be set: the group is the pipeline's name", ""),
    (("kafka:\n", "kafka:\n  enable.auto.commit: true\n"), 2, 23, "kafka.enable.auto.commit",
     "may not be set: offsets are committed only after delivery", ""),
    (("kafka:\n", "kafka:\n  group.protocol: consumer\n  session.timeout.ms: 9000\n"), 3, 23,
     "kafka.session.timeout.ms", "may not be set with group.protocol=consumer: the brokers decide it for the group",
     ""),
    (("kafka:\n", "kafka:\n  session.timeout.ms: 0x1770\n"), 2, 23, "kafka.session.timeout.ms",
     "is not a plain number of milliseconds: write digits only, without leading zeros", ""),
    (("kafka:\n", "kafka:\n  transactional.id: x\n"), 2, 21, "kafka.transactional.id",
     "may not be set: dead letters are written outside of transactions", ""),
    (("kafka:\n", "kafka:\n  retries: 0\n"), 2, 12, "kafka.retries",
     "`retries` must be set >= 1 when `enable.idempotence` is true (for the dead-letter producer)", ""),
    (("kafka:\n", "kafka:\n  fetch.bytes.mim: 1\n"), 2, 3, "kafka.fetch.bytes.mim",
     'No such configuration property: "fetch.bytes.mim"',
     "check the spelling: the names are in librdkafka's CONFIGURATION.md"),
    (("kafka:\n", "kafka:\n  error_cb: print\n"), 2, 3, "kafka.error_cb", "`error_cb` is not a librdkafka property",
     "use lower-case letters and dots, such as `bootstrap.servers`"),
    (("kafka:\n", "kafka:\n  a: ${\n"), 2, 6, "kafka.a", "contains a `${` without a variable name",
     "write `${NAME}` or `${NAME:-default}`, or `$${` for a literal `${`"),
    (("https://api.acme.bycopilot.com", "api.acme.com"), 7, 10, "destinations.copilot.url", "is not a URL",
     "write `https://host/path`"),
    (("https://api.acme.bycopilot.com", "https://me:canary@x"), 7, 10, "destinations.copilot.url",
     "contains credentials", "remove them from the URL, and use the settings for credentials"),
    (("    client_id: ${COPILOT_CLIENT_ID}\n", ""), 7, 5, "destinations.copilot.client_id", "is missing",
     "A secret: from the environment (`${NAME}`) or from a file (`{file: path}`)."),
    (("${COPILOT_CLIENT_ID}", "${NOBODY}"), 8, 16, "destinations.copilot.client_id",
     "NOBODY is not set in the environment", "set it, or give a default"),
    (("${COPILOT_CLIENT_ID}", "${NOBODY:-}"), 8, 16, "destinations.copilot.client_id", "NOBODY is empty",
     "set it to the secret"),
    (("${COPILOT_CLIENT_ID}", "{file: nowhere}"), 8, 23, "destinations.copilot.client_id",
     "the secret's file cannot be read", "check FOLDER/nowhere"),
    (("${COPILOT_CLIENT_ID}", "{path: nowhere}"), 8, 16, "destinations.copilot.client_id", "is not a secret",
     "write `${NAME}` or `{file: path}`"),
    (("${COPILOT_CLIENT_ID}", "[x]"), 8, 16, "destinations.copilot.client_id",
     "must be a text or `{file: path}`, not a list", ""),
    (("mapping: mapping.yaml", 'mapping: "a\\0b"'), 4, 10, "mapping", "is not a path", ""),
    (("  copilot:\n", "  copilot:\n    enabled: false\n"), None, None, "destinations", "no destination is enabled",
     "enable at least one"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "line", "column", "path", "message", "hint"), TABLE, ids=[f"{row[3]}: {row[4]}"[:90] for row in TABLE]
)
def test_mistake_is_one_error_with_position_message_and_hint(
    tmp_path: Path,
    change: str | tuple[str, str],
    line: int | None,
    column: int | None,
    path: str,
    message: str,
    hint: str,
) -> None:
    text = GOOD + change if isinstance(change, str) else GOOD.replace(*change)
    assert text != GOOD
    found = loaded(tmp_path, text)
    assert found.settings is None
    wrong = [finding for finding in found.findings if finding.severity == "error"]
    reported = [
        (each.line, each.column, each.path, each.message, each.hint.replace(str(tmp_path), "FOLDER")) for each in wrong
    ]
    assert reported == [(line, column, path, message, hint)]
    assert {each.file for each in wrong} == {str(tmp_path / "cdp.yaml")}


def test_all_errors_are_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("topics:", "topic:").replace("https://", "gopher://") + "    lanes: 0\nhtpp: {}\n"
    found = loaded(tmp_path, text, {})
    assert [(each.line, each.message.split(" ")[0]) for each in found.findings] == [
        (2, "KAFKA_BOOTSTRAP_SERVERS"),
        (3, "unknown"),
        (7, "is"),
        (8, "COPILOT_CLIENT_ID"),
        (9, "COPILOT_CLIENT_SECRET"),
        (10, "must"),
        (11, "unknown"),
    ]


def test_error_of_the_registry_client_is_at_its_property(tmp_path: Path) -> None:
    text = GOOD + "schemas:\n  registry:\n    url: https://r\n    retry.most: 1\n"
    found = loaded(tmp_path, text)
    assert [(each.line, each.path) for each in found.findings] == [(13, "schemas.registry.retry.most")]


def test_option_with_an_error_is_not_checked_by_its_kind(tmp_path: Path) -> None:
    found = loaded(tmp_path, GOOD + YOTPO + "    batch: {events: 2}\n    source: Shop\n")
    assert [(each.line, each.message) for each in found.findings] == [(14, "yotpo takes one event per request")]
