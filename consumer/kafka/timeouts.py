"""How long a shutdown may take: the timeout of every step, and their sum, from which the time budgets are computed.

Each step takes its timeout from here, so that `check` prints the timeouts that are really used.
"""

from __future__ import annotations

from collections.abc import Mapping

from consumer.kafka.properties import commit_timeout_s

POLL_GAP_S = 0.5
"""How long the poll thread waits for room without polling. A shutdown may be requested at the start of that wait."""

DRAIN_SLACK_S = 1.0
"""The loop ends a drain within the drain timeout. The thread waits this much longer for the result."""

LEAVE_GROUP_S = 5.0
"""How long the client tries to send its LeaveGroup request: librdkafka's own limit."""

DEAD_LETTERS_S = 6.0
"""How long the dead-letter thread may take to end. It may have a request of 5 s in flight."""

LAG_S = 1.0
"""How long a shutdown waits for the lag thread."""

_COMMITS = 2
"""Commits that fail during a rebalance are repeated for the time of one. A last one that has begun may finish."""


def poll_thread_seconds(properties: Mapping[str, str], drain_s: float) -> float:
    """Return the seconds that the poll thread may take to end. After that a shutdown does not wait for it."""
    return drain_s + POLL_GAP_S + DRAIN_SLACK_S + _COMMITS * commit_timeout_s(properties) + LEAVE_GROUP_S


def shutdown_seconds(properties: Mapping[str, str], drain_s: float) -> tuple[float, str]:
    """Return the maximum seconds from a shutdown request to the end, and the sum as text."""
    commit_s = commit_timeout_s(properties)
    closing_s = DRAIN_SLACK_S + LEAVE_GROUP_S + DEAD_LETTERS_S + LAG_S
    text = (
        f"drain {drain_s:g}s + poll gap {POLL_GAP_S:g}s + {_COMMITS} commits of {commit_s:g}s + closing {closing_s:g}s"
    )
    return poll_thread_seconds(properties, drain_s) + DEAD_LETTERS_S + LAG_S, text


def revoke_seconds(properties: Mapping[str, str], drain_s: float) -> tuple[float, str]:
    """Return the maximum seconds without a poll while partitions are revoked, and the sum as text."""
    commit_s = commit_timeout_s(properties)
    return drain_s + POLL_GAP_S + commit_s, f"drain {drain_s:g}s + poll gap {POLL_GAP_S:g}s + commit {commit_s:g}s"
