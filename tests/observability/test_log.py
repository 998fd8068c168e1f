"""The log: one object per line, nothing personal, repeated lines summarized."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from consumer.model import DeadLetterCause, Fault, Partition, TransientCause
from consumer.observability.fan_out_observer import FanOutObserver
from consumer.observability.log.observer import LogObserver
from consumer.observability.log.writer import Log
from tests.examples import examples
from tests.observability.observer_calls import call_anything
from tests.observability.recorded_log import RecordedLog

REFUSED = Fault(DeadLetterCause.REFUSED, "field total: must be an integer", 400)


def test_refused_delivery_is_one_json_line() -> None:
    recorded = RecordedLog()
    LogObserver(recorded.log, "cdp-copilot").refused("copilot", "shop.OrderPlaced", REFUSED)
    assert recorded.lines == [
        {
            "ts": "2023-11-14T22:13:20.000Z",
            "level": "warning",
            "event": "delivery refused",
            "pipeline": "cdp-copilot",
            "destination": "copilot",
            "cause": "refused",
            "http_status": 400,
            "event_type": "shop.OrderPlaced",
            "detail": "field total: must be an integer",
        }
    ]


def test_repeated_line_is_written_once_then_summarized() -> None:
    """The first is written at once, the rest is summarized every ten seconds."""
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    for _ in range(1_000):
        observer.refused("copilot", "shop.OrderPlaced", REFUSED)
    assert [line.get("suppressed") for line in recorded.lines] == [None]
    recorded.clock.now_s += 9.9
    observer.poll_ticked(0.5)
    assert len(recorded.lines) == 1
    recorded.clock.now_s += 0.2
    observer.poll_ticked(0.5)
    assert [line.get("suppressed") for line in recorded.lines] == [None, 999]
    recorded.clock.now_s += 30
    observer.poll_ticked(0.5)
    assert len(recorded.lines) == 2, "nothing was held back meanwhile"
    observer.refused("copilot", "shop.OrderPlaced", REFUSED)
    assert [line.get("suppressed") for line in recorded.lines] == [None, 999, None], (
        "after a quiet period it is written at once"
    )


def test_each_kind_has_its_own_ten_seconds() -> None:
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    for destination in ("copilot", "copilot", "yotpo", "yotpo"):
        observer.refused(destination, "t", REFUSED)
        recorded.clock.now_s += 2.0
    recorded.clock.now_s += 2.5  # 10.5 s after the first kind, 6.5 s after the second
    observer.poll_ticked(0.5)
    assert [(line["destination"], line.get("suppressed")) for line in recorded.lines] == [
        ("copilot", None), ("yotpo", None), ("copilot", 1),
    ]  # fmt: skip
    recorded.clock.now_s += 4.0
    observer.poll_ticked(0.5)
    assert (recorded.lines[-1]["destination"], recorded.lines[-1]["suppressed"]) == ("yotpo", 1)


def test_kinds_above_the_limit_share_one_summary() -> None:
    recorded = RecordedLog()
    for n in range(2_003):
        recorded.log.repeat("info", "library message", (str(n),), n=n)
    assert len(recorded.lines) == 2_001, "each kind that is kept, and one for all the others"
    recorded.log.close()
    assert [line.get("suppressed") for line in recorded.lines[2_001:]] == [2]


def test_cause_and_destination_are_part_of_the_kind() -> None:
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    observer.refused("copilot", "t", REFUSED)
    observer.refused("copilot", "t", Fault(DeadLetterCause.TOO_LARGE))
    observer.refused("yotpo", "t", REFUSED)
    LogObserver(recorded.log, "second").refused("yotpo", "t", REFUSED)
    assert len(recorded.lines) == 4


def test_close_writes_the_last_summaries() -> None:
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    for _ in range(3):
        observer.dead_letter_failed("UNKNOWN_TOPIC_OR_PART")
    recorded.log.close()
    assert [line.get("suppressed") for line in recorded.lines] == [None, 2]
    assert sum(lines for _, lines, _ in recorded.counts) == 2
    assert sum(held for _, _, held in recorded.counts) == 2


def test_unlimited_kinds_fill_neither_memory_nor_log() -> None:
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    for n in range(5_000):
        observer.topic_missing(f"topic-{n}")
    assert len(recorded.lines) == 2_001


def test_changes_are_never_summarized() -> None:
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    observer.group_joined("cdp", "classic")
    observer.partitions_assigned({Partition("b", 1): 0, Partition("b", 0): 5, Partition("a", 0): 0})
    for _ in range(2):
        observer.hold_started("copilot", "collect", Fault(TransientCause.GONE, "404 from the collect endpoint", 404))
        observer.hold_ended("copilot", "collect", 61.23)
    observer.fence_closed()
    observer.fence_released()
    observer.partitions_revoked([Partition("a", 0)], lost=True, seconds=0.0)
    observer.shutdown_started()
    observer.shutdown_finished(3)
    assert [line["event"] for line in recorded.lines] == [
        "joined group",
        "partitions assigned",
        "endpoint held",
        "hold ended",
        "endpoint held",
        "hold ended",
        "fenced",
        "fence released",
        "partitions lost",
        "shutdown started",
        "pipeline stopped",
    ]
    assert recorded.lines[1]["partitions"] == {"a": [0], "b": [0, 1]}


def test_credentials_are_logged_only_on_change() -> None:
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    for valid in (True, True, False, False, True):
        observer.credentials_checked("yotpo", valid=valid)
    assert [line["event"] for line in recorded.lines] == [
        "credentials accepted",
        "credentials rejected",
        "credentials accepted",
    ]


def test_requests_are_logged_only_at_debug() -> None:
    for level, expected in (("info", 0), ("debug", 1)):
        recorded = RecordedLog(level)
        observer = LogObserver(recorded.log, "cdp")
        observer.request_finished("copilot", "collect", None, 10, 4_000, 0.25)
        assert len(recorded.lines) == expected


def test_text_format_is_one_line_per_event() -> None:
    recorded = RecordedLog(text=True)
    LogObserver(recorded.log, "cdp").refused("copilot", "t", Fault(DeadLetterCause.REFUSED, "first\nsecond"))
    assert recorded.stream.getvalue().count("\n") == 1
    assert "delivery refused" in recorded.stream.getvalue()


def test_closed_stream_loses_only_the_line() -> None:
    recorded = RecordedLog()
    recorded.stream.close()
    LogObserver(recorded.log, "cdp").shutdown_finished(0)
    assert recorded.counts == [("info", 0, 1)]


@settings(max_examples=examples(60), deadline=None)
@given(st.data(), st.sampled_from(["debug", "info", "error"]))
def test_any_calls_in_any_order_write_json_objects(data: DataObject, level: str) -> None:
    recorded = RecordedLog(level)
    calls = call_anything(LogObserver(recorded.log, "cdp"), data)
    recorded.log.close()
    lines = recorded.lines
    assert len(lines) <= 2 * calls
    assert all({"ts", "level", "event", "pipeline"} <= line.keys() for line in lines)


def test_fatal_error_is_logged_right_after_the_same_code() -> None:
    recorded = RecordedLog()
    observer = LogObserver(recorded.log, "cdp")
    observer.client_error("_FATAL", "", fatal=False)
    observer.client_error("_FATAL", "", fatal=True)
    assert [line["level"] for line in recorded.lines] == ["warning", "error"]


def test_lines_below_the_level_are_not_written() -> None:
    recorded = RecordedLog("warning")
    observer = LogObserver(recorded.log, "cdp")
    observer.shutdown_finished(0)
    observer.batch_split("copilot", 8)
    assert recorded.lines == []


def test_unknown_level_raises() -> None:
    with pytest.raises(
        ValueError, match="log level: unknown value 'loud'; expected one of debug, info, warning, error"
    ):
        Log(io.StringIO(), "loud")


def test_raising_observer_stops_neither_others_nor_the_caller() -> None:
    recorded = RecordedLog()

    class Failing(LogObserver):
        def shutdown_finished(self, released: int) -> None:
            raise RuntimeError(released)

    both = FanOutObserver(Failing(recorded.log, "first"), LogObserver(recorded.log, "second"))
    both.shutdown_finished(4)
    both.partitions_revoked([Partition("t", 0)], lost=False, seconds=0.5)
    assert both.failures == 1
    assert [line["pipeline"] for line in recorded.lines] == ["second", "first", "second"]
