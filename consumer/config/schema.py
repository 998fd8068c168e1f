"""The file's table: every key, what it accepts and means, its default. Validation and JSON Schema both read it."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.config import field_types, scalar_parsers
from consumer.config.schema_nodes import ListOption, MapOption, Option, ScalarOption, Section
from consumer.config.settings import Budgets, DeadLetterSettings, HttpSettings
from consumer.delivery.guards.flood_guard import FloodGuardOptions

_DAY_S = 86_400.0
_ONCE = "A secret among them (`{file: path}`) is read once, at start: a changed one needs a restart."
_GUARD = FloodGuardOptions()
_BUDGETS = Budgets()

PIPELINE = field_types.either(
    Section(
        {
            "destinations": Option(
                ListOption(field_types.text()), "Destinations that read through this group.", (), required=True
            ),
            "shared_pace": Option(
                field_types.choice("accepted"),
                "`accepted`: a destination's rate may slow the others of the group down.",
            ),
        }
    ),
    ListOption(field_types.text()),
    table=False,
)

TOP: Mapping[str, Option] = {
    "kafka": Option(
        MapOption(field_types.Property(), scalar_parsers.kafka_property),
        f"librdkafka properties, except those the promises rest on; `bootstrap.servers` is mandatory. {_ONCE}",
        default={},
        required=True,
    ),
    "topics": Option(
        ListOption(ScalarOption(scalar_parsers.topic, {"type": "string"}), alone=True),
        "Topics to read: names, or regular expressions, which begin with `^`.",
        default=(),
        required=True,
    ),
    "start": Option(
        ScalarOption(scalar_parsers.start, {"type": "string"}),
        "Where a group starts: `earliest`, `latest` or an instant.",
        "earliest",
        "earliest",
    ),
    "schemas": Option(
        Section(
            {
                "registry": Option(
                    MapOption(field_types.Property()),
                    "The schema registry's properties, as confluent-kafka's client names them; `url` is mandatory. "
                    + _ONCE,
                    shown_default="none",
                ),
                "directory": Option(
                    field_types.FilePath(),
                    "Folder of *.avsc files, for single-object encoding and checks.",
                    None,
                    "none",
                ),
                "grace": Option(
                    field_types.duration(0, _DAY_S),
                    "How old a record of an unknown schema must be to be given up.",
                    300.0,
                    "5m",
                ),
            }
        ),
        "Where writer schemas come from.",
    ),
    "mapping": Option(
        ListOption(field_types.FilePath(), alone=True),
        "The mapping: a file, or a list of files.",
        default=(),
        required=True,
    ),
    "dead_letters": Option(
        Section(
            {
                "topic": Option(
                    ScalarOption(
                        scalar_parsers.named_topic, {"type": "string", "pattern": f"^{scalar_parsers.TOPIC_PATTERN}$"}
                    ),
                    "The dead-letter topic.",
                    DeadLetterSettings().topic,
                    DeadLetterSettings().topic,
                ),
                "connect_headers": Option(
                    field_types.truth(),
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
                    ScalarOption(scalar_parsers.address, {"type": "string"}),
                    "Where metrics, probes and the status page are served.",
                    (HttpSettings().host, HttpSettings().port),
                    "0.0.0.0:9464",
                )
            }
        ),
        "Metrics, probes and the status page.",
    ),
    "flood_guard": Option(
        Section(
            {
                "refusals": Option(
                    field_types.count(1),
                    "Refusals of one event type (or topic, if not decoded) for one cause, after which more wait.",
                    _GUARD.refusals,
                    "50",
                ),
                "window": Option(
                    field_types.duration(1, _DAY_S), "The time they are counted in.", _GUARD.window_s, "10m"
                ),
                "share": Option(
                    field_types.share(),
                    "And they must be more than this share of the type's verdicts; at 1 none ever waits.",
                    _GUARD.share,
                    "0.5",
                ),
            }
        ),
        "When refusals are too many to be single bad events: then they wait, and are no dead letters.",
    ),
    "directives": Option(
        field_types.FilePath(), "A file of what an operator may say while it runs; re-read every second.", None, "none"
    ),
    "budgets": Option(
        Section(
            {
                "drain": Option(
                    field_types.duration(0.1, _DAY_S),
                    "Time for deliveries on the wire when a partition goes or the service leaves.",
                    None,
                    "the smaller of 20s and a third of max.poll.interval.ms",
                ),
                "termination_grace": Option(
                    field_types.duration(1, _DAY_S),
                    "What the platform grants between SIGTERM and SIGKILL.",
                    60.0,
                    "60s",
                ),
                "session": Option(
                    field_types.duration(1, _DAY_S),
                    "With `group.protocol: consumer` only: their `group.consumer.session.timeout.ms`. Calls wait when "
                    "no commit was accepted for half of it.",
                    None,
                    "6s, to be on the safe side; the brokers' own default is 45s",
                ),
                "records": Option(
                    field_types.count(1),
                    "Most records from the oldest that has not ended to the last taken, in one pipeline.",
                    _BUDGETS.records,
                    "100000",
                ),
                "bytes": Option(
                    field_types.size(1 << 20),
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
