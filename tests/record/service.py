"""One real service: the requests and dead letters that it sent, and its pages and log at the end.

The order of requests is the same in every run: each topic has one partition and each destination one lane. Each server
keeps the first request open until every record of the corpus is queued.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from tests.record import clock
from tests.record.commands import configuration, copy_schemas
from tests.record.config import ENVIRON
from tests.record.events import (
    BUSY,
    FIRST_CUSTOMER,
    INVALID_MODEL,
    POISON,
    QUARANTINED_KEY,
    ROOT,
    THROTTLED,
    UNAUTHORIZED,
    Encoder,
    Sample,
    first_order,
    topics,
)
from tests.record.internals import (
    EmbeddedKafka,
    Fake,
    FakeCopilot,
    FakeCustomerIo,
    FakeYotpo,
    Gate,
    MarkInvalid,
    ReceivedRequest,
    RegisteredSchema,
    Respond,
    SchemaRegistry,
    ThreadRunner,
    WaitForGate,
    contains,
)

Json = Any

_DEAD_LETTERS = "record.dead-letters"
_TIMEOUT_S = 90.0
_POLL_INTERVAL_S = 0.05
_FULL_BYTES = 3_000
"""Of a longer body or value only hash and length are recorded."""

_DIRECTIVES = f"""\
directives:
  - quarantine: {{topic: shop.orders, key: {QUARANTINED_KEY}}}
    until: 2026-12-01T00:00:00Z
    reason: recorded
  - pause: {{destination: yotpo}}
    until: 2026-11-01T00:00:00Z
"""


class Service:
    """One `cdp-consumer run` as a separate process."""

    def __init__(self, folder: Path, bootstrap: str, registry: str) -> None:
        """Start the process."""
        self.log = folder / "service.log"
        environ = {**os.environ, **ENVIRON, "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "SCHEMA_REGISTRY_URL": registry}
        command = clock.command("consumer", "run", "--config", "cdp.yaml", "--log-level", "debug")
        environ["PYTHONPATH"] = str(ROOT)
        with self.log.open("wb") as out, (folder / "service.err").open("wb") as errors:
            self.process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=errors)
        self._port = 0

    def lines(self) -> list[dict[str, Json]]:
        """Return the complete log lines so far."""
        return [json.loads(line) for line in self.log.read_bytes().rpartition(b"\n")[0].splitlines()]

    def page(self, path: str) -> tuple[int, str]:
        """Return status and body of a GET request."""
        if not self._port:
            self.wait_until(lambda: any("port" in line for line in self.lines()), "the log has no port")
            self._port = next(int(line["port"]) for line in self.lines() if "port" in line)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def total(self, *names: str) -> dict[str, float]:
        """Return the sum of these metrics by pipeline."""
        totals: dict[str, float] = {}
        for family in text_string_to_metric_families(self.page("/metrics")[1]):
            for sample in family.samples:
                if sample.name in names:
                    pipeline = sample.labels["pipeline"]
                    totals[pipeline] = totals.get(pipeline, 0) + sample.value
        return totals

    def wait_until(self, condition: Callable[[], bool], failure: str) -> None:
        """Wait until the condition is true; fail with the end of the log if the process ends first."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not condition():
            code = self.process.poll()
            last = self.log.read_text(encoding="utf-8")[-3000:] + self.log.with_suffix(".err").read_text(
                encoding="utf-8"
            )
            assert code is None, f"the service exited with {code}:\n{last}"
            assert time.monotonic() < deadline, f"{failure} within {_TIMEOUT_S:g} s:\n{last}"
            time.sleep(_POLL_INTERVAL_S)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(_TIMEOUT_S)


