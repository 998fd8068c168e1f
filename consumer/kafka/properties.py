"""Which librdkafka properties the consumer and the producer of dead letters run with, and which no user may set."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from confluent_kafka import Consumer, KafkaException, Producer, libversion

Start: TypeAlias = Literal["earliest", "latest"] | int
"""The oldest records, the moment of the group's first assignment, or an instant in epoch milliseconds."""

LIBRDKAFKA_LOG = logging.getLogger("librdkafka")
"""Where the client's own log lines go, handed out by `poll`; without a logger they are printed on standard error."""

_MUTE = logging.getLogger("librdkafka.muted")
_MUTE.addHandler(logging.NullHandler())
_MUTE.propagate = False

_DEFAULTS: Mapping[str, str] = {
    "client.id": "cdp-consumer",
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "cooperative-sticky",
    # With the default, a second, fetching stops for a second whenever the local queue was full.
    "fetch.queue.backoff.ms": "50",
    # Part of the memory ceiling: the default is 64 MiB for each client.
    "queued.max.messages.kbytes": "16384",
    "max.poll.interval.ms": "300000",
    # New partitions and new topics of a pattern are found within this time; the default is five minutes.
    "topic.metadata.refresh.interval.ms": "30000",
    # A synchronous commit takes no timeout of its own: this bounds it. The default is a minute.
    "socket.timeout.ms": "10000",
}

_SESSION_TIMEOUT_MS = 45_000  # librdkafka's default

KIP848_SESSION_S = 6.0
"""A group of the new protocol has its session from its brokers, and no client is told: a short one is assumed."""

_FORCED: Mapping[str, str] = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",
    "enable.partition.eof": "false",
    "allow.auto.create.topics": "false",
}

_REFUSED: Mapping[str, str] = {
    "group.id": "the group is the pipeline's name",
    "enable.auto.commit": "offsets are committed only after delivery",
    "enable.auto.offset.store": "offsets are committed only after delivery",
    "auto.offset.reset": "a missing offset is never skipped over: use `start` for where a group begins",
    "enable.partition.eof": "it is the consumer's own",
    "allow.auto.create.topics": "a missing topic is waited for, not created",
    "statistics.interval.ms": "a client that has lost every broker is found by its statistics",
    "transactional.id": "dead letters are written outside of transactions",
    "delivery.report.only.error": "a delivery is settled by the report that its dead letter was written",
    "default.topic.config": "topic properties stand among the others",
    "logger": "it is the Python client's, and no librdkafka property",
}

_REFUSED_BY_THE_NEW_PROTOCOL = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")

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

_PRODUCER_DEFAULTS: Mapping[str, str] = {
    "client.id": "cdp-consumer",
    # A letter that could not be written is said after this long, and written again. The default is five minutes.
    "message.timeout.ms": "30000",
    # A topic that is missing is said after this long; the default is half a minute.
    "topic.metadata.propagation.max.ms": "5000",
    "linger.ms": "5",
}

_PRODUCER_FORCED: Mapping[str, str] = {
    "acks": "all",
    "enable.idempotence": "true",
    # A letter is as large as its record and some headers: what fits is the topic's to say, not this client's.
    "message.max.bytes": "1000000000",
}

_PRODUCER_REPLACED = frozenset({"request.required.acks", "max.in.flight", "max.in.flight.requests.per.connection"})


@dataclass(frozen=True, slots=True)
class PollOptions:
    """What one pipeline's poll thread is told.

    Attributes:
        properties: the user's librdkafka properties, as they stand.
        group: the consumer group.
        topics: names, or regular expressions that begin with `^`.
        start: where the group starts if it never committed.
        drain_s: how long calls on the wire may take to end when partitions go.
        untold_session_s: the brokers' `group.consumer.session.timeout.ms`, in seconds; only the new protocol needs it.
        commit_every_s: how often the committable offset is committed, in seconds.
        lot: the most records handed over at once.
    """

    properties: Mapping[str, str]
    group: str
    topics: tuple[str, ...]
    start: Start
    drain_s: float
    kip848_session_s: float = KIP848_SESSION_S
    commit_interval_s: float = 1.0
    max_batch_records: int = 500


def is_new_protocol(properties: Mapping[str, str]) -> bool:
    """Whether the group is one of KIP-848 (`group.protocol=consumer`)."""
    return str(properties.get("group.protocol", "classic")).lower() == "consumer"


def is_incremental(properties: Mapping[str, str]) -> bool:
    """Whether partitions come and go one by one; eager protocols take all away first."""
    strategy = str(properties.get("partition.assignment.strategy", _DEFAULTS["partition.assignment.strategy"]))
    return is_new_protocol(properties) or "cooperative" in strategy


def session_timeout_s(properties: Mapping[str, str], kip848_session_s: float) -> float:
    """Return after how many seconds of silence the group takes this member for dead, at the earliest.

    Args:
        properties: the user's; with the new protocol they cannot say it.
        kip848_session_s: what it is then.
    """
    if is_new_protocol(properties):
        return kip848_session_s
    return _milliseconds(properties, "session.timeout.ms", _SESSION_TIMEOUT_MS)


