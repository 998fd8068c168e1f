"""Which partitions are paused: what has no room, and what may not be read now.

A change is told to the client only for the partitions it concerns: a resume of what was not paused would cost nothing,
but a pause throws away what was fetched ahead, and the next record comes a second after the resume.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from confluent_kafka import Consumer, TopicPartition

from consumer.model import Partition
from consumer.model.observer import Observer


class Pauses:
    """The pauses of one consumer; called by its thread.

    Args:
        observer: told which partitions are paused for want of room, when that changes.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        # By tenure: a partition goes back resumed, so a pause ends with the tenure it was made in.
        self._paused: dict[Partition, int] = {}
        self._full: frozenset[Partition] = frozenset()
        self._held: Mapping[Partition, int] = {}

    def match(
        self,
        consumer: Consumer,
        held: Mapping[Partition, int],
        full: frozenset[Partition],
        barred: Collection[Partition],
    ) -> None:
        """Pause what is full or barred, and resume the rest.

        Args:
            consumer: the thread's consumer.
            held: the tenures in force.
            full: partitions with no room.
            barred: partitions that may not be read for other reasons.
        """
        wanted = {one: tenure for one, tenure in held.items() if one in full or one in barred}
        paused = {one for one, tenure in self._paused.items() if held.get(one) == tenure}
        if pause := wanted.keys() - paused:
            consumer.pause([TopicPartition(*partition) for partition in pause])
        # A partition can come paused (its start was not committed yet), and be committed before the first look here:
        # without a resume of what is new it would stay silent until the next rebalance.
        came = {one for one, tenure in held.items() if self._held.get(one) != tenure}
        self._held = held
        if resume := (paused | came) - wanted.keys():
            consumer.resume([TopicPartition(*partition) for partition in resume])
        self._paused = wanted
        if (now_full := full & held.keys()) != self._full:
            self._full = now_full
            self._observer.paused(now_full)