class _Servers:
    """The three strict servers, what they received, and the gate that keeps their first requests open."""

    def __init__(self) -> None:
        self.copilot = FakeCopilot(
            client_id=ENVIRON["COPILOT_CLIENT_ID"], client_secret=ENVIRON["COPILOT_CLIENT_SECRET"]
        )
        self.customerio = FakeCustomerIo(api_key=ENVIRON["CUSTOMERIO_KEY"])
        self.yotpo = FakeYotpo(store_id=ENVIRON["YOTPO_STORE_ID"], secret=ENVIRON["YOTPO_SECRET"], rate=None)
        self.all: tuple[Fake, ...] = (self.copilot, self.customerio, self.yotpo)
        self.gate = Gate()
        self.received: dict[str, list[ReceivedRequest]] = {fake.name: [] for fake in self.all}
        for fake in self.all:
            fake.faults.add(self._recorder(fake))
            fake.faults.add(WaitForGate(self.gate), when=contains(f'"{FIRST_CUSTOMER}"'), times=1)
            fake.faults.add(Respond(503), when=contains(BUSY), times=1)
        for fake in (self.copilot, self.customerio):
            fake.faults.add(Respond(400), when=contains(POISON))
        self.copilot.faults.add(
            MarkInvalid("not known", lambda item: INVALID_MODEL.encode() in item.raw), when=contains(INVALID_MODEL)
        )
        self.customerio.faults.add(Respond(429, {"retry-after": "1"}), when=contains(THROTTLED), times=1)
        self.customerio.faults.add(Respond(401), when=contains(UNAUTHORIZED), times=2)
        self.yotpo.faults.add(Respond(401), when=contains(UNAUTHORIZED), times=1)

    def _recorder(self, fake: Fake) -> Callable[[ReceivedRequest], None]:
        def received(incoming: ReceivedRequest) -> None:
            self.received[fake.name].append(incoming)

        return received

    def requests(self) -> dict[str, Json]:
        """Return every request in the order of arrival, with the status of its response."""
        return {
            fake.name: [
                _request(incoming, next(each for each in fake.requests if each.number == incoming.number))
                for incoming in self.received[fake.name]
            ]
            for fake in self.all
        }


def _request(incoming: ReceivedRequest, finished: Json) -> Json:
    changing = {"host", "x-yotpo-token"}
    return {
        "line": f"{incoming.method} {incoming.path}",
        "headers": {name: "*" if name in changing else text for name, text in sorted(incoming.headers.items())},
        "status": finished.status,
        "ids": list(finished.ids),
        "bytes": len(incoming.body),
        "sha256": hashlib.sha256(incoming.body).hexdigest(),
        "body": _content(incoming.body),
    }


def _content(content: bytes | None) -> str | None:
    if content is None or len(content) > _FULL_BYTES:
        return None if content is None else f"sha256 {hashlib.sha256(content).hexdigest()}, {len(content)} bytes"
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"base64 {base64.b64encode(content).decode()}"


def served(folder: Path, new_keys: Mapping[str, str]) -> dict[str, Json]:
    """Run the service on the full corpus. Return its requests, dead letters, log, commits and pages."""
    encoder, servers = Encoder(), _Servers()
    with ExitStack() as stack:
        kafka = stack.enter_context(EmbeddedKafka())
        registry = stack.enter_context(SchemaRegistry(_registered(encoder)))
        stack.enter_context(ThreadRunner(*servers.all))
        by_topic = {"shop.plug": [first_order()], **dict(topics(encoder))}
        for topic in (*by_topic, _DEAD_LETTERS):
            kafka.create_topic(topic, 1)
        copy_schemas(folder / "schemas")
        urls = {f"{fake.name.upper()}_URL": fake.url for fake in servers.all}
        text = configuration(new_keys, urls).replace("topics: [shop.orders]", f"topics: [{', '.join(by_topic)}]")
        (folder / "cdp.yaml").write_text(text, encoding="utf-8")
        (folder / "directives.yaml").write_text(_DIRECTIVES, encoding="utf-8")
        with _running(folder, kafka.bootstrap, registry.url) as service:
            produced = 0
            for topic, samples in by_topic.items():
                _produce(kafka.bootstrap, topic, [(each, encoder.encode(each)) for each in samples])
                produced += len(samples)
                service.wait_until(_accepted(service, produced), f"not every record of {topic} was accepted")
                service.wait_until(
                    lambda: all(each.in_flight for each in servers.all), "the first requests were not received"
                )
            servers.gate.open()
            service.wait_until(_settled(service, produced), "not every record was settled")
            pages = _pages(service)
            code = service.stop()
        return {
            "requests": servers.requests(),
            "dead_letters": _dead_letters(kafka.bootstrap),
            "log": {"exit_code": code, "lines": service.lines()},
            "committed": {
                group: _committed(kafka.bootstrap, group, list(by_topic))
                for group in ("cdp-copilot", "cdp-customerio", "cdp-yotpo")
            },
            **pages,
        }


