"""The live view fits a terminal of 100 by 30, and names every hold and cause."""

import io
from collections import Counter

from rich.console import Console

from consumer.demo.live_view import format_line, render
from consumer.demo.progress import DestinationProgress, Snapshot
from consumer.model import DeadLetterCause

CAUSES = Counter(dict.fromkeys(DeadLetterCause, 123))
HELD = "held: unauthorized"
SNAPSHOT = Snapshot(
    seconds=75.0,
    produced=123_456,
    destinations=tuple(
        DestinationProgress(name, 98_765, 1234.5, 4, 65_432, 100_000, CAUSES, 54_321, HELD, is_blocked=True)
        for name in ("copilot", "customerio", "yotpo")
    ),
    phase="production is over, delivering the rest",
    messages=tuple((seconds, "customerio responds 503 to every request") for seconds in (1.0, 2.0, 3.0, 4.0)),
)


def shown(*, colour: bool) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100, height=30, force_terminal=colour, color_system="256" if colour else None).print(
        render(SNAPSHOT, 90.0)
    )
    return stream.getvalue()


def test_fullest_screen_fits_100_by_30() -> None:
    lines = shown(colour=False).splitlines()
    assert len(lines) <= 30
    assert all(len(line) <= 100 for line in lines)


def test_screen_names_the_holds_and_every_cause() -> None:
    text = shown(colour=False)
    assert text.count(HELD) == 3
    assert SNAPSHOT.phase in text
    assert all(str(cause) in text for cause in DeadLetterCause)


def test_text_line_is_one_line_without_colours() -> None:
    line = format_line(SNAPSHOT)
    assert "\n" not in line
    assert "\x1b" not in line
    assert f"yotpo 98765 (1234/s, lag 100000, {123 * len(DeadLetterCause)} dead letters, {HELD})" in line
