"""Nothing personal and nothing secret gets into the log, whatever the source of the text."""

import logging
from collections.abc import Iterator

import pytest

from consumer.model import DeadLetterCause, Fault, TransientCause
from consumer.observability.log.observer import LogObserver
from tests.observability.recorded_log import RecordedLog

CANARY = "canary@example.com"


def test_no_method_logs_a_canary() -> None:
    recorded = RecordedLog("debug")
    observer = LogObserver(recorded.log, "cdp")
    for cause in (*DeadLetterCause, *TransientCause):
        fault = Fault(cause, f"said {CANARY} and Bearer canarytoken and https://u:canarypass@h/x?k=canary", 400)
        observer.refused("copilot", "t", fault)
        observer.retry_scheduled("copilot", fault, 3, 0.5)
        observer.hold_started("copilot", "collect", fault)
    observer.client_error("_AUTHENTICATION", f"user {CANARY} password canary at kafka:9093: refused", fatal=False)
    text = recorded.stream.getvalue()
    assert "canary" not in text
    assert len(text.splitlines()) == 3 * len((*DeadLetterCause, *TransientCause)) + 1
    assert recorded.lines[-1]["broker"] == "kafka:9093"
    assert "credentials" in str(recorded.lines[-1]["hint"])


def test_detail_is_at_most_200_characters() -> None:
    recorded = RecordedLog()
    LogObserver(recorded.log, "cdp").refused("copilot", "t", Fault(DeadLetterCause.REFUSED, "word " * 500))
    assert 150 < len(str(recorded.lines[0]["detail"])) <= 200


@pytest.fixture
def captured() -> Iterator[RecordedLog]:
    recorded = RecordedLog()
    root = logging.getLogger()
    level = root.level
    handler = recorded.log.capture()
    yield recorded
    root.removeHandler(handler)
    root.setLevel(level)


def test_library_messages_are_logged_without_their_text(captured: RecordedLog) -> None:
    logger = logging.getLogger("httpx2.client")
    try:
        int(CANARY)
    except ValueError:
        logger.exception("request to %s failed", f"https://{CANARY}")
    logger.info("not logged %s", CANARY)
    assert "canary" not in captured.stream.getvalue()
    assert [(line["event"], line["level"], line["logger"], line["exception"]) for line in captured.lines] == [
        ("library message", "error", "httpx2.client", "ValueError")
    ]
