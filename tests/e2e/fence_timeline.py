"""Checks promise 4 (fenced) on one timeline: a member's requests and commits, and the server's received requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consumer.demo.fakes.recorder import ReceivedRequest
from tests.e2e.timed_member import COMMIT_ACCEPTED, REQUEST_STARTED
from tests.fault_injection.members import Line


@dataclass(frozen=True, slots=True)
class TimedCommit:
    """An accepted commit: when the member sent it, and when it got the response (monotonic seconds)."""

    sent: float
    accepted: float


@dataclass(frozen=True, slots=True)
class TimedRequest:
    """One request, as both processes recorded it with their common clock (monotonic seconds).

    Attributes:
        asked: just before the member asked the fence.
        allowed: just after.
        written: when the member began to write it.
        received: when the server got its head.
    """

    asked: float
    allowed: float
    written: float
    received: float


class FenceTimeline:
    """The journal of a `tests.e2e.timed_member` and the server's requests on one timeline.

    Args:
        journal: of the member.
        requests: of the server. Later requests of another member may be among them.
        limit_s: half of the session timeout, in seconds.
    """

    def __init__(self, journal: Sequence[Line], requests: Sequence[ReceivedRequest], limit_s: float) -> None:
        self.commits = [TimedCommit(line["sent"], line["at"]) for line in journal if line["event"] == COMMIT_ACCEPTED]
        self._limit_s = limit_s
        received: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for request in sorted(requests, key=lambda one: one.started, reverse=True):
            received[request.ids].append(request.started)
        self.requests = [
            TimedRequest(line["asked"], line["allowed"], line["at"], received[tuple(line["ids"])].pop())
            for line in journal
            if line["event"] == REQUEST_STARTED
        ]

    def heartbeat(self, by: float) -> TimedCommit:
        """Return the commit that was sent last of those accepted by this time."""
        return max((one for one in self.commits if one.accepted <= by), key=lambda one: one.sent)

    def max_heartbeat_age_s(self) -> float:
        """Return the longest time from sending a commit to writing a request that relied on it."""
        return max(one.written - self.heartbeat(one.allowed).sent for one in self.requests)

    def violations(self) -> Iterator[str]:
        """Yield every request that started although its last accepted commit was sent too long ago."""
        for request in self.requests:
            if not request.asked <= request.allowed <= request.written <= request.received:
                yield f"the times of a request are not in order: {request}"
            if (age_s := request.asked - self.heartbeat(request.allowed).sent) > self._limit_s:
                yield f"a request started {age_s:.3f} s after its last accepted commit was sent: {request}"
