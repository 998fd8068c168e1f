"""The librdkafka properties of the consumer and of the dead-letter producer, and those that a user may not set."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from confluent_kafka import Consumer, KafkaException, Producer, libversion

Start: TypeAlias = Literal["earliest", "latest"] | int
"""The oldest records, the time of the group's first assignment, or an instant in epoch milliseconds."""

LIBRDKAFKA_LOG = logging.getLogger("librdkafka")
"""Receives the client's own log lines, during `poll`. Without a logger the client prints them on standard error."""

_MUTE = logging.getLogger("librdkafka.muted")
_MUTE.addHandler(logging.NullHandler())
_MUTE.propagate = False

_DEFAULTS: Mapping[str, str] = {
    "client.id": "cdp-consumer",
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "cooperative-sticky",
    # With the default of a second, fetching stops for a second whenever the local queue was full.
    "fetch.queue.backoff.ms": "50",
    # Part of the memory ceiling: the default is 64 MiB for each client.
    "queued.max.messages.kbytes": "16384",
    "max.poll.interval.ms": "300000",
    # New partitions, and new topics of a pattern, are found within this time. The default is five minutes.
    "topic.metadata.refresh.interval.ms": "30000",
    # Bounds a synchronous commit, which has no timeout of its own. The default is a minute.
    "socket.timeout.ms": "10000",
}

_SESSION_TIMEOUT_MS = 45_000  # librdkafka's default

_METADATA_INTERVAL_S = (1.0, 300.0)
"""The limits of the time between two listings of all topics. -1 turns the client's own listings off, but not ours."""

KIP848_SESSION_S = 6.0
"""With the new protocol the brokers set the session timeout, and the client cannot read it. A short one is assumed."""

_FORCED: Mapping[str, str] = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",
    "enable.partition.eof": "false",
    "allow.auto.create.topics": "false",
}

_RESERVED: Mapping[str, str] = {
    "group.id": "the group is the pipeline's name",
    "enable.auto.commit": "offsets are committed only after delivery",
    "enable.auto.offset.store": "offsets are committed only after delivery",
    "auto.offset.reset": "a missing offset is never skipped over: use `start` for where a group begins",
    "enable.partition.eof": "the consumer sets it itself",
    "allow.auto.create.topics": "a missing topic is waited for, not created",
    "statistics.interval.ms": "the statistics show that a client has lost every broker",
    "transactional.id": "dead letters are written outside of transactions",
    "delivery.report.only.error": "a delivery is settled by the delivery report of its dead letter",
    "default.topic.config": "topic properties are set like all others",
    "logger": "it belongs to the Python client and is no librdkafka property",
}

_RESERVED_WITH_NEW_PROTOCOL = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")

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
    # A dead letter that cannot be written is reported after this time, and written again. The default is five minutes.
    "message.timeout.ms": "30000",
    # A missing topic is reported after this time. The default is half a minute.
    "topic.metadata.propagation.max.ms": "5000",
    "linger.ms": "5",
}

_PRODUCER_FORCED: Mapping[str, str] = {
    "acks": "all",
    "enable.idempotence": "true",
    # A dead letter is as large as its record and some headers. The topic limits it, not this client.
    "message.max.bytes": "1000000000",
}

_BROKER_SCHEME = re.compile(r"(?:PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)://", re.IGNORECASE)
_BROKER = re.compile(
    rf"(?:{_BROKER_SCHEME.pattern})?(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?", re.IGNORECASE
)
_DEFAULT_PORT = 9092
_HIGHEST_PORT = 65_535

_PRODUCER_ALIASES = frozenset({"request.required.acks", "max.in.flight", "max.in.flight.requests.per.connection"})
"""Dropped: an alias of `acks`, and properties that idempotence limits."""


