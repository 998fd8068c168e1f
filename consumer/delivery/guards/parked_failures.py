"""Records and deliveries that failed to decode or map: dead-lettered, or parked while the flood guard is tripped.

A parked failure is still owed: the committable offset stays below its record, and the limits of records and bytes bound
how much is parked. Its event type or topic continues meanwhile. So do later events of its own ordering key, because
the key of a record that does not decode is unknown.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

from consumer.delivery.guards.directive_filter import DirectiveFilter
from consumer.delivery.guards.flood_guard import FloodGuard
from consumer.model.clock import now_ms
from consumer.model.directives import QUARANTINED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.guards.flood_guard import FloodGuardOptions
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import DeadLetterCause, Message
    from consumer.model.directives import AcceptRefusals, Directives
    from consumer.model.observer import DeliveryEvents
    from consumer.model.status import FloodGuardStatus
    from consumer.model.translated_batch import Translation, TranslationFailure

_WRITES_PER_STEP = 200
"""Dead letters written in one step after a reset. Tens of thousands at once would block the loop."""


class FailedDelivery(NamedTuple):
    """A record that did not decode, or a delivery that did not map, with its slot in the ledger."""

    failure: TranslationFailure
    ledger: PartitionLedger
    slot: int
    failed_at_ms: int
    """When the translation failed, epoch milliseconds."""


class ParkedFailures:
    """The flood guards of failed translations, one for each account, and the failures parked behind them.

    The guard of a destination counts by event type. The guard of the pipeline's own account, "", counts by topic. A
    delivery that was translated counts as a success here: the destination's own flood guard counts the response to it.
    """

    def __init__(
        self,
        accounts: Iterable[str],
        options: FloodGuardOptions,
        write: Callable[[FailedDelivery], None],
        observer: DeliveryEvents,
    ) -> None:
        """Start with nothing parked. `write` writes the dead letter of a failure."""
        self._guards = {
            each: FloodGuard(each, options, partial(self._count_parked, each), observer) for each in accounts
        }
        self._directive_filters = {account: DirectiveFilter(account) for account in self._guards}
        self._write = write
        self._parked: dict[tuple[str, str, DeadLetterCause], deque[FailedDelivery]] = {}

    def count_translated(self, records: Sequence[Message], translation: Translation) -> None:
        """Count what was translated of these records. Call this before `add` is called with their failures."""
        now = time.monotonic()
        for failure in translation.faults:
            account, kind = _account_and_kind(failure, records[failure.record].topic())
            self._guards[account].watch(kind, cast("DeadLetterCause", failure.fault.cause), now)
        for name, column in translation.columns.items():
            if self._guards[name].watching:
                for event_type, count in column.by_event_type().items():
                    self._guards[name].record_success(event_type, count, now)
        if self._guards[""].watching:
            not_decoded = {*translation.waiting, *(each.record for each in translation.faults if each.entry is None)}
            topics = Counter(message.topic() for index, message in enumerate(records) if index not in not_decoded)
            for topic, count in topics.items():
                self._guards[""].record_success(topic, count, now)

    def add(self, failure: TranslationFailure, ledger: PartitionLedger, slot: int) -> None:
        """Dead-letter a failure, or park it: while its guard is tripped, or behind failures parked for its scope.

        A failure at a quarantined offset is dead-lettered as quarantined, and is neither counted nor parked.
        """
        account, kind = _account_and_kind(failure, ledger.partition.topic)
        cause = cast("DeadLetterCause", failure.fault.cause)
        failed = FailedDelivery(failure, ledger, slot, now_ms())
        scope = (account, kind, cause)
        if self._directive_filters[account].quarantines_offset(ledger, slot):
            self._write(_quarantined(failed))
        elif self._guards[account].record_refusal(kind, cause, time.monotonic()) or scope in self._parked:
            self._parked.setdefault(scope, deque()).append(failed)
        else:
            self._write(failed)

    def apply_directives(self, directives: Directives) -> None:
        """Apply accepted refusals and quarantined offsets.

        A quarantine by ordering key matches nothing here, because the key of a failed translation is unknown.
        """
        self._directive_filters = {account: DirectiveFilter(account, directives) for account in self._guards}
        for scope, parked in list(self._parked.items()):
            directive_filter = self._directive_filters[scope[0]]
            remaining: deque[FailedDelivery] = deque()
            for failed in parked:
                if failed.ledger.active and directive_filter.quarantines_offset(failed.ledger, failed.slot):
                    self._write(_quarantined(failed))
                else:
                    remaining.append(failed)
            if remaining:
                self._parked[scope] = remaining
            else:
                del self._parked[scope]
        self.accept_refusals(directives.accepted)

    def accept_refusals(self, accepted: Sequence[AcceptRefusals]) -> None:
        """Write the parked dead letters covered by these directives, oldest first."""
        for account, guard in self._guards.items():
            for kind, cause in guard.accept(accepted, time.monotonic()):
                self._write_parked((account, kind, cause))

    def drop_revoked(self) -> None:
        """Drop the failures of ledgers that have ended: the next owner of the partition handles them."""
        for scope, parked in list(self._parked.items()):
            if remaining := deque(failed for failed in parked if failed.ledger.active):
                self._parked[scope] = remaining
            else:
                del self._parked[scope]

    def tripped(self, account: str) -> Sequence[FloodGuardStatus]:
        """Return the scopes in which the guard of `account` is tripped now."""
        return self._guards[account].tripped(time.monotonic(), now_ms())

    def _count_parked(self, account: str, kind: str, cause: DeadLetterCause) -> int:
        return len(self._parked.get((account, kind, cause), ()))

    def _write_parked(self, scope: tuple[str, str, DeadLetterCause]) -> None:
        account, kind, cause = scope
        parked = self._parked.get(scope)
        if parked is None or self._guards[account].is_tripped(kind, cause):
            return  # dropped meanwhile, or tripped again: then the next reset writes the rest
        for failed in list(islice(parked, _WRITES_PER_STEP)):
            parked.popleft()
            self._write(failed)
        if parked:
            asyncio.get_running_loop().call_soon(self._write_parked, scope)
        else:
            del self._parked[scope]


def _quarantined(failed: FailedDelivery) -> FailedDelivery:
    return failed._replace(failure=failed.failure._replace(fault=QUARANTINED))


def _account_and_kind(failure: TranslationFailure, topic: str) -> tuple[str, str]:
    """Return the account and the kind that a failure counts for."""
    return ("", topic) if failure.entry is None else (failure.entry.destination, failure.entry.event_type)
