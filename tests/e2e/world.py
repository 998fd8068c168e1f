"""The environment of the service under test: three strict servers, a registry, topics, and the configuration files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import MarkInvalid, Rule, contains
from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.demo.registry import SchemaRegistry
from tests.e2e import schemas
from tests.e2e.member import Member
from tests.kafka_clusters import Broker

TIMEOUT_S = 3.0
"""The members' request timeout. Only a server with an injected fault is slower."""

PARTITIONS = 4

CANARY = "canary-7f3e"
"""The value of every secret. It must not appear in any output."""


class World:
    """The environment of the members, while the `with` block lasts.

    Args:
        broker: the Kafka cluster.
        folder: the folder for the configuration and the logs.
        pipelines: pipeline → destinations. A unique suffix is added to the pipelines' names.
        partitions: partitions of the events' topic.
        topics: whether to create the two topics now.
    """

    def __init__(
        self,
        broker: Broker,
        folder: Path,
        pipelines: Mapping[str, tuple[str, ...]],
        *,
        partitions: int = PARTITIONS,
        topics: bool = True,
    ) -> None:
        self.broker = broker
        self.folder = folder
        self.partitions = partitions
        self.pipelines = {broker.unique(name): members for name, members in pipelines.items()}
        self.topic, self.dead_letters = broker.unique("events"), broker.unique("dead-letters")
        if topics:
            self.create_topic()
            self.create_dead_letters()
        self.copilot = FakeCopilot(client_id="id", client_secret=CANARY)
        self.customerio = FakeCustomerio(api_key=CANARY)
        self.yotpo = FakeYotpo(store_id="store", secret=CANARY, rate=None)
        self.servers: dict[str, Fake] = {
            "copilot": self.copilot,
            "customerio": self.customerio,
            "yotpo": self.yotpo,
        }
        self.server_thread = ThreadRunner(*self.servers.values())
        known = {number: schemas.SCHEMAS[name] for name, number in schemas.IDS.items() if name != schemas.MERGE}
        self.registry = SchemaRegistry(schemas.registered(known))
        self._stack = ExitStack()
        self._started = 0

    def mark_invalid(self, tag: str) -> Rule:
        """Make Copilot list every event with this tag in `invalid_events`."""
        mark = MarkInvalid("not a property of this type", lambda item: tag.encode() in item.raw)
        return self.copilot.faults.add(mark, when=contains(tag), name="200 with invalid")

    def create_topic(self) -> None:
        """Create the topic of the events."""
        self.broker.create_topic(self.topic, self.partitions, exact=True)

    def create_dead_letters(self) -> None:
        """Create the dead-letter topic."""
        self.broker.create_topic(self.dead_letters, exact=True)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.server_thread)
            stack.enter_context(self.registry)
            self._stack = stack.pop_all()
        schemas.write(self.folder)
        self.configure()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "cdp.yaml"

    def configure(self, *, bootstrap: str | None = None, timeout_s: float = TIMEOUT_S, drain_s: float = 20.0) -> None:
        """Write the configuration file."""
        kafka = {**self.broker.client(group_id="-"), "bootstrap.servers": bootstrap or self.broker.bootstrap}
        del kafka["group.id"]
        kafka["topic.metadata.refresh.interval.ms"] = 1000  # so that a topic created while a member waits is found soon
        common = {"timeout": f"{timeout_s:g}s", "backoff": {"first": "100ms", "cap": "1s"}, "probe": "1s", "lanes": 4}
        batch = {"batch": {"events": 50, "linger": "50ms"}}
        destinations = {
            "copilot": {"url": self.copilot.url, "client_id": "id", "client_secret": CANARY, **common, **batch},
            "customerio": {"url": self.customerio.url, "api_key": CANARY, **common, **batch},
            # The documented rate is a few requests a second. Other tests cover it.
            "yotpo": {"url": self.yotpo.url, "store_id": "store", "secret": CANARY, "rate": "1000/s", **common},
        }
        used = {destination for members in self.pipelines.values() for destination in members}
        for name, options in destinations.items():
            options["enabled"] = name in used
        document = {
            "kafka": kafka,
            "topics": [self.topic],
            "start": "earliest",
            "schemas": {"registry": {"url": self.registry.url}, "directory": "avro"},
            "mapping": "mapping.yaml",
            "pipelines": {
                name: list(members) if len(members) == 1 else {"destinations": list(members), "shared_pace": "accepted"}
                for name, members in self.pipelines.items()
            },
            "destinations": destinations,
            "dead_letters": {"topic": self.dead_letters},
            "http": {"address": "127.0.0.1:0"},
            "budgets": {"drain": f"{drain_s:g}s"},
        }
        # JSON is valid YAML and needs no library.
        self.config.write_text(json.dumps(document, indent=1), encoding="utf-8")

    def member(self, *options: str) -> Member:
        """Start a member."""
        self._started += 1
        return Member(self.config, self.folder / f"member-{self._started}.log", *options)
