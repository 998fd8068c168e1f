"""What a status means, the same for every destination: total over all there are.

A destination asks here first and keeps only its own 2xx to itself.

| Status | Verdict |
|---|---|
| 2xx | `None`: the destination's own matter |
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

from consumer.destinations.redaction import said
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
"""A stated wait is obeyed up to this, a day; a longer one counts as this. No limit of the vendors' lasts longer, and a
mistaken header must not silence a destination for good: one call a day asks again."""
_EARLIEST_INSTANT_S = 1e9
"""A reset from here on, a wait of 31 years, is no wait but an instant in epoch seconds, as some gateways say it."""

_SECONDS = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*")
_TOO_MANY = 429
_TIMEOUT = 408
_LATER = frozenset({_TIMEOUT, 425, _TOO_MANY, *range(500, 600)})
_BAD = frozenset({400, 409, 413, 422})
_NO_ENTRY = frozenset({401, 403})
_GONE = frozenset({404, 410})
_SUCCESS = range(200, 300)


def judge_status(reply: HttpResponse, events: int) -> Verdict | None:
    """Judge a reply by its status alone, or return `None` for a 2xx.

    Args:
        reply: the answer.
        events: how many deliveries the call carried.
    """
    status = reply.status
    if status in _SUCCESS:
        return None
    if status in _LATER:
        return _deferred(reply)
    if status in _BAD:
        return bad_event(said(reply), status, events)
    if status in _NO_ENTRY:
        return Blocked(Fault(TransientCause.UNAUTHORIZED, said(reply), status))
    if status in _GONE:
        return Blocked(Fault(TransientCause.GONE, said(reply), status))
    return Blocked(Fault(TransientCause.UNEXPECTED, said(reply), status))


def bad_event(detail: str, status: int, events: int) -> Verdict:
    """Return the verdict on a call that holds something bad, unsaid what: halve it, or refuse what stands alone."""
    if events > 1:
        return BatchRefused(Fault(TransientCause.BATCH_REFUSED, detail, status))
    return Refused(Fault(DeadLetterCause.REFUSED, detail, status))


def unintelligible(reply: HttpResponse, detail: str) -> Blocked:
    """Return the verdict on a 2xx whose body is not what the contract says: a proxy's page is not a delivery."""
    return Blocked(Fault(TransientCause.UNINTELLIGIBLE, detail, reply.status))


def json_object(reply: HttpResponse) -> dict[str, object] | None:
    """Return the reply's whole body as a JSON object, or `None` if it is anything else."""
    if reply.truncated:
        return None
    try:
        document = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _deferred(reply: HttpResponse) -> Deferred:
    status = reply.status
    throttled = status == _TOO_MANY
    stated = "retry-after" in reply.headers
    wait_s = _retry_after_s(reply) if stated else None
    if throttled:
        # RateLimit-Reset stands on other answers too, where it asks nobody to wait.
        reset_s = _reset_s(reply)
        if reset_s is not None:
            wait_s = reset_s if wait_s is None else max(wait_s, reset_s)
    trouble = (
        TransientCause.THROTTLED
        if throttled
        else TransientCause.TIMED_OUT
        if status == _TIMEOUT
        else TransientCause.SERVER_ERROR
    )
    return Deferred(Fault(trouble, "", status), wait_s, whole_destination=throttled or wait_s is not None)


def _retry_after_s(reply: HttpResponse) -> float | None:
    """Return the seconds of `Retry-After` in either form (RFC 9110 §10.2.3); `None` for garbage."""
    text = reply.headers["retry-after"]
    # Several such headers are one with commas by now (RFC 9110 §5.3): whoever of them says least would be too soon.
    seconds = [_SECONDS.fullmatch(each) for each in text.split(",")]
    if waits := [float(each[1]) for each in seconds if each] if None not in seconds else []:
        return min(max(waits), LONGEST_WAIT_S)
    until = _date(text)
    return None if until is None else _until(until.timestamp(), reply)


def _reset_s(reply: HttpResponse) -> float | None:
    seconds = _SECONDS.fullmatch(reply.headers.get("ratelimit-reset", ""))
    if seconds is None:
        return None
    reset = float(seconds[1])
    instant_s = _until(reset, reply) if reset >= _EARLIEST_INSTANT_S else None
    return min(reset, LONGEST_WAIT_S) if instant_s is None else instant_s


def _until(epoch_s: float, reply: HttpResponse) -> float | None:
    """Return the seconds from the answer until an instant; `None` if nobody says when the answer was given.

    The answer's own `Date` says it best: then nobody's clock matters. Without one ours has to do.
    """
    date = _date(reply.headers.get("date", ""))
    if date is None and not reply.received_ms:
        return None
    now_s = reply.received_ms / 1000 if date is None else date.timestamp()
    return min(max(epoch_s - now_s, 0.0), LONGEST_WAIT_S)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):  # all of them are known to come out of arbitrary text
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
