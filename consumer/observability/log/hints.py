"""What to do about a problem: one imperative sentence for each, shown in the log, in /status and on the status page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from consumer.model import DeadLetterCause, SecretProblem, TransientCause

KAFKA: Final[Mapping[str, str]] = {
    "_ALL_BROKERS_DOWN": "Check bootstrap.servers and the network: no broker can be reached.",
    "_AUTHENTICATION": "Check the Kafka credentials and sasl.mechanism: the brokers reject them.",
    "_AUTO_OFFSET_RESET": "Accept the gap with a directive: an offset is out of range, and its partition waits.",
    "_FATAL": "Check the errors logged before this one: the client cannot continue, and the process ends.",
    "_MAX_POLL_EXCEEDED": "Check the CPU limit: the poll thread was late, and the group reassigned its partitions.",
    "_RESOLVE": "Check the broker's host name and DNS: the name cannot be resolved.",
    "_SSL": "Check the TLS settings: the broker's certificate, its authority or its host name does not match.",
    "_TRANSPORT": "Check the broker and the network if this repeats; the client reconnects by itself.",
    "CLUSTER_AUTHORIZATION_FAILED": "Grant our principal the missing right on the cluster.",
    "GROUP_AUTHORIZATION_FAILED": "Grant our principal READ on this consumer group.",
    "OFFSET_OUT_OF_RANGE": "Set `to` of the accept_gap directive to an offset that is in the log.",
    "SASL_AUTHENTICATION_FAILED": "Check the Kafka credentials: the brokers reject them.",
    "TOPIC_AUTHORIZATION_FAILED": "Grant our principal the missing right on this topic.",
    "UNKNOWN_TOPIC_OR_PART": "Create the topic, or correct its name: it does not exist.",
}
"""By librdkafka's constant."""

STOPPED: Final = (
    "Find out why this offset is gone from the log, then accept the gap with a directive "
    "(or set the group's offset while the service is stopped)."
)

FENCED: Final = (
    "Check the brokers if this lasts: no commit was accepted for half the session timeout. "
    "Requests resume by themselves after a freeze, a broker outage or a rebalance."
)

REGISTRY: Final[Mapping[str, str]] = {
    "refused": "Fix the schema registry's credentials: it rejects them, and records with this schema wait.",
    "unreachable": "Check the schema registry: it gives no usable response, and records with this schema wait.",
    "schema_needs_decryption": (
        "Check the schema's rules: one encrypts or transforms its records, and they wait. "
        "Map another topic, or quarantine each record."
    ),
}
"""By the result of the fetch."""

HELD: Final[Mapping[str, str]] = {
    TransientCause.UNAUTHORIZED: "Fix the credentials: they are rejected. A changed secret file is tried at once.",
    TransientCause.GONE: "Check the destination's url: the API does not exist at this address, or has moved.",
    TransientCause.UNEXPECTED: "Check for a proxy in front of the API, or a changed API: the response is unexpected.",
    TransientCause.UNINTELLIGIBLE: "Check for a proxy in front of the API: a 2xx response has an unexpected body.",
    TransientCause.CLOCK_SKEW: "Check the time on this machine: the destination's clock differs, or is not known.",
}

SECRETS: Final[Mapping[SecretProblem, str]] = {
    SecretProblem.UNREADABLE: "Check the mount of the secret file: its disk does not respond.",
    SecretProblem.REJECTED: "Check the secret file: the destination rejects its content.",
    SecretProblem.INVALID: "Fix the secret file: it must contain one line of text, without quotes.",
}

DEAD_LETTERS: Final[Mapping[str, str]] = {
    "UNKNOWN_TOPIC_OR_PART": "Create the dead-letter topic: it does not exist, and commits wait for it.",
    "TOPIC_AUTHORIZATION_FAILED": "Grant our principal WRITE on the dead-letter topic: commits wait for it.",
    "MSG_SIZE_TOO_LARGE": "Raise max.message.bytes of the dead-letter topic: dead letters are written without value.",
    "_MSG_TIMED_OUT": "Check the brokers: they did not acknowledge the dead letter in time, and commits wait for it.",
    "NOT_ENOUGH_REPLICAS": "Check the dead-letter topic's replicas: too few are in sync, and commits wait.",
}
"""By librdkafka's constant."""

_REGISTRY = (
    "Check that this is the right schema registry; "
    "if the records really are undecodable, accept the refusals with a directive."
)
_MAPPING = "Fix the mapping and roll it out, or accept the refusals with a directive."
_DESTINATION = (
    "Check whether the destination has changed what it accepts (probes continue), "
    "or accept the refusals with a directive."
)


def flood_guard_hint(cause: DeadLetterCause) -> str:
    """Return what to do about a flood guard that tripped for this cause."""
    match cause:
        case DeadLetterCause.UNDECODABLE | DeadLetterCause.UNKNOWN_SCHEMA:
            return _REGISTRY
        case DeadLetterCause.UNMAPPABLE | DeadLetterCause.CONTRACT | DeadLetterCause.REPEATED_ELEMENT:
            return _MAPPING
        case _:
            return _DESTINATION
