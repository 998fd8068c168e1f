"""Checks of a hold: its metric, its log event, `/status`, and the rate of its probes."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterable

from consumer.demo.fakes.base import Fake
from tests.e2e.member import Member
from tests.e2e.world import World

ExpectedHold = tuple[str, str]
"""A destination, and the cause of its hold."""

_WITHIN_S = 180.0


def wait_for_holds(member: Member, holds: Iterable[ExpectedHold]) -> None:
    """Wait until every destination is held for its cause: in the metrics, in the log and on `/status`."""
    for destination, cause in holds:
        member.wait_until(
            lambda destination=destination, cause=cause: _reports_hold(member, destination, cause),  # type: ignore[misc]
            _WITHIN_S,
            f"{destination} is not held ({cause})",
        )


def _reports_hold(member: Member, destination: str, cause: str) -> bool:
    in_status = [
        hold["endpoint"]
        for pipeline in member.status().values()
        for one in pipeline["destinations"]
        if one["name"] == destination
        for hold in one["holds"]
        if hold["cause"] == cause
    ]
    in_metrics = {
        dict(labels)["endpoint"]
        for (name, labels), value in member.metrics().items()
        if name == "cdp_destination_held" and value == 1 and dict(labels)["destination"] == destination
    }
    in_log = {
        line["endpoint"]
        for line in member.lines("endpoint held")
        if (line["destination"], line["cause"], line["level"]) == (destination, cause, "error")
    }
    return bool(in_status) and set(in_status) <= in_metrics & in_log


def wait_until_quiet(member: Member) -> float:
    """Wait until no request is in flight, and return the time. From then on there are only probes."""

    def quiet() -> bool:
        return not any(one["requests"] for pipeline in member.status().values() for one in pipeline["destinations"])

    member.wait_until(quiet, _WITHIN_S, "a request is always in flight")
    return time.monotonic()


def shortest_pauses(server: Fake, after: float) -> dict[str, float]:
    """Return, by path, the shortest time between two requests that started after a moment."""
    starts = defaultdict(list)
    for request in server.requests:
        if request.started > after:
            starts[request.path].append(request.started)
    return {
        path: min((later - earlier for earlier, later in itertools.pairwise(sorted(found))), default=float("inf"))
        for path, found in starts.items()
    }


def wait_for_probes(world: World, names: Iterable[str], count: int) -> None:
    """Wait until each server has received `count` more requests."""
    for name, before in {name: len(world.servers[name].requests) for name in names}.items():
        server = world.servers[name]
        server.wait_until(lambda server=server, before=before: len(server.requests) >= before + count, _WITHIN_S)  # type: ignore[misc]


def check_probe_interval(world: World, member: Member, probe_s: float) -> None:
    """Wait for three probes of every server, and compare the pauses between them with the interval in seconds."""
    quiet = wait_until_quiet(member)
    wait_for_probes(world, world.servers, 3)
    for name, server in world.servers.items():
        pauses = shortest_pauses(server, quiet)
        print(f"\n{name}: shortest pauses between probes, in seconds: {pauses}")
        assert pauses
        assert min(pauses.values()) >= probe_s, "probes came faster than the interval"
