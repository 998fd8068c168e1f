"""Promise 4 held against one record: the calls and the commits of a member, and what a server received of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consumer.demo.fakes.recorder import ReceivedRequest
from tests.e2e.timed_member import COMMIT_ACCEPTED, REQUEST_STARTED
from tests.fault_injection.members import Line


@dataclass(frozen=True, slots=True)
class TimedCommit:
    """A commit that was accepted: when the member sent it, and when it heard so (monotonic seconds)."""

    sent: float
    accepted: float


@dataclass(frozen=True, slots=True)
class TimedRequest:
    """One call in both processes' words, by the one clock they share (monotonic seconds).

    Attributes:
        asked: just before the member asked whether it may start.
        allowed: just after.
        written: when the member began to write it.
        received: when the server had its first bytes.
    """

    asked: float
    allowed: float
    written: float
    received: float


class FenceTimeline:
    """What a member of `tests.e2e.timed_member` wrote down and what the server received, in one.

    Args:
        journal: the member's.
        requests: the server's; those of another member that came later may be among them.
        limit_s: half of the session, in seconds.
    """

    def __init__(self, journal: Sequence[Line], requests: Sequence[ReceivedRequest], limit_s: float) -> None:
        self.commits = [TimedCommit(line["sent"], line["at"]) for line in journal if line["event"] == COMMIT_ACCEPTED]
        self._limit_s = limit_s
        received: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for request in sorted(requests, key=lambda one: one.started, reverse=True):
            received[request.ids].append(request.started)
        self.requests = [
            TimedRequest(line["asked"], line["answered"], line["at"], received[tuple(line["ids"])].pop())
            for line in journal
            if line["event"] == REQUEST_STARTED
        ]

    def heartbeat(self, by: float) -> TimedCommit:
        """Return, of the commits that had been accepted by then, the one that was sent last."""
        return max((one for one in self.commits if one.accepted <= by), key=lambda one: one.sent)

    def max_heartbeat_age_s(self) -> float:
        """Return the longest time from the sending of a proof to the writing of a call that relied on it."""
        return max(one.written - self.heartbeat(one.allowed).sent for one in self.requests)

    def violations(self) -> Iterator[str]:
        """Return every call that started without proof: its last commit was sent too long ago, or not accepted yet."""
        for call in self.requests:
            if not call.asked <= call.allowed <= call.written <= call.received:
                yield f"a call's times do not follow each other: {call}"
            if (age_s := call.asked - self.heartbeat(call.allowed).sent) > self._limit_s:
                yield f"a call started {age_s:.3f} s after its last proof was sent: {call}"
