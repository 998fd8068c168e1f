"""Rebalance callbacks make no call of their own consumer that could abort the process."""

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer

from consumer.kafka import poller
from tests.integration.kafka.recording_handler import member, options, produce
from tests.kafka_clusters import Broker


class RecordingConsumer(Consumer):
    """A consumer that records the forbidden calls made inside its callbacks."""

    inside = 0
    callbacks = 0
    forbidden_calls: tuple[str, ...] = ()

    def subscribe(self, topics: list[str], **callbacks: Callable[..., None]) -> None:  # type: ignore[override]
        def wrapped(callback: Callable[..., None]) -> Callable[..., None]:
            def call(*args: object) -> None:
                RecordingConsumer.inside += 1
                RecordingConsumer.callbacks += 1
                try:
                    callback(*args)
                finally:
                    RecordingConsumer.inside -= 1

            return call

        super().subscribe(topics, **{name: wrapped(one) for name, one in callbacks.items()})

    def list_topics(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the client has it
        if RecordingConsumer.inside:
            RecordingConsumer.forbidden_calls += ("list_topics",)
        return super().list_topics(*args, **more)


def test_callbacks_never_list_topics_through_their_consumer(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "Consumer", RecordingConsumer)
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            await one.until(lambda: len(one.handler.received) == 10)

    asyncio.run(run())
    assert RecordingConsumer.callbacks > 0
    assert RecordingConsumer.forbidden_calls == ()


def test_client_still_aborts_when_a_callback_lists_topics(embedded_broker: Broker) -> None:
    """Once it does not abort any more, the second client for topic listings can be removed."""
    topic, group = embedded_broker.create_topic("orders"), embedded_broker.unique("group")
    program = f"""
        import time
        from confluent_kafka import Consumer, TopicPartition

        place = [TopicPartition({topic!r}, 0, 0)]
        committed = []

        def assigned(consumer, _):
            consumer.list_topics(timeout=10)
            consumer.incremental_assign(place)
            consumer.commit(offsets=place, asynchronous=True)
            while consumer.committed(place, timeout=60)[0].offset < 0:
                time.sleep(0.01)
            time.sleep(1)  # the response is there before `poll` continues

        consumer = Consumer(
            {{
                **{embedded_broker.client(group_id=group)!r},
                "partition.assignment.strategy": "cooperative-sticky",
                "on_commit": lambda *_: committed.append(1),
            }}
        )
        consumer.subscribe([{topic!r}], on_assign=assigned)
        deadline = time.monotonic() + 120
        while not committed and time.monotonic() < deadline:
            consumer.poll(1)
        consumer.close()
        print("committed", len(committed))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=300, check=False
    )
    assert "CallState_get" in run.stderr, (run.returncode, run.stdout, run.stderr)
