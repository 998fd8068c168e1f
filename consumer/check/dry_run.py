"""What would become of one event: the exact requests, credentials masked, and why anything is not said."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat

from consumer.config import MASK
from consumer.delivery.batch import body_of, form
from consumer.delivery.delivery import Delivery
from consumer.delivery.ledger import Tenure
from consumer.destinations import Basic, Destination
from consumer.model import Message, Partition, Translation
from consumer.translation import Translator

_PLACE = Partition("translate", 0)


@dataclass(frozen=True, slots=True)
class Request:
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

    requests: tuple[Request, ...]
    skips: tuple[tuple[str, str, int], ...]
    """(destination or "", reason, how many)."""
    refusals: tuple[Refusal, ...]


class DryRun:
    """Runs events through the translator and the batches of a service that is never started."""

    def __init__(
        self, translator: Translator, destinations: Mapping[str, Destination], urls: Mapping[str, str]
    ) -> None:
        """Speak to the destinations named in `urls`, by base address."""
        self._translator = translator
        self._destinations = destinations
        self._urls = urls

    def one(self, record: Message) -> Outcome:
        """Return what one record comes to. Its schema must have been learnt."""
        translation = self._translator.translate([record])
        return Outcome(tuple(self._requests(translation)), _skips(translation), _refusals(translation))

    def _requests(self, translation: Translation) -> Iterator[Request]:
        tenure = Tenure(_PLACE, 1, 0, len(self._destinations))
        for name, column in translation.columns.items():
            columns = (column.bodies, column.keys, column.shapes, column.identities, column.times_ms, column.entries)
            queue = deque(Delivery(*row) for row in zip(*columns, repeat(tenure), repeat(0), strict=False))
            while queue:
                yield self._request(name, form(queue, None))

    def _request(self, name: str, batch: list[Delivery]) -> Request:
        destination = self._destinations[name]
        endpoint = batch[0].shape.endpoint
        credential = destination.credential
        signed = {"authorization": f"Basic {MASK}"} if isinstance(credential, Basic) else {credential.header: MASK}
        return Request(
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


def _refusals(translation: Translation) -> tuple[Refusal, ...]:
    return tuple(
        Refusal(
            faulty.entry.destination if faulty.entry is not None else "",
            faulty.entry.label if faulty.entry is not None else "",
            faulty.fault.cause.value,
            faulty.fault.detail,
        )
        for faulty in translation.faults
    )
