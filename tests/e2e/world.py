"""Everything around the service: three strict servers, a registry, topics, and the files that name them."""

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
"""How long the members under test wait for an answer: no server here is slower than that unless it is meant."""

PARTITIONS = 4

CANARY = "canary-7f3e"
"""Every secret there is: it must be found nowhere that people read."""


class World:
    """What a member meets, for as long as the `with` block lasts.

    Args:
        broker: whose Kafka.
        folder: where the files go.
        pipelines: pipeline → destinations, by plain names; the groups get names that nobody else has.
        partitions: of the events' topic.
        topics: whether the two topics are created now.
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
        """Let Copilot list every event with this tag among its `invalid_events`."""
        mark = MarkInvalid("not a property of this type", lambda item: tag.encode() in item.raw)
        return self.copilot.faults.add(mark, when=contains(tag), name="200 with invalid")

    def create_topic(self) -> None:
        """Create the topic the events go to."""
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
        kafka["topic.metadata.refresh.interval.ms"] = 1000  # a topic that is made while a member waits is seen soon
        common = {"timeout": f"{timeout_s:g}s", "backoff": {"first": "100ms", "cap": "1s"}, "probe": "1s", "lanes": 4}
        batch = {"batch": {"events": 50, "linger": "50ms"}}
        destinations = {
            "copilot": {"url": self.copilot.url, "client_id": "id", "client_secret": CANARY, **common, **batch},
            "customerio": {"url": self.customerio.url, "api_key": CANARY, **common, **batch},
            # Its documented rate is a few calls a second: that is another test's matter.
            "yotpo": {"url": self.yotpo.url, "store_id": "store", "secret": CANARY, "rate": "1000/s", **common},
        }
        used = {destination for members in self.pipelines.values() for destination in members}
        for name, options in destinations.items():
            options["enabled"] = name in used
        said = {
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
        # JSON is YAML, and needs no library to write.
        self.config.write_text(json.dumps(said, indent=1), encoding="utf-8")

    def member(self, *options: str) -> Member:
        """Start a member."""
        self._started += 1
        return Member(self.config, self.folder / f"member-{self._started}.log", *options)
