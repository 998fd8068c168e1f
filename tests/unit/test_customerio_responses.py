"""Verdicts on Customer.io's responses."""

import orjson
import pytest

from consumer.model import (
    BatchRefused,
    Blocked,
    DeadLetterCause,
    Deferred,
    Delivered,
    Fault,
    HttpResponse,
    Refused,
    TransientCause,
)
from tests.unit.customerio_harness import CUSTOMERIO, encoded


def judge(body: object, status: int = 200, events: int = 3) -> object:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    envelope = encoded("track", {"userId": "u"}, "Paid").envelope
    return CUSTOMERIO.judge(envelope, ["id"] * events, HttpResponse(status, {}, content))


@pytest.mark.parametrize("body", [{}, {"success": True}, {"meta": {}}, {"meta": {"errors": []}}])
def test_strict_200_with_object_is_delivered(body: object) -> None:
    assert judge(body) == Delivered()


@pytest.mark.parametrize("body", [b"", b"[]", b"ok", b"<html>", b"{", {"meta": {"errors": ["userId is required"]}}])
def test_other_200_bodies_are_blocked(body: object) -> None:
    verdict = judge(body)
    assert isinstance(verdict, Blocked)
    assert verdict.fault.cause is TransientCause.UNINTELLIGIBLE


def test_other_2xx_is_blocked() -> None:
    for status in (201, 202, 204):
        assert isinstance(judge({}, status), Blocked)


def test_other_statuses_follow_the_shared_table() -> None:
    body = {"meta": {"errors": ["event of jane@acme.test is missing"]}}
    assert judge(body, 400) == BatchRefused(Fault(TransientCause.BATCH_REFUSED, "event of … is missing", 400))
    assert judge(body, 400, events=1) == Refused(Fault(DeadLetterCause.REFUSED, "event of … is missing", 400))
    assert isinstance(judge(b"", 413), BatchRefused)
    assert isinstance(judge(b"", 401), Blocked)
    assert isinstance(judge(b"", 429), Deferred)
