"""How long leaving may take: the waits of everything that ends, and their one sum, which the time budgets go by.

Whoever waits takes its limit from here, so that what `check` prints is what is granted.
"""

from __future__ import annotations

from collections.abc import Mapping

from consumer.kafka.properties import commit_timeout_s

POLL_GAP_S = 0.5
"""How long the poll thread waits for room without polling; it may be within that wait when it is asked to leave."""

DRAIN_SLACK_S = 1.0
"""The loop keeps the drain's budget; the thread waits so much longer for its answer."""

LEAVE_GROUP_S = 5.0
"""How long the client tries to tell the group that it leaves: librdkafka's own limit for that request."""

DEAD_LETTERS_S = 6.0
"""How long the thread of dead letters may take to end: it may be within a question to the brokers, of 5 s."""

LAG_S = 1.0
"""How long the thread that asks for the lag is waited for."""

_COMMITS = 2
"""What is refused while the group rebalances is repeated for as long as one may take; the last one is let end."""


def poll_thread_seconds(properties: Mapping[str, str], drain_s: float) -> float:
    """Return how many seconds the poll thread may take to leave; after that it is left behind."""
    return drain_s + POLL_GAP_S + DRAIN_SLACK_S + _COMMITS * commit_timeout_s(properties) + LEAVE_GROUP_S


def shutdown_seconds(properties: Mapping[str, str], drain_s: float) -> tuple[float, str]:
    """Return how many seconds pass at the most from being asked to leave to the end, and the sum in words."""
    commit_s = commit_timeout_s(properties)
    closing_s = DRAIN_SLACK_S + LEAVE_GROUP_S + DEAD_LETTERS_S + LAG_S
    words = (
        f"drain {drain_s:g}s + poll gap {POLL_GAP_S:g}s + {_COMMITS} commits of {commit_s:g}s + closing {closing_s:g}s"
    )
    return poll_thread_seconds(properties, drain_s) + DEAD_LETTERS_S + LAG_S, words


def revoke_seconds(properties: Mapping[str, str], drain_s: float) -> tuple[float, str]:
    """Return how many seconds the thread may stay away from `poll` to give partitions back, and the sum in words."""
    commit_s = commit_timeout_s(properties)
    return drain_s + POLL_GAP_S + commit_s, f"drain {drain_s:g}s + poll gap {POLL_GAP_S:g}s + commit {commit_s:g}s"
