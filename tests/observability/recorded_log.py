"""A log that writes to memory, with a clock set by the test."""

import io
import json

from consumer.observability.log.writer import Log


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class RecordedLog:
    """A log, its clock and what it wrote."""

    def __init__(self, level: str = "info", *, text: bool = False) -> None:
        self.stream = io.StringIO()
        self.clock = Clock()
        self.counts: list[tuple[str, int, int]] = []
        self.log = Log(
            self.stream,
            level,
            text=text,
            counted=lambda *count: self.counts.append(count),
            clocks=(lambda: 1_700_000_000.0, self.clock),
        )

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]
