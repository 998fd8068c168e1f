"""Faults of the broker, the dead-letter topic and the schema registry."""

from __future__ import annotations

import os
import signal
from random import Random
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.fault_injection.fault import ActiveFault, Fault

if TYPE_CHECKING:
    from tests.fault_injection.storm import Storm

BROKER = ("broker",)
_WITHIN_S = 120.0
_MAX_AGE = "message.timestamp.before.max.ms"
_ANY_AGE = str(2**63 - 1)


def _stopped(storm: Storm, _: str, __: Random) -> ActiveFault:
    storm.broker.stop()
    return ActiveFault(lambda: 1, storm.broker.start)


def _killed(storm: Storm, _: str, __: Random) -> ActiveFault:
    storm.broker.kill()
    return ActiveFault(lambda: 1, storm.broker.start)


def _paused(storm: Storm, _: str, __: Random) -> ActiveFault:
    pid = storm.broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return ActiveFault(lambda: 1, lambda: os.kill(pid, signal.SIGCONT))


def _dead_letters_refused(storm: Storm, _: str, __: Random) -> ActiveFault:
    """Make the topic refuse every record, as too old. The Kafka client does not retry this error by itself."""
    topic = storm.world.dead_letters
    before = storm.dead_letters_refused()
    _alter(storm, topic, "0")
    storm.produce_bad_records()
    return ActiveFault(lambda: storm.dead_letters_refused() - before, lambda: _alter(storm, topic, _ANY_AGE))


def _alter(storm: Storm, topic: str, value: str) -> None:
    entry = ConfigEntry(_MAX_AGE, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient(storm.broker.client())
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(_WITHIN_S)


def _registry_down(storm: Storm, _: str, __: Random) -> ActiveFault:
    """Stop the registry and start a member: running members have every schema already."""
    registry = storm.world.registry
    before, registry.down = registry.unavailable_responses, True
    storm.members.shut_down(storm.members.choose())
    storm.members.start_one()

    def over() -> None:
        registry.down = False

    return ActiveFault(lambda: registry.unavailable_responses - before, over)


FAULTS = (
    Fault("broker restarted", BROKER, (0.2, 1.5), _stopped, also=("members", "dead letters")),
    Fault("broker killed", BROKER, (0.2, 1.0), _killed, also=("members", "dead letters")),
    Fault("broker paused", BROKER, (0.5, 1.5), _paused, also=("members", "dead letters")),
    Fault("dead letters refused", ("dead letters",), (0.5, 2.0), _dead_letters_refused, also=BROKER),
    Fault("registry down", ("registry",), (1.0, 3.0), _registry_down, also=("members", "broker")),
)
