"""Missing schemas, fetched from the registry beside the path: translation never waits for an answer."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, assert_never

from consumer.delivery.backoff import Backoff
from consumer.kafka.schema_registry.client import RegistryUnauthorized, RegistryUnreachable, SchemaFound, SchemaUnknown
from consumer.model.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from consumer.kafka.schema_registry.client import LookupResult
    from consumer.model.observer import Observer
    from consumer.model.translated_batch import SchemaKey

_BACKOFF = Backoff(0.5, 5.0)


async def no_registry(key: SchemaKey) -> SchemaUnknown:  # noqa: ARG001 - whichever it is
    """Answer for the registry of a configuration that names none: it knows no schema."""
    return SchemaUnknown()


class SchemaFetcher:
    """Asks for each missing schema once at a time, until the registry has answered."""

    def __init__(
        self,
        fetch: Callable[[SchemaKey], Awaitable[LookupResult]],
        *,
        learn: Callable[[SchemaKey, str, Mapping[str, str]], object],
        learn_unknown: Callable[[SchemaKey, int], None],
        on_learned: Callable[[], None],
        observer: Observer,
    ) -> None:
        """Prepare to fetch. Make it in the loop.

        Args:
            fetch: asks the registry for one schema.
            learn: receives a schema's key, its text and the schemas it refers to.
            learn_unknown: receives the key of a schema the registry does not have, and the epoch milliseconds.
            on_learned: called after either; records that wait should be tried again.
            observer: receives each answer.
        """
        self.pending: dict[SchemaKey, int] = {}
        """What is asked for, with the epoch milliseconds since when."""
        self.problems: dict[SchemaKey, str] = {}
        """Why it is not there yet, as last answered: `unreachable` or `refused`."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends, with an exception, when asking fell: records would wait for ever, and nobody would say so."""
        self._fetch = fetch
        self._learn = learn
        self._learn_unknown = learn_unknown
        self._on_learned = on_learned
        self._observer = observer
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = Random().random  # noqa: S311 - jitter, not a secret

    def request(self, key: SchemaKey) -> None:
        """Ask for a schema, unless it is being asked for already."""
        if key in self.pending:
            return
        self.pending[key] = now_ms()
        task = asyncio.get_running_loop().create_task(self._fetch_until_answered(key), name=f"schema-{key}")
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.done.done():
            self.done.set_exception(error)

    async def _fetch_until_answered(self, key: SchemaKey) -> None:
        """A registry that is down, or refuses us, is asked again: that is never a record's fault."""
        attempt = 0
        while True:
            began = time.monotonic()
            answer = await self._fetch(key)
            seconds = time.monotonic() - began
            match answer:
                case SchemaFound(schema_text, references):
                    self._observer.schema_fetched(key, "found", seconds)
                    self._learn(key, schema_text, references)
                    break
                case SchemaUnknown():
                    self._observer.schema_fetched(key, "unknown", seconds)
                    self._learn_unknown(key, now_ms())
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
            await asyncio.sleep(max(0.2, _BACKOFF.next_delay(attempt, None, self._random)))
        del self.pending[key]
        self.problems.pop(key, None)
        self._on_learned()

    async def close(self) -> None:
        """Ask no more."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.done.cancel()
