"""A producer that is lost with letters out is replaced once it gave them back; each is acknowledged once, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.kafka.dead_letters.producer import DeadLetterProducer, PendingDeadLetter
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_dead_letters import letter

Report = Callable[[KafkaError | None, Message], None]
TOPIC = "cdp-dead-letters"


class Press:
    """A producer that reports on three letters in each poll: as written, or after a purge as given back."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self.properties = properties
        self.given: list[int] = []
        self.out: list[Report] = []
        self.says: Callable[[], None] = lambda: None
        self.purged = False

    def produce(self, _: str, *, headers: list[tuple[str, bytes]], on_delivery: Report, **__: object) -> None:
        assert not self.purged, "nothing is given to a producer that is lost"
        self.given += [int(number) for _, number in headers]
        self.out.append(on_delivery)

    def poll(self, _: float) -> None:
        self.says()
        reports, self.out = self.out[:3], self.out[3:]
        for report in reports:
            # The client's constants begin with an underscore.
            report(KafkaError(KafkaError._PURGE_QUEUE) if self.purged else None, cast("Message", None))

    def purge(self, *, blocking: bool) -> None:
        assert not blocking, "it would wait for reports that only this thread serves"
        self.purged = True

    def list_topics(self, *, timeout: float) -> object:  # noqa: ARG002 - the library's own signature
        return SimpleNamespace(topics={TOPIC: SimpleNamespace(partitions={0: None}, error=None)})


class ProducerHarness:
    """Writing with its presses and a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.presses: list[Press] = []
        self.now_s = 1000.0
        self.refusals = 0
        """How many presses cannot be made, from now on."""
        monkeypatch.setattr("consumer.kafka.dead_letters.producer.Producer", self.press)
        monkeypatch.setattr("consumer.kafka.dead_letters.producer.time", SimpleNamespace(monotonic=lambda: self.now_s))
        self.writing = DeadLetterProducer(
            {}, TOPIC, lambda one, _: [("number", b"%d" % one.message.offset())], RecordingObserver()
        )
        self.done: list[int] = []

    def press(self, properties: Mapping[str, Any], **_: object) -> Press:
        if self.refusals:
            self.refusals -= 1
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "ssl.ca.location failed: No such file"))
        assert all(not press.out for press in self.presses), "letters would be written past those that are out"
        self.presses.append(Press(properties))
        return self.presses[-1]

    def turn(self) -> None:
        self.now_s += 1.0
        self.done += [sheet.number for sheet in self.writing.serve()]


def forget_every_broker(press: Press) -> None:
    for _ in range(3):
        press.properties["stats_cb"]('{"brokers":{}}')


def fail_for_good(press: Press) -> None:
    # What the client says of a fatal error, in the parts that are looked at.
    told = SimpleNamespace(fatal=lambda: True, name=lambda: "_FATAL", str=lambda: "fatal")
    press.properties["error_cb"](told)


@pytest.mark.parametrize("lose", [forget_every_broker, fail_for_good])
def test_a_producer_lost_with_letters_out_is_replaced_once_it_gave_them_back(
    monkeypatch: pytest.MonkeyPatch, lose: Callable[[Press], None]
) -> None:
    hall = ProducerHarness(monkeypatch)
    for number in range(10):
        hall.writing.add(PendingDeadLetter(number, letter(number=number), lambda: None))
    hall.turn()
    first = hall.presses[0]
    assert (hall.done, first.given) == ([0, 1, 2], list(range(10)))
    first.says = lambda: lose(first)
    for number in range(10, 14):
        hall.writing.add(PendingDeadLetter(number, letter(number=number), lambda: None))
    for _ in range(30):
        hall.turn()
    assert hall.writing.is_idle
    assert hall.done == list(range(14))
    assert [press.given for press in hall.presses] == [list(range(14)), list(range(6, 14))]


def test_letters_wait_while_no_other_producer_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = ProducerHarness(monkeypatch)
    hall.writing.add(PendingDeadLetter(0, letter(number=0), lambda: None))
    hall.turn()
    hall.presses[0].says = lambda: forget_every_broker(hall.presses[0])
    hall.turn()
    hall.refusals = 2
    hall.writing.add(PendingDeadLetter(1, letter(number=1), lambda: None))
    for _ in range(2):
        hall.turn()
        assert (hall.done, len(hall.presses)) == ([0], 1)
        assert hall.writing.failing == ("_INVALID_ARG", 1003.0)
        assert hall.writing.wait_s > 0, "it would be tried without a rest"
    for _ in range(3):
        hall.turn()
    assert hall.done == [0, 1]
    assert [press.given for press in hall.presses] == [[0], [1]]
