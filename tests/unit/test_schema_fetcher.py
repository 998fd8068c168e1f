"""Missing schemas: requested until the registry has answered. A crash of the fetcher is reported."""

# ruff: noqa: ARG002 - the translator ignores some arguments

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

import pytest

from consumer.delivery.backoff import Backoff
from consumer.kafka.schema_registry.client import (
    LookupResult,
    RegistryUnauthorized,
    RegistryUnreachable,
    SchemaFound,
    SchemaNeedsDecryption,
    SchemaUnknown,
)
from consumer.model import Fault
from consumer.model.observer import Observer
from consumer.model.translated_batch import SchemaKey
from consumer.pipeline.schema_fetcher import SchemaFetcher, no_registry


class FakeRegistry:
    """Returns the given results, one for each permit."""

    def __init__(self, *answers: LookupResult) -> None:
        self.results: Iterator[LookupResult] = iter(answers)
        self.requests = asyncio.Semaphore(0)
        self.may_answer = asyncio.Semaphore(0)

    async def fetch(self, key: SchemaKey) -> LookupResult:
        self.requests.release()
        await self.may_answer.acquire()
        return next(self.results)


class FakeTranslator:
    def __init__(self) -> None:
        self.learned: list[SchemaKey] = []
        self.unknown: list[SchemaKey] = []
        self.crashes = False

    def learn(self, key: SchemaKey, schema_text: str, references: Mapping[str, str]) -> Fault | None:
        if self.crashes:
            raise RuntimeError("a bug")
        self.learned.append(key)
        return None

    def learn_unknown(self, key: SchemaKey, at_ms: int) -> None:
        self.unknown.append(key)


def fetcher(
    fetch: Callable[[SchemaKey], Awaitable[LookupResult]],
    translator: FakeTranslator,
    on_learned: Callable[[], None] = lambda: None,
) -> SchemaFetcher:
    return SchemaFetcher(
        fetch,
        learn=translator.learn,
        learn_unknown=translator.learn_unknown,
        on_learned=on_learned,
        observer=Observer(),
        backoff=Backoff(0.0, 0.0),
    )


def test_problem_of_missing_schema_is_shown_until_found() -> None:
    async def run() -> None:
        registry, translator, learned = (
            FakeRegistry(
                RegistryUnreachable("x"), SchemaNeedsDecryption(), RegistryUnauthorized("x"), SchemaFound("{}")
            ),
            FakeTranslator(),
            asyncio.Event(),
        )
        schema_fetcher = fetcher(registry.fetch, translator, learned.set)
        schema_fetcher.request(7)
        schema_fetcher.request(7)
        seen = []
        for _ in range(4):
            async with asyncio.timeout(120):
                await registry.requests.acquire()
            seen.append(dict(schema_fetcher.problems))
            assert list(schema_fetcher.pending) == [7]
            registry.may_answer.release()
        async with asyncio.timeout(120):
            await learned.wait()
        assert seen == [{}, {7: "unreachable"}, {7: "schema_needs_decryption"}, {7: "refused"}]
        assert (schema_fetcher.pending, schema_fetcher.problems, translator.learned) == ({}, {}, [7])
        await schema_fetcher.close()
        assert schema_fetcher.done.cancelled()

    asyncio.run(run())


def test_crashed_fetch_fails_done_future() -> None:
    """Otherwise records would wait forever without a log line."""

    async def run() -> None:
        registry, translator = FakeRegistry(SchemaFound("{}"), SchemaFound("{}")), FakeTranslator()
        translator.crashes = True
        schema_fetcher = fetcher(registry.fetch, translator)
        for key in (7, 8):
            schema_fetcher.request(key)
            registry.may_answer.release()
        async with asyncio.timeout(120):
            with pytest.raises(RuntimeError, match="a bug"):
                await schema_fetcher.done
        await schema_fetcher.close()

    asyncio.run(run())


def test_no_registry_reports_schema_unknown_at_once() -> None:
    async def run() -> None:
        translator, learned = FakeTranslator(), asyncio.Event()
        schema_fetcher = fetcher(no_registry, translator, learned.set)
        schema_fetcher.request("ab")
        async with asyncio.timeout(120):
            await learned.wait()
        assert translator.unknown == ["ab"]
        await schema_fetcher.close()
        assert schema_fetcher.done.cancelled()

    asyncio.run(run())


def test_close_is_not_reported_as_crash() -> None:
    async def run() -> None:
        registry = FakeRegistry(SchemaUnknown())
        schema_fetcher = fetcher(registry.fetch, FakeTranslator())
        schema_fetcher.request(7)
        async with asyncio.timeout(120):
            await registry.requests.acquire()
        await schema_fetcher.close()
        assert schema_fetcher.done.cancelled()

    asyncio.run(run())
