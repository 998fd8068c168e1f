"""The keys of a destination: what each accepts and means, and its default."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.config import field_types
from consumer.config.schema_nodes import JsonSchema, ListOption, MapOption, Option, Section
from consumer.delivery.options import DestinationOptions
from consumer.destinations.kinds import KINDS

_MONTH_S = 30 * 86_400.0
_FROM = "A secret: from the environment (`${NAME}`) or from a file (`{file: path}`)."
_LANES = DestinationOptions()
_POISON_DETECTION = _LANES.poison_detection

EVERY: Mapping[str, Option] = {
    "kind": Option(field_types.choice(*KINDS), "The kind of destination.", shown_default="the destination's name"),
    "enabled": Option(field_types.truth(), "Whether events are delivered to it.", default=True, shown_default="true"),
    "url": Option(field_types.url(), "Base address of the destination's API.", required=True),
    "batch": Option(
        Section(
            {
                "events": Option(
                    field_types.count(1), "Maximum events in one request.", shown_default="the kind's working limit"
                ),
                "bytes": Option(
                    field_types.size(1000), "Maximum bytes in one request.", shown_default="the kind's working limit"
                ),
                "linger": Option(
                    field_types.duration(0, 60),
                    "How long a batch that is not full waits for more events.",
                    _LANES.linger_s,
                    "200ms",
                ),
            }
        ),
        "How events are combined into requests.",
    ),
    "lanes": Option(field_types.count(1, 1024), "Ordered queues, each with one request in flight.", _LANES.lanes, "4"),
    "timeout": Option(
        field_types.duration(0.05, 600), "Deadline of a whole request, not of each phase.", _LANES.timeout_s, "15s"
    ),
    "backoff": Option(
        Section(
            {
                "first": Option(
                    field_types.duration(0.01, 600), "Upper bound of the first wait.", _LANES.backoff.first_s, "500ms"
                ),
                "cap": Option(
                    field_types.duration(0.01, 3600), "Upper bound of every wait.", _LANES.backoff.cap_s, "30s"
                ),
            }
        ),
        "Back-off between attempts: doubles each time, with full jitter.",
    ),
    "probe": Option(
        field_types.duration(0.1, 3600), "Time between the probes of a held endpoint.", _LANES.probe_s, "30s"
    ),
    "rate": Option(
        field_types.rate(),
        "Maximum requests per unit of time, of all processes together.",
        shown_default="the kind's own, if it documents one",
    ),
    "poison_detection": Option(
        Section(
            {
                "failures": Option(
                    field_types.count(1),
                    "A batch that failed this often, while other requests to the endpoint succeeded, is split.",
                    _POISON_DETECTION.failures,
                    "5",
                ),
                "other_successes": Option(
                    field_types.count(1),
                    "Other requests to the endpoint that must succeed between two failures for a failure to count.",
                    _POISON_DETECTION.other_successes,
                    "1",
                ),
                "give_up_after": Option(
                    field_types.duration(0, _MONTH_S),
                    "Time from its first such failure until a single event is dead-lettered as `never_accepted`.",
                    _POISON_DETECTION.give_up_after_s,
                    "1h",
                ),
                "give_up_successes": Option(
                    field_types.count(1),
                    "Other events that must have been delivered to the endpoint since that failure.",
                    _POISON_DETECTION.give_up_successes,
                    "100",
                ),
            },
            renamed={"successes": "other_successes", "after": "give_up_after", "others": "give_up_successes"},
        ),
        "When to dead-letter an event that the destination neither accepts nor refuses.",
    ),
}
"""The keys of every destination."""

_RENAMED = {"suspects": "poison_detection"}

OF_KIND: Mapping[str, Mapping[str, Option]] = {
    "copilot": {
        "collect_path": Option(field_types.text(), "Path below `url` of the collect endpoint.", None, "/v2/collect"),
        "consent_path": Option(field_types.text(), "Path below `url` of the consent endpoint.", None, "the API's own"),
    },
    "customerio": {
        "call_bytes": Option(field_types.size(1000), "Maximum bytes of one event.", None, "32000"),
        "context": Option(
            field_types.JsonObject(), "`context` of every event whose mapping has none.", None, "channel: server"
        ),
        "integrations": Option(
            field_types.JsonObject(), "`integrations` of every event whose mapping has none.", None, "{}"
        ),
        "allow_events": Option(
            ListOption(field_types.text(), alone=True, empty=True),
            "Reserved event names that change or delete data and that the mapping may nevertheless use.",
            None,
            "none",
        ),
    },
    "yotpo": {
        "store_id": Option(field_types.text(), "The store's id (its app key).", required=True),
        "source": Option(field_types.text(), "`source` of every event, in snake_case.", None, "cdp_consumer"),
        "keys": Option(
            MapOption(field_types.text(), empty=True),
            "Other names for keys of the body: source, type, occurred_at, id, customer, properties.",
            None,
            "the names themselves",
        ),
        "wrapper": Option(field_types.text(), "A key that wraps the whole body.", None, "none"),
    },
}
"""The additional keys of each kind. Their values are passed to its options unchanged."""


def of_kind(kind: str) -> Section:
    """Return the section of one destination of `kind`."""
    secrets = {name: Option(field_types.SecretValue(), _FROM, required=True) for name in KINDS[kind].secrets}
    return Section({**EVERY, **secrets, **OF_KIND.get(kind, {})}, renamed=_RENAMED)


def json_schema(kind: str) -> JsonSchema:
    """Return the JSON Schema of one destination of `kind`. A disabled one may leave out its mandatory keys."""
    schema = of_kind(kind).schema()
    required = schema.pop("required")
    disabled = {"properties": {"enabled": {"const": False}}, "required": ["enabled"]}
    return {**schema, "if": disabled, "else": {"required": required}}
