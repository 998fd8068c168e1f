"""What the rows are held against, each a process of its own.

D is fastavro's decode alone; T is our translation alone, over the client's own messages; N1 is what one would write
first (a record, a call, a commit); N2 is the next idea (a list of events, sent when it is large enough).
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

_LOT = 128
_ROUNDS = 8
_BATCH_BYTES = 490_000
_FIRST_S = 30.0


def decode(_: argparse.Namespace) -> dict[str, float]:
    """D: CPU microseconds a record, with the parsed writer schema and no reader schema."""
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
    """T: CPU microseconds an event of `Translator.translate`, by lots, after everything was met once."""
    run_config = load_run_config(Path(args.config)).config
    if run_config is None:
        raise SystemExit("the benchmark's own configuration does not load")
    translator = Translator(
        run_config.mapping,
        destinations_of(run_config.settings, run_config.settings.pipelines[0]),
        schemas=run_config.schemas,
        grace_s=run_config.settings.schema_grace_s,
        clock_ms=run_config.clock_ms,
    )
    translator.learn(SCHEMA_ID, json.dumps(SCHEMA), {})
    messages = cast("list[Record]", _consumed(_consumer(args), args.events))
    lots = [messages[at : at + _LOT] for at in range(0, len(messages), _LOT)]
    for lot in lots[: max(1, len(lots) // 5)]:
        translator.translate(lot)
    made = 0
    began = time.process_time()
    for lot in lots:
        made += sum(len(column.bodies) for column in translator.translate(lot).columns.values())
    spent = time.process_time() - began
    if made != len(messages):
        raise SystemExit(f"{made} deliveries of {len(messages)} events")
    return {"cpu_us": spent / len(messages) * 1e6}


def naive(args: argparse.Namespace) -> dict[str, float]:
    """N1: poll one, decode, say, call with a kept client, commit."""
    consumer, read = _consumer(args), _reader(args)
    with httpx2.Client() as client:
        for _ in range(args.events):
            message = _next(consumer)
            document = _said(read(message))
            client.patch(f"{args.sink}/core/v3/stores/bench/customer_events", json=document).raise_for_status()
            consumer.commit(message=message, asynchronous=False)
    consumer.close()
    return {}


def batching(args: argparse.Namespace) -> dict[str, float]:
    """N2: a list of events, its size by `json.dumps`, one call for each full list, a commit after each."""
    consumer, read = _consumer(args), _reader(args)
    batch: list[dict[str, Any]] = []
    size = 0
    with httpx2.Client() as client:

        def flush() -> None:
            client.post(f"{args.sink}/v1/batch", json={"batch": batch}).raise_for_status()
            consumer.commit(asynchronous=False)

        for _ in range(args.events):
            document = _said(read(_next(consumer)))
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
    message = consumer.poll(_FIRST_S)
    if message is None or message.error() is not None:
        raise SystemExit("no record came")
    return message


def _consumed(consumer: Consumer, count: int) -> list[Message]:
    messages: list[Message] = []
    while len(messages) < count:
        messages.append(_next(consumer))
        messages += consumer.consume(min(5_000, count - len(messages)), 1.0)
    consumer.close()
    return messages[:count]


def _reader(args: argparse.Namespace) -> Callable[[Message], dict[str, Any]]:
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": args.sink}))
    context = SerializationContext(args.topic, MessageField.VALUE)
    return lambda message: deserialize(message.value(), context)


def _said(event: dict[str, Any]) -> dict[str, Any]:
    """Say an event by hand, with the leaves of the mapping."""
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
    """Run one reference and print what it measured of itself as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("decode", "translate", "naive", "batching"))
    for name in ("bootstrap", "topic", "group", "sink", "config"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--events", type=int, default=0)
    args = parser.parse_args()
    said = {"decode": decode, "translate": translate, "naive": naive, "batching": batching}[args.what](args)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
