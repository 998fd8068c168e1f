"""The interface of a test's broker, embedded or real."""

import fcntl
import os
import random
import secrets
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

_VISIBLE_WITHIN_S = 120.0

_PORTS = range(20_000, 30_000)
"""Below the ephemeral ports of the system, so that no other process gets the port of a stopped broker by chance."""
_LOCKS: list[int] = []
"""The locks of the returned ports. The system releases them when this process ends, however it ends."""


class Broker(ABC):
    """One Kafka for the whole session. Tests are separated by the names of their topics and groups.

    Attributes:
        name: "embedded" or "apache", as in the test's id.
        is_real: whether it is an Apache Kafka.
        bootstrap: its addresses, in the format of `bootstrap.servers`.
        origin: its origin, for the report at the end of the session.
        session_ms: the session timeout that `client` sets.
    """

    name: str
    is_real: bool
    bootstrap: str
    origin: str
    session_ms: int = 6000  # the minimum that a broker accepts by default

    def unique(self, prefix: str) -> str:
        """Return a unique name, for a group or a transactional id."""
        return f"{prefix}-{secrets.token_hex(4)}"

    def client(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - librdkafka's properties are of several types
        """Return a client's configuration. Names are librdkafka's with underscores for dots.

        With a `group_id` it is a consumer's: consumer properties are added, and a short session timeout. A group of the
        new protocol (`group_protocol="consumer"`) cannot set that itself.
        """
        wanted = {name.replace("_", "."): value for name, value in more.items()}
        settings: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "reconnect.backoff.max.ms": 500}
        if "group.id" in wanted:
            # The embedded cluster responds to an empty fetch only after this time, and tests wait for it.
            settings["fetch.wait.max.ms"] = 20
            if wanted.get("group.protocol") != "consumer":
                settings["session.timeout.ms"] = self.session_ms
                settings["heartbeat.interval.ms"] = 500
        return settings | wanted

    def create_topic(self, name: str, partitions: int = 1, *, exact: bool = False, **config: str) -> str:
        """Create a topic, wait until it is visible, and return its actual name.

        Args:
            name: the beginning of the name; a suffix makes it unique.
            partitions: the number of partitions.
            exact: use the name without a suffix.
            config: the topic's settings. Underscores may stand for dots: `cleanup_policy="compact"`.

        Raises:
            ValueError: settings on the embedded cluster, which has none.
        """
        topic = name if exact else self.unique(name)
        self._create(topic, partitions, {key.replace("_", "."): value for key, value in config.items()})
        self._await_visible(topic, partitions)
        return topic

    def restart(self) -> None:
        """Stop the broker and start it again on the same port with its data."""
        self.stop()
        self.start()

    @abstractmethod
    def start(self) -> None:
        """Start a stopped broker. Return once it responds."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the broker. Its data stays."""

    @abstractmethod
    def close(self) -> None:
        """End the broker permanently."""

    @abstractmethod
    def _create(self, topic: str, partitions: int, config: dict[str, str]) -> None: ...

    def _await_visible(self, topic: str, partitions: int) -> None:
        """Wait until every partition has a leader. Before that a producer gets `UNKNOWN_TOPIC`."""
        deadline = time.monotonic() + _VISIBLE_WITHIN_S
        client = Producer(self.client())
        while time.monotonic() < deadline:
            found = client.list_topics(timeout=_VISIBLE_WITHIN_S).topics.get(topic)
            if found and len(found.partitions) == partitions and all(p.leader >= 0 for p in found.partitions.values()):
                return
            client.poll(0.05)
        raise TimeoutError(f"topic {topic} is not visible on the {self.name} broker after {_VISIBLE_WITHIN_S:g} s")


class RealBroker(Broker):
    """An Apache Kafka that is not ours: tests use it but cannot stop it.

    Args:
        bootstrap: its addresses.
        origin: its origin.
    """

    name = "apache"
    is_real = True

    def __init__(self, bootstrap: str, origin: str) -> None:
        self.bootstrap = bootstrap
        self.origin = origin

    def start(self) -> None:
        pytest.skip(f"this Kafka is not ours to start: {self.origin}")

    def stop(self) -> None:
        pytest.skip(f"this Kafka is not ours to stop: {self.origin}")

    def close(self) -> None:
        """Leave it as it is."""

    def _create(self, topic: str, partitions: int, config: dict[str, str]) -> None:
        admin = AdminClient(self.client())
        admin.create_topics([NewTopic(topic, partitions, config=config)])[topic].result(timeout=_VISIBLE_WITHIN_S)


def responds(bootstrap: str, within_s: float) -> bool:
    """Return whether a Kafka at these addresses responds in time and knows a broker.

    One that has just started knows no broker, not even itself.
    """
    quiet = {"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200}
    try:
        return bool(Producer(quiet).list_topics(timeout=within_s).brokers)
    except KafkaException:
        return False


def free_port(ports: Sequence[int] = _PORTS) -> int:
    """Return an unused port, and reserve it among all test processes until this one ends.

    Raises:
        OSError: there is none.
    """
    locks = Path(tempfile.gettempdir()) / f"cdp-consumer-ports-{os.getuid()}"
    locks.mkdir(exist_ok=True)
    for port in random.sample(ports, len(ports)):
        lock = os.open(locks / str(port), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as one:
                one.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
        else:
            _LOCKS.append(lock)
            return port
    raise OSError("no port is free")
