"""Schemas that records wait for: asked for until they are known; nobody waits for an answer that never comes."""

# ruff: noqa: ARG002 - a translator is told more than this one keeps

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
    SchemaUnknown,
)
from consumer.model import Fault
from consumer.model.observer import Observer
from consumer.model.translated_batch import SchemaKey
from consumer.pipeline.schema_fetcher import SchemaFetcher, no_registry


class FakeRegistry:
    """Answers as it is told, one after another; then never."""

    def __init__(self, *answers: LookupResult) -> None:
        self.answers: Iterator[LookupResult] = iter(answers)
        self.asked = asyncio.Semaphore(0)
        self.goes = asyncio.Semaphore(0)

    async def fetch(self, key: SchemaKey) -> LookupResult:
        self.asked.release()
        await self.goes.acquire()
        return next(self.answers)


class FakeTranslator:
    def __init__(self) -> None:
        self.learnt: list[SchemaKey] = []
        self.unknown: list[SchemaKey] = []
        self.falls = False

    def learn(self, key: SchemaKey, schema_text: str, references: Mapping[str, str]) -> Fault | None:
        if self.falls:
            raise RuntimeError("a bug")
        self.learnt.append(key)
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
            FakeRegistry(RegistryUnreachable("x"), RegistryUnauthorized("x"), SchemaFound("{}")),
            FakeTranslator(),
            asyncio.Event(),
        )
        learning = fetcher(registry.fetch, translator, learned.set)
        learning.request(7)
        learning.request(7)
        seen = []
        for _ in range(3):
            async with asyncio.timeout(120):
                await registry.asked.acquire()
            seen.append(dict(learning.problems))
            assert list(learning.pending) == [7]
            registry.goes.release()
        async with asyncio.timeout(120):
            await learned.wait()
        assert seen == [{}, {7: "unreachable"}, {7: "refused"}]
        assert (learning.pending, learning.problems, translator.learnt) == ({}, {}, [7])
        await learning.close()
        assert learning.done.cancelled()

    asyncio.run(run())


def test_crashed_fetch_fails_done_future() -> None:
    """Otherwise records would wait forever without a log line."""

    async def run() -> None:
        registry, translator = FakeRegistry(SchemaFound("{}"), SchemaFound("{}")), FakeTranslator()
        translator.falls = True
        learning = fetcher(registry.fetch, translator)
        for key in (7, 8):
            learning.request(key)
            registry.goes.release()
        async with asyncio.timeout(120):
            with pytest.raises(RuntimeError, match="a bug"):
                await learning.done
        await learning.close()

    asyncio.run(run())


def test_no_registry_reports_schema_unknown_at_once() -> None:
    async def run() -> None:
        translator, learned = FakeTranslator(), asyncio.Event()
        learning = fetcher(no_registry, translator, learned.set)
        learning.request("ab")
        async with asyncio.timeout(120):
            await learned.wait()
        assert translator.unknown == ["ab"]
        await learning.close()
        assert learning.done.cancelled()

    asyncio.run(run())


def test_close_is_not_reported_as_crash() -> None:
    async def run() -> None:
        registry = FakeRegistry(SchemaUnknown())
        learning = fetcher(registry.fetch, FakeTranslator())
        learning.request(7)
        async with asyncio.timeout(120):
            await registry.asked.acquire()
        await learning.close()
        assert learning.done.cancelled()

    asyncio.run(run())
