"""The members of a storm: running, shutting down, ended, and whether the end was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from tests.e2e import accounting
from tests.e2e.world import World
from tests.fault_injection.members import JournaledMember, Line


class StormMembers:
    """All present and past members.

    Args:
        world: theirs.
        dice: choose whom a fault meets.
        complain: told what should not have happened.

    Attributes:
        anchors: members that no fault may touch: what is measured over a long time is measured at these.
        members: the others that are at work.
        peak_mib: the most memory that any member at work has had.
    """

    def __init__(self, world: World, dice: Random, complain: Callable[[str], None]) -> None:
        self.anchors: list[JournaledMember] = []
        self.members: list[JournaledMember] = []
        self.peak_mib = 0.0
        self._all: list[JournaledMember] = []
        self._leaving: list[JournaledMember] = []
        self._world = world
        self._dice = dice
        self._complain = complain

    @property
    def living(self) -> list[JournaledMember]:
        """The running members."""
        return [*self.anchors, *self.members]

    @property
    def all(self) -> list[JournaledMember]:
        """All members, ended ones included."""
        return [*self._all]

    @property
    def journals(self) -> list[list[Line]]:
        """The journals of all members."""
        return [member.journal() for member in self._all]

    def one(self) -> JournaledMember:
        """Choose a member for a fault."""
        return self._dice.choice(self.members)

    def start_one(self) -> JournaledMember:
        """Start a member."""
        member = JournaledMember(self._world, f"member-{len(self._all) + 1}")
        self._all.append(member)
        self.members.append(member)
        return member

    def anchor(self) -> None:
        """Start a member that faults do not touch."""
        member = self.start_one()
        self.members.remove(member)
        self.anchors.append(member)

    def forget(self, member: JournaledMember) -> JournaledMember:
        """Expect a member to end: from now on its end is no complaint."""
        self.members.remove(member)
        return member

    def shut_down(self, member: JournaledMember) -> None:
        """Send a member SIGTERM without waiting; it must exit with 0."""
        for whose in (self.members, self.anchors):
            if member in whose:
                whose.remove(member)
        member.port  # noqa: B018 - before it is there, nobody in the process listens to signals
        member.terminate()
        self._leaving.append(member)

    def shut_down_all(self) -> None:
        """Check the accounting of all members, then shut them down."""
        for member in self.living:
            for wrong in accounting.mismatches(member.status()):
                self._complain(f"{member.name}: {wrong}")
        for member in self.living:
            self.shut_down(member)

    def all_ended(self) -> bool:
        """Return True if no member is still shutting down."""
        return not self._leaving

    def refresh(self) -> None:
        """Check all members: unexpected ends, exit codes and memory."""
        for member in [one for one in self._leaving if one.process.poll() is not None]:
            self._leaving.remove(member)
            if member.process.returncode != 0:
                self._ended(member, "asked to leave")
        for member in [one for one in self.living if one.process.poll() is not None]:
            self._ended(member, "by itself")
            (self.members if member in self.members else self.anchors).remove(member)
            self.start_one()
        self.peak_mib = max([self.peak_mib, *(member.memory_mib()[1] for member in self.living)])

    def _ended(self, member: JournaledMember, how: str) -> None:
        self._complain(f"{member.name} ended {how} with {member.process.returncode}\n{member.log_tail(5)}")

    def settled(self) -> bool:
        """Return True if the running members have every partition of every pipeline assigned."""
        held: set[tuple[str, int]] = set()
        for member in self.living:
            held |= member.assigned_partitions()
        return len(held) == len(self._world.pipelines) * self._world.partitions

    def open(self) -> Iterator[int]:
        """Return the number of open records, by member and pipeline."""
        for member in self.living:
            for pipeline in member.status().values():
                yield pipeline["records"]["open"]

    def end(self) -> None:
        """Kill every member that still runs."""
        for member in self._all:
            member.__exit__(None, None, None)