@dataclass(frozen=True, slots=True)
class PollOptions:
    """The options of one pipeline's poll thread.

    Attributes:
        properties: the user's librdkafka properties, unchanged.
        group: the consumer group.
        topics: names, and patterns that begin with `^`.
        start: where the group starts if it has no commit.
        drain_s: the drain timeout: seconds that requests in flight may take to end when partitions are revoked.
        kip848_session_s: the brokers' `group.consumer.session.timeout.ms`, in seconds. Used with the new protocol only.
        commit_interval_s: seconds between two commits of committable offsets.
        max_batch_records: the maximum number of records in one hand-over.
        own_topics: topics that the service writes itself, which no pattern matches.
    """

    properties: Mapping[str, str]
    group: str
    topics: tuple[str, ...]
    start: Start
    drain_s: float
    kip848_session_s: float = KIP848_SESSION_S
    commit_interval_s: float = 1.0
    max_batch_records: int = 500
    own_topics: frozenset[str] = frozenset()


def is_new_protocol(properties: Mapping[str, str]) -> bool:
    """Return whether the group uses the protocol of KIP-848 (`group.protocol=consumer`)."""
    return str(properties.get("group.protocol", "classic")).lower() == "consumer"


def is_incremental(properties: Mapping[str, str]) -> bool:
    """Return whether partitions are assigned and revoked one by one. Eager protocols revoke all of them first."""
    strategy = str(properties.get("partition.assignment.strategy", _DEFAULTS["partition.assignment.strategy"]))
    return is_new_protocol(properties) or "cooperative" in strategy


def session_timeout_s(properties: Mapping[str, str], kip848_session_s: float) -> float:
    """Return the session timeout in seconds: the earliest time at which the group removes a silent member.

    Args:
        properties: the user's properties. With the new protocol they cannot contain it.
        kip848_session_s: the session timeout with the new protocol.
    """
    if is_new_protocol(properties):
        return kip848_session_s
    return _milliseconds(properties, "session.timeout.ms", _SESSION_TIMEOUT_MS)


def max_poll_interval_s(properties: Mapping[str, str]) -> float:
    """Return the maximum time between two polls, in seconds."""
    return _milliseconds(properties, "max.poll.interval.ms", int(_DEFAULTS["max.poll.interval.ms"]))


def commit_timeout_s(properties: Mapping[str, str]) -> float:
    """Return the maximum time of a synchronous commit, in seconds: the client's socket timeout."""
    return _milliseconds(properties, "socket.timeout.ms", int(_DEFAULTS["socket.timeout.ms"]))


def metadata_interval_s(properties: Mapping[str, str]) -> float:
    """Return the time in which a topic that newly matches a pattern is found, in seconds."""
    name = "topic.metadata.refresh.interval.ms"
    shortest_s, longest_s = _METADATA_INTERVAL_S
    wanted_s = _milliseconds(properties, name, int(_DEFAULTS[name]))
    return min(max(wanted_s, shortest_s), longest_s) if wanted_s > 0 else longest_s


def effective_properties(options: PollOptions) -> dict[str, str]:
    """Return the consumer's properties: the defaults, then the user's, then those that the promises depend on."""
    given = {name: str(value) for name, value in options.properties.items()}
    defaults = dict(_DEFAULTS)
    if is_new_protocol(given):
        for name in _RESERVED_WITH_NEW_PROTOCOL:
            defaults.pop(name, None)  # librdkafka does not start with them, even with their default values
    return {**defaults, **given, **_FORCED, "group.id": options.group}


def reserved_complaints(properties: Mapping[str, str]) -> list[str]:
    """Return a message for each property that a user may not set."""
    found = [f"{name}: may not be set: {reason}" for name, reason in _RESERVED.items() if name in properties]
    # For some of these the client raises another error than KafkaException if the value is text.
    found += [
        f"{name}: may not be set: callbacks of the client are not properties" for name in properties if "_" in name
    ]
    if is_new_protocol(properties):
        found += [
            f"{name}: may not be set with group.protocol=consumer: the brokers decide it for the group"
            for name in _RESERVED_WITH_NEW_PROTOCOL
            if name in properties
        ]
    return found


def _time_complaints(properties: Mapping[str, str]) -> list[str]:
    """Return a message for each time of the budgets or the fence that is not written in plain digits.

    librdkafka reads `0x10` and `010` as C does, and stops at the first character that is no digit. It would use another
    time than we do.
    """
    return [
        f"{name}: is not a plain number of milliseconds: write digits only, without leading zeros"
        for name in ("session.timeout.ms", "max.poll.interval.ms", "socket.timeout.ms")
        if name in properties and not re.fullmatch(r"[1-9][0-9]*", str(properties[name]))
    ]


