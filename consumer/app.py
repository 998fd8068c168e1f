"""The composition root of `run`: builds the parts of every pipeline, connects them, and shuts down in order."""

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
from consumer.kafka.properties import PollOptions
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
"""(pipeline name, its destinations) → the pipeline's observer."""


class PipelineRunner:
    """One pipeline with its own poll thread, dead-letter writer, schema fetcher and lag monitor."""

    def __init__(
        self, config: RunConfig, options: PipelineSettings, observer_factory: ObserverFactory, commit_every_s: float
    ) -> None:
        """Build the parts and connect them. Must be called in the running event loop."""
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
            no_registry
            if registry is None
            else RegistryClient(registry, _REGISTRY_TIMEOUT_S, translator.uses_schema).fetch,
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
            own_topics=settings.own_topics,
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
            properties=settings.kafka,
            dead_letter_topic=settings.dead_letters.topic,
            limits=limits,
            lag=self._lag.status,
            schema_fetches=self._schema_fetcher.status,
            schemas_known=translator.schemas_known,
        )

    def _dispatcher(self, destination: Destination, settings: DestinationSettings, observer: Observer) -> Dispatcher:
        options, url = settings.lanes, settings.options.url
        headers = {**destination.headers, "user-agent": f"cdp-consumer/{__version__}"}

        def connect() -> HttpConnection:
            return HttpConnection(url, headers, options.timeout_s)

        def on_renewed(ok: bool) -> None:  # noqa: FBT001 - the only argument, and the name says it
            observer.credential_renewed(destination.name, ok=ok)

        def on_secret_problem(problem: SecretProblem | None) -> None:
            observer.secret_problem(destination.name, problem)

        async def request_token(request: HttpRequest) -> HttpResponse | Fault | Deferred:
            return await fetch_token(
                token_connection, request, self.pipeline.dispatchers[destination.name].rate_limiter
            )

        credential = destination.credential
        credentials: Credentials
        if isinstance(credential, Basic):
            credentials = BasicCredentials(credential, settings.secrets, on_renewed, on_secret_problem)
        else:
            token_connection = connect()
            self._token_connections.append(token_connection)
            credentials = TokenCredentials(credential, settings.secrets, request_token, on_renewed, on_secret_problem)
        return Dispatcher(
            destination,
            replace(options, flood_guard=self._flood_guard),
            connect=connect,
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
        """Run until `shutdown` is set and the pipeline has shut down. Raises the error of a part that crashed."""
        self._dead_letters.start()
        self._lag.start()
        self.poller.start()
        pipeline = asyncio.create_task(self.pipeline.run(self.poller.commit, self._commit_every_s), name=self.name)
        status = asyncio.create_task(self._refresh_status(), name=f"{self.name}-status")
        shutdown_requested: asyncio.Future[Any] = asyncio.create_task(shutdown.wait(), name=f"{self.name}-shutdown")
        try:
            parts: list[asyncio.Future[None]] = [
                pipeline,
                status,
                self.poller.done,
                self._dead_letters.done,
                self._schema_fetcher.done,
            ]
            await asyncio.wait([*parts, shutdown_requested], return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                if part.done():
                    part.result()
            await self.poller.shutdown()
            self.status_reporter.refresh()
        finally:
            for task in (pipeline, status, shutdown_requested):
                task.cancel()
            await asyncio.gather(pipeline, status, shutdown_requested, return_exceptions=True)
            await self._schema_fetcher.close()
            # No commit follows: after a restart, the record of an unacknowledged dead letter is consumed again.
            await self._dead_letters.close(0)
            self._lag.close()
            for token_connection in self._token_connections:
                await token_connection.close()

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
    """Run all pipelines of the configuration until `shutdown` is set.

    If one pipeline crashes, the others shut down in order. The process then ends, and the platform restarts it.

    Args:
        config: the configuration.
        observer_factory: makes the observer of each pipeline.
        status_sources: receives the status source of each pipeline.
        shutdown: set by the caller to request shutdown, or here after a crash.
        on_started: receives the pipelines before any of them runs.
        directives_watcher: reads the operator's directives; `None` = no directives file is configured.
        commit_every_s: seconds between two commits of changed offsets.

    Returns:
        The errors of the parts that crashed; empty if all pipelines shut down in order.
    """
    pipelines = [
        PipelineRunner(config, options, observer_factory, commit_every_s) for options in config.settings.pipelines
    ]
    for each in pipelines:
        status_sources.add(each.name, each.status_reporter.status)
    if on_started is not None:
        on_started(pipelines)
    errors: list[BaseException] = []

    async def supervise(part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except Exception as error:  # noqa: BLE001 - every error is returned, and the other pipelines shut down
            errors.append(error)
            shutdown.set()

    directives_task = None
    if directives_watcher is not None:
        # Before any request: a pause in the file must apply to the first one.
        await directives_watcher.start([each.pipeline.apply_directives for each in pipelines], shutdown)
        directives_task = asyncio.create_task(supervise(directives_watcher.run()), name="directives")
    try:
        await asyncio.gather(*(supervise(each.run(shutdown)) for each in pipelines))
    finally:
        if directives_task is not None:
            directives_task.cancel()
            await asyncio.gather(directives_task, return_exceptions=True)
    return errors
