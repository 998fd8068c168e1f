"""Which Apache Kafka the tests get, in order: the one they are given, one in a container, one from its jars."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kafka_clusters.apache import ApacheBroker, ApacheKafkaError
from tests.kafka_clusters.broker import RealBroker, answers
from tests.kafka_clusters.container import ContainerBroker, NoContainerError
from tests.kafka_clusters.jars import NoJarsError

_GIVEN_ANSWERS_WITHIN_S = 60.0

_Provider = Callable[[], RealBroker]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was found.

    Attributes:
        broker: the Apache Kafka, if there is one.
        reasons: why each provider asked before it could not give one.
    """

    broker: RealBroker | None
    reasons: tuple[str, ...]


class NotGivenError(Exception):
    """`KAFKA_BOOTSTRAP_SERVERS` cannot be used; the text says why."""


def choose(environment: Mapping[str, str], folder: Path) -> Choice:
    """Return the first Apache Kafka that can be had.

    Args:
        environment: where `KAFKA_BOOTSTRAP_SERVERS` and `CDP_EMBEDDED_ONLY` stand.
        folder: where a broker of our own may keep its files.

    Raises:
        NotGivenError: `KAFKA_BOOTSTRAP_SERVERS` is set and nothing answers there: whoever set it means that one.
    """
    if environment.get("CDP_EMBEDDED_ONLY"):
        return Choice(None, ("CDP_EMBEDDED_ONLY is set",))
    given = environment.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        if not answers(given, _GIVEN_ANSWERS_WITHIN_S):
            raise NotGivenError(f"KAFKA_BOOTSTRAP_SERVERS={given}: no Kafka answers there")
        return Choice(RealBroker(given, f"KAFKA_BOOTSTRAP_SERVERS={given}"), ())
    return first_of((ContainerBroker, lambda: ApacheBroker(folder)))


def first_of(providers: tuple[_Provider, ...]) -> Choice:
    """Return the first broker a provider gives, with the reasons of those asked before."""
    reasons: list[str] = []
    for provide in providers:
        try:
            return Choice(provide(), tuple(reasons))
        except (NoContainerError, NoJarsError, ApacheKafkaError) as reason:
            reasons.append(str(reason))
    return Choice(None, tuple(reasons))


def choose_here(folder: Path) -> Choice:
    """Choose by this process's environment."""
    return choose(os.environ, folder)
