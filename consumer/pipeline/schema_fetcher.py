"""Missing schemas, fetched from the registry beside the path: translation never waits for an answer."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, Protocol, assert_never

from consumer.delivery.backoff import Backoff
from consumer.kafka.schema_registry.client import RegistryUnauthorized, RegistryUnreachable, SchemaFound, SchemaUnknown
from consumer.model.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumer.model import Fault
    from consumer.model.observer import Observer
    from consumer.model.translated_batch import SchemaKey

_BACKOFF = Backoff(0.5, 5.0)


class SchemaStore(Protocol):
    """Translation, as far as it learns schemas."""

    def learn(self, key: SchemaKey, schema_text: str, references: Mapping[str, str]) -> Fault | None:
        """Use a schema from now on."""

    def learn_unknown(self, key: SchemaKey, at_ms: int) -> None:
        """Know that there is no such schema."""


class SchemaSource(Protocol):
    """A schema registry."""

    async def fetch(self, key: SchemaKey) -> SchemaFound | SchemaUnknown | RegistryUnreachable | RegistryUnauthorized:
        """Ask for one schema."""


class NoRegistry:
    """The registry of a configuration that names none: it knows no schema."""

    async def fetch(self, key: SchemaKey) -> SchemaUnknown:  # noqa: ARG002 - whichever it is
        """Answer that there is none."""
        return SchemaUnknown()


class SchemaFetcher:
    """Asks for each missing schema once at a time, until the registry has answered."""

    def __init__(
        self, registry: SchemaSource, translator: SchemaStore, learned: Callable[[], None], observer: Observer
    ) -> None:
        """Call `learned` whenever records that wait should be tried again. Make it in the loop."""
        self.pending: dict[SchemaKey, int] = {}
        """What is asked for, with the epoch milliseconds since when."""
        self.problems: dict[SchemaKey, str] = {}
        """Why it is not there yet, as last answered: `unreachable` or `refused`."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends, with an exception, when asking fell: records would wait for ever, and nobody would say so."""
        self._registry = registry
        self._translator = translator
        self._learned = learned
        self._observer = observer
        self._tasks: set[asyncio.Task[None]] = set()
        self._dice = Random().random  # noqa: S311 - jitter, not a secret

    def request(self, key: SchemaKey) -> None:
        """Ask for a schema, unless it is being asked for already."""
        if key in self.pending:
            return
        self.pending[key] = now_ms()
        task = asyncio.get_running_loop().create_task(self._ask(key), name=f"schema-{key}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.done.done():
            self.done.set_exception(error)

    async def _ask(self, key: SchemaKey) -> None:
        """A registry that is down, or refuses us, is asked again: that is never a record's fault."""
        attempt = 0
        while True:
            began = time.monotonic()
            answer = await self._registry.fetch(key)
            seconds = time.monotonic() - began
            match answer:
                case SchemaFound(schema_text, references):
                    self._observer.schema_fetched(key, "found", seconds)
                    self._translator.learn(key, schema_text, references)
                    break
                case SchemaUnknown():
                    self._observer.schema_fetched(key, "unknown", seconds)
                    self._translator.learn_unknown(key, now_ms())
                    break
                case RegistryUnreachable():
                    self._observer.schema_fetched(key, "unreachable", seconds)
                    self.problems[key] = "unreachable"
                case RegistryUnauthorized():
                    self._observer.schema_fetched(key, "refused", seconds)
                    self.problems[key] = "refused"
                case _:
                    assert_never(answer)
            attempt += 1
            await asyncio.sleep(max(0.2, _BACKOFF.wait(attempt, None, self._dice)))
        del self.pending[key]
        self.problems.pop(key, None)
        self._learned()

    async def close(self) -> None:
        """Ask no more."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.done.cancel()
