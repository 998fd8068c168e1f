"""Yotpo's own cases: customer identifiers, flat properties, overwriting ids, expired tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import Respond, endpoint
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.model.values import Fields, Instant
from tests.contract import common_cases
from tests.contract.case import Case, Event


def server() -> Fake:
    """Return a new server."""
    return FakeYotpo(store_id="store", secret="secret", rate=None)


def ordinary(key: int, text: str) -> Event:
    """Return an ordinary event."""
    return _event({"external_id": f"u-{key}"}, {"note": text}, key=key)


def _event(
    customer: Fields,
    properties: Fields | None = None,
    *,
    expected: Fields | None = None,
    cause: str | None = None,
    key: int = 1,
) -> Event:
    fields: Fields = {"customer": customer}
    if properties is not None:
        fields["properties"] = properties
    return Event(target="event", name="order_placed", fields=fields, expected=expected, cause=cause, key=key)


def _sent_nothing(yotpo: FakeYotpo) -> Iterator[str]:
    if yotpo.refused:
        yield f"sent and refused: {yotpo.refused[0].reason}"


def _few_tokens(most: int) -> Callable[[FakeYotpo], Iterator[str]]:
    def also(yotpo: FakeYotpo) -> Iterator[str]:
        fetched = [request for request in yotpo.requests if request.path.endswith("access_tokens")]
        if len(fetched) > most:
            yield f"{len(fetched)} tokens were fetched where {most} would do"

    return also


async def _expire(yotpo: FakeYotpo) -> None:
    await yotpo.wait_until_async(lambda: len(yotpo.stored_ids()) >= 3)
    yotpo.expire_tokens(403)


_TYPES: Fields = {
    "number": 5,
    "paid": True,
    "ratio": 0.5,
    "total": Decimal("7.10"),
    "at": Instant(0),
    "raw": b"\0",
    "text": "y" * 255,
}
_EXPECTED_TYPES: Fields = {**_TYPES, "total": 7.1, "at": "1970-01-01T00:00:00Z", "raw": "AA=="}
_WHO: Fields = {"external_id": "u-1", "phone_number": "+491711234567", "email": "a@b.example"}

CASES: list[Case] = [
    *common_cases.cases(ordinary, "/customer_events"),
    Case(
        name="an event in full",
        events=(
            _event(
                {**_WHO, "custom_properties": {"tier": "gold"}},
                _TYPES,
                expected={"customer": {**_WHO, "custom_properties": {"tier": "gold"}}, "properties": _EXPECTED_TYPES},
            ),
            _event({"email": "a@b.example"}),
            _event({"phone_number": "+491711234567"}, {}, expected={"customer": {"phone_number": "+491711234567"}}),
        ),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="contract violations are not sent",
        events=(
            _event({"email": "a@b.example", "phone_number": "+491711234567"}, cause="contract"),
            _event({}, cause="contract"),
            _event({"email": "no address"}, cause="contract"),
            _event({"phone_number": "0171 1234567"}, cause="contract"),
            _event({"external_id": "u-1", "shoe_size": 43}, cause="contract"),
            _event({"external_id": "u-1"}, {"deep": {"er": 1}}, cause="contract"),
            _event({"external_id": "u-1"}, {"list": [1]}, cause="contract"),
            _event({"external_id": "u-1"}, {"Name": 1}, cause="contract"),
            _event({"external_id": "u-1"}, {"n" * 33: 1}, cause="contract"),
            _event({"external_id": "u-1"}, {"text": "y" * 256}, cause="contract"),
            ordinary(1, "good"),
        ),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="equal content is not the same event",
        events=tuple(_event({"external_id": "u-1"}, {"order": 7}) for _ in range(3)),
    ),
    Case(
        name="an expired token is renewed once for all lanes",
        events=tuple(ordinary(key, "text") for key in range(12)),
        meanwhile=_expire,
        extra_complaints=_few_tokens(2),
    ),
    Case(
        name="the token endpoint fails for a while",
        events=(ordinary(1, "waits"), ordinary(2, "waits")),
        prepare=lambda yotpo: yotpo.faults.add(Respond(401), when=endpoint("/access_tokens"), times=2),
    ),
    Case(
        name="RateLimit-Reset",
        events=(ordinary(1, "waits"), ordinary(1, "too")),
        prepare=lambda yotpo: yotpo.faults.add(
            Respond(429, {"ratelimit-reset": "1"}), when=endpoint("/customer_events"), times=1
        ),
        extra_complaints=common_cases.waited,
    ),
    Case(
        name="invalid entries",
        refused_entries=(("event", None), ("event", "Not Snake"), ("event", "x" * 256), ("no_such_target", "x")),
    ),
]
