"""A long queue of dead letters is produced in batches: reports are served in between, and the order stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import KafkaError, Message

from consumer.kafka.dead_letters import producer
from consumer.kafka.dead_letters.producer import DeadLetterProducer, PayloadMode, PendingDeadLetter
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_dead_letters import dead_letter

Report = Callable[[KafkaError | None, Message], None]


class FakeProducer:
    """A producer that reports every dead letter at the next poll, and some of them as too large."""

    def __init__(self, too_large: frozenset[int] = frozenset()) -> None:
        self.produced: list[int] = []
        self.batch_sizes: list[int] = []
        self._too_large = too_large
        self._reports: list[tuple[int, Report]] = []

    def produce(self, _: str, *, headers: list[tuple[str, bytes]], on_delivery: Report, **__: object) -> None:
        number, mode = (int(value) for _, value in headers)
        self.produced.append(number)
        self._reports.append((number if mode == PayloadMode.BATCHED else -1, on_delivery))

    def poll(self, _: float) -> None:
        self.batch_sizes.append(len(self._reports))
        reports, self._reports = self._reports, []
        for number, report in reports:
            error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if number in self._too_large else None
            report(error, cast("Message", None))

    def list_topics(self, *, timeout: float) -> object:  # noqa: ARG002 - the library's own signature
        return type("Found", (), {"topics": {"letters": type("Topic", (), {"error": None, "partitions": {0: 0}})}})


def written(monkeypatch: pytest.MonkeyPatch, fake: FakeProducer, count: int) -> list[int]:
    """Write `count` dead letters and return their numbers in the order of acknowledgement."""
    monkeypatch.setattr(producer, "Producer", lambda *_, **__: fake)
    pending_producer = DeadLetterProducer(
        {},
        "letters",
        lambda one, mode: [("number", b"%d" % one.message.offset()), ("form", b"%d" % mode)],
        RecordingObserver(),
    )
    for number in range(count):
        pending_producer.add(PendingDeadLetter(number, dead_letter(number=number), lambda: None))
    acknowledged: list[int] = []
    while not pending_producer.is_idle:
        acknowledged += [pending.number for pending in pending_producer.serve()]
    return acknowledged


def test_reports_are_served_after_every_thousand_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeProducer()
    assert written(monkeypatch, fake, 2500) == list(range(2500))
    assert [size for size in fake.batch_sizes if size] == [1000, 1000, 500]
    assert fake.produced == list(range(2500))


def test_dead_letter_written_alone_keeps_its_place_in_a_long_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeProducer(frozenset({300, 999, 1000, 1700}))
    acknowledged = written(monkeypatch, fake, 2500)
    assert sorted(acknowledged) == list(range(2500))
    # Each of them was produced twice: in a batch, and then while nothing else was in flight.
    assert {number for number, times in Counter(fake.produced).items() if times == 2} == {300, 999, 1000, 1700}
    assert max(fake.batch_sizes) <= 1000
    assert fake.batch_sizes.count(1) >= 4
