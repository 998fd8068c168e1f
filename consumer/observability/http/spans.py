"""How long something takes, as people say it."""

from __future__ import annotations

from consumer.observability.health import Moment


def age(since_ms: int | None, moment: Moment) -> str:
    """Return how long ago an instant is, in epoch milliseconds."""
    return "–" if since_ms is None else span(max(0.0, (moment.wall_ms - since_ms) / 1000))


def span(seconds: float) -> str:
    """Return so many seconds in a unit that suits them."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
