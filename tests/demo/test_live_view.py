"""What is shown fits a terminal of 100 by 30, and says who waits for what."""

import io
from collections import Counter

from rich.console import Console

from consumer.demo.live_view import drawn, said
from consumer.demo.progress import Line, Snapshot
from consumer.model import DeadLetterCause

CAUSES = Counter(dict.fromkeys(DeadLetterCause, 123))
HELD = "held: unauthorized"
SNAPSHOT = Snapshot(
    seconds=75.0,
    made=123_456,
    lines=tuple(
        Line(name, 98_765, 1234.5, 4, 65_432, 100_000, CAUSES, 54_321, HELD, held=True)
        for name in ("copilot", "customerio", "yotpo")
    ),
    phase="the shop is closed, delivering the rest",
    news=tuple((seconds, "customerio answers 503 to everything") for seconds in (1.0, 2.0, 3.0, 4.0)),
)


def shown(*, colour: bool) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100, height=30, force_terminal=colour, color_system="256" if colour else None).print(
        drawn(SNAPSHOT, 90.0)
    )
    return stream.getvalue()


def test_the_fullest_screen_fits_a_hundred_by_thirty() -> None:
    lines = shown(colour=False).splitlines()
    assert len(lines) <= 30
    assert all(len(line) <= 100 for line in lines)


def test_the_screen_says_what_is_held_and_every_cause() -> None:
    text = shown(colour=False)
    assert text.count(HELD) == 3
    assert SNAPSHOT.phase in text
    assert all(str(cause) in text for cause in DeadLetterCause)


def test_a_line_of_text_is_one_line_without_colours() -> None:
    line = said(SNAPSHOT)
    assert "\n" not in line
    assert "\x1b" not in line
    assert f"yotpo 98765 (+1234/s, lag 100000, {123 * len(DeadLetterCause)} dead letters, {HELD})" in line
