"""The shared contract suite: a client sends a case's events to a strict server over sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.delivery.backoff import Backoff
from consumer.delivery.delivery import Delivery
from consumer.delivery.dispatcher import Dispatcher
from consumer.delivery.http.client import HttpConnection
from consumer.delivery.http.credentials import BasicCredentials, Credentials, TokenCredentials
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.options import DestinationOptions
from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot, consent_id
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.destinations import Basic, Destination, EntryError
from consumer.model import Entry, Fault, Partition
from consumer.model.observer import Observer
from tests.contract.case import Case, Event

Client = Callable[[Fake, dict[str, Any]], Destination]
"""(server, options) → the destination under test, unchanged or with one defect."""

_OPTIONS = DestinationOptions(lanes=2, timeout_s=1.0, linger_s=0.02, backoff=Backoff(0.01, 0.05), probe_s=0.3)
_SECRETS = {"client_id": "id", "client_secret": "secret", "api_key": "key", "secret": "secret"}


class _Secret:
    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def hangs(self) -> bool:
        return False

    def is_invalid(self) -> bool:
        return False

    async def refresh(self) -> bool:
        return False


class _Record:
    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event as the destination encoded it."""

    event: Event
    identity: str
    stored_id: str
    time_ms: int


class RecordingSink:
    """A settlement sink that records delivered identities and faults."""

    def __init__(self) -> None:
        self.delivered_ids: list[str] = []
        self.faults: dict[str, Fault] = {}

    def delivered(self, batch: Sequence[Delivery]) -> None:
        self.delivered_ids += [delivery.identity for delivery in batch]

    def refused(self, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        self.faults[delivery.identity] = fault
        acknowledged()


def complaints(case: Case, make_server: Callable[[], Fake], client: Client, *, within_s: float = 10.0) -> list[str]:
    """Run one case and return every violation; a case that takes longer than `within_s` is one."""
    return asyncio.run(_run(case, make_server(), client, within_s))


async def _run(case: Case, server: Fake, client: Client, within_s: float) -> list[str]:
    async with server:
        case.prepare(server)
        destination = client(server, dict(case.options))
        found = [*_entries(case, destination)]
        ends = RecordingSink()
        sent, lanes, closing = queue(case, server, destination, ends)
        running = asyncio.create_task(lanes.run())
        work = asyncio.create_task(_until_ended(sent, ends, running))
        try:
            async with asyncio.timeout(within_s):
                await case.meanwhile(server)
                await work
        except TimeoutError:
            found.append(f"stuck: {len(sent) - len(ends.delivered_ids) - len(ends.faults)} have not ended")
        finally:
            for task in (work, running):
                task.cancel()
            await asyncio.gather(work, running, return_exceptions=True)
            await closing()
        return [*found, *_judge(case, server, sent, ends), *case.extra_complaints(server)]


def _entries(case: Case, destination: Destination) -> Iterator[str]:
    for target, name in case.refused_entries:
        with contextlib.suppress(EntryError):
            destination.encoder(target, name)
            yield f"an entry {target} named {name!r} is accepted"


def queue(
    case: Case, server: Fake, destination: Destination, ends: RecordingSink
) -> tuple[list[SentEvent], Dispatcher, Callable[[], Any]]:
    """Encode every event and enqueue it; an event with a fault ends at once."""
    headers = {**destination.headers, "user-agent": "cdp-consumer/contract"}
    token_wire = HttpConnection(server.url, headers, _OPTIONS.timeout_s)
    secrets = {name: _Secret(value) for name, value in _SECRETS.items()}
    credential = destination.credential
    credentials: Credentials = (
        BasicCredentials(credential, secrets)
        if isinstance(credential, Basic)
        else TokenCredentials(credential, secrets, lambda call: token_wire.exchange(call, {}))
    )
    lanes = Dispatcher(
        destination,
        _OPTIONS,
        connect=lambda: HttpConnection(server.url, headers, _OPTIONS.timeout_s),
        credentials=credentials,
        sink=ends,
        may_send=lambda: True,
        observer=Observer(),
    )
    ledger = PartitionLedger(Partition("events", 0), 1, 0, 1)
    sent: list[SentEvent] = []
    deliveries: list[Delivery] = []
    for place, event in enumerate(case.events):
        digest = hashlib.blake2b(f"{case.name}{place}".encode(), digest_size=16).digest()
        time_ns = int((time.time() - event.age_s) * 1000) * 1_000_000
        encoded = destination.encoder(event.target, event.name)(event.fields, digest, time_ns)
        time_ms = time_ns // 1_000_000
        name = destination.identity(digest, time_ms) if isinstance(encoded, Fault) else encoded.identity
        sent.append(SentEvent(event, name, _stored_id(server, event, name), time_ns // 1_000_000))
        if isinstance(encoded, Fault):
            ends.faults[name] = encoded
            continue
        records: Any = [_Record(place)]
        slot = ledger.accept(records, [[1]], [len(encoded.body)])
        entry = Entry("com.acme.Event", destination.name, event.target, event.target)
        deliveries.append(
            Delivery(encoded.body, event.key, encoded.envelope, name, time_ns // 1_000_000, entry, ledger, slot)
        )
    lanes.enqueue(deliveries)
    return sent, lanes, token_wire.close


def _stored_id(server: Fake, event: Event, identity: str) -> str:
    if isinstance(server, FakeCopilot) and event.target == "consent":
        return consent_id(str(event.fields.get("user_id")), event.fields.get("consent_value") is True)
    return identity


async def _until_ended(sent: Sequence[SentEvent], ends: RecordingSink, running: asyncio.Task[None]) -> None:
    while len(ends.delivered_ids) + len(ends.faults) < len(sent):
        if running.done():
            running.result()
        await asyncio.sleep(0.005)


def _judge(case: Case, server: Fake, sent: Sequence[SentEvent], ends: RecordingSink) -> Iterator[str]:
    for one in sent:
        yield from (
            _check_delivered(server, one, ends) if one.event.cause is None else _check_dead_lettered(server, one, ends)
        )
    ids = [arrival.id for arrival in server.received]
    if not case.repeats and len(ids) > len(set(ids)):
        yield "an event arrived twice"
    if strangers := set(ids) - {one.stored_id for one in sent}:
        yield f"the server has stored unknown events: {sorted(strangers)}"
    yield from (f"dropped behind a 2xx: {one.reason}" for one in server.dropped)
    yield from (f"accepted with a warning: {one.reason}" for one in server.warnings)


def _check_delivered(server: Fake, one: SentEvent, ends: RecordingSink) -> Iterator[str]:
    if fault := ends.faults.get(one.identity):
        yield f"{one.event.target} was dead-lettered: {fault.cause} {fault.detail}"
    held = server.documents().get(one.stored_id)
    if held is None:
        yield f"lost: the server has not stored {one.event.target}"
    elif held != _document(server, one):
        yield f"{one.event.target} is stored as {held}, not as {_document(server, one)}"


def _check_dead_lettered(server: Fake, one: SentEvent, ends: RecordingSink) -> Iterator[str]:
    fault = ends.faults.get(one.identity)
    if fault is None or str(fault.cause) != one.event.cause:
        found = fault.cause if fault else "none"
        yield f"{one.event.target} should be dead-lettered ({one.event.cause}), but is {found}"
    if one.stored_id in server.stored_ids():
        yield f"{one.event.target} is stored although it must be dead-lettered"
    asked = {name for request in server.requests for name in request.ids}
    if one.event.cause != "refused" and one.stored_id in asked:
        yield f"{one.event.target} was sent although it violates the contract"


def _document(server: Fake, one: SentEvent) -> dict[str, Any]:
    """Return the whole document that the server must have stored."""
    content = dict(one.event.expected_fields)
    if isinstance(server, FakeCopilot):
        if one.event.target == "consent":
            return content
        extra = {"subtype": one.event.name} if one.event.name else {}
        event = {"type": one.event.target, "event_id": one.identity, "timestamp": one.time_ms}
        return {**event, "payload": {**extra, **content}}
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(one.time_ms // 1000))
    at += f".{one.time_ms % 1000:03}Z" if one.time_ms % 1000 else "Z"
    if isinstance(server, FakeYotpo):
        event = {"source": "cdp_consumer", "type": str(one.event.name), "id": one.identity, "occurred_at": at}
        return {**event, **content}
    call: dict[str, Any] = {"messageId": one.identity, "timestamp": at, "context": {"channel": "server"}}
    if one.event.target != "alias":
        call["type"] = one.event.target
    if one.event.name is not None:
        call["event" if one.event.target == "track" else "name"] = one.event.name
    return {**call, **content}