def _accepted(service: Service, records: int) -> Callable[[], bool]:
    """Return the condition that every pipeline has this number of records in its ledger."""

    def accepted() -> bool:
        totals = service.total("cdp_records_open", "cdp_records_settled_total")
        return len(totals) == len(("copilot", "customerio", "yotpo")) and set(totals.values()) == {records}

    return accepted


def _settled(service: Service, records: int) -> Callable[[], bool]:
    return lambda: set(service.total("cdp_records_settled_total").values()) == {records}


def _pages(service: Service) -> dict[str, Json]:
    return {
        "metrics": service.page("/metrics")[1],
        "status": json.loads(service.page("/status")[1]),
        "probes": {
            path: [status, json.loads(text)]
            for path in ("/livez", "/readyz", "/startupz")
            for status, text in [service.page(f"{path}?verbose")]
        },
    }


@contextmanager
def _running(folder: Path, bootstrap: str, registry: str) -> Iterator[Service]:
    service = Service(folder, bootstrap, registry)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait()


def _registered(encoder: Encoder) -> dict[str, RegisteredSchema]:
    """Return the schemas for the registry. Some use a type of another subject."""
    signed_up, viewed = "com.acme.shop.CustomerSignedUp", "com.acme.shop.ProductViewed"
    uses = {"com.acme.shop.CustomerUpdated": (signed_up,), "com.acme.shop.OrderPlaced": (signed_up, viewed)}
    return {
        name: RegisteredSchema(encoder.schema_id(name), name, json.dumps(schema), uses.get(name, ()))
        for name, schema in encoder.schemas.items()
    }


def _produce(bootstrap: str, topic: str, records: list[tuple[Sample, bytes | None]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    for sample, value in records:
        key = None if sample.key is None else sample.key.encode()
        producer.produce(topic, value, key, 0, timestamp=sample.timestamp_ms, headers=list(sample.headers))
    assert producer.flush(_TIMEOUT_S) == 0, f"{topic}: not every record was acknowledged"


def _dead_letters(bootstrap: str) -> list[Json]:
    """Return every dead letter, sorted by pipeline and record. Their order across pipelines varies."""
    consumer = _consumer(bootstrap, "record-reader")
    partition = TopicPartition(_DEAD_LETTERS, 0, 0)
    try:
        _, end = consumer.get_watermark_offsets(partition, _TIMEOUT_S, cached=False)
        consumer.assign([partition])
        messages: list[Message] = []
        deadline = time.monotonic() + _TIMEOUT_S
        while len(messages) < end:
            assert time.monotonic() < deadline, "the dead letters could not be read"
            messages.extend(each for each in consumer.consume(100, 0.1) if each.error() is None)
    finally:
        consumer.close()
    return sorted((_dead_letter(each) for each in messages), key=lambda each: json.dumps(each["order"]))


def _dead_letter(message: Message) -> Json:
    raw = message.headers() or []
    pairs = raw.items() if isinstance(raw, dict) else raw
    headers = [(name, _content(value if isinstance(value, bytes) else None)) for name, value in pairs]
    names = dict(headers)
    order = [
        names.get(f"cdp-{name}") or "" for name in ("pipeline", "original-topic", "original-offset", "delivery-id")
    ]
    key, value = message.key(), message.value()
    return {
        "order": order,
        "headers": headers,
        "key": _content(key if isinstance(key, bytes) else None),
        "value": _content(value if isinstance(value, bytes) else None),
    }


def _committed(bootstrap: str, group: str, names: list[str]) -> dict[str, int]:
    consumer = _consumer(bootstrap, group)
    try:
        return {
            each.topic: each.offset
            for each in consumer.committed([TopicPartition(name, 0) for name in names], _TIMEOUT_S)
        }
    finally:
        consumer.close()


def _consumer(bootstrap: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
            "log_level": 0,
        }
    )
