"""Change a world's configuration file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.e2e.world import World

_SET_BY_BROKERS = ("session.timeout.ms", "heartbeat.interval.ms")


def reconfigure(
    world: World,
    *,
    kafka: Mapping[str, str] | None = None,
    batch: int | None = None,
    **changes: Any,  # noqa: ANN401 - the configuration's values are of every type
) -> None:
    """Change the file that members read when they start.

    Args:
        world: the world with the file.
        kafka: properties to add. `group.protocol=consumer` removes the session properties: brokers set them then.
        batch: maximum number of events in a request, for every destination with batches.
        changes: top-level keys to replace.
    """
    config = json.loads(world.config.read_text(encoding="utf-8"))
    config["kafka"] |= dict(kafka or {})
    if config["kafka"].get("group.protocol") == "consumer":
        for name in _SET_BY_BROKERS:
            config["kafka"].pop(name, None)
    if batch is not None:
        for options in config["destinations"].values():
            if "batch" in options:
                options["batch"]["events"] = batch
    world.config.write_text(json.dumps(config | changes, indent=1), encoding="utf-8")
