"""The dead-letter contract, version 1: every header and its text."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.dead_letters.headers import headers_of
from consumer.model import DeadLetter, DeadLetterCause, Entry, Fault


class Original:
    """A record with the test's headers."""

    def __init__(self, headers: list[tuple[str, bytes | None]] | None) -> None:
        self._headers = headers

    def topic(self) -> str:
        return "shop.orders"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 7

    def key(self) -> bytes | None:
        return b"k"

    def value(self) -> bytes | None:
        return b"v"

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_793_000_000_123)


def dead_letter(headers: list[tuple[str, bytes | None]] | None = None) -> DeadLetter:
    return DeadLetter(
        message=Original(headers),
        fault=Fault(DeadLetterCause.REFUSED, "Name ist zu läng", 400),
        delivery_id="9b2f",
        entry=Entry("com.acme.OrderPlaced", "copilot", "copilot.custom_event:order", "copilot.custom_event"),
        event_type="com.acme.OrderPlaced",
        schema_id="17",
        attempts=2,
        first_failed_ms=1_793_000_001_000,
        last_failed_ms=1_793_000_002_345,
    )


def test_headers_follow_the_contract_in_order() -> None:
    assert headers_of(dead_letter(), "cdp-copilot", "f00d") == [
        ("cdp-dlq-version", b"1"),
        ("cdp-pipeline", b"cdp-copilot"),
        ("cdp-destination", b"copilot"),
        ("cdp-delivery-label", b"copilot.custom_event:order"),
        ("cdp-cause", b"refused"),
        ("cdp-detail", "Name ist zu läng".encode()),
        ("cdp-http-status", b"400"),
        ("cdp-attempts", b"2"),
        ("cdp-first-failed-at", b"2026-10-26T07:33:21.000Z"),
        ("cdp-last-failed-at", b"2026-10-26T07:33:22.345Z"),
        ("cdp-event-type", b"com.acme.OrderPlaced"),
        ("cdp-schema-id", b"17"),
        ("cdp-mapping-version", b"f00d"),
        ("cdp-delivery-id", b"9b2f"),
        ("cdp-original-topic", b"shop.orders"),
        ("cdp-original-partition", b"3"),
        ("cdp-original-offset", b"7"),
        ("cdp-original-timestamp", b"1793000000123"),
        ("cdp-redrives", b"0"),
    ]


def test_unknown_values_have_no_headers() -> None:
    undecodable = replace(
        dead_letter(), fault=Fault(DeadLetterCause.UNDECODABLE), entry=None, event_type=None, schema_id=None
    )
    names = {name for name, _ in headers_of(undecodable, "cdp-copilot", "f00d")}
    absent = {
        "cdp-destination",
        "cdp-delivery-label",
        "cdp-detail",
        "cdp-http-status",
        "cdp-event-type",
        "cdp-schema-id",
    }
    assert not names & absent
    assert "cdp-delivery-id" in names


def test_original_headers_stay_and_old_own_headers_are_replaced() -> None:
    original: list[tuple[str, bytes | None]] = [
        ("trace", b"1"),
        ("cdp-cause", b"throttled"),
        ("trace", b"\xff"),
        ("cdp-redrives", b"3"),
        ("cdp-anything", b"x"),
        ("empty", None),
    ]
    found = headers_of(dead_letter(original), "cdp-copilot", "f00d")
    assert found[:3] == [("trace", b"1"), ("trace", b"\xff"), ("empty", None)]
    assert ("cdp-redrives", b"3") in found
    assert not {"cdp-anything"} & {name for name, _ in found}
    assert original[1] == ("cdp-cause", b"throttled")


def test_redrives_header_without_a_number_counts_as_zero() -> None:
    assert ("cdp-redrives", b"0") in headers_of(dead_letter([("cdp-redrives", b"many")]), "p", "f00d")


def test_omitted_value_has_a_header() -> None:
    assert ("cdp-value-omitted", b"true") in headers_of(dead_letter(), "p", "f00d", value_omitted=True)
    bare = headers_of(dead_letter([("trace", b"1")]), "p", "f00d", value_omitted=True, own_headers_only=True)
    assert "trace" not in dict(bare)


def test_kafka_connect_headers_are_written_when_configured() -> None:
    old: list[tuple[str, bytes | None]] = [("__connect.errors.topic", b"old"), ("trace", b"1")]
    found = headers_of(dead_letter(old), "cdp-copilot", "f00d", connect_headers=True)
    assert [header for header in found if header[0].startswith("__connect")] == [
        ("__connect.errors.topic", b"shop.orders"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"7"),
        ("__connect.errors.connector.name", b"cdp-copilot"),
        ("__connect.errors.stage", b"TASK_PUT"),
        ("__connect.errors.exception.class.name", b"refused"),
        ("__connect.errors.exception.message", "Name ist zu läng".encode()),
    ]
    assert headers_of(dead_letter(old), "cdp-copilot", "f00d")[:2] == old


@given(st.lists(st.tuples(st.text(), st.none() | st.binary())))
def test_no_original_header_is_lost_moved_or_changed(original: list[tuple[str, bytes | None]]) -> None:
    others = [header for header in original if not header[0].startswith("cdp-")]
    found = headers_of(dead_letter(original), "cdp-copilot", "f00d")
    assert found[: len(others)] == others
    assert all(name.startswith("cdp-") for name, _ in found[len(others) :])


def test_unknown_values_have_no_empty_headers() -> None:
    bare = replace(dead_letter(), fault=Fault(DeadLetterCause.UNDECODABLE), entry=None, event_type=None, schema_id=None)
    names = dict(headers_of(bare, "cdp-copilot", "f00d", connect_headers=True))
    absent = ("detail", "http-status", "destination", "delivery-label", "event-type", "schema-id")
    assert not names.keys() & {f"cdp-{name}" for name in absent}
    assert "__connect.errors.exception.message" not in names
    assert names["__connect.errors.stage"] == b"VALUE_CONVERTER"
