"""Chooses the Apache Kafka of the tests, in order: a given one, one in a container, one from its jars."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kafka_clusters.apache import ApacheBroker, ApacheKafkaError
from tests.kafka_clusters.broker import RealBroker, responds
from tests.kafka_clusters.container import ContainerBroker, NoContainerError
from tests.kafka_clusters.jars import NoJarsError

_GIVEN_RESPONDS_WITHIN_S = 60.0

_Provider = Callable[[], RealBroker]


@dataclass(frozen=True, slots=True)
class Choice:
    """The result of the choice.

    Attributes:
        broker: the Apache Kafka, if there is one.
        reasons: why each earlier provider has none.
    """

    broker: RealBroker | None
    reasons: tuple[str, ...]


class NotGivenError(Exception):
    """`KAFKA_BOOTSTRAP_SERVERS` cannot be used. The text contains the reason."""


def choose(environment: Mapping[str, str], folder: Path, *, timeout_s: float = _GIVEN_RESPONDS_WITHIN_S) -> Choice:
    """Return the first available Apache Kafka.

    Args:
        environment: may contain `KAFKA_BOOTSTRAP_SERVERS` and `CDP_EMBEDDED_ONLY`.
        folder: for the files of a broker of our own.
        timeout_s: seconds in which a given Kafka must respond.

    Raises:
        NotGivenError: `KAFKA_BOOTSTRAP_SERVERS` is set and nothing responds there. No other broker is meant then.
    """
    if environment.get("CDP_EMBEDDED_ONLY"):
        return Choice(None, ("CDP_EMBEDDED_ONLY is set",))
    given = environment.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        if not responds(given, timeout_s):
            raise NotGivenError(f"KAFKA_BOOTSTRAP_SERVERS={given}: no Kafka responds there")
        return Choice(RealBroker(given, f"KAFKA_BOOTSTRAP_SERVERS={given}"), ())
    return first_of((ContainerBroker, lambda: ApacheBroker(folder)))


def first_of(providers: tuple[_Provider, ...]) -> Choice:
    """Return the first provider's broker, with the reasons of the providers before it."""
    reasons: list[str] = []
    for provide in providers:
        try:
            return Choice(provide(), tuple(reasons))
        except (NoContainerError, NoJarsError, ApacheKafkaError) as reason:
            reasons.append(str(reason))
    return Choice(None, tuple(reasons))


def choose_here(folder: Path) -> Choice:
    """Choose with this process's environment."""
    return choose(os.environ, folder)
