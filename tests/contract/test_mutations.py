"""The suite catches each trap: a client with exactly one thing wrong with it is complained of, for that thing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from consumer.destinations import Encoded
from tests.contract import mutations as wrong
from tests.contract import suite
from tests.contract.mutations import Doctored
from tests.contract.test_contract import CONTRACTS, real

Spoil = Callable[[Doctored], None]


def _changed(good: Encoded, **members: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps({**json.loads(good.body), **members}).encode()


def _copilot(target: str, fields: dict[str, Any], good: Encoded) -> bytes:
    extra = {"subtype": "noted"} if target == "custom_event" else {}
    return _changed(good, payload={**extra, **fields})


def _customerio(_target: str, fields: dict[str, Any], good: Encoded) -> bytes:
    kept = {name: value for name, value in json.loads(good.body).items() if name not in {"userId", "groupId"}}
    return json.dumps({**kept, **fields}).encode()


def _yotpo(_target: str, fields: dict[str, Any], good: Encoded) -> bytes:
    return _changed(good, **fields)


def _seconds(_target: str, document: dict[str, Any]) -> dict[str, Any]:
    if "timestamp" in document:
        document["timestamp"] //= 1000
    return document


def _without(key: str) -> Spoil:
    return wrong.rewriting(lambda _, document: {name: value for name, value in document.items() if name != key})


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


def _nothing(_: Doctored) -> None:
    pass


_GENERAL: list[tuple[str, Spoil, str, str]] = [
    ("a proxy's page is a delivery", wrong.any_success_is_delivery, "a proxy answers in its place", "lost"),
    ("our fault becomes letters", wrong.what_is_ours_is_dumped, "an address moves", "became a letter"),
    ("an outage becomes letters", wrong.later_is_never, "an outage passes", "became a letter"),
    ("deaf to waits", wrong.deaf_to_waits, "told to wait", "sooner than told"),
    ("never refuses", wrong.a_bad_event_is_tried_for_ever, "one bad event among good ones", "stuck"),
]
_FULL, _BROKEN, _LIMITS = "every call in full", "what breaks the contract is not sent", "sizes stay below the limits"
_TYPES, _BODIES, _ACTS = (
    "every event type in full",
    "bodies stay below the limit",
    "acting events have what they act with",
)
_BAD, _AHEAD = "one bad event among good ones", "the window of 30 days"
_NEARLY = "names that are nearly reserved, and acting ones nobody allowed"
_COPILOT: list[tuple[str, Spoil, dict[str, Any], str, str]] = [
    (
        "ignores invalid_events",
        wrong.any_success_is_delivery,
        {},
        "a 200 that lists invalid events",
        "should be a letter",
    ),
    ("a bad batch is all bad", wrong.a_bad_batch_is_all_bad, {}, _BAD, "became a letter"),
    (
        "dumps at a 401",
        wrong.what_is_ours_is_dumped,
        {},
        "rejected credentials are nobody's dead letter",
        "became a letter",
    ),
    ("sends what is wrong", wrong.unchecked(_copilot, {"user_id": "u-1"}), {}, _BROKEN, "dropped behind a 2xx"),
    ("knows no window", wrong.reshaped(lambda shape: shape._replace(max_age_ms=None)), {}, _AHEAD, "was sent although"),
    ("says seconds for milliseconds", wrong.rewriting(_seconds), {}, _TYPES, "older than"),
    ("knows no size", _nothing, {"bytes": 5_000_000}, _BODIES, "too large a body"),
    ("knows no count", _nothing, {"events": 500}, "as many as there may be", "too many events"),
    ("names no content type", wrong.without("content-type"), {}, _TYPES, "became a letter"),
]
_CUSTOMERIO: list[tuple[str, Spoil, dict[str, Any], str, str]] = [
    ("is not strict", wrong.without("x-strict-mode"), {}, "a rejected key loses nothing", "dropped behind a 2xx"),
    ("a bad batch is all bad", wrong.a_bad_batch_is_all_bad, {}, _BAD, "became a letter"),
    ("knows no call size", _nothing, {"call_bytes": 400_000}, _LIMITS, "dropped behind a 2xx"),
    ("knows no batch size", _nothing, {"bytes": 5_000_000}, _LIMITS, "dropped behind a 2xx"),
    ("mixes surroundings", wrong.one_shape_for_all_surroundings, {}, "surroundings do not mix", "worth less"),
    ("batches aliases", wrong.alias_in_a_batch, {}, _FULL, "alias became a letter"),
    ("says no time", _without("timestamp"), {}, _FULL, "filed under the time of receipt"),
    ("says no type", _without("type"), {}, _FULL, "became a letter"),
    ("says UUIDs for ULIDs", wrong.rewriting(_uuids), {}, _FULL, "became a letter"),
    ("takes any name", wrong.any_name, {}, _NEARLY, "'Delete Device' is let through"),
    ("sends what is wrong", wrong.unchecked(_customerio, {"userId": "u-1"}), {}, _BROKEN, "was sent although"),
    ("hides devices in properties", wrong.rewriting(_device_hidden), {}, _ACTS, "became a letter"),
    ("defaults object types", wrong.rewriting(_object_defaulted), {}, _ACTS, "objectTypeId is defaulted"),
]
_EXTERNAL = {"customer": {"external_id": "u-1"}}
_YOTPO: list[tuple[str, Spoil, dict[str, Any], str, str]] = [
    ("sends email and phone", wrong.unchecked(_yotpo, _EXTERNAL), {}, _BROKEN, "exactly one of phone_number and email"),
    ("ids are business keys", wrong.rewriting(_business_key), {}, "equal content is not the same event", "taken twice"),
    ("says text for Booleans", wrong.rewriting(_text_for_booleans), {}, "an event in full", "is held as"),
    ("hides its token", wrong.token_in_another_header, {}, "an event in full", "stuck"),
    ("keeps dead tokens", wrong.dead_tokens_kept, {}, "a token dies once for all lanes", "stuck"),
    ("misnames a key", _nothing, {"keys": {"occurred_at": "time"}}, "an event in full", "became a letter"),
    ("is deaf to the rate's header", wrong.deaf_to_waits, {}, "told by the rate's own header", "sooner than told"),
]
_ALL = [
    pytest.param(kind, spoil, options, case, said, id=f"{kind}: {title}")
    for kind, own in (("copilot", _COPILOT), ("customerio", _CUSTOMERIO), ("yotpo", _YOTPO))
    for title, spoil, options, case, said in (*((t, spoil, {}, case, said) for t, spoil, case, said in _GENERAL), *own)
]


@pytest.mark.parametrize(("kind", "spoil", "options", "case", "said"), _ALL)
def test_client_with_one_defect_is_caught(
    kind: str, spoil: Spoil, options: dict[str, Any], case: str, said: str
) -> None:
    server, cases = CONTRACTS[kind]
    (trap,) = [one for one in cases if one.name == case]
    complaints = suite.complaints(trap, server, wrong.client(real, spoil, options), within_s=3)
    assert any(said in complaint for complaint in complaints), complaints


@pytest.mark.parametrize("kind", CONTRACTS)
def test_unchanged_client_passes_the_same_suite(kind: str) -> None:
    server, cases = CONTRACTS[kind]
    assert suite.complaints(cases[0], server, wrong.client(real, _nothing)) == []
