"""The references that the rows are compared with. Each runs in its own process.

D is decoding alone, by fastavro. T is our translation alone, of the Kafka client's own messages. N1 is the simplest
program: one record, one request, one commit at a time. N2 collects events in a list and sends it when it is full.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import httpx2
from confluent_kafka import Consumer, Message
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fastavro import parse_schema, schemaless_reader

from consumer.config.run_config import destinations_of, load_run_config
from consumer.model import Message as Record
from consumer.translation.translator import Translator
from tests.benchmarks.workload import SCHEMA, SCHEMA_ID, records

_RECORDS_A_CHUNK = 128
_ROUNDS = 8
_BATCH_BYTES = 490_000
_RECORD_TIMEOUT_S = 30.0


def decode(_: argparse.Namespace) -> dict[str, float]:
    """D: CPU microseconds per record, with the parsed writer schema and without a reader schema."""
    parsed = parse_schema(SCHEMA)
    values = [each.value[5:] for each in records()]
    for value in values:
        schemaless_reader(BytesIO(value), parsed, None)
    began = time.process_time()
    for _round in range(_ROUNDS):
        for value in values:
            schemaless_reader(BytesIO(value), parsed, None)
    return {"cpu_us": (time.process_time() - began) / (_ROUNDS * len(values)) * 1e6}


def translate(args: argparse.Namespace) -> dict[str, float]:
    """T: CPU microseconds per event of `Translator.translate`, after a warm-up with a fifth of the records."""
    run_config = load_run_config(Path(args.config)).config
    if run_config is None:
        raise SystemExit("the benchmark's configuration is invalid")
    translator = Translator(
        run_config.mapping,
        destinations_of(run_config.settings, run_config.settings.pipelines[0]),
        schemas=run_config.schemas,
        grace_s=run_config.settings.schema_grace_s,
        clock_ms=run_config.clock_ms,
    )
    translator.learn(SCHEMA_ID, json.dumps(SCHEMA), {})
    messages = cast("list[Record]", _consumed(_consumer(args), args.events))
    chunks = [messages[at : at + _RECORDS_A_CHUNK] for at in range(0, len(messages), _RECORDS_A_CHUNK)]
    for chunk in chunks[: max(1, len(chunks) // 5)]:
        translator.translate(chunk)
    deliveries = 0
    began = time.process_time()
    for chunk in chunks:
        deliveries += sum(len(column.bodies) for column in translator.translate(chunk).columns.values())
    spent = time.process_time() - began
    if deliveries != len(messages):
        raise SystemExit(f"translation: expected one delivery per event ({deliveries} of {len(messages)} events)")
    return {"cpu_us": spent / len(messages) * 1e6}


def naive(args: argparse.Namespace) -> dict[str, float]:
    """N1: poll one record, decode it, build the document, send it over a kept connection, commit."""
    consumer, decode_event = _consumer(args), _deserializer(args)
    with httpx2.Client() as client:
        for _ in range(args.events):
            message = _next(consumer)
            document = _document(decode_event(message))
            client.patch(f"{args.sink}/core/v3/stores/bench/customer_events", json=document).raise_for_status()
            consumer.commit(message=message, asynchronous=False)
    consumer.close()
    return {}


def batching(args: argparse.Namespace) -> dict[str, float]:
    """N2: collect events, measured by `json.dumps`; one request and one commit for each full list."""
    consumer, decode_event = _consumer(args), _deserializer(args)
    batch: list[dict[str, Any]] = []
    size = 0
    with httpx2.Client() as client:

        def flush() -> None:
            client.post(f"{args.sink}/v1/batch", json={"batch": batch}).raise_for_status()
            consumer.commit(asynchronous=False)

        for _ in range(args.events):
            document = _document(decode_event(_next(consumer)))
            document["messageId"] = document.pop("id")
            more = len(json.dumps(document)) + 1
            if size + more > _BATCH_BYTES:
                flush()
                batch, size = [], 0
            batch.append(document)
            size += more
        flush()
    consumer.close()
    return {}


def _consumer(args: argparse.Namespace) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": args.bootstrap,
            "group.id": args.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 50,
        }
    )
    consumer.subscribe([args.topic])
    return consumer


def _next(consumer: Consumer) -> Message:
    message = consumer.poll(_RECORD_TIMEOUT_S)
    if message is None or message.error() is not None:
        raise SystemExit(f"no record received in {_RECORD_TIMEOUT_S:g} s")
    return message


def _consumed(consumer: Consumer, count: int) -> list[Message]:
    messages: list[Message] = []
    while len(messages) < count:
        messages.append(_next(consumer))
        messages += consumer.consume(min(5_000, count - len(messages)), 1.0)
    consumer.close()
    return messages[:count]


def _deserializer(args: argparse.Namespace) -> Callable[[Message], dict[str, Any]]:
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": args.sink}))
    context = SerializationContext(args.topic, MessageField.VALUE)
    return lambda message: deserialize(message.value(), context)


def _document(event: dict[str, Any]) -> dict[str, Any]:
    """Build the document by hand, with the fields of the mapping."""
    customer, status = event["customer"], event["status"]
    return {
        "type": "track",
        "id": str(event["event_id"]),
        "customer": {"external_id": customer["id"]},
        "properties": {
            "event": str(event["event_id"]),
            "total": float(Decimal(event["total"])),
            "email": customer["email"],
            "tier": (customer["loyalty"] or {}).get("tier"),
            "city": customer["address"]["city"],
            "first_sku": event["items"][0]["sku"],
            "coupon": event["coupon"] or "none",
            "state": "paid" if status == "PAID" else "sent" if status == "SHIPPED" else "open",
            "placed_at": event["occurred_at"].isoformat(),
            "source": "shop",
            "channel": "bench",
        },
    }


def main() -> None:
    """Run one reference and print its figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("reference", choices=("decode", "translate", "naive", "batching"))
    for name in ("bootstrap", "topic", "group", "sink", "config"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--events", type=int, default=0)
    args = parser.parse_args()
    references = {"decode": decode, "translate": translate, "naive": naive, "batching": batching}
    print(json.dumps(references[args.reference](args)))


if __name__ == "__main__":
    main()
