"""A client that has forgotten every broker is told from one whose brokers are down; its member ends, others do anew."""

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
from tests.integration.kafka.test_dead_letters import WriterHarness, headers_in, letter, written
from tests.integration.kafka.test_lag import commit, until
from tests.kafka_clusters import EmbeddedBroker


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients looked at every tenth of a second."""
    monkeypatch.setattr("consumer.kafka.client_health.STATISTICS_INTERVAL_MS", "100")


class FirstKnowsNobody:
    """Makes clients, the first without any broker to begin with: what is left of one that has forgotten them all."""

    def __init__(self, client: Callable[..., object]) -> None:
        self.made = 0
        self._client = client

    def __call__(self, properties: Mapping[str, object], **others: object) -> object:
        self.made += 1
        given = dict(properties)
        if self.made == 1:
            del given["bootstrap.servers"]
        return self._client(given, **others)


def said(*sources: str) -> str:
    """Return statistics as the client writes them, with a broker of each of these sources."""
    brokers = {str(number): {"name": "b", "source": source} for number, source in enumerate(sources)}
    return json.dumps({"name": "rdkafka#consumer-1", "brokers": brokers}, separators=(",", ":"))


def test_brokers_that_are_known_are_known_whether_they_answer_or_not() -> None:
    stranded = BrokerLossDetector()
    for sources in (("configured",), ("learned", "logical"), ("configured", "learned")) * 3:
        stranded.read_statistics(said(*sources))
    assert not stranded.brokers_lost


def test_a_client_that_begins_anew_knows_nobody_for_a_moment_only() -> None:
    stranded = BrokerLossDetector()
    for sources in (("logical",), ("logical",), ("configured",), ("logical",), (), ("learned",)):
        stranded.read_statistics(said(*sources))
    assert not stranded.brokers_lost


def test_a_client_that_knows_nobody_again_and_again_is_stranded() -> None:
    stranded = BrokerLossDetector()
    for _ in range(3):
        stranded.read_statistics(said("logical", "internal"))
    assert stranded.brokers_lost


@pytest.mark.usefixtures("often")
def test_a_real_client_lists_the_brokers_it_knows_as_the_search_expects(embedded_broker: EmbeddedBroker) -> None:
    heard: list[str] = []

    class Listening(BrokerLossDetector):
        def read_statistics(self, statistics: str) -> None:
            heard.append(statistics)
            super().read_statistics(statistics)

    async def run() -> None:
        topic = embedded_broker.create_topic("orders")
        switched_off = {"statistics.interval.ms": "0"}  # refused where properties are read; here it moves nothing
        wanted = options(embedded_broker, (topic,), embedded_broker.unique("group"), properties=switched_off)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("consumer.kafka.poller.BrokerLossDetector", Listening)
            async with member(wanted) as one:
                await one.until(lambda: one.road.assignments and len(heard) > 3)
                assert not one.poller._broker_loss.brokers_lost
                assert '"source":"learned"' in heard[-1]

    asyncio.run(run())


def test_a_stranded_member_ends_in_one_sentence(embedded_broker: EmbeddedBroker) -> None:
    async def run() -> None:
        topic, group = embedded_broker.create_topic("orders"), embedded_broker.unique("group")
        one = Member(options(embedded_broker, (topic,), group))
        one.poller.start()
        await one.until(lambda: one.road.assignments)
        one.poller._broker_loss.brokers_lost = True
        with pytest.raises(PollError, match="has lost every broker"):
            await asyncio.wait_for(one.poller.done, WITHIN_S)
        assert not one.poller.may_send()

    asyncio.run(run())


@pytest.mark.usefixtures("often")
def test_lag_is_asked_through_another_client_once_the_first_knows_nobody(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = FirstKnowsNobody(Consumer)
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
    assert clients.made == 2


@pytest.mark.usefixtures("often")
def test_letters_given_to_a_producer_that_knows_nobody_are_written_by_the_next_each_once_and_in_order(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = FirstKnowsNobody(Producer)
    monkeypatch.setattr("consumer.kafka.dead_letters.producer.Producer", clients)
    impatient = partial(DeadLetterProducer, metadata_timeout_s=0.5, max_backoff_s=0.5)
    monkeypatch.setattr("consumer.kafka.dead_letters.writer.DeadLetterProducer", impatient)
    topic = embedded_broker.create_topic("letters")

    async def run() -> None:
        desk = WriterHarness(embedded_broker, topic)
        for number in range(100):
            desk.shelve(letter(number=number))
        desk.letters.start()
        await desk.until(lambda: len(desk.acked) >= 100)
        assert "_PURGE_QUEUE" in desk.heard.shelf_codes, "they were out, and came back"
        assert desk.acked == list(range(100))
        assert await desk.letters.close(5) == 0

    asyncio.run(run())
    assert clients.made == 2
    ids = [dict(headers_in(one))["cdp-delivery-id"] for one in written(embedded_broker, topic, 100)]
    assert ids == [b"id-%d" % number for number in range(100)]
