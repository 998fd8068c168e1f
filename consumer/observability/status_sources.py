"""The pipelines of this process whose status can be asked, and the observer of the directives file."""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple

from consumer.model.status import PipelineStatus, StatusSource
from consumer.observability.directives_observer import DirectivesObserver


class CollectedStatus(NamedTuple):
    """The status of every pipeline, as of one request."""

    pipelines: list[PipelineStatus]
    not_answering: list[str]
    """Names of the pipelines whose status could not be had: a bug."""


class StatusSources:
    """The pipelines that run. The composition root adds them; any thread may ask.

    Args:
        directives: the observer of the directives file; `None` = there is no such file.
    """

    def __init__(self, directives: DirectivesObserver | None = None) -> None:
        self.directives = directives
        self._sources: dict[str, StatusSource] = {}
        self._lock = Lock()

    def add(self, name: str, source: StatusSource) -> None:
        """Include a pipeline from now on. A second one of the same name replaces the first."""
        with self._lock:
            self._sources[name] = source

    def collect(self) -> CollectedStatus:
        """Ask every pipeline. One that raises does not hide the others."""
        with self._lock:
            sources = list(self._sources.items())
        collected = CollectedStatus([], [])
        for name, source in sources:
            try:
                collected.pipelines.append(source())
            except Exception:  # noqa: BLE001  the page must show the other pipelines whatever the bug
                collected.not_answering.append(name)
        return collected

    def all(self) -> list[PipelineStatus]:
        """Return the status of every pipeline that answers."""
        return self.collect().pipelines
