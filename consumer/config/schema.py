"""The keys of the file: what each accepts and means, and its default. Validation and JSON Schema use the same table."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.config import field_types, scalar_parsers
from consumer.config.schema_nodes import ListOption, MapOption, Option, ScalarOption, Section
from consumer.config.settings import Budgets, DeadLetterSettings, HttpSettings
from consumer.delivery.guards.flood_guard import FloodGuardOptions

_DAY_S = 86_400.0
_ONCE = "A secret among them (`{file: path}`) is read once, at start: to change it, restart."
_GUARD = FloodGuardOptions()
_BUDGETS = Budgets()

PIPELINE = field_types.either(
    Section(
        {
            "destinations": Option(
                ListOption(field_types.text()), "The destinations of this group.", (), required=True
            ),
            "shared_pace": Option(
                field_types.choice("accepted"),
                "`accepted`: the rate limit of one destination may slow down the others of the group.",
            ),
        }
    ),
    ListOption(field_types.text()),
    table=False,
)

TOP: Mapping[str, Option] = {
    "kafka": Option(
        MapOption(field_types.Property(), scalar_parsers.kafka_property),
        "librdkafka properties, except those that delivery guarantees depend on. `bootstrap.servers` is mandatory. "
        + _ONCE,
        default={},
        required=True,
    ),
    "topics": Option(
        ListOption(ScalarOption(scalar_parsers.topic, {"type": "string"}), alone=True),
        "Topics to read: names, or patterns that begin with `^` (regular expressions of RE2).",
        default=(),
        required=True,
    ),
    "start": Option(
        ScalarOption(scalar_parsers.start, {"type": "string"}),
        "Where a group starts: `earliest`, `latest` or an instant with its time zone.",
        "earliest",
        "earliest",
    ),
    "schemas": Option(
        Section(
            {
                "registry": Option(
                    MapOption(field_types.Property()),
                    "The schema registry's properties, with the names of confluent-kafka's client. `url` is mandatory. "
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
                    "How old a record with an unknown schema must be before it is dead-lettered.",
                    300.0,
                    "5m",
                ),
            }
        ),
        "Sources of the writer schemas.",
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
        "Dead letters: events that will never be delivered.",
    ),
    "http": Option(
        Section(
            {
                "address": Option(
                    ScalarOption(scalar_parsers.address, {"type": "string"}),
                    "Address of metrics, probes and the status page.",
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
                    "Refusals of one event type (or topic, if not decoded) for one cause before the guard can trip.",
                    _GUARD.refusals,
                    "50",
                ),
                "window": Option(
                    field_types.duration(1, _DAY_S), "The period in which refusals are counted.", _GUARD.window_s, "10m"
                ),
                "share": Option(
                    field_types.share(),
                    "The guard trips only above this share of the type's verdicts; 1 disables it.",
                    _GUARD.share,
                    "0.5",
                ),
            }
        ),
        "When refusals are too many to be single bad events: then they wait and are not dead-lettered.",
    ),
    "directives": Option(field_types.FilePath(), "A file of operator directives; re-read every second.", None, "none"),
    "budgets": Option(
        Section(
            {
                "drain": Option(
                    field_types.duration(0.1, _DAY_S),
                    "Time for requests in flight to end when a partition is revoked or the service shuts down.",
                    None,
                    "the smaller of 20s and a third of max.poll.interval.ms",
                ),
                "termination_grace": Option(
                    field_types.duration(1, _DAY_S),
                    "Time that the platform grants between SIGTERM and SIGKILL.",
                    60.0,
                    "60s",
                ),
                "session": Option(
                    field_types.duration(1, _DAY_S),
                    "Only with `group.protocol: consumer`: the brokers' `group.consumer.session.timeout.ms`. "
                    "No request starts after half of it without an accepted commit.",
                    None,
                    "6s, a safe value; the brokers' own default is 45s",
                ),
                "records": Option(
                    field_types.count(1),
                    "Maximum records of one pipeline, from the oldest unfinished one to the latest accepted one.",
                    _BUDGETS.records,
                    "100000",
                ),
                "bytes": Option(
                    field_types.size(1 << 20),
                    "Maximum bytes in flight in one pipeline: records, their headers, and their request bodies.",
                    _BUDGETS.bytes,
                    "64MiB",
                ),
            }
        ),
        "Limits of time and memory, checked together at start.",
    ),
}
"""The file without `pipelines` and `destinations`, which depend on each other."""
