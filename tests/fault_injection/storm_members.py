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
        world: the world that they run in.
        random: chooses the member for a fault.
        complain: receives a description of each unexpected event.

    Attributes:
        anchors: running members that no fault may strike, for measurements over a long time.
        members: all other running members.
        peak_mib: the highest memory that any running member has used so far.
    """

    def __init__(self, world: World, random: Random, complain: Callable[[str], None]) -> None:
        self.anchors: list[JournaledMember] = []
        self.members: list[JournaledMember] = []
        self.peak_mib = 0.0
        self._all: list[JournaledMember] = []
        self._shutting_down: list[JournaledMember] = []
        self._world = world
        self._random = random
        self._complain = complain

    @property
    def running(self) -> list[JournaledMember]:
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

    def choose(self) -> JournaledMember:
        """Choose a member for a fault."""
        return self._random.choice(self.members)

    def start_one(self) -> JournaledMember:
        """Start a member."""
        member = JournaledMember(self._world, f"member-{len(self._all) + 1}")
        self._all.append(member)
        self.members.append(member)
        return member

    def start_anchor(self) -> None:
        """Start a member that no fault may strike."""
        member = self.start_one()
        self.members.remove(member)
        self.anchors.append(member)

    def expect_end(self, member: JournaledMember) -> JournaledMember:
        """Expect the end of a member: from now on it is no complaint."""
        self.members.remove(member)
        return member

    def shut_down(self, member: JournaledMember) -> None:
        """Send a member SIGTERM without waiting; it must exit with 0."""
        for members in (self.members, self.anchors):
            if member in members:
                members.remove(member)
        member.port  # noqa: B018 - waits for the port: before that, the process does not handle SIGTERM
        member.terminate()
        self._shutting_down.append(member)

    def shut_down_all(self) -> None:
        """Check the accounting of all members, then shut them down."""
        for member in self.running:
            for wrong in accounting.mismatches(member.status()):
                self._complain(f"{member.name}: {wrong}")
        for member in self.running:
            self.shut_down(member)

    def all_ended(self) -> bool:
        """Return True if no member is still shutting down."""
        return not self._shutting_down

    def refresh(self) -> None:
        """Check all members: unexpected ends, exit codes and memory."""
        for member in [one for one in self._shutting_down if one.process.poll() is not None]:
            self._shutting_down.remove(member)
            if member.process.returncode != 0:
                self._complain_of_end(member, "after SIGTERM")
        for member in [one for one in self.running if one.process.poll() is not None]:
            self._complain_of_end(member, "unexpectedly")
            (self.members if member in self.members else self.anchors).remove(member)
            self.start_one()
        self.peak_mib = max([self.peak_mib, *(member.memory_mib()[1] for member in self.running)])

    def _complain_of_end(self, member: JournaledMember, how: str) -> None:
        code = member.process.returncode
        self._complain(f"{member.name} ended {how} with exit code {code}\n{member.log_tail(5)}")

    def fully_assigned(self) -> bool:
        """Return True if the running members have every partition of every pipeline assigned."""
        assigned: set[tuple[str, int]] = set()
        for member in self.running:
            assigned |= member.assigned_partitions()
        return len(assigned) == len(self._world.pipelines) * self._world.partitions

    def open_records(self) -> Iterator[int]:
        """Return the number of open records, by member and pipeline."""
        for member in self.running:
            for pipeline in member.status().values():
                yield pipeline["records"]["open"]

    def kill_all(self) -> None:
        """Kill every member that still runs."""
        for member in self._all:
            member.__exit__(None, None, None)
