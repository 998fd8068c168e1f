"""Configuration changes for scenarios with special settings."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from tests.e2e.world import World

_LONG_S = os.environ.get("CDP_OUTAGE_SECONDS")
OUTAGE_S = float(_LONG_S or 11)
"""Duration of an outage: slightly longer than the poll interval by default, any duration in the long run."""
SHORT_POLL_INTERVAL: Mapping[str, Any] = {
    "max.poll.interval.ms": 10_000,
    "socket.timeout.ms": 5000,  # a commit may take this much of the poll interval, and a drain `DRAIN_S`
}
DRAIN_S = 3.0


def wait_out_outage(since: float) -> None:
    """In the long run, wait until an outage that began at `since` has lasted its full duration."""
    if _LONG_S is not None:
        time.sleep(max(0.0, since + OUTAGE_S - time.monotonic()))  # the duration is what is tested


def change(
    world: World,
    *,
    kafka: Mapping[str, Any] | None = None,
    budgets: Mapping[str, Any] | None = None,
    every: Mapping[str, Any] | None = None,
    destinations: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Rewrite a world's configuration with other settings; call it before a member starts.

    Args:
        world: the world with the file.
        kafka: librdkafka properties.
        budgets: limits of time and memory.
        every: settings of every destination.
        destinations: settings of one destination, by its name; they override `every`.
    """
    config = json.loads(world.config.read_text(encoding="utf-8"))
    config["kafka"] |= kafka or {}
    config["budgets"] |= budgets or {}
    for name, options in config["destinations"].items():
        options |= {**(every or {}), **(destinations or {}).get(name, {})}
    world.config.write_text(json.dumps(config, indent=1), encoding="utf-8")
