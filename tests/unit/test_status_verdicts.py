"""Verdicts on statuses that are the same at every destination."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from consumer.destinations.redaction import MAX_DETAIL, error_text, scrubbed
from consumer.destinations.status_verdicts import LONGEST_WAIT_S, json_object, judge_status
from consumer.model import (
    BatchRefused,
    Blocked,
    DeadLetterCause,
    Deferred,
    Fault,
    HttpResponse,
    Refused,
    TransientCause,
)

DATE = "Tue, 15 Nov 1994 08:12:31 GMT"


def response(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, received: datetime | None = None
) -> HttpResponse:
    return HttpResponse(
        status, headers or {}, body, received_ms=0 if received is None else round(received.timestamp() * 1000)
    )


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_left_to_the_destination(status: int) -> None:
    assert judge_status(response(status), 1) is None


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_bad_request_splits_a_batch_and_refuses_a_single_event(status: int) -> None:
    assert judge_status(response(status), 2) == BatchRefused(Fault(TransientCause.BATCH_REFUSED, "", status))
    assert judge_status(response(status), 1) == Refused(Fault(DeadLetterCause.REFUSED, "", status))


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (401, TransientCause.UNAUTHORIZED),
        (403, TransientCause.UNAUTHORIZED),
        (404, TransientCause.GONE),
        (410, TransientCause.GONE),
        (100, TransientCause.UNEXPECTED),
        (301, TransientCause.UNEXPECTED),
        (304, TransientCause.UNEXPECTED),
        (402, TransientCause.UNEXPECTED),
        (418, TransientCause.UNEXPECTED),
        (600, TransientCause.UNEXPECTED),
    ],
)
def test_configuration_errors_are_blocked_not_refused(status: int, cause: TransientCause) -> None:
    assert judge_status(response(status), 100) == Blocked(Fault(cause, "", status))


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (408, TransientCause.TIMED_OUT),
        (425, TransientCause.SERVER_ERROR),
        (500, TransientCause.SERVER_ERROR),
        (599, TransientCause.SERVER_ERROR),
    ],
)
def test_5xx_defers_only_the_lane(status: int, cause: TransientCause) -> None:
    assert judge_status(response(status), 3) == Deferred(Fault(cause, "", status), None, whole_destination=False)


def test_429_without_wait_pauses_the_destination() -> None:
    assert judge_status(response(429), 3) == Deferred(
        Fault(TransientCause.THROTTLED, "", 429), None, whole_destination=True
    )


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "7200"}, 7200.0),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "86401"}, LONGEST_WAIT_S),
        ({"retry-after": "9" * 400}, LONGEST_WAIT_S),
        ({"retry-after": "5, 120, 30"}, 120.0),
        ({"retry-after": "Tue Nov 15 08:13:01 1994", "date": DATE}, 30.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": DATE}, LONGEST_WAIT_S),
        ({"retry-after": "Tue, 15 Nov 1994 08:13:01 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Tue, 15 Nov 1994 08:13:01 -0000", "date": DATE}, 30.0),
        ({"retry-after": "Tuesday, 15-Nov-94 08:13:01 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Tue, 15 Nov 1994 08:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Tue, 15 Nov 2094 08:00:00 GMT", "date": DATE}, LONGEST_WAIT_S),
    ],
)
def test_requested_wait_pauses_the_destination_up_to_a_day(headers: dict[str, str], wait_s: float) -> None:
    assert judge_status(response(503, headers=headers), 1) == Deferred(
        Fault(TransientCause.SERVER_ERROR, "", 503), wait_s, whole_destination=True
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "soon"},
        {"retry-after": ""},
        {"retry-after": "-3"},
        {"retry-after": "5, soon"},
        {"retry-after": "1e308"},
        {"retry-after": "NaN"},
        {"retry-after": "inf"},
        {"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT", "date": DATE},
        {"retry-after": "Tue, 15 Nov 1994 08:13:01 +99999", "date": DATE},
        {"retry-after": "١٢"},
        {"retry-after": "Tue, 15 Nov 1994 08:13:01 GMT"},
        {"retry-after": "Tue, 99 Nov 1994 08:13:01 GMT", "date": DATE},
        {"retry-after": "Tue, 15 Nov 1994 08:13:01 GMT", "date": "yesterday"},
        {"ratelimit-reset": "20"},
    ],
)
def test_malformed_wait_is_ignored(headers: dict[str, str]) -> None:
    assert judge_status(response(500, headers=headers), 1) == Deferred(Fault(TransientCause.SERVER_ERROR, "", 500))


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"ratelimit-reset": "3"}, 3.0),
        ({"ratelimit-reset": "7200"}, 7200.0),
        ({"ratelimit-reset": "90000"}, LONGEST_WAIT_S),
        ({"ratelimit-reset": "3", "retry-after": "1"}, 3.0),
        ({"ratelimit-reset": "1", "retry-after": "3"}, 3.0),
        ({"ratelimit-reset": "1700000000"}, LONGEST_WAIT_S),
        ({"ratelimit-reset": "1700000000", "date": "Tue, 14 Nov 2023 22:13:00 GMT"}, 20.0),
        ({"ratelimit-reset": "1700000000", "date": "Tue, 14 Nov 2023 23:13:00 GMT"}, 0.0),
        ({"ratelimit-reset": "never"}, None),
    ],
)
def test_429_waits_for_the_longer_of_both_headers(headers: dict[str, str], wait_s: float | None) -> None:
    assert judge_status(response(429, headers=headers), 1) == Deferred(
        Fault(TransientCause.THROTTLED, "", 429), wait_s, whole_destination=True
    )


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "Tue, 15 Nov 1994 08:13:01 GMT"}, 25.5),
        ({"retry-after": "Tue, 15 Nov 1994 08:13:01 GMT", "date": "yesterday"}, 25.5),
        ({"retry-after": "Tue, 15 Nov 1994 08:13:01 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Tue, 15 Nov 1994 08:12:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_date_without_date_header_uses_our_clock(headers: dict[str, str], wait_s: float | None) -> None:
    received = datetime(1994, 11, 15, 8, 12, 35, 500_000, UTC)
    verdict = judge_status(response(503, headers=headers, received=received), 1)
    assert verdict == Deferred(
        Fault(TransientCause.SERVER_ERROR, "", 503), wait_s, whole_destination=wait_s is not None
    )


def test_truncated_body_is_not_a_json_object() -> None:
    assert json_object(response(200, b'{"a":1}')) == {"a": 1}
    for body in (b"", b"[]", b"<html>", b'{"a":', b'"\xff"'):
        assert json_object(response(200, body)) is None
    assert json_object(HttpResponse(200, {}, b"{}", truncated=True)) is None


def test_redaction_keeps_words_and_drops_quoted_values() -> None:
    assert scrubbed("jane.doe@acme.test is not a valid email!") == "… is not a valid email"
    assert scrubbed("Property 'favourite colour' is unknown") == "Property … is unknown"
    assert scrubbed("first_name: May Long is not allowed") == "first_name … is not allowed"
    assert scrubbed("Jane Doe 4711") == ""
    assert scrubbed({"not": "text"}) == ""
    assert len(scrubbed("event " * 1000)) == MAX_DETAIL


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b'{"reason":"COMMON.REQUEST_VALIDATION","error_message":"bad value 42"}',
            "COMMON.REQUEST_VALIDATION; bad value …",
        ),
        (b'{"reason":"jane"}', ""),
        (b'{"code":"TOO.LARGE","message":"payload too large"}', "TOO.LARGE; payload too …"),
        (b'{"meta":{"errors":["userId is required","userId is required"]}}', "userId is required"),
        (b'{"errors":[{"message":"invalid phone +4912345"},"missing id"]}', "invalid phone …; missing id"),
        (b'{"meta":3,"errors":7,"error":null}', ""),
        (b"[1]", ""),
        (b"<html>not allowed</html>", ""),
        (b"", ""),
        (b'{"error":"not allowed"}' + b" " * 70_000, ""),
    ],
)
def test_error_text_reads_the_vendors_fields(body: bytes, words: str) -> None:
    assert error_text(response(400, body)) == words
    verdict = judge_status(response(400, body), 1)
    assert isinstance(verdict, Refused)
    assert verdict.fault.detail == words
