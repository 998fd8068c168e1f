"""The file's table: every key, what it accepts and means, its default. Validation and JSON Schema both read it."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.config import kinds, values
from consumer.config.grammar import Named, Option, Section, Several, Word
from consumer.config.settings import Budgets, DeadLetterSettings, HttpSettings, LaneSettings
from consumer.destinations.kinds import KINDS

_DAY_S = 86_400.0
_FROM = "A secret: from the environment (`${NAME}`) or from a file (`{file: path}`)."
_ONCE = "A secret among them (`{file: path}`) is read once, at start: a changed one needs a restart."
_LANES = LaneSettings()
_BUDGETS = Budgets()

DESTINATION: Mapping[str, Option] = {
    "kind": Option(kinds.choice(*KINDS), "What kind of destination this is.", shown_default="the destination's name"),
    "enabled": Option(kinds.truth(), "Whether anything is delivered to it.", default=True, shown_default="true"),
    "url": Option(kinds.url(), "Base address of the destination's API.", required=True),
    "batch": Option(
        Section(
            {
                "events": Option(kinds.count(1), "Most events in one call.", shown_default="the kind's working limit"),
                "bytes": Option(kinds.size(1000), "Most bytes in one call.", shown_default="the kind's working limit"),
                "linger": Option(
                    kinds.duration(0, 60),
                    "How long a batch that is not full waits for more.",
                    _LANES.linger_s,
                    "200ms",
                ),
            }
        ),
        "How events are put together into calls.",
    ),
    "lanes": Option(kinds.count(1, 1024), "Ordered queues, each with one call on the wire.", _LANES.lanes, "4"),
    "timeout": Option(
        kinds.duration(0.05, 600), "Deadline of a whole call, not of its phases.", _LANES.timeout_s, "15s"
    ),
    "backoff": Option(
        Section(
            {
                "first": Option(
                    kinds.duration(0.01, 600), "The first wait is at most this.", _LANES.backoff_first_s, "500ms"
                ),
                "cap": Option(kinds.duration(0.01, 3600), "No wait is above this.", _LANES.backoff_cap_s, "30s"),
            }
        ),
        "Waits between attempts: full jitter, doubling.",
    ),
    "probe": Option(kinds.duration(0.1, 3600), "Between the probes of a hold.", _LANES.probe_s, "30s"),
    "rate": Option(
        kinds.rate(), "Calls per time of all processes together.", shown_default="the kind's own, if it documents one"
    ),
}
"""What every destination understands."""

OF_KIND: Mapping[str, Mapping[str, Option]] = {
    "copilot": {
        "collect_path": Option(kinds.text(), "Path below `url` of the collect endpoint.", None, "/v2/collect"),
        "consent_path": Option(kinds.text(), "Path below `url` of the consent endpoint.", None, "the API's own"),
    },
    "customerio": {
        "call_bytes": Option(kinds.size(1000), "Most bytes of one event.", None, "32000"),
        "context": Option(kinds.JsonObject(), "`context` of every event that maps none.", None, "channel: server"),
        "integrations": Option(kinds.JsonObject(), "`integrations` of every event that maps none.", None, "{}"),
        "allow_events": Option(
            Several(kinds.text(), alone=True, empty=True),
            "Reserved event names that act or destroy, and that the mapping may use all the same.",
            None,
            "none",
        ),
    },
    "yotpo": {
        "store_id": Option(kinds.text(), "The store's id (its app key).", required=True),
        "source": Option(kinds.text(), "`source` of every event: snake_case.", None, "cdp_consumer"),
        "keys": Option(
            Named(kinds.text(), empty=True),
            "Other names for keys of the body: any of source, type, occurred_at, id, customer, properties.",
            None,
            "the names themselves",
        ),
        "wrapper": Option(kinds.text(), "A key the whole body is wrapped in.", None, "none"),
    },
}
"""What one kind understands beside it, and passes to its options as it is."""


def destination(kind: str) -> Section:
    """Return the table of one destination of `kind`."""
    secrets = {name: Option(kinds.SecretValue(), _FROM, required=True) for name in KINDS[kind].secrets}
    return Section({**DESTINATION, **secrets, **OF_KIND.get(kind, {})})


PIPELINE = kinds.either(
    Section(
        {
            "destinations": Option(Several(kinds.text()), "Destinations that read through this group.", (), "", True),  # noqa: FBT003 — required
            "shared_pace": Option(
                kinds.choice("accepted"), "`accepted`: a destination's rate may slow the others of the group down."
            ),
        }
    ),
    Several(kinds.text()),
    table=False,
)

TOP: Mapping[str, Option] = {
    "kafka": Option(
        Named(kinds.Property(), values.kafka_property),
        f"librdkafka properties, except those the promises rest on; `bootstrap.servers` is mandatory. {_ONCE}",
        default={},
        required=True,
    ),
    "topics": Option(
        Several(Word(values.topic, {"type": "string"}), alone=True),
        "Topics to read: names, or regular expressions, which begin with `^`.",
        default=(),
        required=True,
    ),
    "start": Option(
        Word(values.start, {"type": "string"}),
        "Where a group starts: `earliest`, `latest` or an instant.",
        "earliest",
        "earliest",
    ),
    "schemas": Option(
        Section(
            {
                "registry": Option(
                    Named(kinds.Property()),
                    "The schema registry's properties, as confluent-kafka's client names them; `url` is mandatory. "
                    + _ONCE,
                    shown_default="none",
                ),
                "directory": Option(
                    kinds.FilePath(), "Folder of *.avsc files, for single-object encoding and checks.", None, "none"
                ),
                "grace": Option(
                    kinds.duration(0, _DAY_S),
                    "How old a record of an unknown schema must be to be given up.",
                    300.0,
                    "5m",
                ),
            }
        ),
        "Where writer schemas come from.",
    ),
    "mapping": Option(
        Several(kinds.FilePath(), alone=True), "The mapping: a file, or a list of files.", default=(), required=True
    ),
    "dead_letters": Option(
        Section(
            {
                "topic": Option(
                    Word(values.named_topic, {"type": "string", "pattern": f"^{values.TOPIC_PATTERN}$"}),
                    "The dead-letter topic.",
                    DeadLetterSettings().topic,
                    DeadLetterSettings().topic,
                ),
                "connect_headers": Option(
                    kinds.truth(),
                    "Write the header names of Kafka Connect as well.",
                    default=False,
                    shown_default="false",
                ),
            }
        ),
        "What was refused for good.",
    ),
    "http": Option(
        Section(
            {
                "address": Option(
                    Word(values.address, {"type": "string"}),
                    "Where metrics, probes and the status page are served.",
                    (HttpSettings().host, HttpSettings().port),
                    "0.0.0.0:9464",
                )
            }
        ),
        "Metrics, probes and the status page.",
    ),
    "directives": Option(
        kinds.FilePath(), "What an operator may say while it runs. This version does not act on it.", None, "none"
    ),
    "budgets": Option(
        Section(
            {
                "drain": Option(
                    kinds.duration(0.1, _DAY_S),
                    "Time for deliveries on the wire when a partition goes or the service leaves.",
                    None,
                    "the smaller of 20s and a third of max.poll.interval.ms",
                ),
                "termination_grace": Option(
                    kinds.duration(1, _DAY_S), "What the platform grants between SIGTERM and SIGKILL.", 60.0, "60s"
                ),
                "records": Option(
                    kinds.count(1),
                    "Most records from the oldest that has not ended to the last taken, in one pipeline.",
                    _BUDGETS.records,
                    "100000",
                ),
                "bytes": Option(
                    kinds.size(1 << 20),
                    "Most bytes in flight in one pipeline: records, their headers, and the bodies made of them.",
                    _BUDGETS.bytes,
                    "64MiB",
                ),
            }
        ),
        "Limits of time and room, checked together at start.",
    ),
}
"""The file, without `pipelines` and `destinations`, which depend on one another."""