def max_poll_interval_s(properties: Mapping[str, str]) -> float:
    """Return how long the thread may stay away from `poll`, in seconds."""
    return _milliseconds(properties, "max.poll.interval.ms", int(_DEFAULTS["max.poll.interval.ms"]))


def commit_timeout_s(properties: Mapping[str, str]) -> float:
    """Return how long a synchronous commit may take, in seconds: the client's socket timeout."""
    return _milliseconds(properties, "socket.timeout.ms", int(_DEFAULTS["socket.timeout.ms"]))


def effective_properties(options: PollOptions) -> dict[str, str]:
    """Return what the consumer is really given: defaults, then the user's, then what the promises rest on."""
    given = {name: str(value) for name, value in options.properties.items()}
    defaults = dict(_DEFAULTS)
    if is_new_protocol(given):
        for name in _REFUSED_BY_THE_NEW_PROTOCOL:
            defaults.pop(name, None)  # librdkafka refuses to start with them, even with their default values
    return {**defaults, **given, **_FORCED, "group.id": options.group}


def reserved_complaints(properties: Mapping[str, str]) -> list[str]:
    """Return a sentence for each property that is not the user's to set."""
    found = [f"{name}: may not be set: {reason}" for name, reason in _REFUSED.items() if name in properties]
    # Given as text the client raises for some of these what is no KafkaException.
    found += [f"{name}: may not be set: hooks of the client are not properties" for name in properties if "_" in name]
    if is_new_protocol(properties):
        found += [
            f"{name}: may not be set with group.protocol=consumer: the brokers decide it for the group"
            for name in _REFUSED_BY_THE_NEW_PROTOCOL
            if name in properties
        ]
    return found


def _complaints_of_times(properties: Mapping[str, str]) -> list[str]:
    """Return a sentence for each time that the budgets and the fence go by and that is not written plainly.

    librdkafka reads `0x10` and `010` as C does, and stops at the first character that is no digit: it would go by
    another time than we do.
    """
    return [
        f"{name}: is not a plain number of milliseconds: write digits only, without leading zeros"
        for name in ("session.timeout.ms", "max.poll.interval.ms", "socket.timeout.ms")
        if name in properties and not re.fullmatch(r"[1-9][0-9]*", str(properties[name]))
    ]


def complaints(properties: Mapping[str, str]) -> list[str]:
    """Return a sentence for each property that cannot be used, librdkafka's own objections included.

    Both clients that run with them are made and closed, without any broker to connect to: a few milliseconds.
    """
    times = _complaints_of_times(properties)
    found = reserved_complaints(properties) + times
    rest = {name: str(value) for name, value in properties.items() if name not in _REFUSED and "_" not in name}
    # The client cuts a value at a zero character, and falls over half of a surrogate pair.
    for name in [name for name, value in rest.items() if re.search(r"[\x00\ud800-\udfff]", value)]:
        found.append(f"{name}: holds a character that no property can have")
        del rest[name]
    rest = {name: value for name, value in rest.items() if not any(said.startswith(f"{name}:") for said in times)}
    if is_new_protocol(rest):
        rest = {name: value for name, value in rest.items() if name not in _REFUSED_BY_THE_NEW_PROTOCOL}
    rest.pop("bootstrap.servers", None)
    rest.pop("metadata.broker.list", None)
    for trial, whose in ((_consumer_objection, ""), (_letters_objection, " (for the producer of dead letters)")):
        while (objection := trial(rest)) is not None:
            if objection not in found:
                found.append(f"{objection}{whose}")
            named = [name for name in rest if f'"{name}"' in objection or f"`{name}`" in objection]
            if not named:
                break  # it names none of theirs: asking again would say the same
            for name in named:
                del rest[name]
    return found


def _consumer_objection(properties: Mapping[str, str]) -> str | None:
    return _objection(Consumer, effective_properties(PollOptions(properties, "check", (), "earliest", 0)))


def _letters_objection(properties: Mapping[str, str]) -> str | None:
    """Return what the producer of dead letters has against the properties: it rests on more than the consumer."""
    return _objection(Producer, producer_properties(properties))


def _objection(client: Callable[..., Consumer | Producer], properties: dict[str, str]) -> str | None:
    try:
        made = client(properties, logger=_MUTE)
    except KafkaException as error:
        return re.sub(r"^Failed to create (consumer|producer): ", "", str(error.args[0].str()).strip())
    if isinstance(made, Consumer):
        made.close()
    return None


def _milliseconds(properties: Mapping[str, str], name: str, default_ms: int) -> float:
    """Return a property in seconds; what is no number is librdkafka's to complain about."""
    try:
        return float(properties.get(name, default_ms)) / 1000
    except ValueError:
        return default_ms / 1000


def librdkafka_version() -> str:
    """Return the version of librdkafka inside the client, such as `2.16.0`."""
    return str(libversion()[0])


def producer_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Return what the producer is really given: defaults, what of the user's concerns it, and what a letter needs."""
    given = {
        name: str(value)
        for name, value in properties.items()
        if name not in _CONSUMER_ONLY and name not in _PRODUCER_REPLACED and not name.startswith(("fetch.", "queued."))
    }
    return {**_PRODUCER_DEFAULTS, **given, **_PRODUCER_FORCED}
