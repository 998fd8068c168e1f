"""Directives are logged and kept, never with an ordering key."""

from __future__ import annotations

import time

import pytest

from consumer.model import DeadLetterCause
from consumer.model.directives import AcceptGap, AcceptRefusals, Directive, Directives, Pause, Quarantine
from consumer.model.findings import Finding
from consumer.observability.directives_observer import DirectivesObserver, describe, until
from tests.observability.recorded_log import RecordedLog

HOUR_MS = 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


def test_active_directives_are_logged_without_their_reason() -> None:
    """Each is logged with its scope and end."""
    recorded = RecordedLog()
    observer = DirectivesObserver(recorded.log)
    later = now_ms() + HOUR_MS
    observer.directives_read(
        Directives((Pause(later, "canary words", destination="copilot"), Pause(1, "over", event_type="shop.Left")))
    )
    assert [(line["event"], line.get("count"), line.get("active")) for line in recorded.lines] == [
        ("directives read", 2, 1),
        ("directive active", None, None),
    ]
    assert recorded.lines[1]["directive"] == "pause"
    assert recorded.lines[1]["destination"] == "copilot"
    assert "canary" not in recorded.stream.getvalue()
    assert [each.destination for each in observer.in_force(now_ms()).pauses] == ["copilot"]


def test_ended_directive_is_inactive_before_its_end_is_reported() -> None:
    observer = DirectivesObserver(RecordedLog().log)
    observer.directives_read(Directives((Pause(5_000, "", destination="copilot"),)))
    assert len(observer.in_force(4_999)) == 1
    assert len(observer.in_force(5_000)) == 0


def test_rejected_file_is_logged_and_old_directives_stay_active() -> None:
    """All findings are logged."""
    recorded = RecordedLog()
    observer = DirectivesObserver(recorded.log)
    assert not observer.file_read
    observer.directives_read(Directives((Pause(now_ms() + HOUR_MS, "", destination="copilot"),)))
    findings = [
        Finding("error", "directives.yaml", 3, 5, "directives[0].pause", "no destination is called `copilt`", "hint"),
        Finding("error", "directives.yaml", None, None, "", "it does not end"),
    ]
    observer.directives_rejected(findings)
    assert [(line["level"], line["event"]) for line in recorded.lines[-3:]] == [
        ("error", "directives file rejected"),
        ("error", "directives file invalid"),
        ("error", "directives file invalid"),
    ]
    assert (recorded.lines[-3]["count"], recorded.lines[-3]["active"]) == (2, 1)
    assert recorded.lines[-2]["at"] == "directives.yaml:3:5"
    assert observer.findings == (
        "directives.yaml:3:5: directives[0].pause: no destination is called `copilt`",
        "directives.yaml: it does not end",
    )
    assert len(observer.in_force(now_ms())) == 1
    observer.directives_read(Directives(()))
    assert not observer.findings


def test_file_rejected_at_start_pauses_everything_until_read() -> None:
    recorded = RecordedLog()
    observer = DirectivesObserver(recorded.log)
    hold = Directives((Pause(253_402_300_800_000, "", destination="copilot"),))
    observer.directives_unreadable(hold, [Finding("error", "directives.yaml", 3, 5, "directives[0]", "no")])
    assert [(line["level"], line["event"]) for line in recorded.lines] == [
        ("error", "directives file rejected"),
        ("error", "directives file invalid"),
    ]
    assert recorded.lines[0]["active"] == 1
    assert "nothing is sent" in str(recorded.lines[0]["hint"])
    assert observer.in_force(now_ms()) == hold
    assert (observer.file_read, observer.unreadable, observer.findings) == (
        True,
        True,
        ("directives.yaml:3:5: directives[0]: no",),
    )
    assert until(hold[0]) == "forever"
    observer.directives_read(Directives(()))
    assert (observer.unreadable, observer.findings, observer.in_force(now_ms())) == (False, (), ())


@pytest.mark.parametrize(
    ("directive", "scope"),
    [
        (Pause(0, "", "yotpo", "shop.Left"), {"destination": "yotpo", "event_type": "shop.Left"}),
        (AcceptRefusals(0, "", DeadLetterCause.UNDECODABLE, topic="t"), {"topic": "t", "cause": "undecodable"}),
        (Quarantine(0, "", "t", key="canary@example.com"), {"topic": "t", "key": "set"}),
        (Quarantine(0, "", "t", 3, 12), {"position": "t/3/12"}),
        (AcceptGap(0, "", "t", 3, 70, "latest"), {"partition": "t/3", "from": "70", "to": "latest"}),
    ],
)
def test_directive_end_is_logged_with_scope(directive: Directive, scope: dict[str, str]) -> None:
    recorded = RecordedLog()
    DirectivesObserver(recorded.log).directive_ended(directive)
    (line,) = recorded.lines
    assert line["event"] == "directive ended"
    assert scope.items() <= line.items()
    assert line["until"] == "1970-01-01T00:00:00.000Z"
    assert "canary" not in recorded.stream.getvalue()


def test_directive_active_again_is_a_warning_about_the_clock() -> None:
    recorded = RecordedLog()
    DirectivesObserver(recorded.log).directive_active_again(Pause(0, "canary words", "yotpo"))
    (line,) = recorded.lines
    assert (line["level"], line["event"], line["destination"]) == ("warning", "directive active again", "yotpo")
    assert "clock" in str(line["hint"])
    assert "canary" not in recorded.stream.getvalue()


def test_end_after_the_year_9999_is_forever() -> None:
    assert describe(Pause(1 << 62, "", "yotpo"))["until"] == "forever"
