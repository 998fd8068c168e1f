"""The exact requests that one event would become, with credentials masked; and its skips, dead letters, warnings."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat, starmap

from consumer.check.journeys_warnings import journeys_warnings
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
    """One HTTP request as it would be sent, except for the credentials."""

    destination: str
    labels: tuple[str, ...]
    """The label of each delivery in it, in order."""
    identities: tuple[str, ...]
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class PlannedDeadLetter:
    """A delivery, or a record, that would go to the dead-letter topic without any request."""

    destination: str
    label: str
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one event."""

    requests: tuple[PlannedRequest, ...]
    skips: tuple[tuple[str, str, int], ...]
    """(destination or "", reason, count)."""
    dead_letters: tuple[PlannedDeadLetter, ...]
    warnings: tuple[tuple[str, str, str], ...] = ()
    """(destination, label, what Journeys may drop although the destination accepts it)."""


class DryRun:
    """Translates events and forms batches as the service does, without starting it."""

    def __init__(
        self,
        translator: Translator,
        destinations: Mapping[str, Destination],
        urls: Mapping[str, str],
        clock_ms: Callable[[], int],
    ) -> None:
        """Use the destinations in `urls`, which has their base addresses. `clock_ms` decides about time windows."""
        self._translator = translator
        self._destinations = destinations
        self._urls = urls
        self._clock_ms = clock_ms

    def translate(self, record: Message) -> Outcome:
        """Return the result of one record. The translator must know its schema."""
        translation = self._translator.translate([record])
        dead_letters = _dead_letters(translation)
        requests: list[PlannedRequest] = []
        warnings: list[tuple[str, str, str]] = []
        for name, column in translation.columns.items():
            deliveries, late = self._in_time(column)
            warnings += self._warnings(name, deliveries)
            requests += self._requests(name, deliveries)
            dead_letters += late
        return Outcome(tuple(requests), _skips(translation), tuple(dead_letters), tuple(warnings))

    def _in_time(self, column: DeliveryColumns) -> tuple[deque[Delivery], list[PlannedDeadLetter]]:
        """Return the deliveries that a service would send now or soon, and those that are outside of their window."""
        epoch, now_ms = PartitionLedger(_PLACE, 1, 0, len(self._destinations)), self._clock_ms()
        columns = (column.bodies, column.keys, column.envelopes, column.identities, column.times_ms, column.entries)
        deliveries: deque[Delivery] = deque()
        late: list[PlannedDeadLetter] = []
        for delivery in starmap(Delivery, zip(*columns, repeat(epoch), repeat(0), strict=False)):
            fault = check_window(delivery.event_ms, delivery.envelope.max_age_ms, now_ms)
            if isinstance(fault, Fault):
                late.append(_dead_letter(delivery.entry, fault))
            else:
                deliveries.append(delivery)
        return deliveries, late

    def _warnings(self, name: str, deliveries: Iterable[Delivery]) -> Iterator[tuple[str, str, str]]:
        kind = self._destinations[name].kind
        for delivery in deliveries:
            for text in journeys_warnings(kind, delivery.entry.target, delivery.body):
                yield name, delivery.entry.label, text

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


def _dead_letters(translation: Translation) -> list[PlannedDeadLetter]:
    return [_dead_letter(faulty.entry, faulty.fault) for faulty in translation.faults]


def _dead_letter(entry: Entry | None, fault: Fault) -> PlannedDeadLetter:
    destination, label = ("", "") if entry is None else (entry.destination, entry.label)
    return PlannedDeadLetter(destination, label, fault.cause.value, fault.detail)
