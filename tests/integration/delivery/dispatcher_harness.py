"""One destination's dispatcher with a real ledger, accounting, settlement and sockets; only Kafka is missing."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from consumer.delivery.backoff import Backoff
from consumer.delivery.delivery import Delivery
from consumer.delivery.dispatcher import Dispatcher
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions
from consumer.delivery.http.client import HttpConnection, fetch_token
from consumer.delivery.http.credentials import BasicCredentials, Credentials, TokenCredentials
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.options import DestinationOptions
from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Respond, Rule, contains
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.destinations import Basic, Destination, Encoded
from consumer.destinations.kinds import KINDS
from consumer.model import (
    DeadLetter,
    DeadLetterCause,
    Deferred,
    Entry,
    Fault,
    HttpRequest,
    HttpResponse,
    Message,
    Partition,
)
from consumer.pipeline.settlement import Settlement
from tests.integration.delivery.recording_observer import RecordingObserver

PARTITION = Partition("orders", 0)


@dataclass
class FakeRecord:
    at: int

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, int(time.time() * 1000)


class FakeSecret:
    """A secret that a test changes by setting `on_disk`, as an operator changes the file."""

    def __init__(self, value: str) -> None:
        self.value = self.on_disk = value
        self.reads = 0

    def reveal(self) -> str:
        return self.value

    def hangs(self) -> bool:
        return False

    def is_invalid(self) -> bool:
        return False

    async def refresh(self) -> bool:
        self.reads += 1
        changed = self.value != self.on_disk
        self.value = self.on_disk
        return changed


class FakeDeadLetterTopic:
    """A dead-letter topic that acknowledges at once, or when a test calls `acknowledge`."""

    def __init__(self) -> None:
        self.dead_letters: list[DeadLetter] = []
        self.waiting: list[Callable[[], None]] = []
        self.at_once = True

    def write(self, dead_letter: DeadLetter, acknowledged: Callable[[], None]) -> None:
        self.dead_letters.append(dead_letter)
        if self.at_once:
            asyncio.get_running_loop().call_soon(acknowledged)
        else:
            self.waiting.append(acknowledged)

    def acknowledge(self) -> None:
        waiting, self.waiting = self.waiting, []
        for acknowledged in waiting:
            acknowledged()

    def stalled_reason(self) -> str | None:
        return None

    def schema_id(self, message: Message) -> str | None:  # noqa: ARG002 - the same for all
        return None

    def event_type(self, message: Message) -> str | None:  # noqa: ARG002 - the same for all
        return None


class DispatcherHarness:
    """The dispatcher of one destination, and the deliveries it owes."""

    def __init__(
        self,
        fake: Fake,
        options: DestinationOptions,
        destination_options: Mapping[str, Any],
        random: Random | None = None,
        wall_clock: Callable[[], float] = time.time,
        *,
        url: str | None = None,
    ) -> None:
        """Send to `url`, a server in front of `fake`, or directly to `fake`."""
        kind = KINDS[{FakeCopilot: "copilot", FakeCustomerio: "customerio", FakeYotpo: "yotpo"}[type(fake)]]
        self.fake = fake
        self.url = url or fake.url
        self.destination: Destination = kind.construct(kind.options(url=fake.url, **destination_options))
        self.name = self.destination.name
        self.dead_letter_topic, self.observer = FakeDeadLetterTopic(), RecordingObserver()
        self.settlement = Settlement(
            [self.name],
            self.dead_letter_topic,
            self.dead_letter_topic.schema_id,
            self.dead_letter_topic.event_type,
            self.observer,
        )
        self.index = self.settlement.index[self.name]
        self.fenced = False
        self.ledger = PartitionLedger(PARTITION, 1, 0, len(self.settlement.accounting.names))
        self.closed_ledgers: list[PartitionLedger] = []
        self.deliveries: list[Delivery] = []
        self.secrets = {name: FakeSecret(value) for name, value in SECRETS.items()}
        credential = self.destination.credential
        self.token_connection = self.connect(options.timeout_s)
        credentials: Credentials = (
            BasicCredentials(credential, self.secrets)
            if isinstance(credential, Basic)
            else TokenCredentials(credential, self.secrets, self._fetch_token)
        )
        self.dispatcher = Dispatcher(
            self.destination,
            options,
            connect=lambda: self.connect(options.timeout_s),
            credentials=credentials,
            sink=self.settlement.sink_of(self.name),
            may_send=lambda: not self.fenced,
            observer=self.observer,
            random=random,
            wall_clock=wall_clock,
        )

    async def _fetch_token(self, request: HttpRequest) -> HttpResponse | Fault | Deferred:
        return await fetch_token(self.token_connection, request, self.dispatcher.rate_limiter)

    def connect(self, timeout_s: float) -> HttpConnection:
        return HttpConnection(self.url, {**self.destination.headers, "user-agent": "cdp-consumer/test"}, timeout_s)

    def encode(self, text: str, key: int, target: str, at_ms: int) -> Encoded:
        name, fields = FIELDS[target](f"u{key}", text)
        encoded = self.destination.encoder(target, name)(fields, uuid.uuid4().bytes, at_ms * 1_000_000)
        assert isinstance(encoded, Encoded), encoded
        return encoded

    def owe(
        self,
        texts: Sequence[str],
        keys: Sequence[int],
        target: str,
        at_ms: int | None = None,
        event_type: str = "shop.Order",
    ) -> list[str]:
        """Accept one record per text, each owing one delivery, and enqueue them. Return their identities."""
        now_ms = int(time.time() * 1000) - 1000 if at_ms is None else at_ms
        encoded = [self.encode(text, key, target, now_ms) for text, key in zip(texts, keys, strict=True)]
        offset = self.ledger.next_offset
        records: Any = [FakeRecord(offset + number) for number in range(len(encoded))]
        owed = [[int(index == self.index)] * len(encoded) for index in range(len(self.settlement.accounting.names))]
        first = self.ledger.accept(records, owed, [len(one.body) for one in encoded])
        self.settlement.accounting.accounts[self.name].owed += len(encoded)
        entry = Entry(event_type, self.name, f"{self.name}.{target}", target)
        deliveries = [
            Delivery(one.body, key, one.envelope, one.identity, now_ms, entry, self.ledger, first + number)
            for number, (one, key) in enumerate(zip(encoded, keys, strict=True))
        ]
        self.deliveries += deliveries
        self.dispatcher.enqueue(deliveries)
        return [one.identity for one in encoded]

    def revoke(self) -> None:
        """Revoke the partition and assign it again, as a rebalance does: a new ledger replaces the old one."""
        self.ledger.may_send = False
        self.dispatcher.drop_revoked([self.ledger])
        self.settlement.accounting.close(self.ledger)
        self.closed_ledgers.append(self.ledger)
        self.ledger = PartitionLedger(PARTITION, self.ledger.epoch + 1, self.ledger.committable_offset(), 2)

    async def until(self, predicate: Callable[[], bool], timeout_s: float = 120.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not predicate():  # noqa: ASYNC110 - nothing signals the change
                await asyncio.sleep(0.002)

    async def all_ended(self, timeout_s: float = 120.0) -> None:
        await self.until(lambda: not self.ledger.open_records and not self.dispatcher.open_bytes(), timeout_s)
        account = self.settlement.accounting.accounts[self.name]
        assert account.counts(0).mismatch == 0

    def causes(self) -> list[DeadLetterCause]:
        return [DeadLetterCause(dead_letter.fault.cause) for dead_letter in self.dead_letter_topic.dead_letters]

    def requests(self) -> list[Any]:
        """Return the requests received, without those for tokens."""
        return [request for request in self.fake.requests if not request.path.endswith("access_tokens")]


SECRETS = {"client_id": "id", "client_secret": "secret", "api_key": "key", "secret": "secret"}

FIELDS: dict[str, Callable[[str, str], tuple[str | None, Any]]] = {
    "custom_event": lambda user, text: ("order_placed", {"user_id": user, "note": text}),
    "consent": lambda user, text: (None, {"user_id": user, "consent_value": text == "yes"}),
    "track": lambda user, text: ("Thing Done", {"userId": user, "properties": {"note": text}}),
    "event": lambda user, text: (
        "order_placed",
        {"customer": {"external_id": user}, "properties": {"note": text}},
    ),
}

QUICK = {"lanes": 4, "timeout_s": 30.0, "linger_s": 0.0, "backoff": Backoff(0.01, 0.05), "probe_s": 0.2}


@asynccontextmanager
async def dispatcher_harness(
    fake: Fake,
    destination: Mapping[str, Any] | None = None,
    random: Random | None = None,
    wall_clock: Callable[[], float] = time.time,
    url: str | None = None,
    **options: Any,  # noqa: ANN401 - fields of several types
) -> AsyncIterator[DispatcherHarness]:
    """Run a dispatcher against a local server that is already there, then stop it. A crashed lane fails the test."""
    harness = DispatcherHarness(
        fake, DestinationOptions(**{**QUICK, **options}), destination or {}, random, wall_clock, url=url
    )
    running = asyncio.create_task(harness.dispatcher.run())
    try:
        yield harness
        assert not running.done(), "a lane crashed"
    finally:
        crashed = running.done() and not running.cancelled() and running.exception() is not None
        running.cancel()
        if crashed:
            await running
        with suppress(asyncio.CancelledError):
            await running
        await harness.token_connection.close()


@asynccontextmanager
async def lane_with_poison(
    failures: int,
    status: int = 500,
    **options: Any,  # noqa: ANN401 - as above
) -> AsyncIterator[tuple[FakeCustomerio, DispatcherHarness, Rule]]:
    """Run one lane to Customer.io. Requests with `POISON` fail; after `failures` they are isolated, never given up."""
    never = PoisonDetectionOptions(failures=failures, give_up_after_s=3600)
    async with (
        FakeCustomerio(api_key="key") as fake,
        dispatcher_harness(fake, lanes=1, poison_detection=never, **options) as harness,
    ):
        yield fake, harness, fake.faults.add(Respond(status), when=contains("POISON"))
