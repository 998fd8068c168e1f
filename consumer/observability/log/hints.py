"""What to do about it: one sentence for each trouble that a log line names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from consumer.model import DeadLetterCause, SecretProblem, TransientCause

KAFKA: Final[Mapping[str, str]] = {
    "_ALL_BROKERS_DOWN": "no broker can be reached: is the address right, is the network open?",
    "_AUTHENTICATION": "the brokers do not take our credentials, or speak another mechanism",
    "_AUTO_OFFSET_RESET": "an offset is out of range: the partition waits until somebody accepts the gap",
    "_FATAL": "the client is dead; the process ends",
    "_MAX_POLL_EXCEEDED": "the poll thread was away too long and the group went on without us",
    "_RESOLVE": "a broker's name cannot be resolved",
    "_SSL": "TLS with a broker failed: certificate, authority or name",
    "_TRANSPORT": "a connection to a broker failed; the client tries again by itself",
    "CLUSTER_AUTHORIZATION_FAILED": "our principal lacks a right on the cluster",
    "GROUP_AUTHORIZATION_FAILED": "our principal may not read with this group",
    "OFFSET_OUT_OF_RANGE": "an offset is not in the log; where a directive accepts a gap, let `to` name one that is",
    "SASL_AUTHENTICATION_FAILED": "the brokers do not take our credentials",
    "TOPIC_AUTHORIZATION_FAILED": "our principal may not use this topic",
    "UNKNOWN_TOPIC_OR_PART": "a topic is missing",
}
"""By librdkafka's constant."""

STOPPED: Final = (
    "what should come next is not in the log any more: find out why, then accept the gap by a directive, "
    "or set the group's offset while it is stopped"
)

FENCED: Final = (
    "no commit was accepted for half a session, so the partitions may be another member's: calls wait for one; "
    "a frozen process, brokers that were away and a group that waits for one of its members mend by themselves"
)

REGISTRY: Final[Mapping[str, str]] = {
    "refused": "the schema registry rejects our credentials: mend the secret; records of this schema wait meanwhile",
    "unreachable": "the schema registry gives no usable answer; records of this schema wait, and it is asked again",
}
"""By what came of the question."""

HELD: Final[Mapping[str, str]] = {
    TransientCause.UNAUTHORIZED: "the credentials are rejected: mend the secret; a changed file is tried at once",
    TransientCause.GONE: "the address is not there: is the url right, has the interface moved?",
    TransientCause.UNEXPECTED: "unexpected response; check for a proxy in front of the API, or a changed API",
    TransientCause.UNINTELLIGIBLE: "2xx response with an unexpected body; check for a proxy in front of the API",
    TransientCause.CLOCK_SKEW: "the destination's clock and ours disagree: is the time on this machine right?",
}

SECRETS: Final[Mapping[SecretProblem, str]] = {
    SecretProblem.UNREADABLE: "the disk of the secret file does not answer; check its mount. The last secret is in use",
    SecretProblem.REJECTED: "the secret in its file is rejected, the last accepted secret still works; check the file",
}

LETTERS: Final[Mapping[str, str]] = {
    "UNKNOWN_TOPIC_OR_PART": "the dead-letter topic is missing: create it; commits wait for it",
    "TOPIC_AUTHORIZATION_FAILED": "our principal may not write to the dead-letter topic; commits wait for it",
    "MSG_SIZE_TOO_LARGE": "too large for its topic: it goes without its value, or raise the topic's max.message.bytes",
    "_MSG_TIMED_OUT": "the brokers did not acknowledge the letter in time; commits wait for it",
    "NOT_ENOUGH_REPLICAS": "the dead-letter topic has too few replicas in sync; commits wait for it",
}
"""By librdkafka's constant."""

_REGISTRY = "is this the right registry? If these records are what they seem, accept the refusals by a directive"
_MAPPING = "does the mapping still fit the events? Mend and roll it out, or accept the refusals by a directive"
_DESTINATION = (
    "has the destination changed what it takes? One is tried now and then; or accept the refusals by a directive"
)


def guarded(cause: DeadLetterCause) -> str:
    """Return what to do about a flood guard that tripped for this cause."""
    match cause:
        case DeadLetterCause.UNDECODABLE | DeadLetterCause.UNKNOWN_SCHEMA:
            return _REGISTRY
        case DeadLetterCause.UNMAPPABLE | DeadLetterCause.CONTRACT | DeadLetterCause.REPEATED_ELEMENT:
            return _MAPPING
        case _:
            return _DESTINATION
