"""A client that has lost every broker differs from one whose brokers are down: it is replaced, or its member ends."""

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.kafka.client_health import BrokerLossDetector, PollError
from consumer.kafka.dead_letters.producer import DeadLetterProducer
from consumer.kafka.lag import LagMonitor
from consumer.model import Partition
from tests.integration.kafka.recording_handler import WITHIN_S, Member, member, options, produce
from tests.integration.kafka.test_dead_letters import WriterHarness, dead_letter, headers_in, written
from tests.integration.kafka.test_lag import commit, until
from tests.kafka_clusters import EmbeddedBroker


@pytest.fixture
def frequent_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make clients emit statistics every 100 ms."""
    monkeypatch.setattr("consumer.kafka.client_health.STATISTICS_INTERVAL_MS", "100")


class FirstWithoutBrokers:
    """Creates clients. The first has no broker at all, like a client that has lost them."""

    def __init__(self, client: Callable[..., object]) -> None:
        self.created = 0
        self._client = client

    def __call__(self, properties: Mapping[str, object], **others: object) -> object:
        self.created += 1
        given = dict(properties)
        if self.created == 1:
            del given["bootstrap.servers"]
        return self._client(given, **others)


def statistics(*sources: str) -> str:
    """Return statistics in the client's format, with one broker per source."""
    brokers = {str(number): {"name": "b", "source": source} for number, source in enumerate(sources)}
    return json.dumps({"name": "rdkafka#consumer-1", "brokers": brokers}, separators=(",", ":"))


def test_listed_brokers_are_not_lost_even_if_they_are_down() -> None:
    detector = BrokerLossDetector()
    for sources in (("configured",), ("learned", "logical"), ("configured", "learned")) * 3:
        detector.read_statistics(statistics(*sources))
    assert not detector.brokers_lost


def test_single_statistics_without_brokers_are_no_loss() -> None:
    """A client that reconnects lists no broker for a moment."""
    detector = BrokerLossDetector()
    for sources in (("logical",), ("logical",), ("configured",), ("logical",), (), ("learned",)):
        detector.read_statistics(statistics(*sources))
    assert not detector.brokers_lost


def test_three_statistics_without_brokers_are_a_loss() -> None:
    detector = BrokerLossDetector()
    for _ in range(3):
        detector.read_statistics(statistics("logical", "internal"))
    assert detector.brokers_lost


@pytest.mark.usefixtures("frequent_statistics")
def test_real_client_statistics_match_the_search(embedded_broker: EmbeddedBroker) -> None:
    observer: list[str] = []

    class RecordingDetector(BrokerLossDetector):
        def read_statistics(self, statistics: str) -> None:
            observer.append(statistics)
            super().read_statistics(statistics)

    async def run() -> None:
        topic = embedded_broker.create_topic("orders")
        switched_off = {"statistics.interval.ms": "0"}  # the configuration rejects it; here it is overridden
        given = options(embedded_broker, (topic,), embedded_broker.unique("group"), properties=switched_off)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("consumer.kafka.poller.BrokerLossDetector", RecordingDetector)
            async with member(given) as one:
                await one.until(lambda: one.handler.assignments and len(observer) > 3)
                assert not one.poller._broker_loss.brokers_lost
                assert '"source":"learned"' in observer[-1]

    asyncio.run(run())


def test_broker_loss_ends_the_poll_thread(embedded_broker: EmbeddedBroker) -> None:
    async def run() -> None:
        topic, group = embedded_broker.create_topic("orders"), embedded_broker.unique("group")
        one = Member(options(embedded_broker, (topic,), group))
        one.poller.start()
        await one.until(lambda: one.handler.assignments)
        one.poller._broker_loss.brokers_lost = True
        with pytest.raises(PollError, match="has lost every broker"):
            await asyncio.wait_for(one.poller.done, WITHIN_S)
        assert not one.poller.may_send()

    asyncio.run(run())


@pytest.mark.usefixtures("frequent_statistics")
def test_lag_monitor_replaces_a_client_without_brokers(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = FirstWithoutBrokers(Consumer)
    topic, group = embedded_broker.create_topic("orders"), embedded_broker.unique("group")
    only = Partition(topic, 0)
    produce(embedded_broker, topic, 10)
    commit(embedded_broker, group, TopicPartition(topic, 0, 4))
    monkeypatch.setattr("consumer.kafka.lag.Consumer", clients)
    lag = LagMonitor(
        {**embedded_broker.client(), "statistics.interval.ms": "0"},
        group,
        lambda: [only],
        interval_s=0.05,
        timeout_s=1.0,
    )
    lag.start()
    try:
        until(lambda: lag.snapshot() == {only: (10, 4)})
        before = lag.updated_at
        until(lambda: lag.updated_at > before)
    finally:
        lag.close()
    assert clients.created == 2


@pytest.mark.usefixtures("frequent_statistics")
def test_next_producer_writes_dead_letters_of_one_without_brokers(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is written once, and in order."""
    clients = FirstWithoutBrokers(Producer)
    monkeypatch.setattr("consumer.kafka.dead_letters.producer.Producer", clients)
    quick = partial(DeadLetterProducer, metadata_timeout_s=0.5, max_backoff_s=0.5)
    monkeypatch.setattr("consumer.kafka.dead_letters.writer.DeadLetterProducer", quick)
    topic = embedded_broker.create_topic("letters")

    async def run() -> None:
        harness = WriterHarness(embedded_broker, topic)
        for number in range(100):
            harness.write(dead_letter(number=number))
        harness.writer.start()
        await harness.until(lambda: len(harness.acknowledged) >= 100)
        assert "_PURGE_QUEUE" in harness.observer.dead_letter_failures, "they were in flight and were returned"
        assert harness.acknowledged == list(range(100))
        assert await harness.writer.close(5) == 0

    asyncio.run(run())
    assert clients.created == 2
    ids = [dict(headers_in(one))["cdp-delivery-id"] for one in written(embedded_broker, topic, 100)]
    assert ids == [b"id-%d" % number for number in range(100)]
