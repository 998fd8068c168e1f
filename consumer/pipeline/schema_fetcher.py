"""Missing schemas, fetched from the registry in the background: translation never waits for the registry."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, assert_never

from consumer.delivery.backoff import Backoff
from consumer.kafka.schema_registry.client import (
    RegistryUnauthorized,
    RegistryUnreachable,
    SchemaFound,
    SchemaNeedsDecryption,
    SchemaUnknown,
)
from consumer.model.clock import now_ms
from consumer.model.status import SchemaFetchStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from consumer.kafka.schema_registry.client import LookupResult
    from consumer.model.observer import TranslationEvents
    from consumer.model.translated_batch import SchemaKey

_BACKOFF = Backoff(0.5, 5.0)

NEEDS_DECRYPTION = "schema_needs_decryption"
"""The problem of a schema whose data are encrypted. Its records wait: ciphertext must never reach a destination."""


async def no_registry(key: SchemaKey) -> SchemaUnknown:  # noqa: ARG001 - whichever it is
    """Answer for the registry of a configuration that names none: it knows no schema."""
    return SchemaUnknown()


class SchemaFetcher:
    """Requests each missing schema until the registry has answered, one request at a time per schema."""

    def __init__(
        self,
        fetch: Callable[[SchemaKey], Awaitable[LookupResult]],
        *,
        learn: Callable[[SchemaKey, str, Mapping[str, str]], object],
        learn_unknown: Callable[[SchemaKey, int], None],
        on_learned: Callable[[], None],
        observer: TranslationEvents,
        backoff: Backoff = _BACKOFF,
    ) -> None:
        """Prepare to fetch. Call this in the loop.

        Args:
            fetch: requests one schema from the registry.
            learn: receives a schema's key, its text and the schemas it refers to.
            learn_unknown: receives the key of a schema the registry does not have, and the epoch milliseconds.
            on_learned: called after either. Records that wait for a schema should be translated again.
            observer: receives each result.
            backoff: between two requests for the same schema, at least 0.2 s.
        """
        self.pending: dict[SchemaKey, int] = {}
        """The schemas being requested, with the epoch milliseconds since when."""
        self.problems: dict[SchemaKey, str] = {}
        """The last result for a pending schema: `unreachable`, `refused` or `schema_needs_decryption`."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails if a fetch crashed. Otherwise the records would wait forever, without a log line."""
        self._fetch = fetch
        self._learn = learn
        self._learn_unknown = learn_unknown
        self._on_learned = on_learned
        self._observer = observer
        self._backoff = backoff
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = Random().random  # noqa: S311 - jitter, not a secret

    def request(self, key: SchemaKey) -> None:
        """Request a schema, unless a request for it is pending."""
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
        """Fetch until the registry has answered. A registry that is down or rejects us is no fault of a record."""
        attempt = 0
        while True:
            began = time.monotonic()
            result = await self._fetch(key)
            seconds = time.monotonic() - began
            match result:
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
                case SchemaNeedsDecryption():
                    self._observer.schema_fetched(key, NEEDS_DECRYPTION, seconds)
                    self.problems[key] = NEEDS_DECRYPTION
                case _:
                    assert_never(result)
            attempt += 1
            await asyncio.sleep(max(0.2, self._backoff.next_delay(attempt, None, self._random)))
        del self.pending[key]
        self.problems.pop(key, None)
        self._on_learned()

    def status(self) -> SchemaFetchStatus:
        """Return copies of what is pending and why, for the pipeline's status."""
        return SchemaFetchStatus(dict(self.pending), dict(self.problems))

    async def close(self) -> None:
        """Cancel all requests."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.done.cancel()
