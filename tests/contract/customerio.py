"""Customer.io's own cases: strict mode, sizes, surroundings, aliases, acting events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.model.values import Fields, Instant
from tests.contract import common_cases
from tests.contract.case import Case, Saying


def server() -> Fake:
    """Return a fresh server."""
    return FakeCustomerio(api_key="key")


def ordinary(key: int, text: str) -> Saying:
    """Return an event like any other."""
    return _track({"userId": f"u-{key}", "properties": {"note": text}}, key=key)


def _track(
    fields: Fields, *, name: str = "Thing Noted", cause: str | None = None, said: Fields | None = None, key: int = 1
) -> Saying:
    return Saying(target="track", name=name, fields=fields, said=said, cause=cause, key=key)


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
        sayings=(
            Saying(
                target="identify",
                fields={
                    "userId": "u-1",
                    "traits": {"email": "a@b.example", "born": Instant(0), "score": Decimal("1.50")},
                },
                said={
                    "userId": "u-1",
                    "traits": {"email": "a@b.example", "born": "1970-01-01T00:00:00Z", "score": 1.5},
                },
            ),
            Saying(target="identify", fields={"traits": {"email": "a@b.example"}}),
            _track({"userId": "u-1", "properties": {"list": [1, {"deep": "er"}], "no": False}}),
            Saying(target="page", name="Shop", fields={"anonymousId": "cookie", "properties": {"url": "/"}}),
            Saying(target="screen", name="Cart", fields={"userId": "u-1"}),
            Saying(
                target="group",
                fields={"groupId": "g", "userId": "u-1", "objectTypeId": 2, "traits": {"name": "Acme"}},
                said={"groupId": "g", "userId": "u-1", "objectTypeId": "2", "traits": {"name": "Acme"}},
            ),
            Saying(target="alias", fields={"previousId": "cookie", "userId": "u-1"}),
        ),
        also=_sent_nothing,
    ),
    Case(
        name="acting events have what they act with",
        options={"allow_events": _ACTING},
        sayings=(
            _track({"userId": "u-1"}, name="User Deleted"),
            _track({"anonymousId": "nobody"}, name="User Deleted", cause="contract"),
            _track(
                {"userId": "u-1", "properties": {"device": _DEVICE}},
                name="Device Created or Updated",
                said={
                    "userId": "u-1",
                    "properties": {"device": _DEVICE},
                    "context": {"channel": "server", "device": _DEVICE},
                },
            ),
            _track({"userId": "u-1", "properties": {"device": {}}}, name="Device Created or Updated", cause="contract"),
            _track(
                {"properties": {"objectId": "o", "objectTypeId": 3}},
                name="Object Deleted",
                said={"anonymousId": "cdp-consumer", "properties": {"objectId": "o", "objectTypeId": "3"}},
            ),
            _track({"properties": {"objectId": "o"}}, name="Object Deleted", cause="contract"),
            _track({"userId": "u-1", "properties": {"objectId": "o"}}, name="Relationship Deleted", cause="contract"),
        ),
        also=_sent_nothing,
    ),
    Case(
        name="names that are nearly reserved, and acting ones nobody allowed",
        unsayable=(
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
        name="surroundings do not mix",
        sayings=tuple(
            _track(
                {"userId": f"u-{key}", "context": {"locale": locale}, "integrations": {"Salesforce": on}},
                said={
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
        sayings=(
            _track({"userId": "u-1", "properties": {"note": "x" * 33_000}}, cause="too_large"),
            # Few characters, many bytes: limits are in bytes as sent.
            _track({"userId": "u-1", "properties": {"note": "ö" * 16_500}}, cause="too_large"),
            *(ordinary(key, "x" * 30_000) for key in range(60)),
        ),
        also=_below_limits,
    ),
    Case(
        name="what breaks the contract is not sent",
        sayings=(
            _track({"properties": {"note": "about nobody"}}, cause="contract"),
            _track({"userId": " "}, cause="contract"),
            _track({"userId": "u-1", "properties": "text"}, cause="contract"),
            _track({"userId": "u-1", "surplus": 1}, cause="contract"),
            _track({"userId": "u-1", "integrations": {"All": False}}, cause="contract"),
            Saying(target="group", fields={"groupId": "g", "objectTypeId": "two"}, cause="contract"),
            ordinary(1, "good"),
        ),
        also=_sent_nothing,
    ),
    Case(
        name="a rejected key loses nothing",
        sayings=(ordinary(1, "waits"), ordinary(2, "waits")),
        prepare=lambda customerio: customerio.accept(api_key="another"),
        meanwhile=_wrong_then_right,
    ),
]
