"""The evidence that the oracle judges: from the servers, the dead-letter topic and the broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.recorder import Arrival, ReceivedRequest
from tests.e2e import kafka_io
from tests.e2e.kafka_io import DeadLetter
from tests.e2e.world import TIMEOUT_S, World


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the oracle judges.

    Attributes:
        topic: the events' topic.
        arrivals: by destination, every event its server accepted, repeats included, in order.
        requests: by destination, the finished requests of its server.
        dead_letters: the records of the dead-letter topic.
        log_ends: by partition.
        committed: by pipeline, by partition.
        timeout_s: the members' request timeout.
        killed_at: monotonic seconds at which a member was killed, which ended all its requests.
    """

    topic: str
    arrivals: Mapping[str, Sequence[Arrival]]
    requests: Mapping[str, Sequence[ReceivedRequest]]
    dead_letters: Sequence[DeadLetter]
    log_ends: Mapping[int, int]
    committed: Mapping[str, Mapping[int, int]]
    timeout_s: float = TIMEOUT_S
    killed_at: tuple[float, ...] = field(default=())


def gather(world: World, *, timeout_s: float = TIMEOUT_S, killed_at: tuple[float, ...] = ()) -> Evidence:
    """Collect the evidence. All members must have ended, and no server may hold back a response."""
    for server in world.servers.values():
        _wait_until_idle(server)
    return Evidence(
        topic=world.topic,
        arrivals={name: server.received for name, server in world.servers.items()},
        requests={name: server.requests for name, server in world.servers.items()},
        dead_letters=kafka_io.read_dead_letters(world.broker, world.dead_letters),
        log_ends=kafka_io.log_ends(world.broker, world.topic, world.partitions),
        committed={
            name: kafka_io.committed(world.broker, name, world.topic, world.partitions) for name in world.pipelines
        },
        timeout_s=timeout_s,
        killed_at=killed_at,
    )


def _wait_until_idle(server: Fake) -> None:
    """Wait for the last responses: a request is recorded only when it is finished."""
    server.wait_until(lambda: server.in_flight == 0, 180)
