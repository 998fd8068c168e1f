"""The composition root of `run`: builds the rooms of every pipeline, joins them, and leaves in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from consumer import __version__
from consumer.config.run_config import destinations_of
from consumer.delivery.dispatcher import Dispatcher
from consumer.delivery.http.client import HttpConnection, fetch_token
from consumer.delivery.http.credentials import BasicCredentials, Credentials, TokenCredentials
from consumer.delivery.record_buffer import BufferLimits
from consumer.destinations import Basic, Destination
from consumer.kafka.dead_letters.writer import DeadLetterWriter
from consumer.kafka.lag import LagMonitor
from consumer.kafka.poller import Poller
from consumer.kafka.properties import PollOptions, max_poll_interval_s
from consumer.kafka.schema_registry.client import RegistryClient
from consumer.model import Deferred, Fault, HttpRequest, HttpResponse, SecretProblem
from consumer.model.observer import Observer
from consumer.observability.fan_out_observer import FanOutObserver
from consumer.pipeline.pipeline import Pipeline
from consumer.pipeline.schema_fetcher import SchemaFetcher, no_registry
from consumer.pipeline.settlement import Settlement
from consumer.pipeline.status import ConsumerStateObserver, StatusReporter
from consumer.translation.translator import Translator

if TYPE_CHECKING:
    from consumer.config.run_config import RunConfig
    from consumer.config.settings import DestinationSettings, PipelineSettings
    from consumer.directives.watcher import DirectivesWatcher
    from consumer.observability.status_sources import StatusSources

_REFRESH_STATUS_S = 0.5
_REGISTRY_TIMEOUT_S = 10.0

ObserverFactory: TypeAlias = Callable[[str, Mapping[str, Destination]], Observer]
"""(pipeline's name, its destinations) → who is told what happens in it."""


class PipelineRunner:
    """One pipeline with its poll thread, its dead letters, and what else serves it alone."""

    def __init__(
        self, config: RunConfig, options: PipelineSettings, observer_factory: ObserverFactory, commit_every_s: float
    ) -> None:
        """Build the rooms and join them; call it in the loop."""
        settings = config.settings
        loop = asyncio.get_running_loop()
        destinations = destinations_of(settings, options)
        disabled = frozenset(name for name in destinations if not settings.destinations[name].enabled)
        self.name = options.name
        self.consumer_state = ConsumerStateObserver()
        self._flood_guard = settings.flood_guard
        observer: Observer = FanOutObserver(self.consumer_state, observer_factory(options.name, destinations))
        translator = Translator(
            config.mapping,
            destinations,
            schemas=config.schemas,
            grace_s=settings.schema_grace_s,
            clock_ms=config.clock_ms,
            disabled=disabled,
        )
        registry = settings.registry
        self._schema_fetcher = SchemaFetcher(
            no_registry if registry is None else RegistryClient(registry, _REGISTRY_TIMEOUT_S).fetch,
            learn=translator.learn,
            learn_unknown=translator.learn_unknown,
            on_learned=self._schemas_changed,
            observer=observer,
        )
        self._dead_letters = DeadLetterWriter(
            settings.kafka,
            settings.dead_letters.topic,
            options.name,
            config.mapping.version,
            loop,
            observer,
            connect_headers=settings.dead_letters.connect_headers,
        )
        limits = BufferLimits(settings.budgets.records, settings.budgets.bytes)
        self.pipeline = Pipeline(
            options.name,
            limits=limits,
            drain_s=settings.budgets.drain_s,
            translator=translator,
            settlement=Settlement(
                list(destinations),
                self._dead_letters,
                translator.schema_id,
                translator.event_type,
                observer,
                self._flood_guard,
            ),
            request_schema=self._schema_fetcher.request,
            observer=observer,
        )
        poll_options = PollOptions(
            properties=settings.kafka,
            group=options.name,
            topics=settings.topics,
            start=settings.start,
            drain_s=settings.budgets.drain_s,
            kip848_session_s=settings.budgets.session_s,
            commit_interval_s=commit_every_s,
        )
        self.poller = Poller(poll_options, self.pipeline, loop, observer)
        self._commit_every_s = commit_every_s
        self._token_connections: list[HttpConnection] = []
        for name, destination in destinations.items():
            if name not in disabled:
                self.pipeline.dispatchers[name] = self._dispatcher(destination, settings.destinations[name], observer)
        self._lag = LagMonitor(settings.kafka, options.name, lambda: tuple(self.poller.assigned()))
        self.status_reporter = StatusReporter(
            self.pipeline,
            self.consumer_state,
            protocol=settings.kafka.get("group.protocol", "classic"),
            dead_letter_topic=settings.dead_letters.topic,
            max_poll_interval_s=max_poll_interval_s(settings.kafka),
            limits=limits,
            lag=lambda: (self._lag.snapshot(), self._lag.updated_at),
            schemas_pending=lambda: self._schema_fetcher.pending,
            schema_problems=lambda: self._schema_fetcher.problems,
            schemas_known=lambda: translator.schemas_known,
        )

    def _dispatcher(self, destination: Destination, settings: DestinationSettings, observer: Observer) -> Dispatcher:
        lanes, url = settings.lanes, settings.options.url
        headers = {**destination.headers, "user-agent": f"cdp-consumer/{__version__}"}

        def wire() -> HttpConnection:
            return HttpConnection(url, headers, lanes.timeout_s)

        def renewed(ok: bool) -> None:  # noqa: FBT001 - it is the whole news
            observer.credential_renewed(destination.name, ok=ok)

        def doubted(doubt: SecretProblem | None) -> None:
            observer.secret_problem(destination.name, doubt)

        async def fetch(call: HttpRequest) -> HttpResponse | Fault | Deferred:
            return await fetch_token(token_wire, call, self.pipeline.dispatchers[destination.name].rate_limiter)

        credential = destination.credential
        credentials: Credentials
        if isinstance(credential, Basic):
            credentials = BasicCredentials(credential, settings.secrets, renewed, doubted)
        else:
            token_wire = wire()
            self._token_connections.append(token_wire)
            credentials = TokenCredentials(credential, settings.secrets, fetch, renewed, doubted)
        return Dispatcher(
            destination,
            replace(lanes, flood_guard=self._flood_guard),
            connect=wire,
            credentials=credentials,
            sink=self.pipeline.settlement.sink_of(destination.name),
            may_send=self._may_send,
            observer=observer,
        )

    def _schemas_changed(self) -> None:
        self.pipeline.schemas_changed()

    def _may_send(self) -> bool:
        return self.poller.may_send()

    async def run(self, shutdown: asyncio.Event) -> None:
        """Run until `leave` is set and everything has ended in order; raises what made the pipeline fall."""
        self._dead_letters.start()
        self._lag.start()
        self.poller.start()
        path = asyncio.create_task(self.pipeline.run(self.poller.commit, self._commit_every_s), name=self.name)
        look = asyncio.create_task(self._refresh_status(), name=f"{self.name}-look")
        asked: asyncio.Future[Any] = asyncio.create_task(shutdown.wait(), name=f"{self.name}-leave")
        try:
            ends: list[asyncio.Future[None]] = [
                path,
                look,
                self.poller.done,
                self._dead_letters.done,
                self._schema_fetcher.done,
            ]
            await asyncio.wait([*ends, asked], return_when=asyncio.FIRST_COMPLETED)
            for ended in ends:
                if ended.done():
                    ended.result()
            await self.poller.shutdown()
            self.status_reporter.refresh()
        finally:
            for task in (path, look, asked):
                task.cancel()
            await asyncio.gather(path, look, asked, return_exceptions=True)
            await self._schema_fetcher.close()
            # Nothing commits any more: a letter not acknowledged by now is written again, with its record read again.
            await self._dead_letters.close(0)
            self._lag.close()
            for token_wire in self._token_connections:
                await token_wire.close()

    async def _refresh_status(self) -> None:
        while True:
            self.status_reporter.refresh()
            await asyncio.sleep(_REFRESH_STATUS_S)


async def run(
    config: RunConfig,
    *,
    observer_factory: ObserverFactory,
    status_sources: StatusSources,
    shutdown: asyncio.Event,
    on_started: Callable[[list[PipelineRunner]], None] | None = None,
    directives_watcher: DirectivesWatcher | None = None,
    commit_every_s: float = 1.0,
) -> list[BaseException]:
    """Run every pipeline of the plan until `leave` is set; return what made any fall (nothing = all left in order).

    `steering`: what an operator says meanwhile; `None` = there is no file to say it in.

    The first to fall makes the others leave in order: the process then ends, and is started again as a whole.
    """
    pipelines = [
        PipelineRunner(config, options, observer_factory, commit_every_s) for options in config.settings.pipelines
    ]
    for each in pipelines:
        status_sources.add(each.name, each.status_reporter)
    if on_started is not None:
        on_started(pipelines)
    fallen: list[BaseException] = []

    async def one(living: Coroutine[Any, Any, None]) -> None:
        try:
            await living
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told, and the others leave in order
            fallen.append(error)
            shutdown.set()

    steered = None
    if directives_watcher is not None:
        await directives_watcher.start(
            [each.pipeline.apply_directives for each in pipelines], shutdown
        )  # before anybody makes a call
        steered = asyncio.create_task(one(directives_watcher.run()), name="steering")
    try:
        await asyncio.gather(*(one(each.run(shutdown)) for each in pipelines))
    finally:
        if steered is not None:
            steered.cancel()
            await asyncio.gather(steered, return_exceptions=True)
    return fallen
