"""Produce orders during a scenario, and wait until the servers have all deliveries."""

from __future__ import annotations

import random
from typing import Any

from tests.e2e import kafka_io
from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import Shop
from tests.e2e.world import World

_WITHIN_S = 180.0


class OrderProducer(Shop):
    """The only producer of a world's topic.

    Args:
        world: has the topic.
        seed: reproduces the records.
        customers: number of customers, each with its own key.
    """

    def __init__(self, world: World, seed: int, *, customers: int = 200) -> None:
        super().__init__(world.topic, world.partitions, world.pipelines, random.Random(seed), customers=customers)
        self._world = world
        self._produced_count = 0

    def orders(self, count: int, **like: Any) -> list[ProducedRecord]:  # noqa: ANN401 - each of its own type
        """Create orders owed to every destination, produce and return them; `like` is passed to `order`."""
        for _ in range(count):
            self.order(**{"vip": True, **like})
        return self.produce()

    def produce(self) -> list[ProducedRecord]:
        """Produce the records that were created but not produced yet, and return them."""
        new = self.records[self._produced_count :]
        self._produced_count = len(self.records)
        kafka_io.produce(self._world.broker, self._world.topic, new)
        return new

    def missing(self, *names: str) -> dict[str, set[str]]:
        """Return, by server, the ids owed to it that it has not stored; for the servers in `names`, or all."""
        stored = {name: self._world.servers[name].stored_ids() for name in names or self._world.servers}
        due: dict[str, set[str]] = {name: set() for name in stored}
        for record in self.records[: self._produced_count]:
            for one in record.owed:
                if one.cause is None and one.destination in due and one.stored_id not in stored[one.destination]:
                    due[one.destination].add(one.stored_id)
        return {name: ids for name, ids in due.items() if ids}

    def wait_until_delivered(self, *names: str, within_s: float = _WITHIN_S) -> None:
        """Wait until these servers, or all, have stored everything owed to them."""
        try:
            self._world.copilot.wait_until(lambda: not self.missing(*names), within_s)
        except TimeoutError:
            left = {name: len(ids) for name, ids in self.missing(*names).items()}
            raise AssertionError(f"still missing after {within_s:g} s: {left}") from None
