"""What a test may ask of a broker, whichever one it runs on."""

import fcntl
import os
import random
import secrets
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

_VISIBLE_WITHIN_S = 120.0

_PORTS = range(20_000, 30_000)
"""Below those that a system gives to whoever asks for any: nobody gets a broker's by chance while it is down."""
_KEPT: list[int] = []
"""The locks of the ports that were given: the system lets go of them when this process ends, however it does."""


class Broker(ABC):
    """One Kafka for the whole session; tests keep apart by the names of their topics and groups.

    Attributes:
        name: "embedded" or "apache", as in the test's id.
        is_real: whether it is a Kafka that serves production elsewhere.
        bootstrap: its addresses as `bootstrap.servers` takes them.
        origin: where it comes from, for the report at the end of the session.
        session_ms: the group session that `client` asks for.
    """

    name: str
    is_real: bool
    bootstrap: str
    origin: str
    session_ms: int = 6000  # the shortest a broker allows by default

    def unique(self, prefix: str) -> str:
        """Return a name nobody else has, for a group or a transactional id."""
        return f"{prefix}-{secrets.token_hex(4)}"

    def client(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - librdkafka's properties are of several types
        """Return a client's configuration; names are librdkafka's with underscores for dots.

        Giving a `group_id` makes it a consumer's: the properties that only a consumer has are then added, and a short
        session, which a group of the new protocol (`group_protocol="consumer"`) may not name itself.
        """
        wanted = {name.replace("_", "."): value for name, value in more.items()}
        settings: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "reconnect.backoff.max.ms": 500}
        if "group.id" in wanted:
            # The embedded cluster answers an empty fetch only after this long, and so it is what a test waits for.
            settings["fetch.wait.max.ms"] = 20
            if wanted.get("group.protocol") != "consumer":
                settings["session.timeout.ms"] = self.session_ms
                settings["heartbeat.interval.ms"] = 500
        return settings | wanted

    def create_topic(self, name: str, partitions: int = 1, *, exact: bool = False, **config: str) -> str:
        """Create a topic, wait until it is visible, and return the name it really has.

        Args:
            name: what the name begins with; a suffix makes it unique.
            partitions: how many.
            exact: take the name as it stands.
            config: the topic's settings, with underscores for dots if you like: `cleanup_policy="compact"`.

        Raises:
            ValueError: settings on the embedded cluster, which has none.
        """
        topic = name if exact else self.unique(name)
        self._create(topic, partitions, {key.replace("_", "."): value for key, value in config.items()})
        self._await_visible(topic, partitions)
        return topic

    def restart(self) -> None:
        """Take the broker down and bring it back on the same port with everything it held."""
        self.stop()
        self.start()

    @abstractmethod
    def start(self) -> None:
        """Bring a stopped broker back; returns once it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Take the broker down; what it holds stays."""

    @abstractmethod
    def close(self) -> None:
        """End the broker for good."""

    @abstractmethod
    def _create(self, topic: str, partitions: int, config: dict[str, str]) -> None: ...

    def _await_visible(self, topic: str, partitions: int) -> None:
        """Wait until every partition has a leader: a producer would otherwise be told that the topic is unknown."""
        deadline = time.monotonic() + _VISIBLE_WITHIN_S
        client = Producer(self.client())
        while time.monotonic() < deadline:
            found = client.list_topics(timeout=_VISIBLE_WITHIN_S).topics.get(topic)
            if found and len(found.partitions) == partitions and all(p.leader >= 0 for p in found.partitions.values()):
                return
            client.poll(0.05)
        raise TimeoutError(f"topic {topic} is not visible on the {self.name} broker after {_VISIBLE_WITHIN_S:g} s")


class RealBroker(Broker):
    """An Apache Kafka that somebody else looks after: we may use it, not stop it.

    Args:
        bootstrap: its addresses.
        origin: where it comes from.
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


def answers(bootstrap: str, within_s: float) -> bool:
    """Whether a Kafka answers at these addresses before the time is over, and has a broker that may serve.

    One that has just started knows of none, itself included.
    """
    silent = {"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200}
    try:
        return bool(Producer(silent).list_topics(timeout=within_s).brokers)
    except KafkaException:
        return False


def free_port() -> int:
    """Return a port that nobody uses, and keep it from all other processes of these tests until this one ends.

    Raises:
        OSError: there is none.
    """
    locks = Path(tempfile.gettempdir()) / f"cdp-consumer-ports-{os.getuid()}"
    locks.mkdir(exist_ok=True)
    for port in random.sample(_PORTS, len(_PORTS)):
        lock = os.open(locks / str(port), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as one:
                one.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
        else:
            _KEPT.append(lock)
            return port
    raise OSError("no port is free")
