"""A client that has forgotten every broker is told from one whose brokers are down, and its member ends."""

import asyncio
import json

import pytest

from consumer.kafka.poll import PollError
from consumer.kafka.stranded import Stranded
from tests.broker.recording_road import WITHIN_S, Member, member, options
from tests.brokers import EmbeddedBroker

OFTEN = {"statistics.interval.ms": 100}


def said(*sources: str) -> str:
    """Return statistics as the client writes them, with a broker of each of these sources."""
    brokers = {str(number): {"name": "b", "source": source} for number, source in enumerate(sources)}
    return json.dumps({"name": "rdkafka#consumer-1", "brokers": brokers}, separators=(",", ":"))


def test_brokers_that_are_known_are_known_whether_they_answer_or_not() -> None:
    stranded = Stranded()
    for sources in (("configured",), ("learned", "logical"), ("configured", "learned")) * 3:
        stranded.look(said(*sources))
    assert not stranded.for_good


def test_a_client_that_begins_anew_knows_nobody_for_a_moment_only() -> None:
    stranded = Stranded()
    for sources in (("logical",), ("logical",), ("configured",), ("logical",), (), ("learned",)):
        stranded.look(said(*sources))
    assert not stranded.for_good


def test_a_client_that_knows_nobody_again_and_again_is_stranded() -> None:
    stranded = Stranded()
    for _ in range(3):
        stranded.look(said("logical", "internal"))
    assert stranded.for_good


def test_a_real_client_lists_the_brokers_it_knows_as_the_search_expects(embedded_broker: EmbeddedBroker) -> None:
    heard: list[str] = []

    class Listening(Stranded):
        def look(self, statistics: str) -> None:
            heard.append(statistics)
            super().look(statistics)

    async def run() -> None:
        topic = embedded_broker.create_topic("orders")
        wanted = options(embedded_broker, (topic,), embedded_broker.unique("group"), properties=OFTEN)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("consumer.kafka.poll.Stranded", Listening)
            async with member(wanted) as one:
                await one.until(lambda: one.road.assignments and len(heard) > 3)
                assert not one.poller._stranded.for_good
                assert '"source":"learned"' in heard[-1]

    asyncio.run(run())


def test_a_stranded_member_ends_in_one_sentence(embedded_broker: EmbeddedBroker) -> None:
    async def run() -> None:
        topic, group = embedded_broker.create_topic("orders"), embedded_broker.unique("group")
        one = Member(options(embedded_broker, (topic,), group))
        one.poller.start()
        await one.until(lambda: one.road.assignments)
        one.poller._stranded.for_good = True
        with pytest.raises(PollError, match="has lost every broker"):
            await asyncio.wait_for(one.poller.done, WITHIN_S)
        assert not one.poller.may_call()

    asyncio.run(run())
