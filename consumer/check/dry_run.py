"""What would become of one event: the exact requests, credentials masked, and why anything is not said."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat, starmap

from consumer.check.journeys_warnings import advice_on
from consumer.config.secrets import MASK
from consumer.delivery.batch import body_of, next_batch
from consumer.delivery.delivery import Delivery
from consumer.delivery.guards.time_window import check_window
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.destinations import Basic, Destination
from consumer.model import Entry, Fault, Message, Partition
from consumer.model.translated_batch import DeliveryColumns, Translation
from consumer.translation.translator import Translator

_PLACE = Partition("translate", 0)


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One HTTP request as it would be made, but for the credentials."""

    destination: str
    labels: tuple[str, ...]
    """Label of each delivery in it, in order."""
    identities: tuple[str, ...]
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """What would go to the dead-letter topic without any call."""

    destination: str
    label: str
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one event comes to."""

    requests: tuple[PlannedRequest, ...]
    skips: tuple[tuple[str, str, int], ...]
    """(destination or "", reason, how many)."""
    refusals: tuple[Refusal, ...]
    warnings: tuple[tuple[str, str, str], ...] = ()
    """(destination, label, what its readers might drop although it takes it)."""


class DryRun:
    """Runs events through the translator and the batches of a service that is never started."""

    def __init__(
        self,
        translator: Translator,
        destinations: Mapping[str, Destination],
        urls: Mapping[str, str],
        clock_ms: Callable[[], int],
    ) -> None:
        """Speak to the destinations named in `urls`, by base address; `clock_ms` is what time windows are held to."""
        self._translator = translator
        self._destinations = destinations
        self._urls = urls
        self._clock_ms = clock_ms

    def one(self, record: Message) -> Outcome:
        """Return what one record comes to. Its schema must have been learnt."""
        translation = self._translator.translate([record])
        refusals = _refusals(translation)
        requests: list[PlannedRequest] = []
        warnings: list[tuple[str, str, str]] = []
        for name, column in translation.columns.items():
            deliveries, late = self._in_time(column)
            warnings += self._warnings(name, deliveries)
            requests += self._requests(name, deliveries)
            refusals += late
        return Outcome(tuple(requests), _skips(translation), tuple(refusals), tuple(warnings))

    def _in_time(self, column: DeliveryColumns) -> tuple[deque[Delivery], list[Refusal]]:
        """Return the deliveries a service would send now, or in a moment, and those whose time is past hope."""
        epoch, now_ms = PartitionLedger(_PLACE, 1, 0, len(self._destinations)), self._clock_ms()
        columns = (column.bodies, column.keys, column.envelopes, column.identities, column.times_ms, column.entries)
        deliveries: deque[Delivery] = deque()
        late: list[Refusal] = []
        for delivery in starmap(Delivery, zip(*columns, repeat(epoch), repeat(0), strict=False)):
            stands = check_window(delivery.event_ms, delivery.envelope.max_age_ms, now_ms)
            if isinstance(stands, Fault):
                late.append(_refusal(delivery.entry, stands))
            else:
                deliveries.append(delivery)
        return deliveries, late

    def _warnings(self, name: str, deliveries: Iterable[Delivery]) -> Iterator[tuple[str, str, str]]:
        kind = self._destinations[name].kind
        for delivery in deliveries:
            for said in advice_on(kind, delivery.entry.target, delivery.body):
                yield name, delivery.entry.label, said

    def _requests(self, name: str, deliveries: deque[Delivery]) -> Iterator[PlannedRequest]:
        while deliveries:
            yield self._request(name, next_batch(deliveries, None))

    def _request(self, name: str, batch: list[Delivery]) -> PlannedRequest:
        destination = self._destinations[name]
        endpoint = batch[0].envelope.endpoint
        credential = destination.credential
        signed = {"authorization": f"Basic {MASK}"} if isinstance(credential, Basic) else {credential.header: MASK}
        return PlannedRequest(
            name,
            tuple(delivery.entry.label for delivery in batch),
            tuple(delivery.identity for delivery in batch),
            endpoint.method,
            self._urls[name] + endpoint.path,
            {**destination.headers, **signed},
            body_of(batch),
        )


def _skips(translation: Translation) -> tuple[tuple[str, str, int], ...]:
    return tuple((destination, reason.value, count) for (destination, _, reason), count in translation.skipped.items())


def _refusals(translation: Translation) -> list[Refusal]:
    return [_refusal(faulty.entry, faulty.fault) for faulty in translation.faults]


def _refusal(entry: Entry | None, fault: Fault) -> Refusal:
    destination, label = ("", "") if entry is None else (entry.destination, entry.label)
    return Refusal(destination, label, fault.cause.value, fault.detail)
