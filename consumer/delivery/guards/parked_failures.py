"""Records and deliveries that failed to decode or map: dead-lettered, or parked while the flood guard is tripped.

A parked failure is still owed: the committable offset stays below its record, and the limits of records and bytes bound
how much is parked. Its event type or topic goes on meanwhile, and so do later events of its own ordering key: where a
record does not decode, the key is unknown.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

from consumer.delivery.guards.directive_filter import QUARANTINED, DirectiveFilter
from consumer.delivery.guards.flood_guard import FloodGuard
from consumer.model.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.guards.flood_guard import FloodGuardOptions
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import DeadLetterCause, Message
    from consumer.model.directives import AcceptRefusals, Directives
    from consumer.model.observer import Observer
    from consumer.model.status import FloodGuardStatus
    from consumer.model.translated_batch import Translation, TranslationFailure

_AT_ONCE = 200
"""Letters written in one go when a guard resets: tens of thousands at once would keep the loop."""


class FailedDelivery(NamedTuple):
    """A record, or one delivery of it, that could not be said, and its place in the ledger."""

    failure: TranslationFailure
    ledger: PartitionLedger
    slot: int
    failed_at_ms: int
    """When that was found, epoch milliseconds."""


class ParkedFailures:
    """The guards of what could not be said, one for each account, and what is parked at them.

    That of a destination counts event types, and that of the pipeline's own account, "", topics. What was said counts
    as taken here: whether the destination takes it is another guard's matter.
    """

    def __init__(
        self,
        accounts: Iterable[str],
        options: FloodGuardOptions,
        write: Callable[[FailedDelivery], None],
        observer: Observer,
    ) -> None:
        """Start with nothing parked; `write` writes a letter."""
        self._guards = {
            each: FloodGuard(each, options, partial(self._count_parked, each), observer) for each in accounts
        }
        self._directive_filters = {account: DirectiveFilter(account) for account in self._guards}
        self._write = write
        self._parked: dict[tuple[str, str, DeadLetterCause], deque[FailedDelivery]] = {}

    def count_translated(self, lot: Sequence[Message], translation: Translation) -> None:
        """Count what of a lot could be said, beside what could not: before that is told by `found`."""
        now = time.monotonic()
        for faulty in translation.faults:
            account, kind = _scope(faulty, lot[faulty.record].topic())
            self._guards[account].watch(kind, cast("DeadLetterCause", faulty.fault.cause), now)
        for name, column in translation.columns.items():
            if self._guards[name].watching:
                for event_type, count in column.by_event_type().items():
                    self._guards[name].record_success(event_type, count, now)
        if self._guards[""].watching:
            apart = {*translation.waiting, *(faulty.record for faulty in translation.faults if faulty.entry is None)}
            topics = Counter(message.topic() for index, message in enumerate(lot) if index not in apart)
            for topic, count in topics.items():
                self._guards[""].record_success(topic, count, now)

    def add(self, faulty: TranslationFailure, ledger: PartitionLedger, slot: int) -> None:
        """Write a letter, or park it behind a closed guard, or behind those that are parked for the same already.

        What is quarantined by its position is written as that, and neither counted nor parked.
        """
        account, kind = _scope(faulty, ledger.partition.topic)
        cause = cast("DeadLetterCause", faulty.fault.cause)
        unsaid = FailedDelivery(faulty, ledger, slot, now_ms())
        scope = (account, kind, cause)
        if self._directive_filters[account].quarantines_offset(ledger, slot):
            self._write(_quarantined(unsaid))
        elif self._guards[account].record_refusal(kind, cause, time.monotonic()) or scope in self._parked:
            self._parked.setdefault(scope, deque()).append(unsaid)
        else:
            self._write(unsaid)

    def apply_directives(self, directives: Directives) -> None:
        """Act on what an operator says from now on: accepted refusals, and quarantined positions.

        A quarantine by an ordering key finds nothing here: what could not be said has none that is known.
        """
        self._directive_filters = {account: DirectiveFilter(account, directives) for account in self._guards}
        for scope, parked in list(self._parked.items()):
            said = self._directive_filters[scope[0]]
            left: deque[FailedDelivery] = deque()
            for unsaid in parked:
                if unsaid.ledger.active and said.quarantines_offset(unsaid.ledger, unsaid.slot):
                    self._write(_quarantined(unsaid))
                else:
                    left.append(unsaid)
            if left:
                self._parked[scope] = left
            else:
                del self._parked[scope]
        self.accept_refusals(directives.accepted)

    def accept_refusals(self, accepted: Sequence[AcceptRefusals]) -> None:
        """Let the letters go that these directives speak of, in the order in which they were parked."""
        for account, guard in self._guards.items():
            for kind, cause in guard.accept(accepted, time.monotonic()):
                self._write_parked((account, kind, cause))

    def drop_revoked(self) -> None:
        """Forget what is parked of ledgers that have ended: it is the next owner's."""
        for scope, parked in list(self._parked.items()):
            if left := deque(unsaid for unsaid in parked if unsaid.ledger.active):
                self._parked[scope] = left
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
            return  # forgotten meanwhile; or closed again, and somebody will open it
        for unsaid in list(islice(parked, _AT_ONCE)):
            parked.popleft()
            self._write(unsaid)
        if parked:
            asyncio.get_running_loop().call_soon(self._write_parked, scope)
        else:
            del self._parked[scope]


def _quarantined(unsaid: FailedDelivery) -> FailedDelivery:
    return unsaid._replace(failure=unsaid.failure._replace(fault=QUARANTINED))


def _scope(faulty: TranslationFailure, topic: str) -> tuple[str, str]:
    """Return the account and the kind that a fault counts for."""
    return ("", topic) if faulty.entry is None else (faulty.entry.destination, faulty.entry.event_type)
