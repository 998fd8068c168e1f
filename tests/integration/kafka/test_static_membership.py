"""Static members (`group.instance.id`): a restart moves no partition, and each id belongs to one member."""

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaError

from consumer.kafka.client_health import PollError, describe_fatal, error_name, is_fatal
from consumer.model import Partition
from tests.integration.kafka.recording_handler import WITHIN_S, Member, member, options, produce
from tests.integration.kafka.test_poller import HAND_OVER
from tests.kafka_clusters import Broker

NEEDS_STATIC_MEMBERS = "the embedded cluster knows no static members"


def named(broker: Broker, topic: str, group: str, name: str, protocol: dict[str, str]) -> Any:  # noqa: ANN401 - PollOptions
    return options(broker, (topic,), group, properties={**protocol, "group.instance.id": name})


@pytest.mark.needs_real_broker(NEEDS_STATIC_MEMBERS)
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_static_member_restart_keeps_every_assignment(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    both = {Partition(topic, 0), Partition(topic, 1)}

    async def run() -> None:
        async with member(named(broker, topic, group, "stays", protocol)) as stays:
            async with member(named(broker, topic, group, "restarts", protocol)) as before:
                await stays.until(lambda: len(stays.poller.assigned()) == len(before.poller.assigned()) == 1)
                mine = set(before.poller.assigned())
                for index in (0, 1):
                    produce(broker, topic, 20, partition=index)
                await before.until(lambda: len(before.handler.received) == 20)
            revocations, epochs = len(stays.observer.revocations), dict(stays.poller.assigned())
            for index in (0, 1):
                produce(broker, topic, 20, partition=index, first=20)
            await stays.until(lambda: len(stays.handler.received) == 40)
            async with member(named(broker, topic, group, "restarts", protocol)) as after:
                await after.until(lambda: len(after.handler.received) == 20)
                assert set(after.poller.assigned()) == mine == both - set(stays.poller.assigned())
                assert [offset for _, offset in after.handler.received] == list(range(20, 40))
                assert len(stays.observer.revocations) == revocations
                assert stays.poller.assigned() == epochs

    asyncio.run(run())


@pytest.mark.needs_real_broker(NEEDS_STATIC_MEMBERS)
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_duplicate_instance_id_ends_one_member_with_a_message(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    given = named(broker, topic, group, "twin", protocol)
    new_protocol = "group.protocol" in protocol

    async def run() -> None:
        older, younger = Member(given), Member(given)
        older.poller.start()
        await older.until(lambda: len(older.poller.assigned()) == 2)
        younger.poller.start()
        # The classic protocol treats the second as a restart of the first. The new one keeps the first.
        ends, stays = (younger, older) if new_protocol else (older, younger)
        with pytest.raises(PollError, match=r"group\.instance\.id=twin is used by another member") as raised:
            await asyncio.wait_for(ends.poller.done, WITHIN_S)
        assert group in str(raised.value)
        code = "UNRELEASED_INSTANCE_ID" if new_protocol else "FENCED_INSTANCE_ID"
        assert (code, True) in ends.observer.errors
        assert not ends.poller.may_send()
        await stays.until(lambda: len(stays.poller.assigned()) == 2)
        produce(broker, topic, 5)
        await stays.until(lambda: len(stays.handler.received) == 5)
        await stays.poller.shutdown()

    asyncio.run(run())


def test_fatal_code_counts_and_its_text_names_the_error_behind() -> None:
    """The error is fatal by its code, although `fatal()` returns False."""
    behind = KafkaError(KafkaError.FENCED_INSTANCE_ID)
    hidden = KafkaError(KafkaError._FATAL, f"Fatal error: {behind.str()}: Fatal consumer error")
    assert not hidden.fatal(), "if this is True, the check of its code can be removed"
    assert is_fatal(hidden)
    assert error_name(hidden) == "FENCED_INSTANCE_ID"
    assert describe_fatal(hidden, "cdp-yotpo", {"group.instance.id": "pod-0"}).startswith(
        "group cdp-yotpo: group.instance.id=pod-0 is used by another member (FENCED_INSTANCE_ID). "
    )


def test_other_fatal_errors_quote_the_client() -> None:
    other = KafkaError(KafkaError._FATAL, "out of luck")
    assert (is_fatal(other), error_name(other)) == (True, "_FATAL")
    assert describe_fatal(other, "cdp-yotpo", {}) == (
        "group cdp-yotpo: the Kafka client failed permanently (out of luck). Restart the process."
    )
    transient = KafkaError(KafkaError._TRANSPORT)
    assert (is_fatal(transient), error_name(transient)) == (False, "_TRANSPORT")
