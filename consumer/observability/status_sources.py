"""Who can be asked: the pipelines of this process, each under its name, and who heard what an operator said."""

from __future__ import annotations

from threading import Lock

from consumer.model.status import PipelineStatus, StatusProvider
from consumer.observability.directives_observer import DirectivesObserver


class StatusSources:
    """The pipelines that run. Added and removed by the composition root, asked from any thread.

    `told`: who heard what an operator said in the directives file; `None` = there is no such file.
    """

    def __init__(self, directives: DirectivesObserver | None = None) -> None:
        self.directives = directives
        self._sources: dict[str, StatusProvider] = {}
        self._lock = Lock()

    def add(self, name: str, source: StatusProvider) -> None:
        """Have a pipeline seen from now on; a second one of the same name takes the first one's place."""
        with self._lock:
            self._sources[name] = source

    def remove(self, name: str) -> None:
        """Have a pipeline seen no more."""
        with self._lock:
            self._sources.pop(name, None)

    def collect(self) -> tuple[list[PipelineStatus], list[str]]:
        """Return the facts of all who answered, and the names of those who could not: a bug blinds nobody else."""
        with self._lock:
            sources = list(self._sources.items())
        answers: list[PipelineStatus] = []
        silent: list[str] = []
        for name, source in sources:
            try:
                answers.append(source.status())
            except Exception:  # noqa: BLE001  whatever it is, the page must still say what the others are doing
                silent.append(name)
        return answers, silent

    def all(self) -> list[PipelineStatus]:
        """Return the facts of all who answered."""
        return self.collect()[0]
