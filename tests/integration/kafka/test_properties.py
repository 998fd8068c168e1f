"""The effective properties of the clients, and the complaints about unusable ones."""

import logging

import pytest
from confluent_kafka import Consumer, Producer

from consumer.kafka.properties import (
    PollOptions,
    commit_timeout_s,
    complaints,
    effective_properties,
    is_incremental,
    librdkafka_version,
    max_poll_interval_s,
    metadata_interval_s,
    producer_properties,
    reserved_complaints,
    session_timeout_s,
)

USABLE = {"bootstrap.servers": "broker.invalid:9092"}


def effective(properties: dict[str, str]) -> dict[str, str]:
    return effective_properties(PollOptions(properties, "cdp-copilot", ("orders",), "earliest", 20))


def test_forced_properties_override_the_user() -> None:
    found = effective({**USABLE, "enable.auto.commit": "true", "auto.offset.reset": "latest", "group.id": "mine"})
    assert found["enable.auto.commit"] == "false"
    assert found["enable.auto.offset.store"] == "false"
    assert found["auto.offset.reset"] == "error"
    assert found["group.id"] == "cdp-copilot"


def test_user_overrides_defaults() -> None:
    assert effective(USABLE)["isolation.level"] == "read_committed"
    assert effective({**USABLE, "isolation.level": "read_uncommitted"})["isolation.level"] == "read_uncommitted"


def test_new_protocol_omits_properties_that_librdkafka_rejects() -> None:
    properties = {**USABLE, "group.protocol": "consumer"}
    assert "partition.assignment.strategy" not in effective(properties)
    assert complaints(properties) == []


@pytest.mark.parametrize(
    ("properties", "incremental"),
    [
        ({}, True),
        ({"partition.assignment.strategy": "range,roundrobin"}, False),
        ({"partition.assignment.strategy": "cooperative-sticky"}, True),
        ({"group.protocol": "consumer"}, True),
    ],
)
def test_assignment_is_incremental_unless_eager(properties: dict[str, str], incremental: bool) -> None:
    assert is_incremental(properties) is incremental


@pytest.mark.parametrize(
    "name",
    ["group.id", "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "statistics.interval.ms"],
)
def test_each_reserved_property_has_a_complaint(name: str) -> None:
    (message,) = reserved_complaints({**USABLE, name: "x"})
    assert message.startswith(f"{name}: may not be set: ")


def test_new_protocol_reserves_three_more_properties() -> None:
    extra = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500", "partition.assignment.strategy": "range"}
    assert reserved_complaints(extra) == []
    assert len(reserved_complaints({**extra, "group.protocol": "consumer"})) == 3
    assert len(complaints({**extra, "group.protocol": "consumer"})) == 3


def test_librdkafka_errors_are_reported_all_at_once() -> None:
    found = complaints({**USABLE, "no.such.thing": "1", "fetch.wait.max.ms": "soon", "group.id": "x"})
    assert len(found) == 3
    assert found[0].startswith("group.id")
    assert any("no.such.thing" in message for message in found)
    assert any("fetch.wait.max.ms" in message for message in found)


def test_contradictory_properties_are_reported_once() -> None:
    (message,) = complaints({**USABLE, "session.timeout.ms": "60000", "max.poll.interval.ms": "30000"})
    assert "max.poll.interval.ms" in message


def test_error_without_a_property_name_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = list[object]()

    def failing(client: object, _: dict[str, str]) -> str:
        clients.append(client)
        return "out of everything"

    monkeypatch.setattr("consumer.kafka.properties._client_error", failing)
    assert complaints(USABLE) == ["out of everything"]
    assert clients == [Consumer, Producer], "each client is tried once"


@pytest.mark.parametrize(
    ("name", "value"),
    [("retries", "0"), ("message.timeout.ms", "1"), ("queuing.strategy", "lifo"), ("linger.ms", "40000")],
)
def test_errors_of_the_dead_letter_producer_are_reported(name: str, value: str) -> None:
    Consumer(effective({**USABLE, name: value}), logger=logging.getLogger("unused")).close()  # the consumer accepts it
    (message,) = complaints({**USABLE, name: value})
    assert f"`{name}`" in message
    assert message.endswith(" (for the dead-letter producer)")


def test_transactions_and_error_only_reports_are_reserved() -> None:
    found = complaints({**USABLE, "transactional.id": "x", "delivery.report.only.error": "true"})
    assert [message.partition(": may not be set: ")[0] for message in found] == [
        "transactional.id",
        "delivery.report.only.error",
    ]


@pytest.mark.parametrize(
    "name",
    ["stats_cb", "error_cb", "throttle_cb", "oauth_cb", "on_commit", "on_delivery", "logger", "default.topic.config"],
)
def test_callback_properties_are_a_complaint_and_no_exception(name: str) -> None:
    (message,) = complaints({**USABLE, name: "print"})
    assert message.startswith(f"{name}: may not be set: ")


@pytest.mark.parametrize("value", ["a\0b", "a\ud800"])
def test_value_with_an_impossible_character_is_a_complaint(value: str) -> None:
    assert complaints({**USABLE, "client.id": value}) == ["client.id: holds a character that no property can have"]


def test_error_of_both_clients_is_reported_once() -> None:
    (message,) = complaints({**USABLE, "security.protocol": "ssl", "ssl.key.pem": "no key"})
    assert "PEM" in message


def test_librdkafka_version_is_a_number() -> None:
    assert librdkafka_version().split(".")[0].isdigit()


def test_good_properties_have_no_complaint() -> None:
    assert complaints(USABLE) == []


def test_times_come_from_properties_or_defaults() -> None:
    assert (session_timeout_s({}, 9), max_poll_interval_s({}), commit_timeout_s({})) == (45, 300, 10)
    assert session_timeout_s({"session.timeout.ms": "6000"}, 9) == 6
    assert session_timeout_s({"group.protocol": "consumer"}, 9) == 9, "the client cannot read the brokers' timeout"
    assert max_poll_interval_s({"max.poll.interval.ms": "soon"}) == 300


def test_producer_always_uses_acks_all() -> None:
    found = producer_properties({**USABLE, "acks": "0", "group.id": "x", "fetch.min.bytes": "1", "sasl.username": "u"})
    assert (found["acks"], found["enable.idempotence"]) == ("all", "true")
    assert found["sasl.username"] == "u"
    assert not {"group.id", "fetch.min.bytes"} & found.keys()


@pytest.mark.parametrize(
    ("milliseconds", "interval_s"), [(None, 30), ("5000", 5), ("10", 1), ("-1", 300), ("0", 300), ("900000", 300)]
)
def test_metadata_interval_keeps_within_its_limits(milliseconds: str | None, interval_s: float) -> None:
    name = "topic.metadata.refresh.interval.ms"
    assert metadata_interval_s({} if milliseconds is None else {name: milliseconds}) == interval_s
