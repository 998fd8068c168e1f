"""The log: one object a line, nothing personal, and never the same thing over and over."""

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
from tests.observability.verbs import tell_anything
from tests.observability.written import Written

REFUSED = Fault(DeadLetterCause.REFUSED, "field total: must be an integer", 400)


def test_refused_delivery_is_one_json_line() -> None:
    written = Written()
    LogObserver(written.log, "cdp-copilot").refused("copilot", "shop.OrderPlaced", REFUSED)
    assert written.lines == [
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
    written = Written()
    story = LogObserver(written.log, "cdp")
    for _ in range(1_000):
        story.refused("copilot", "shop.OrderPlaced", REFUSED)
    assert [line.get("suppressed") for line in written.lines] == [None]
    written.clock.now_s += 9.9
    story.poll_ticked(0.5)
    assert len(written.lines) == 1
    written.clock.now_s += 0.2
    story.poll_ticked(0.5)
    assert [line.get("suppressed") for line in written.lines] == [None, 999]
    written.clock.now_s += 30
    story.poll_ticked(0.5)
    assert len(written.lines) == 2, "nothing was held back meanwhile"
    story.refused("copilot", "shop.OrderPlaced", REFUSED)
    assert [line.get("suppressed") for line in written.lines] == [None, 999, None], "after quiet it is news again"


def test_each_kind_has_its_own_ten_seconds() -> None:
    written = Written()
    story = LogObserver(written.log, "cdp")
    for destination in ("copilot", "copilot", "yotpo", "yotpo"):
        story.refused(destination, "t", REFUSED)
        written.clock.now_s += 2.0
    written.clock.now_s += 2.5  # 10.5 s after the first kind, 6.5 s after the second
    story.poll_ticked(0.5)
    assert [(line["destination"], line.get("suppressed")) for line in written.lines] == [
        ("copilot", None), ("yotpo", None), ("copilot", 1),
    ]  # fmt: skip
    written.clock.now_s += 4.0
    story.poll_ticked(0.5)
    assert (written.lines[-1]["destination"], written.lines[-1]["suppressed"]) == ("yotpo", 1)


def test_kinds_above_the_limit_share_one_summary() -> None:
    written = Written()
    for n in range(2_003):
        written.log.repeat("info", "library message", (str(n),), n=n)
    assert len(written.lines) == 2_001, "each kind that is kept, and one for all the others"
    written.log.close()
    assert [line.get("suppressed") for line in written.lines[2_001:]] == [2]


def test_cause_and_destination_are_part_of_the_kind() -> None:
    written = Written()
    story = LogObserver(written.log, "cdp")
    story.refused("copilot", "t", REFUSED)
    story.refused("copilot", "t", Fault(DeadLetterCause.TOO_LARGE))
    story.refused("yotpo", "t", REFUSED)
    LogObserver(written.log, "second").refused("yotpo", "t", REFUSED)
    assert len(written.lines) == 4


def test_close_writes_the_last_summaries() -> None:
    written = Written()
    story = LogObserver(written.log, "cdp")
    for _ in range(3):
        story.dead_letter_failed("UNKNOWN_TOPIC_OR_PART")
    written.log.close()
    assert [line.get("suppressed") for line in written.lines] == [None, 2]
    assert sum(lines for _, lines, _ in written.counts) == 2
    assert sum(held for _, _, held in written.counts) == 2


def test_unlimited_kinds_fill_neither_memory_nor_log() -> None:
    written = Written()
    story = LogObserver(written.log, "cdp")
    for n in range(5_000):
        story.topic_missing(f"topic-{n}")
    assert len(written.lines) == 2_001


def test_changes_are_never_summarized() -> None:
    written = Written()
    story = LogObserver(written.log, "cdp")
    story.group_joined("cdp", "classic")
    story.partitions_assigned({Partition("b", 1): 0, Partition("b", 0): 5, Partition("a", 0): 0})
    for _ in range(2):
        story.hold_started("copilot", "collect", Fault(TransientCause.GONE, "404 from the collect endpoint", 404))
        story.hold_ended("copilot", "collect", 61.23)
    story.fence_closed()
    story.fence_released()
    story.partitions_revoked([Partition("a", 0)], lost=True, seconds=0.0)
    story.shutdown_started()
    story.shutdown_finished(3)
    assert [line["event"] for line in written.lines] == [
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
    assert written.lines[1]["partitions"] == {"a": [0], "b": [0, 1]}


def test_credentials_are_logged_only_on_change() -> None:
    written = Written()
    story = LogObserver(written.log, "cdp")
    for valid in (True, True, False, False, True):
        story.credentials_checked("yotpo", valid=valid)
    assert [line["event"] for line in written.lines] == [
        "credentials accepted",
        "credentials rejected",
        "credentials accepted",
    ]


def test_requests_are_logged_only_at_debug() -> None:
    for level, expected in (("info", 0), ("debug", 1)):
        written = Written(level)
        story = LogObserver(written.log, "cdp")
        story.request_finished("copilot", "collect", None, 10, 4_000, 0.25)
        assert len(written.lines) == expected


def test_text_format_is_one_line_per_event() -> None:
    written = Written(text=True)
    LogObserver(written.log, "cdp").refused("copilot", "t", Fault(DeadLetterCause.REFUSED, "first\nsecond"))
    assert written.stream.getvalue().count("\n") == 1
    assert "delivery refused" in written.stream.getvalue()


def test_closed_stream_loses_only_the_line() -> None:
    written = Written()
    written.stream.close()
    LogObserver(written.log, "cdp").shutdown_finished(0)
    assert written.counts == [("info", 0, 1)]


@settings(max_examples=examples(60), deadline=None)
@given(st.data(), st.sampled_from(["debug", "info", "error"]))
def test_any_calls_in_any_order_write_json_objects(data: DataObject, level: str) -> None:
    written = Written(level)
    told = tell_anything(LogObserver(written.log, "cdp"), data)
    written.log.close()
    lines = written.lines
    assert len(lines) <= 2 * told
    assert all({"ts", "level", "event", "pipeline"} <= line.keys() for line in lines)


def test_fatal_error_is_logged_right_after_the_same_code() -> None:
    written = Written()
    story = LogObserver(written.log, "cdp")
    story.client_error("_FATAL", "", fatal=False)
    story.client_error("_FATAL", "", fatal=True)
    assert [line["level"] for line in written.lines] == ["warning", "error"]


def test_lines_below_the_level_are_not_written() -> None:
    written = Written("warning")
    story = LogObserver(written.log, "cdp")
    story.shutdown_finished(0)
    story.batch_split("copilot", 8)
    assert written.lines == []


def test_unknown_level_raises() -> None:
    with pytest.raises(
        ValueError, match="log level: unknown value 'loud'; expected one of debug, info, warning, error"
    ):
        Log(io.StringIO(), "loud")


def test_raising_observer_stops_neither_others_nor_the_caller() -> None:
    written = Written()

    class Failing(LogObserver):
        def shutdown_finished(self, released: int) -> None:
            raise RuntimeError(released)

    both = FanOutObserver(Failing(written.log, "first"), LogObserver(written.log, "second"))
    both.shutdown_finished(4)
    both.partitions_revoked([Partition("t", 0)], lost=False, seconds=0.5)
    assert both.failures == 1
    assert [line["pipeline"] for line in written.lines] == ["second", "first", "second"]
