"""Changes of a world's configuration, for the scenarios that need a setting of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.system.world import World


def change(
    world: World,
    *,
    kafka: Mapping[str, Any] | None = None,
    budgets: Mapping[str, Any] | None = None,
    every: Mapping[str, Any] | None = None,
    destinations: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write a world's configuration anew with other settings; call it before a member starts.

    Args:
        world: whose file it is.
        kafka: librdkafka properties.
        budgets: limits of time and room.
        every: settings of every destination.
        destinations: settings of one destination, by its name; they win over `every`.
    """
    said = json.loads(world.config.read_text(encoding="utf-8"))
    said["kafka"] |= kafka or {}
    said["budgets"] |= budgets or {}
    for name, options in said["destinations"].items():
        options |= {**(every or {}), **(destinations or {}).get(name, {})}
    world.config.write_text(json.dumps(said, indent=1), encoding="utf-8")
