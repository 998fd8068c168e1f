"""Reserved event names need certain fields, and calls with less effect than they seem to have make warnings."""

import pytest

from consumer.demo.fakes.customerio import FakeCustomerio
from tests.fakes.clients import Document, batch, call, send, ulid, without


def _track(**changed: object) -> Document:
    return call("track", **changed)


_DEVICE: Document = {"context": {"device": {"token": "t", "type": "ios"}}}


@pytest.mark.parametrize(
    ("good", "changes"),
    [
        (_track(event="User Deleted"), {"userId": None, "anonymousId": "a"}),
        (_track(event="User Suppressed"), {"userId": None, "anonymousId": "a"}),
        (_track(event="User Unsuppressed"), {"userId": None, "anonymousId": "a"}),
        (_track(event="Device Created or Updated", **_DEVICE), {"context": {}}),
        (_track(event="Device Created or Updated", **_DEVICE), {"context": {"device": {"token": ""}}}),
        (_track(event="Device Created or Updated", **_DEVICE), {"context": {"device": {"token": "t", "type": "tv"}}}),
        (_track(event="Device Deleted", **_DEVICE), {"context": {}, "properties": {"device": {"token": "t"}}}),
        (_track(event="Device Deleted", **_DEVICE), {"userId": None, "anonymousId": "a"}),
        (_track(event="Relationship Deleted", properties={"objectId": "o"}), {"properties": {}}),
        (_track(event="Relationship Deleted", properties={"objectId": "o"}), {"userId": None, "anonymousId": "a"}),
        (_track(event="Relationship Deleted", properties={"objectId": "o"}), {"properties": {"objectId": 1}}),
        (
            _track(event="Object Deleted", anonymousId="a", properties={"objectId": "o", "objectTypeId": "2"}),
            {"properties": {"objectId": "o", "objectTypeId": 2}},
        ),
        (_track(event="Object Deleted", anonymousId="a", properties={"objectId": "o"}), {"anonymousId": None}),
        (
            _track(event="Report Delivery Event", properties={"deliveryId": "d", "metric": "opened"}),
            {"properties": {"deliveryId": "d", "metric": "seen"}},
        ),
        (
            _track(event="Report Delivery Event", properties={"deliveryId": "d", "metric": "opened"}),
            {"properties": {"metric": "opened"}},
        ),
        (
            _track(event="Report Content Event", properties={"actionType": "clicked_content", "contentId": 1}),
            {"properties": {"actionType": "clicked_content", "contentId": "1"}},
        ),
        (
            _track(event="Report Content Event", properties={"activityType": "viewed_content"}),
            {"properties": {}},
        ),
    ],
)
def test_reserved_event_needs_its_fields_and_a_misspelt_one_none(
    customerio: FakeCustomerio, good: Document, changes: Document
) -> None:
    assert batch(customerio, [good]).status_code == 200
    changed = {name: value for name, value in {**good, **changes}.items() if value is not None}
    bad = {**changed, "messageId": ulid()}
    assert batch(customerio, [bad]).status_code == 400
    misspelt = {**bad, "event": bad["event"].lower()}
    assert batch(customerio, [misspelt]).status_code == 200
    assert customerio.stored_ids() == {good["messageId"], bad["messageId"]}


def test_device_token_may_be_in_the_context_of_the_batch(customerio: FakeCustomerio) -> None:
    one = _track(event="Device Deleted")
    assert batch(customerio, [one], _DEVICE).status_code == 200
    assert batch(customerio, [{**one, "messageId": ulid()}], {"context": {}}).status_code == 400


@pytest.mark.parametrize("name", ["context", "integrations"])
def test_different_values_within_a_batch_make_a_warning(customerio: FakeCustomerio, name: str) -> None:
    one: Document = {"locale": "de"} if name == "context" else {"All": True}
    other: Document = {"locale": "en"} if name == "context" else {"All": False}
    calls = [call(), call()]
    assert batch(customerio, [{**part, name: one} for part in calls], {name: one}).status_code == 200
    assert batch(customerio, [{**part, name: one} for part in calls]).status_code == 200
    assert batch(customerio, calls, {name: one}).status_code == 200
    assert customerio.warnings == []
    for differing in (
        batch(customerio, [{**calls[0], name: one}, {**calls[1], name: other}]),
        batch(customerio, [{**calls[0], name: one}, calls[1]]),
        batch(customerio, [{**calls[0], name: one}], {name: other}),
    ):
        assert differing.status_code == 200
    assert [(remark.id, remark.request) for remark in customerio.warnings] == [(None, 4), (None, 5), (None, 6)]
    assert all(name in remark.reason for remark in customerio.warnings)


def test_values_at_the_vendors_limits_make_no_warning(customerio: FakeCustomerio) -> None:
    calls = [
        call(event="x" * 100),
        call("identify", traits={str(n): n for n in range(300)}),
        call("identify", traits={"x" * 150: "y" * 1000}),
        call(event="Object Deleted", anonymousId="a", properties={"objectId": "o", "objectTypeId": "2"}),
        without(call(anonymousId="a"), "userId"),
    ]
    assert batch(customerio, calls).status_code == 200
    assert customerio.warnings == []


@pytest.mark.parametrize(
    ("weak", "why"),
    [
        (without(call(), "timestamp"), "time of receipt"),
        (call(traits={}), "traits"),
        (call(event="é" * 51), "100 bytes"),
        (call(anonymousId="a"), "anonymousId"),
        (call(event="Relationship Deleted", properties={"objectId": "o"}), "objectTypeId"),
        (call("identify", traits={str(n): n for n in range(301)}), "300"),
        (call("identify", traits={"x" * 151: 1}), "150"),
        (call("identify", traits={"bio": "x" * 1001}), "bio"),
    ],
)
def test_valid_call_with_less_effect_is_stored_with_a_warning(
    customerio: FakeCustomerio, weak: Document, why: str
) -> None:
    assert send(customerio, f"/{weak['type']}", weak).status_code == 200
    assert customerio.stored_ids() == {weak["messageId"]}
    ((remark),) = customerio.warnings
    assert (remark.id, remark.request) == (weak["messageId"], 1)
    assert why in remark.reason