def complaints(properties: Mapping[str, str]) -> list[str]:
    """Return a message for each unusable property, including librdkafka's own errors.

    Creates and closes both clients, without any broker to connect to. That takes a few milliseconds.
    """
    times = _time_complaints(properties)
    found = reserved_complaints(properties) + times
    rest = {name: str(value) for name, value in properties.items() if name not in _RESERVED and "_" not in name}
    # The client cuts a value at a zero character, and raises for half of a surrogate pair.
    for name in [name for name, value in rest.items() if re.search(r"[\x00\ud800-\udfff]", value)]:
        found.append(f"{name}: holds a character that no property can have")
        del rest[name]
    rest = {name: value for name, value in rest.items() if not any(one.startswith(f"{name}:") for one in times)}
    if is_new_protocol(rest):
        rest = {name: value for name, value in rest.items() if name not in _RESERVED_WITH_NEW_PROTOCOL}
    for name in ("bootstrap.servers", "metadata.broker.list"):
        brokers = rest.pop(name, None)
        if brokers is not None and (complaint := _brokers_complaint(brokers)) is not None:
            found.append(f"{name}: {complaint}")
    for client_error, suffix in ((_consumer_error, ""), (_producer_error, " (for the dead-letter producer)")):
        while (message := client_error(rest)) is not None:
            if message not in found:
                found.append(f"{message}{suffix}")
            named = [name for name in rest if f'"{name}"' in message or f"`{name}`" in message]
            if not named:
                break  # the error names none of the properties: another attempt would fail alike
            for name in named:
                del rest[name]
    return found


def _brokers_complaint(brokers: str) -> str | None:
    """Return why this is no list of brokers. librdkafka would drop such an entry, or look for a host of that name.

    It accepts blanks and empty entries, and each entry may begin with a security protocol.
    """
    entries = [each.strip() for each in brokers.split(",")]
    given = [each for each in entries if each]
    if not given:
        return "names no broker"
    for number, entry in enumerate(given, 1):
        match = _BROKER.fullmatch(entry)
        if match is not None and 0 < int(match["port"] or _DEFAULT_PORT) <= _HIGHEST_PORT:
            continue
        scheme = "://" in entry and _BROKER_SCHEME.match(entry) is None
        what = "begins with a scheme that Kafka does not have" if scheme else "is not `host:port`"
        return f"broker {number} of {len(given)} {what}"
    return None


def _consumer_error(properties: Mapping[str, str]) -> str | None:
    return _client_error(Consumer, effective_properties(PollOptions(properties, "check", (), "earliest", 0)))


def _producer_error(properties: Mapping[str, str]) -> str | None:
    """Return the dead-letter producer's error: idempotence adds conditions that the consumer does not have."""
    return _client_error(Producer, producer_properties(properties))


def _client_error(client: Callable[..., Consumer | Producer], properties: dict[str, str]) -> str | None:
    try:
        made = client(properties, logger=_MUTE)
    except KafkaException as error:
        return re.sub(r"^Failed to create (consumer|producer): ", "", str(error.args[0].str()).strip())
    if isinstance(made, Consumer):
        made.close()
    return None


def _milliseconds(properties: Mapping[str, str], name: str, default_ms: int) -> float:
    """Return a property in seconds. For a text that is no number return the default: librdkafka reports it."""
    try:
        return float(properties.get(name, default_ms)) / 1000
    except ValueError:
        return default_ms / 1000


def librdkafka_version() -> str:
    """Return the version of librdkafka inside the client, such as `2.16.0`."""
    return str(libversion()[0])


def producer_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the producer's properties: the defaults, then the user's that a producer has, then the forced ones."""
    given = {
        name: str(value)
        for name, value in properties.items()
        if name not in _CONSUMER_ONLY and name not in _PRODUCER_ALIASES and not name.startswith(("fetch.", "queued."))
    }
    return {**_PRODUCER_DEFAULTS, **given, **_PRODUCER_FORCED}
