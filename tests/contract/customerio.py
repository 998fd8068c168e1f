"""Customer.io's own cases: strict mode, sizes, context, aliases, events that act on the workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.model.values import Fields, Instant
from tests.contract import common_cases
from tests.contract.case import Case, Event


def server() -> Fake:
    """Return a new server."""
    return FakeCustomerio(api_key="key")


def ordinary(key: int, text: str) -> Event:
    """Return an ordinary event."""
    return _track({"userId": f"u-{key}", "properties": {"note": text}}, key=key)


def _track(
    fields: Fields, *, name: str = "Thing Noted", cause: str | None = None, expected: Fields | None = None, key: int = 1
) -> Event:
    return Event(target="track", name=name, fields=fields, expected=expected, cause=cause, key=key)


async def _wrong_then_right(customerio: FakeCustomerio) -> None:
    await customerio.wait_until_async(lambda: any(request.status == 401 for request in customerio.requests))
    await asyncio.sleep(0.1)
    customerio.accept(api_key="key")


def _sent_nothing(customerio: FakeCustomerio) -> Iterator[str]:
    if customerio.refused:
        yield f"sent and refused: {customerio.refused[0].reason}"


def _below_limits(customerio: FakeCustomerio) -> Iterator[str]:
    if any(request.size > 500_000 for request in customerio.requests):
        yield "a batch over its limit"


_DEVICE: Fields = {"token": "abc", "type": "ios"}
_ACTING = frozenset(
    {"User Deleted", "Device Created or Updated", "Object Deleted", "Relationship Deleted", "Report Delivery Event"}
)

CASES: list[Case] = [
    *common_cases.cases(ordinary, "/batch"),
    Case(
        name="every call in full",
        events=(
            Event(
                target="identify",
                fields={
                    "userId": "u-1",
                    "traits": {"email": "a@b.example", "born": Instant(0), "score": Decimal("1.50")},
                },
                expected={
                    "userId": "u-1",
                    "traits": {"email": "a@b.example", "born": "1970-01-01T00:00:00Z", "score": 1.5},
                },
            ),
            Event(target="identify", fields={"traits": {"email": "a@b.example"}}),
            _track({"userId": "u-1", "properties": {"list": [1, {"deep": "er"}], "no": False}}),
            Event(target="page", name="Shop", fields={"anonymousId": "cookie", "properties": {"url": "/"}}),
            Event(target="screen", name="Cart", fields={"userId": "u-1"}),
            Event(
                target="group",
                fields={"groupId": "g", "userId": "u-1", "objectTypeId": 2, "traits": {"name": "Acme"}},
                expected={"groupId": "g", "userId": "u-1", "objectTypeId": "2", "traits": {"name": "Acme"}},
            ),
            Event(target="alias", fields={"previousId": "cookie", "userId": "u-1"}),
        ),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="events that act on the workspace are complete",
        options={"allow_events": _ACTING},
        events=(
            _track({"userId": "u-1"}, name="User Deleted"),
            _track({"anonymousId": "nobody"}, name="User Deleted", cause="contract"),
            _track(
                {"userId": "u-1", "properties": {"device": _DEVICE}},
                name="Device Created or Updated",
                expected={
                    "userId": "u-1",
                    "properties": {"device": _DEVICE},
                    "context": {"channel": "server", "device": _DEVICE},
                },
            ),
            _track({"userId": "u-1", "properties": {"device": {}}}, name="Device Created or Updated", cause="contract"),
            _track(
                {"properties": {"objectId": "o", "objectTypeId": 3}},
                name="Object Deleted",
                expected={"anonymousId": "cdp-consumer", "properties": {"objectId": "o", "objectTypeId": "3"}},
            ),
            _track({"properties": {"objectId": "o"}}, name="Object Deleted", cause="contract"),
            _track({"userId": "u-1", "properties": {"objectId": "o"}}, name="Relationship Deleted", cause="contract"),
        ),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="names close to reserved ones, and events not allowed",
        refused_entries=(
            ("track", "Delete Device"),
            ("track", "Group Deleted"),
            ("track", "Video playback started"),
            ("track", "user deleted"),
            ("track", "User Deleted"),
            ("track", None),
            ("identify", "named"),
            ("no_such_call", None),
        ),
    ),
    Case(
        name="contexts do not mix",
        events=tuple(
            _track(
                {"userId": f"u-{key}", "context": {"locale": locale}, "integrations": {"Salesforce": on}},
                expected={
                    "userId": f"u-{key}",
                    "context": {"channel": "server", "locale": locale},
                    "integrations": {"Salesforce": on},
                },
                key=key,
            )
            for key, (locale, on) in enumerate((("de", True), ("fr", True), ("de", False), ("de", True)))
        ),
    ),
    Case(
        name="sizes stay below the limits",
        events=(
            _track({"userId": "u-1", "properties": {"note": "x" * 33_000}}, cause="too_large"),
            # Few characters, many bytes: limits are in bytes as sent.
            _track({"userId": "u-1", "properties": {"note": "ö" * 16_500}}, cause="too_large"),
            *(ordinary(key, "x" * 30_000) for key in range(60)),
        ),
        extra_complaints=_below_limits,
    ),
    Case(
        name="contract violations are not sent",
        events=(
            _track({"properties": {"note": "about nobody"}}, cause="contract"),
            _track({"userId": " "}, cause="contract"),
            _track({"userId": "u-1", "properties": "text"}, cause="contract"),
            _track({"userId": "u-1", "surplus": 1}, cause="contract"),
            _track({"userId": "u-1", "integrations": {"All": False}}, cause="contract"),
            Event(target="group", fields={"groupId": "g", "objectTypeId": "two"}, cause="contract"),
            ordinary(1, "good"),
        ),
        extra_complaints=_sent_nothing,
    ),
    Case(
        name="a rejected key loses nothing",
        events=(ordinary(1, "waits"), ordinary(2, "waits")),
        prepare=lambda customerio: customerio.accept(api_key="another"),
        meanwhile=_wrong_then_right,
    ),
]
