"""What really happened, as servers, the dead-letter topic and the broker tell it: the oracle's other half."""

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
    """Everything an oracle judges.

    Attributes:
        topic: the events' topic.
        arrivals: by destination, everything its server took, repeats included, in the order it took them.
        requests: by destination, its server's log of ended requests.
        letters: the dead-letter topic.
        log_ends: by partition.
        committed: by pipeline, by partition.
        timeout_s: when members give a call up.
        cut: monotonic seconds at which a member was killed, and all its calls with it.
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
    """Ask everyone, once all members are gone and no server holds an answer back any more."""
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
    """Wait for the last answers: a call is in the log when it has ended, not before."""
    server.wait_until(lambda: server.in_flight == 0, 180)
