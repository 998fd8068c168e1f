"""Every response has a verdict at each of the three destinations, and redaction removes the vendor's own words."""

import json

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumer.destinations import Destination
from consumer.destinations.copilot import Copilot, CopilotOptions
from consumer.destinations.customerio.destination import Customerio, CustomerioOptions
from consumer.destinations.customerio.semantic_events import ACTING
from consumer.destinations.kinds import KINDS
from consumer.destinations.redaction import _VOCABULARY, MAX_DETAIL, scrubbed
from consumer.destinations.status_verdicts import LONGEST_WAIT_S
from consumer.destinations.yotpo import Yotpo, YotpoOptions
from consumer.model import (
    BatchEnvelope,
    BatchRefused,
    Blocked,
    DeadLetterCause,
    Deferred,
    Delivered,
    HttpResponse,
    PartiallyRefused,
    Refused,
    Verdict,
)
from tests.examples import examples

COPILOT = Copilot(CopilotOptions(url="https://a.test", bytes=4000))
CUSTOMERIO = Customerio(
    CustomerioOptions(url="https://a.test/v1", bytes=4000, call_bytes=3000, allow_events=frozenset(ACTING))
)
YOTPO = Yotpo(YotpoOptions(url="https://a.test/core/v3", store_id="s", bytes=4000, wrapper="w"))
COLLECT, CONSENT = COPILOT._batch, COPILOT._single
ENVELOPES: list[tuple[Destination, BatchEnvelope]] = [
    (COPILOT, COLLECT),
    (COPILOT, CONSENT),
    (CUSTOMERIO, CUSTOMERIO._envelope("")),
    (CUSTOMERIO, CUSTOMERIO._alias_envelope),
    (YOTPO, YOTPO._envelope),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
ids = st.sampled_from(["id-0", "id-1", "id-2", "elsewhere"])
invalid_entries = st.fixed_dictionaries(
    {}, optional={"event_id": ids | json_values, "index": st.integers(), "error": st.text() | st.none()}
)
likely_bodies = st.fixed_dictionaries(
    {},
    optional={
        "invalid_events": st.lists(invalid_entries | json_values, max_size=4) | json_values,
        "meta": json_values | st.fixed_dictionaries({"errors": st.lists(json_values, max_size=3)}),
        "errors": json_values,
        "reason": json_values,
        "error_message": st.text(),
        "message": json_values,
    },
)
bodies = st.binary(max_size=60) | (json_values | likely_bodies).map(lambda body: json.dumps(body).encode())
headers = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": st.text()
        | st.integers().map(str)
        | st.datetimes().map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S GMT}"),
        "ratelimit-reset": st.text() | st.integers().map(str) | st.floats().map(str),
        "date": st.text() | st.datetimes().map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S GMT}"),
        "content-type": st.text(),
    },
)


def expected(status: int, events: int) -> tuple[type, ...]:
    if status in {408, 425, 429} or 500 <= status <= 599:
        return (Deferred,)
    if status in {400, 409, 413, 422}:
        return (BatchRefused,) if events > 1 else (Refused,)
    if 200 <= status <= 299:
        return (Delivered, PartiallyRefused, BatchRefused, Blocked) if events > 1 else (Delivered, Refused, Blocked)
    return (Blocked,)


@pytest.mark.parametrize("case", range(len(ENVELOPES)))
@settings(max_examples=examples(300), deadline=None)
@given(
    status=st.integers(100, 599) | st.sampled_from([200, 201, 204, 429]) | st.integers(),
    body=bodies,
    headers=headers,
    events=st.integers(1, 3),
    truncated=st.booleans(),
)
@example(status=200, body=b'{"invalid_events": [{"event_id": "id-0"}]}', headers={}, events=3, truncated=False)
def test_every_status_and_body_has_the_verdict_of_its_class(
    case: int, status: int, body: bytes, headers: dict[str, str], events: int, *, truncated: bool
) -> None:
    destination, envelope = ENVELOPES[case]
    events = min(events, envelope.max_events)
    response = HttpResponse(status, headers, body, truncated=truncated)
    verdict: Verdict = destination.judge(envelope, [f"id-{number}" for number in range(events)], response)
    assert isinstance(verdict, expected(status, events))
    match verdict:
        case Delivered():
            assert status in {200, 201, 204}
        case PartiallyRefused(refused):
            assert refused
            assert set(refused) <= set(range(events))
            assert all(fault.cause is DeadLetterCause.REFUSED for fault in refused.values())
        case Deferred(_, wait_s, _):
            assert wait_s is None or 0 <= wait_s <= LONGEST_WAIT_S
        case Refused(fault):
            assert fault.cause is DeadLetterCause.REFUSED
        case BatchRefused(fault) | Blocked(fault):
            assert fault.status == status


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_a_verdict(status: int) -> None:
    for destination, envelope in ENVELOPES:
        for events in {1, min(3, envelope.max_events)}:
            verdict = destination.judge(envelope, [f"id-{n}" for n in range(events)], HttpResponse(status, {}, b"{}"))
            assert isinstance(verdict, expected(status, events))


@settings(deadline=None)
@given(body=bodies)
def test_200_without_json_object_is_never_delivered(body: bytes) -> None:
    try:
        is_object = isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        is_object = False
    for destination, envelope in ENVELOPES[:4]:
        if not is_object:
            assert isinstance(destination.judge(envelope, ["id-0"], HttpResponse(200, {}, body)), Blocked)


@settings(deadline=None)
@given(
    words=st.lists(st.text(max_size=12) | st.sampled_from(["the", "value", "Jane", "May", "is.", "4711"]), max_size=10)
)
@example(words=["jane.doe@acme.test", "is", "not", "allowed"])
def test_redaction_keeps_only_vocabulary_words(words: list[str]) -> None:
    text = scrubbed(" ".join(words))
    assert len(text) < MAX_DETAIL  # else the last word may be cut
    assert set(text.split()) <= _VOCABULARY | {"…"}


def test_every_kind_has_an_envelope_here() -> None:
    assert {destination.kind for destination, _ in ENVELOPES} == KINDS.keys()
