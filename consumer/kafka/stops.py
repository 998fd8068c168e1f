"""Partitions whose next offset is not to be had: nothing is skipped over, they wait until an operator accepts the gap.

Non-obvious:

* What was taken before the stop is still owed. An acceptance is acted on once all of that has ended: the new tenure
  commits beyond it, and would make its deliveries be forgotten.
* An acceptance is for the stop it met. Were it good for another one, a later gap would be passed over silently for as
  long as the directive stands in its file.
* A partition whose fetching has failed cannot be sought in (`Local: Erroneous state`): it is assigned anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException

from consumer.directive import AcceptGap
from consumer.kafka.commits import Commits
from consumer.kafka.hatch import Road
from consumer.kafka.membership import Membership
from consumer.model import Partition
from consumer.observe import Observer

_ASK_AGAIN_S = 1.0


class _Used(NamedTuple):
    """An acceptance, the offset of the stop it was used for, and the tenure it began."""

    gap: AcceptGap
    offset: int
    began: int


class Stop(NamedTuple):
    """Where a partition stopped: in which tenure, before which offset, and the client's name for the reason."""

    tenure: int
    offset: int
    code: str


class Stops:
    """The stops of one consumer; every method is called by its thread.

    Args:
        membership: what is held.
        commits: told that only the frontier counts; asked what is still owed.
        road: what the operator accepts.
        observer: told of each stop, and of each acceptance acted on.
    """

    def __init__(self, membership: Membership, commits: Commits, road: Road, observer: Observer) -> None:
        self._membership = membership
        self._commits = commits
        self._road = road
        self._observer = observer
        self._stops: Mapping[Partition, Stop] = {}
        self._used: dict[Partition, _Used] = {}
        self._ask_at_s = 0.0

    def note(self, partition: Partition, code: str) -> None:
        """Note that the next offset of a partition is not to be had; said once a tenure."""
        tenure = self._membership.held[partition]
        if (known := self._stops.get(partition)) is not None and known.tenure == tenure:
            return
        self._commits.stopped(partition)
        stop = Stop(tenure, self._commits.following(partition), code)
        self._stops = {**self._stops, partition: stop}
        self._observer.stopped(partition, stop.offset, code)

    def now(self) -> Mapping[Partition, Stop]:
        """Return the stops of tenures in force."""
        held = self._membership.held
        if any(held.get(partition) != stop.tenure for partition, stop in self._stops.items()):
            self._stops = {one: stop for one, stop in self._stops.items() if held.get(one) == stop.tenure}
        return self._stops

    def turn(self, consumer: Consumer, now_s: float) -> None:
        """Let partitions go on whose gap is accepted, and of which nothing is owed any more."""
        if not self._stops or now_s < self._ask_at_s:
            return
        gaps = self._road.accepted_gaps
        for partition, stop in tuple(self.now().items()):
            gap = gaps.get(partition)
            if gap is not None and self._is_good(partition, gap, stop) and self._commits.is_settled(partition):
                try:
                    goes_on_at = self._membership.begin_behind(consumer, partition, gap.to)
                except KafkaException as error:
                    self._ask_at_s = now_s + _ASK_AGAIN_S
                    why = error.args[0]
                    self._observer.client_error(why.name(), why.str(), fatal=why.fatal())
                    return
                self._used[partition] = _Used(gap, stop.offset, self._membership.held[partition])
                self._observer.gap_accepted(partition, stop.offset, goes_on_at)

    def _is_good(self, partition: Partition, gap: AcceptGap, stop: Stop) -> bool:
        """Whether an acceptance was not used yet, or in vain: the partition went before its new start was committed.

        Then it comes back with the same gap before it. In the tenure that the acceptance began nothing was fetched
        before that commit, so a stop of that tenure is another one.
        """
        used = self._used.get(partition)
        return used is None or used.gap != gap or (used.offset == stop.offset and used.began != stop.tenure)
