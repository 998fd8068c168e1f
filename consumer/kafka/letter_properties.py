"""Which librdkafka properties the producer of dead letters runs with."""

from __future__ import annotations

from collections.abc import Mapping

_CONSUMER_ONLY = frozenset(
    {
        "allow.auto.create.topics",
        "auto.offset.reset",
        "check.crcs",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "group.remote.assignor",
        "heartbeat.interval.ms",
        "isolation.level",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "partition.assignment.strategy",
        "session.timeout.ms",
    }
)

_DEFAULTS: Mapping[str, str] = {
    "client.id": "cdp-consumer",
    # A letter that could not be written is said after this long, and written again. The default is five minutes.
    "message.timeout.ms": "30000",
    # A topic that is missing is said after this long; the default is half a minute.
    "topic.metadata.propagation.max.ms": "5000",
    "linger.ms": "5",
}

_FORCED: Mapping[str, str] = {
    "acks": "all",
    "enable.idempotence": "true",
    # A letter is as large as its record and some headers: what fits is the topic's to say, not this client's.
    "message.max.bytes": "1000000000",
}

_REPLACED = frozenset({"request.required.acks", "max.in.flight", "max.in.flight.requests.per.connection"})


def producer_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Return what the producer is really given: defaults, what of the user's concerns it, and what a letter needs."""
    given = {
        name: str(value)
        for name, value in properties.items()
        if name not in _CONSUMER_ONLY and name not in _REPLACED and not name.startswith(("fetch.", "queued."))
    }
    return {**_DEFAULTS, **given, **_FORCED}
