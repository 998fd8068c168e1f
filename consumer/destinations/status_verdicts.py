"""The verdict on a response by its status, the same for every destination. Defined for every status.

A destination judges only its own 2xx responses.

| Status | Verdict |
|---|---|
| 2xx | `None`: the destination judges it |
| 408, 425, 429, 5xx | Deferred; the whole destination if it is a 429 or states a wait |
| 400, 409, 413, 422 | BatchRefused for a batch, Refused for a single event |
| 401, 403 | Blocked (unauthorized) |
| 404, 410 | Blocked (gone) |
| any other, 1xx and redirects included | Blocked (unexpected) |
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from consumer.destinations.redaction import error_text
from consumer.model import (
    BatchRefused,
    Blocked,
    DeadLetterCause,
    Deferred,
    Fault,
    HttpResponse,
    Refused,
    TransientCause,
    Verdict,
)

LONGEST_WAIT_S = 86_400.0
"""The longest requested wait that is obeyed; a longer one is cut to it. No vendor's rate limit lasts longer than a day,
and a wrong header must not stop a destination forever: one request a day is still sent."""
_EARLIEST_INSTANT_S = 1e9
"""A `RateLimit-Reset` this large (31 years) is no wait. It is an instant in epoch seconds: some gateways send one."""

_SECONDS = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*")
_TOO_MANY = 429
_TIMEOUT = 408
_LATER = frozenset({_TIMEOUT, 425, _TOO_MANY, *range(500, 600)})
_BAD = frozenset({400, 409, 413, 422})
_NO_ENTRY = frozenset({401, 403})
_GONE = frozenset({404, 410})
_SUCCESS = range(200, 300)


def judge_status(response: HttpResponse, events: int) -> Verdict | None:
    """Return the verdict on a response by its status alone, or `None` for a 2xx.

    Args:
        response: the response.
        events: how many deliveries the request carried.
    """
    status = response.status
    if status in _SUCCESS:
        return None
    if status in _LATER:
        return _deferred(response)
    if status in _BAD:
        return bad_event(error_text(response), status, events)
    if status in _NO_ENTRY:
        return Blocked(Fault(TransientCause.UNAUTHORIZED, error_text(response), status))
    if status in _GONE:
        return Blocked(Fault(TransientCause.GONE, error_text(response), status))
    return Blocked(Fault(TransientCause.UNEXPECTED, error_text(response), status))


def bad_event(detail: str, status: int, events: int) -> Verdict:
    """Return the verdict if an unknown part of the request is bad: split a batch, refuse a single event."""
    if events > 1:
        return BatchRefused(Fault(TransientCause.BATCH_REFUSED, detail, status))
    return Refused(Fault(DeadLetterCause.REFUSED, detail, status))


def unintelligible(response: HttpResponse, detail: str) -> Blocked:
    """Return the verdict on a 2xx whose body is not the contract's: a proxy's page is not a delivery."""
    return Blocked(Fault(TransientCause.UNINTELLIGIBLE, detail, response.status))


def json_object(response: HttpResponse) -> dict[str, object] | None:
    """Return the body as a JSON object; `None` if it is truncated or anything else."""
    if response.truncated:
        return None
    try:
        document = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _deferred(response: HttpResponse) -> Deferred:
    status = response.status
    throttled = status == _TOO_MANY
    stated = "retry-after" in response.headers
    wait_s = _retry_after_s(response) if stated else None
    if throttled:
        # Other responses carry RateLimit-Reset too; there it requests no wait.
        reset_s = _reset_s(response)
        if reset_s is not None:
            wait_s = reset_s if wait_s is None else max(wait_s, reset_s)
    cause = (
        TransientCause.THROTTLED
        if throttled
        else TransientCause.TIMED_OUT
        if status == _TIMEOUT
        else TransientCause.SERVER_ERROR
    )
    return Deferred(Fault(cause, "", status), wait_s, whole_destination=throttled or wait_s is not None)


def _retry_after_s(response: HttpResponse) -> float | None:
    """Return the seconds of `Retry-After` in either form (RFC 9110 §10.2.3); `None` for garbage."""
    text = response.headers["retry-after"]
    # Repeated headers arrive joined by commas (RFC 9110 §5.3). The longest is obeyed: a shorter one is too soon.
    seconds = [_SECONDS.fullmatch(each) for each in text.split(",")]
    if waits := [float(each[1]) for each in seconds if each] if None not in seconds else []:
        return min(max(waits), LONGEST_WAIT_S)
    until = _date(text)
    return None if until is None else _until(until.timestamp(), response)


def _reset_s(response: HttpResponse) -> float | None:
    seconds = _SECONDS.fullmatch(response.headers.get("ratelimit-reset", ""))
    if seconds is None:
        return None
    reset = float(seconds[1])
    instant_s = _until(reset, response) if reset >= _EARLIEST_INSTANT_S else None
    return min(reset, LONGEST_WAIT_S) if instant_s is None else instant_s


def _until(epoch_s: float, response: HttpResponse) -> float | None:
    """Return the seconds from the response until an instant; `None` if the time of the response is unknown.

    The response's own `Date` is preferred, because it makes our clock irrelevant. Without it, our clock is used.
    """
    date = _date(response.headers.get("date", ""))
    if date is None and not response.received_ms:
        return None
    now_s = response.received_ms / 1000 if date is None else date.timestamp()
    return min(max(epoch_s - now_s, 0.0), LONGEST_WAIT_S)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):  # arbitrary text raises any of these
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
