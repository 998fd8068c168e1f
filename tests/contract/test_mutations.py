"""The suite catches each defect: a client with exactly one is reported, for that defect."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from consumer.destinations import Encoded
from consumer.model import BatchEnvelope
from tests.contract import mutations, suite
from tests.contract.mutations import DefectiveClient
from tests.contract.test_contract import CONTRACTS, real

Defect = Callable[[DefectiveClient], None]


def _changed(good: Encoded, **members: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps({**json.loads(good.body), **members}).encode()


def _copilot(target: str, fields: dict[str, Any], good: Encoded) -> bytes:
    extra = {"subtype": "noted"} if target == "custom_event" else {}
    return _changed(good, payload={**extra, **fields})


def _customerio(_target: str, fields: dict[str, Any], good: Encoded) -> bytes:
    others = {name: value for name, value in json.loads(good.body).items() if name not in {"userId", "groupId"}}
    return json.dumps({**others, **fields}).encode()


def _yotpo(_target: str, fields: dict[str, Any], good: Encoded) -> bytes:
    return _changed(good, **fields)


def _seconds(_target: str, document: dict[str, Any]) -> dict[str, Any]:
    if "timestamp" in document:
        document["timestamp"] //= 1000
    return document


def _without(key: str) -> Defect:
    return mutations.rewriting(lambda _, document: {name: value for name, value in document.items() if name != key})


def _uuids(_: str, call: dict[str, Any]) -> dict[str, Any]:
    return {**call, "messageId": str(uuid.uuid5(uuid.NAMESPACE_OID, call["messageId"]))}


def _business_key(_: str, event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "id": "order-7"}


def _device_hidden(_: str, call: dict[str, Any]) -> dict[str, Any]:
    return {**call, "context": {"channel": "server"}} if "device" in call.get("properties", {}) else call


def _object_defaulted(_: str, call: dict[str, Any]) -> dict[str, Any]:
    return {**call, "properties": {"objectId": "o"}} if "objectTypeId" in call.get("properties", {}) else call


def _text_for_booleans(_: str, document: dict[str, Any]) -> dict[str, Any]:
    properties = document.get("properties", {})
    document["properties"] = {name: str(one) if isinstance(one, bool) else one for name, one in properties.items()}
    return document


def _without_window(envelope: BatchEnvelope) -> BatchEnvelope:
    return envelope._replace(max_age_ms=None)


def _nothing(_: DefectiveClient) -> None:
    pass


_EARLY = "before the end of the requested wait"
_GENERAL: list[tuple[str, Defect, str, str]] = [
    ("accepts a proxy's page", mutations.every_2xx_is_delivered, "a proxy responds instead", "lost"),
    ("dead-letters configuration errors", mutations.blocked_is_dead_lettered, "redirects and 404", "was dead-lettered"),
    ("dead-letters an outage", mutations.deferred_is_dead_lettered, "an outage ends", "was dead-lettered"),
    ("ignores Retry-After", mutations.requested_waits_ignored, "retry-after", _EARLY),
    ("never refuses", mutations.refusals_are_retried, "one bad event among good ones", "stuck"),
]
_FULL, _BROKEN, _LIMITS = "every call in full", "contract violations are not sent", "sizes stay below the limits"
_TYPES, _BODIES, _ACTS = (
    "every event type in full",
    "bodies stay below the limit",
    "events that act on the workspace are complete",
)
_BAD, _AHEAD = "one bad event among good ones", "the window of 30 days"
_NEARLY = "names close to reserved ones, and events not allowed"
_COPILOT: list[tuple[str, Defect, dict[str, Any], str, str]] = [
    (
        "ignores invalid_events",
        mutations.every_2xx_is_delivered,
        {},
        "a 200 that lists invalid events",
        "should be dead-lettered",
    ),
    ("dead-letters a whole batch", mutations.whole_batch_is_dead_lettered, {}, _BAD, "was dead-lettered"),
    (
        "dead-letters a 401",
        mutations.blocked_is_dead_lettered,
        {},
        "rejected credentials dead-letter nothing",
        "was dead-lettered",
    ),
    (
        "skips the contract check",
        mutations.unchecked(_copilot, {"user_id": "u-1"}),
        {},
        _BROKEN,
        "dropped behind a 2xx",
    ),
    (
        "has no time window",
        mutations.with_envelope(_without_window),
        {},
        _AHEAD,
        "was sent although",
    ),
    ("sends seconds for milliseconds", mutations.rewriting(_seconds), {}, _TYPES, "older than"),
    ("has no size limit", _nothing, {"bytes": 5_000_000}, _BODIES, "too large a body"),
    ("has no event limit", _nothing, {"events": 500}, "more events than one batch", "too many events"),
    ("sends no content type", mutations.without("content-type"), {}, _TYPES, "was dead-lettered"),
]
_CUSTOMERIO: list[tuple[str, Defect, dict[str, Any], str, str]] = [
    (
        "omits strict mode",
        mutations.without("x-strict-mode"),
        {},
        "a rejected key loses nothing",
        "dropped behind a 2xx",
    ),
    ("dead-letters a whole batch", mutations.whole_batch_is_dead_lettered, {}, _BAD, "was dead-lettered"),
    ("has no call limit", _nothing, {"call_bytes": 400_000}, _LIMITS, "dropped behind a 2xx"),
    ("has no batch limit", _nothing, {"bytes": 5_000_000}, _LIMITS, "dropped behind a 2xx"),
    ("mixes contexts", mutations.one_envelope_for_all_contexts, {}, "contexts do not mix", "accepted with a warning"),
    ("batches aliases", mutations.alias_in_batch, {}, _FULL, "alias was dead-lettered"),
    ("sends no timestamp", _without("timestamp"), {}, _FULL, "filed under the time of receipt"),
    ("sends no type", _without("type"), {}, _FULL, "was dead-lettered"),
    ("sends UUIDs for ULIDs", mutations.rewriting(_uuids), {}, _FULL, "was dead-lettered"),
    ("accepts any name", mutations.name_unchecked, {}, _NEARLY, "'Delete Device' is accepted"),
    ("skips the contract check", mutations.unchecked(_customerio, {"userId": "u-1"}), {}, _BROKEN, "was sent although"),
    ("hides devices in properties", mutations.rewriting(_device_hidden), {}, _ACTS, "was dead-lettered"),
    ("defaults object types", mutations.rewriting(_object_defaulted), {}, _ACTS, "objectTypeId is defaulted"),
]
_EXTERNAL = {"customer": {"external_id": "u-1"}}
_YOTPO: list[tuple[str, Defect, dict[str, Any], str, str]] = [
    (
        "sends email and phone",
        mutations.unchecked(_yotpo, _EXTERNAL),
        {},
        _BROKEN,
        "exactly one of phone_number and email",
    ),
    (
        "uses business keys as ids",
        mutations.rewriting(_business_key),
        {},
        "equal content is not the same event",
        "arrived twice",
    ),
    ("sends text for Booleans", mutations.rewriting(_text_for_booleans), {}, "an event in full", "is stored as"),
    ("sends the token in another header", mutations.token_in_another_header, {}, "an event in full", "stuck"),
    (
        "keeps expired tokens",
        mutations.expired_tokens_kept,
        {},
        "an expired token is renewed once for all lanes",
        "stuck",
    ),
    ("misnames a key", _nothing, {"keys": {"occurred_at": "time"}}, "an event in full", "was dead-lettered"),
    (
        "ignores RateLimit-Reset",
        mutations.requested_waits_ignored,
        {},
        "RateLimit-Reset",
        "before the end of the requested wait",
    ),
]
_OWN = {"copilot": _COPILOT, "customerio": _CUSTOMERIO, "yotpo": _YOTPO}
_ALL = [
    pytest.param(kind, defect, options, case, expected, id=f"{kind}: {title}")
    for kind, own in _OWN.items()
    for title, defect, options, case, expected in (
        *((t, defect, {}, case, expected) for t, defect, case, expected in _GENERAL),
        *own,
    )
]


@pytest.mark.parametrize(("kind", "defect", "options", "case", "expected"), _ALL)
def test_client_with_one_defect_is_caught(
    kind: str, defect: Defect, options: dict[str, Any], case: str, expected: str
) -> None:
    server, cases = CONTRACTS[kind]
    (trap,) = [one for one in cases if one.name == case]
    complaints = suite.complaints(trap, server, mutations.client(real, defect, options), within_s=3)
    assert any(expected in complaint for complaint in complaints), complaints


@pytest.mark.parametrize("kind", CONTRACTS)
def test_unchanged_client_passes_the_same_suite(kind: str) -> None:
    server, cases = CONTRACTS[kind]
    assert suite.complaints(cases[0], server, mutations.client(real, _nothing)) == []


def test_every_kind_has_defects() -> None:
    assert _OWN.keys() == CONTRACTS.keys()
