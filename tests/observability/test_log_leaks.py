"""Nothing personal and nothing secret gets into the log, whoever wrote the text."""

import logging
from collections.abc import Iterator

import pytest

from consumer.model import DeadLetterCause, Fault, TransientCause
from consumer.observability.log.observer import LogObserver
from tests.observability.written import Written

CANARY = "canary@example.com"


def test_no_method_logs_a_canary() -> None:
    written = Written("debug")
    story = LogObserver(written.log, "cdp")
    for cause in (*DeadLetterCause, *TransientCause):
        fault = Fault(cause, f"said {CANARY} and Bearer canarytoken and https://u:canarypass@h/x?k=canary", 400)
        story.refused("copilot", "t", fault)
        story.retry_scheduled("copilot", fault, 3, 0.5)
        story.hold_started("copilot", "collect", fault)
    story.client_error("_AUTHENTICATION", f"user {CANARY} password canary at kafka:9093: refused", fatal=False)
    text = written.stream.getvalue()
    assert "canary" not in text
    assert len(text.splitlines()) == 3 * len((*DeadLetterCause, *TransientCause)) + 1
    assert written.lines[-1]["broker"] == "kafka:9093"
    assert "credentials" in str(written.lines[-1]["hint"])


def test_detail_is_at_most_200_characters() -> None:
    written = Written()
    LogObserver(written.log, "cdp").refused("copilot", "t", Fault(DeadLetterCause.REFUSED, "word " * 500))
    assert 150 < len(str(written.lines[0]["detail"])) <= 200


@pytest.fixture
def captured() -> Iterator[Written]:
    written = Written()
    root = logging.getLogger()
    level = root.level
    handler = written.log.capture()
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_library_messages_are_logged_without_their_text(captured: Written) -> None:
    logger = logging.getLogger("httpx2.client")
    try:
        int(CANARY)
    except ValueError:
        logger.exception("request to %s failed", f"https://{CANARY}")
    logger.info("not heard %s", CANARY)
    assert "canary" not in captured.stream.getvalue()
    assert [(line["event"], line["level"], line["logger"], line["exception"]) for line in captured.lines] == [
        ("library message", "error", "httpx2.client", "ValueError")
    ]
