"""One pipeline's observer that writes the log: changes always, repetitions seldom, deliveries only when refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.observability.log.observer import StoryOfRecords
from consumer.observability.log.story_of_deliveries import StoryOfDeliveries

if TYPE_CHECKING:
    from consumer.observability.log.writer import Log


class Story(StoryOfRecords, StoryOfDeliveries):
    """Tells one pipeline's story: of its records, of its deliveries, and of its end."""

    def __init__(self, log: Log, pipeline: str) -> None:
        StoryOfRecords.__init__(self, log, pipeline)
        StoryOfDeliveries.__init__(self, log, pipeline)

    def leaving(self) -> None:
        """Write that the pipeline was asked to leave."""
        self._log.write("info", "leaving", pipeline=self._pipeline)

    def left(self, released: int) -> None:
        """Write that it left."""
        self._log.write("info", "left", pipeline=self._pipeline, released=released)
