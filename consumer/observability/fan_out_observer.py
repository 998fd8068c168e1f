"""Several observers as one. An observer that raises stops neither the others nor the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec

from consumer.model.observer import Observer

P = ParamSpec("P")


def _forward(method: Callable[Concatenate[Observer, P], None]) -> Callable[Concatenate[FanOutObserver, P], None]:
    name = method.__name__

    def forward(self: FanOutObserver, /, *args: P.args, **kwargs: P.kwargs) -> None:
        for override in self._overrides[name]:
            try:
                override(*args, **kwargs)
            except Exception:  # noqa: BLE001  an observer's bug must not stop deliveries
                self.failures += 1

    return forward


def _overrides(name: str, observers: Sequence[Observer]) -> list[Callable[..., None]]:
    methods = [getattr(observer, name) for observer in observers]
    return [method for method in methods if getattr(method, "__func__", None) is not getattr(Observer, name)]


class FanOutObserver(Observer):
    """Forwards each call to every observer given, in order. `failures` counts the calls that raised.

    A method that no observer overrides costs an empty loop: some are called for every batch.
    """

    def __init__(self, *observers: Observer) -> None:
        self.failures = 0
        self._overrides = {name: _overrides(name, observers) for name in vars(FanOutObserver) if name[0] != "_"}

    # ── Kafka ──
    group_joined = _forward(Observer.group_joined)
    partitions_assigned = _forward(Observer.partitions_assigned)
    partitions_revoked = _forward(Observer.partitions_revoked)
    records_consumed = _forward(Observer.records_consumed)
    partitions_paused = _forward(Observer.partitions_paused)
    committed = _forward(Observer.committed)
    commit_failed = _forward(Observer.commit_failed)
    client_error = _forward(Observer.client_error)
    poll_ticked = _forward(Observer.poll_ticked)
    topic_missing = _forward(Observer.topic_missing)
    topic_found = _forward(Observer.topic_found)
    fence_closed = _forward(Observer.fence_closed)
    fence_released = _forward(Observer.fence_released)
    partition_stopped = _forward(Observer.partition_stopped)
    gap_accepted = _forward(Observer.gap_accepted)
    shutdown_started = _forward(Observer.shutdown_started)
    shutdown_finished = _forward(Observer.shutdown_finished)

    # ── Translation ──
    events_decoded = _forward(Observer.events_decoded)
    events_translated = _forward(Observer.events_translated)
    events_skipped = _forward(Observer.events_skipped)
    translation_failed = _forward(Observer.translation_failed)
    schema_fetched = _forward(Observer.schema_fetched)

    # ── Delivery ──
    request_finished = _forward(Observer.request_finished)
    delivered = _forward(Observer.delivered)
    refused = _forward(Observer.refused)
    partial_failure = _forward(Observer.partial_failure)
    retry_scheduled = _forward(Observer.retry_scheduled)
    batch_split = _forward(Observer.batch_split)
    batch_isolated = _forward(Observer.batch_isolated)
    hold_started = _forward(Observer.hold_started)
    hold_ended = _forward(Observer.hold_ended)
    request_delayed = _forward(Observer.request_delayed)
    credential_renewed = _forward(Observer.credential_renewed)
    credentials_checked = _forward(Observer.credentials_checked)
    secret_problem = _forward(Observer.secret_problem)
    flood_guard_tripped = _forward(Observer.flood_guard_tripped)
    flood_guard_reset = _forward(Observer.flood_guard_reset)
    dead_lettered = _forward(Observer.dead_lettered)
    dead_letter_failed = _forward(Observer.dead_letter_failed)

    # ── Directives ──
    directives_read = _forward(Observer.directives_read)
    directives_rejected = _forward(Observer.directives_rejected)
    directives_unreadable = _forward(Observer.directives_unreadable)
    directive_ended = _forward(Observer.directive_ended)
    directive_active_again = _forward(Observer.directive_active_again)
