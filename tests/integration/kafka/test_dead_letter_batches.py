"""A large pile of letters is written in portions: reports are served between them, and the order stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import KafkaError, Message

from consumer.kafka.dead_letters import producer
from consumer.kafka.dead_letters.producer import DeadLetterProducer, PayloadMode, PendingDeadLetter
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_dead_letters import letter

Report = Callable[[KafkaError | None, Message], None]


class Press:
    """A producer that reports every letter at the poll after it was given; of some it says that they are too large."""

    def __init__(self, too_large: frozenset[int] = frozenset()) -> None:
        self.given: list[int] = []
        self.portions: list[int] = []
        self._too_large = too_large
        self._reports: list[tuple[int, Report]] = []

    def produce(self, _: str, *, headers: list[tuple[str, bytes]], on_delivery: Report, **__: object) -> None:
        number, form = (int(value) for _, value in headers)
        self.given.append(number)
        self._reports.append((number if form == PayloadMode.BATCHED else -1, on_delivery))

    def poll(self, _: float) -> None:
        self.portions.append(len(self._reports))
        reports, self._reports = self._reports, []
        for number, report in reports:
            error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if number in self._too_large else None
            report(error, cast("Message", None))

    def list_topics(self, *, timeout: float) -> object:  # noqa: ARG002 - the library's own signature
        return type("Found", (), {"topics": {"letters": type("Topic", (), {"error": None, "partitions": {0: 0}})}})


def written(monkeypatch: pytest.MonkeyPatch, press: Press, count: int) -> list[int]:
    """Have so many letters written; return their numbers in the order in which they were acknowledged."""
    monkeypatch.setattr(producer, "Producer", lambda *_, **__: press)
    writing = DeadLetterProducer(
        {},
        "letters",
        lambda one, form: [("number", b"%d" % one.message.offset()), ("form", b"%d" % form)],
        RecordingObserver(),
    )
    for number in range(count):
        writing.add(PendingDeadLetter(number, letter(number=number), lambda: None))
    done: list[int] = []
    while not writing.is_idle:
        done += [sheet.number for sheet in writing.serve()]
    return done


def test_reports_are_served_at_least_once_in_a_thousand_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    press = Press()
    assert written(monkeypatch, press, 2500) == list(range(2500))
    assert [portion for portion in press.portions if portion] == [1000, 1000, 500]
    assert press.given == list(range(2500))


def test_a_letter_that_goes_alone_keeps_its_place_in_a_large_pile(monkeypatch: pytest.MonkeyPatch) -> None:
    press = Press(frozenset({300, 999, 1000, 1700}))
    done = written(monkeypatch, press, 2500)
    assert sorted(done) == list(range(2500))
    # Each of them was given twice: among the others, and then when nothing else was under way.
    assert {number for number, times in Counter(press.given).items() if times == 2} == {300, 999, 1000, 1700}
    assert max(press.portions) <= 1000
    assert press.portions.count(1) >= 4
