"""The shared contract suite: a client says a case's sayings to a strict server over sockets, and is held to account."""

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
from tests.contract.case import Case, Saying

Client = Callable[[Fake, dict[str, Any]], Destination]
"""(server, options) → the destination under test, as it is or with something wrong with it."""

_OPTIONS = DestinationOptions(lanes=2, timeout_s=1.0, linger_s=0.02, backoff=Backoff(0.01, 0.05), probe_s=0.3)
_SECRETS = {"client_id": "id", "client_secret": "secret", "api_key": "key", "secret": "secret"}


class _Secret:
    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def hangs(self) -> bool:
        return False

    async def refresh(self) -> bool:
        return False


class _Record:
    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset


@dataclass(frozen=True, slots=True)
class Said:
    """One saying in the destination's words."""

    saying: Saying
    identity: str
    kept_as: str
    time_ms: int


class Ends:
    """Where deliveries end: what was settled and what was shelved."""

    def __init__(self) -> None:
        self.delivered_ids: list[str] = []
        self.faults: dict[str, Fault] = {}

    def delivered(self, batch: Sequence[Delivery]) -> None:
        self.delivered_ids += [delivery.identity for delivery in batch]

    def refused(self, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        self.faults[delivery.identity] = fault
        acknowledged()


def complaints(case: Case, make_server: Callable[[], Fake], client: Client, *, within_s: float = 10.0) -> list[str]:
    """Run one case and return everything that is wrong with how the client went through it, in this time."""
    return asyncio.run(_run(case, make_server(), client, within_s))


async def _run(case: Case, server: Fake, client: Client, within_s: float) -> list[str]:
    async with server:
        case.prepare(server)
        destination = client(server, dict(case.options))
        found = [*_entries(case, destination)]
        ends = Ends()
        said, lanes, closing = queue(case, server, destination, ends)
        running = asyncio.create_task(lanes.run())
        work = asyncio.create_task(_until_ended(said, ends, running))
        try:
            async with asyncio.timeout(within_s):
                await case.meanwhile(server)
                await work
        except TimeoutError:
            found.append(f"stuck: {len(said) - len(ends.delivered_ids) - len(ends.faults)} have not ended")
        finally:
            for task in (work, running):
                task.cancel()
            await asyncio.gather(work, running, return_exceptions=True)
            await closing()
        return [*found, *_judge(case, server, said, ends), *case.also(server)]


def _entries(case: Case, destination: Destination) -> Iterator[str]:
    for target, name in case.unsayable:
        with contextlib.suppress(EntryError):
            destination.encoder(target, name)
            yield f"an entry {target} named {name!r} is let through"


def queue(
    case: Case, server: Fake, destination: Destination, ends: Ends
) -> tuple[list[Said], Dispatcher, Callable[[], Any]]:
    """Put everything into words and queue it; what cannot be said ends at once."""
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
    said: list[Said] = []
    deliveries: list[Delivery] = []
    for place, saying in enumerate(case.sayings):
        digest = hashlib.blake2b(f"{case.name}{place}".encode(), digest_size=16).digest()
        time_ns = int((time.time() - saying.age_s) * 1000) * 1_000_000
        encoded = destination.encoder(saying.target, saying.name)(saying.fields, digest, time_ns)
        time_ms = time_ns // 1_000_000
        name = destination.identity(digest, time_ms) if isinstance(encoded, Fault) else encoded.identity
        said.append(Said(saying, name, _kept_as(server, saying, name), time_ns // 1_000_000))
        if isinstance(encoded, Fault):
            ends.faults[name] = encoded
            continue
        records: Any = [_Record(place)]
        slot = ledger.accept(records, [[1]], [len(encoded.body)])
        entry = Entry("com.acme.Event", destination.name, saying.target, saying.target)
        deliveries.append(
            Delivery(encoded.body, saying.key, encoded.envelope, name, time_ns // 1_000_000, entry, ledger, slot)
        )
    lanes.enqueue(deliveries)
    return said, lanes, token_wire.close


def _kept_as(server: Fake, saying: Saying, identity: str) -> str:
    if isinstance(server, FakeCopilot) and saying.target == "consent":
        return consent_id(str(saying.fields.get("user_id")), saying.fields.get("consent_value") is True)
    return identity


async def _until_ended(said: Sequence[Said], ends: Ends, running: asyncio.Task[None]) -> None:
    while len(ends.delivered_ids) + len(ends.faults) < len(said):
        if running.done():
            running.result()
        await asyncio.sleep(0.005)


def _judge(case: Case, server: Fake, said: Sequence[Said], ends: Ends) -> Iterator[str]:
    for one in said:
        yield from _held(server, one, ends) if one.saying.cause is None else _shelved(server, one, ends)
    ids = [arrival.id for arrival in server.received]
    if not case.repeats and len(ids) > len(set(ids)):
        yield "something was taken twice"
    if strangers := set(ids) - {one.kept_as for one in said}:
        yield f"the server holds what nobody said: {sorted(strangers)}"
    yield from (f"dropped behind a 2xx: {one.reason}" for one in server.dropped)
    yield from (f"worth less than it looks: {one.reason}" for one in server.warnings)


def _held(server: Fake, one: Said, ends: Ends) -> Iterator[str]:
    if fault := ends.faults.get(one.identity):
        yield f"{one.saying.target} became a letter: {fault.cause} {fault.detail}"
    held = server.documents().get(one.kept_as)
    if held is None:
        yield f"lost: the server does not hold {one.saying.target}"
    elif held != _document(server, one):
        yield f"{one.saying.target} is held as {held}, not as {_document(server, one)}"


def _shelved(server: Fake, one: Said, ends: Ends) -> Iterator[str]:
    fault = ends.faults.get(one.identity)
    if fault is None or str(fault.cause) != one.saying.cause:
        yield f"{one.saying.target} should be a letter ({one.saying.cause}), and is {fault.cause if fault else 'none'}"
    if one.kept_as in server.stored_ids():
        yield f"{one.saying.target} is held although it had to become a letter"
    asked = {name for request in server.requests for name in request.ids}
    if one.saying.cause != "refused" and one.kept_as in asked:
        yield f"{one.saying.target} was sent although it breaks the contract"


def _document(server: Fake, one: Said) -> dict[str, Any]:
    """Return the whole document that the server must hold."""
    content = dict(one.saying.content)
    if isinstance(server, FakeCopilot):
        if one.saying.target == "consent":
            return content
        extra = {"subtype": one.saying.name} if one.saying.name else {}
        event = {"type": one.saying.target, "event_id": one.identity, "timestamp": one.time_ms}
        return {**event, "payload": {**extra, **content}}
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(one.time_ms // 1000))
    at += f".{one.time_ms % 1000:03}Z" if one.time_ms % 1000 else "Z"
    if isinstance(server, FakeYotpo):
        event = {"source": "cdp_consumer", "type": str(one.saying.name), "id": one.identity, "occurred_at": at}
        return {**event, **content}
    call: dict[str, Any] = {"messageId": one.identity, "timestamp": at, "context": {"channel": "server"}}
    if one.saying.target != "alias":
        call["type"] = one.saying.target
    if one.saying.name is not None:
        call["event" if one.saying.target == "track" else "name"] = one.saying.name
    return {**call, **content}
