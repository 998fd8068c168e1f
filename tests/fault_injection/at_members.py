"""Faults of the members: shutdown, kill at any moment and at kill points, freeze, join."""

from __future__ import annotations

import signal
from random import Random
from typing import TYPE_CHECKING

from consumer.demo.fakes.fault_rules import Respond, chance
from tests.fault_injection.fault import ActiveFault, Fault
from tests.fault_injection.kill_points import AFTER_ASSIGNMENT, AFTER_DEFERRAL, POINTS

if TYPE_CHECKING:
    from tests.fault_injection.storm import Storm

MEMBERS = ("members",)
_SESSION_S = 6.0


def _shut_down(storm: Storm, _: str, __: Random) -> ActiveFault:
    member = storm.members.choose()
    storm.members.shut_down(member)
    storm.members.start_one()
    return ActiveFault(lambda: int(member.process.poll() is not None))


def _killed(storm: Storm, _: str, __: Random) -> ActiveFault:
    member = storm.members.expect_end(storm.members.choose())
    member.kill()
    storm.record_crash("SIGKILL")
    storm.members.start_one()
    return ActiveFault(lambda: 1)


def _dies_at(point: str) -> Fault:
    def strike(storm: Storm, _: str, random: Random) -> ActiveFault:
        if point == AFTER_ASSIGNMENT:
            member = storm.members.expect_end(storm.members.start_one())  # it dies at its first assignment
        else:
            member = storm.members.expect_end(storm.members.choose())
        rules = []
        if point == AFTER_DEFERRAL:
            for server in storm.world.servers.values():
                rule = server.faults.add(Respond(500), when=chance(0.3, Random(random.random())), name="to be deferred")
                rules.append((server, rule))
        storm.produce_bad_records()  # a batch to split, and a dead letter
        member.send_command(f"kill {point}")

        def over() -> None:
            for server, rule in rules:
                server.faults.remove(rule)
            if member.process.poll() is None:
                member.kill()
            storm.record_crash(point)
            if len(storm.members.members) < storm.member_count:
                storm.members.start_one()

        # Its last journal line is certain to be in the file only after `poll` has reaped the process.
        return ActiveFault(lambda: int(member.process.poll() is not None and bool(member.journal("died"))), over)

    return Fault(point, MEMBERS, (0.0, 0.5), strike)


def _frozen(storm: Storm, _: str, __: Random) -> ActiveFault:
    member = storm.members.choose()
    before = len(member.journal("frozen"))
    member.send_command("freeze")
    return ActiveFault(
        lambda: len(member.journal("frozen")) - before,
        lambda: member.process.send_signal(signal.SIGCONT),
        lasts_from_hit=True,  # the member freezes between two requests, possibly long after the command
    )


def _joins(storm: Storm, _: str, __: Random) -> ActiveFault:
    member = storm.members.start_one()
    # It may get no partition if there are enough members. The member that shuts down afterwards may be an older one.
    return ActiveFault(
        lambda: len(member.lines("joined group")), lambda: storm.members.shut_down(storm.members.choose())
    )


FAULTS = (
    Fault("SIGTERM", MEMBERS, (0.0, 1.0), _shut_down),
    Fault("SIGKILL", MEMBERS, (0.0, 1.0), _killed),
    *(_dies_at(point) for point in POINTS),
    Fault("frozen for less than a session", MEMBERS, (0.6 * _SESSION_S, 0.75 * _SESSION_S), _frozen),
    Fault("frozen for more than a session", MEMBERS, (1.25 * _SESSION_S, 1.4 * _SESSION_S), _frozen),
    Fault("a member joins", MEMBERS, (1.0, 3.0), _joins),
)
