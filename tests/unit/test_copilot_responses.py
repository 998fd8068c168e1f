"""Verdicts on Copilot's responses: a 200 is not always success."""

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
    PartiallyRefused,
    Refused,
    TransientCause,
)
from tests.unit.copilot_harness import BATCH, COPILOT, SINGLE


def judge(body: object, events: int = 3, *, status: int = 200, consent: bool = False) -> object:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    ids = [f"id-{number}" for number in range(events)]
    return COPILOT.judge(SINGLE if consent else BATCH, ids, HttpResponse(status, {}, content))


@pytest.mark.parametrize("body", [{}, {"invalid_events": []}, {"invalid_events": None}, {"status": "ok"}])
def test_200_without_invalid_events_is_delivered(body: object) -> None:
    assert judge(body) == Delivered()
    assert judge(body, 1, consent=True) == Delivered()


def test_listed_events_are_refused_and_others_delivered() -> None:
    body = {
        "invalid_events": [
            {"event_id": "id-2", "index": 0, "error": "timestamp of jane@acme.test is too old"},
            {"event_id": "id-0", "index": 9},
        ]
    }
    assert judge(body) == PartiallyRefused(
        {
            2: Fault(DeadLetterCause.REFUSED, "timestamp of … is too old", 200),
            0: Fault(DeadLetterCause.REFUSED, "", 200),
        }
    )


@pytest.mark.parametrize(
    "listed",
    [
        [{"event_id": "id-9"}],
        [{"event_id": "id-0"}, {"event_id": "id-9"}],
        [{"event_id": "id-0"}, {"event_id": "id-0"}],
        [{"index": 0}],
        [{"event_id": ["id-0"]}],
        ["id-0"],
        [None],
    ],
)
def test_ambiguous_invalid_events_split_a_batch_and_refuse_one(listed: list[object]) -> None:
    assert isinstance(judge({"invalid_events": listed}), BatchRefused)
    assert isinstance(judge({"invalid_events": listed}, 1), Refused)


def test_single_event_is_refused_with_the_vendors_text() -> None:
    body = {"invalid_events": [{"event_id": "id-0", "error": "user_id is missing"}]}
    assert judge(body, 1) == Refused(Fault(DeadLetterCause.REFUSED, "user_id is missing", 200))
    assert judge(body, 1, consent=True) == Refused(Fault(DeadLetterCause.REFUSED, "user_id is missing", 200))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"<html>login</html>", b'{"invalid_events":', {"invalid_events": "all"}, {"reason": "X.Y"}],
)
def test_200_with_html_is_blocked(body: object) -> None:
    for consent in (False, True):
        verdict = judge(body, 1, consent=consent)
        assert isinstance(verdict, Blocked)
        assert verdict.fault.cause is TransientCause.UNINTELLIGIBLE


def test_204_is_delivered_only_for_consent_without_body() -> None:
    assert judge(b"", 1, status=204, consent=True) == Delivered()
    for verdict in (
        judge(b"{}", 1, status=204, consent=True),
        judge(b"", 1, status=204),
        judge({}, 1, status=201),
        judge({}, 1, status=202, consent=True),
    ):
        assert isinstance(verdict, Blocked)
        assert verdict.fault.cause is TransientCause.UNINTELLIGIBLE


def test_other_statuses_follow_the_shared_table() -> None:
    assert isinstance(judge(b"", 2, status=400), BatchRefused)
    assert isinstance(judge(b"", 1, status=400), Refused)
    assert isinstance(judge(b"", 1, status=503), Deferred)
    reason = {"reason": "AUTH.UNAUTHORIZED", "error_message": "who is jane@acme.test"}
    assert judge(reason, status=401) == Blocked(Fault(TransientCause.UNAUTHORIZED, "AUTH.UNAUTHORIZED; … is …", 401))
