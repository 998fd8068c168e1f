"""Customer.io's server refuses in strict mode, drops silently in permissive mode, and drops oversized calls in both."""

import gzip

import pytest

from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.customerio_rules import BATCHABLE, KINDS
from consumer.demo.fakes.thread_runner import ThreadRunner
from tests.fakes.clients import Document, as_json, batch, call, client, send, ulid, without


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_call_is_accepted_at_its_endpoint_with_and_without_type(customerio: FakeCustomerio, kind: str) -> None:
    typed, bare = call(kind), without(call(kind), "type")
    assert send(customerio, f"/{kind}", typed).json() == {}
    assert send(customerio, f"/{kind}", bare).status_code == 200
    assert customerio.stored_ids() == {typed["messageId"], bare["messageId"]}
    assert [arrival.kind for arrival in customerio.received] == [kind, kind]


def test_batch_accepts_every_kind_but_alias(customerio: FakeCustomerio) -> None:
    calls = [call(kind) for kind in sorted(BATCHABLE)]
    assert batch(customerio, calls).status_code == 200
    assert customerio.stored_ids() == {one["messageId"] for one in calls}
    assert batch(customerio, [call("alias")]).status_code == 400


def test_arrival_has_person_kind_name_and_the_exact_bytes(customerio: FakeCustomerio) -> None:
    raw = b'{"type":"track","messageId":"%s","event":" Paid ","anonymousId":"a","properties":{"total":0.10}}'
    raw %= ulid().encode()
    with client(customerio, ("key", "")) as http:
        http.post("/batch", content=b'{"batch": [' + raw + b"]}", headers={"x-strict-mode": "1"})
    (arrival,) = customerio.received
    assert (arrival.kind, arrival.name, arrival.person, arrival.raw) == ("track", "Paid", "a", raw)


def _track(**changed: object) -> Document:
    return call("track", **changed)


_BAD: list[tuple[Document, str]] = [
    (without(_track(), "messageId"), "messageId"),
    (_track(messageId="0b0c8f9e-3f1d-4d39-9d6b-0f2f2b6a7c11"), "messageId"),
    (_track(messageId=ulid().lower()), "messageId"),
    (without(_track(), "userId"), "userId"),
    (_track(userId=7), "userId"),
    (_track(userId=""), "userId"),
    (without(_track(), "event"), "event"),
    (_track(event="  "), "event"),
    (_track(event=3), "event"),
    (_track(properties=[]), "properties"),
    (_track(properties=None), "properties"),
    (_track(timestamp=1_790_000_000), "timestamp"),
    (_track(timestamp="2026-09-21"), "timestamp"),
    (_track(timestamp="2026-09-21T14:13:20Z,"), "timestamp"),
    (_track(sentAt="now"), "sentAt"),
    (_track(originalTimestamp=None), "originalTimestamp"),
    (_track(receivedAt="2026-09-21T14:13:20Z"), "receivedAt"),
    (_track(version="1"), "version"),
    (_track(integrations={"All": "false"}), "integrations"),
    (_track(context="server"), "context"),
    (_track(context={"channel": "kafka"}), "context"),
    (_track(context={"device": "phone"}), "context"),
    (_track(context={"active": 1}), "context"),
    (call("identify", traits="x"), "traits"),
    (without(call("identify", traits={"name": "x"}), "userId"), "userId"),
    (call("page", name=1), "name"),
    (without(call("group"), "groupId"), "groupId"),
    (call("group", groupId=""), "groupId"),
    (call("group", objectTypeId=1), "objectTypeId"),
    (call("group", objectTypeId="x"), "objectTypeId"),
    (call("group", traits={"object_type_id": 2}), "object_type_id"),
    (without(call("screen"), "userId"), "userId"),
    (without(call("page", traits={"email": "a@b.example"}), "userId"), "userId"),
    (without(call("page", groupId="g1"), "userId"), "userId"),
]


@pytest.mark.parametrize(("bad", "why"), _BAD)
def test_bad_call_refuses_its_whole_batch_in_strict_mode(customerio: FakeCustomerio, bad: Document, why: str) -> None:
    response = batch(customerio, [call(), bad, call()])
    assert response.status_code == 400
    assert response.json().keys() == {"meta"}
    assert why in " ".join(response.json()["meta"]["errors"])
    assert customerio.stored_ids() == set()
    assert [rejection.document for rejection in customerio.refused] == [bad]


@pytest.mark.parametrize(("bad", "why"), _BAD)
def test_bad_call_is_200_and_dropped_in_permissive_mode(customerio: FakeCustomerio, bad: Document, why: str) -> None:
    good = call()
    response = batch(customerio, [good, bad], strict=False)
    assert (response.status_code, response.json()) == (200, {})
    assert customerio.stored_ids() == {good["messageId"]}
    ((dropped),) = customerio.dropped
    assert dropped.document == bad
    assert why in dropped.reason


@pytest.mark.parametrize("header", ["0", "true", ""])
def test_other_values_than_1_are_not_strict(customerio: FakeCustomerio, header: str) -> None:
    with client(customerio, ("key", "")) as http:
        response = http.post("/track", json={}, headers={"x-strict-mode": header})
    assert (response.status_code, len(customerio.dropped)) == (200, 1)


def test_wrong_key_is_401_in_strict_mode_and_dropped_otherwise(customerio: FakeCustomerio) -> None:
    assert send(customerio, "/track", call(), key="wrong").status_code == 401
    assert send(customerio, "/track", call(), key="wrong", strict=False).status_code == 200
    assert customerio.stored_ids() == set()
    assert [one.reason for one in customerio.dropped] == ["the key is not accepted"]
    with client(customerio, ("key", "password")) as http:
        assert http.post("/track", json=call(), headers={"x-strict-mode": "1"}).status_code == 401
    customerio.accept(api_key="new")
    assert send(customerio, "/track", call()).status_code == 401
    assert send(customerio, "/track", call(), key="new").status_code == 200


@pytest.mark.parametrize("strict", [True, False])
def test_call_over_a_size_limit_is_200_and_dropped_in_both_modes(strict: bool) -> None:
    one = call(messageId=ulid())
    limit = len(as_json(one).replace(b", ", b",").replace(b": ", b":"))
    fake = FakeCustomerio(api_key="key", max_call_bytes=limit, max_batch_bytes=3 * limit)
    with ThreadRunner(fake):
        assert send(fake, "/track", one, strict=strict).status_code == 200
        assert fake.stored_ids() == {one["messageId"]}
        long = call(properties={"total": 20.5, "x": "y"})
        assert send(fake, "/track", long, strict=strict).status_code == 200
        assert batch(fake, [call(), long], strict=strict).status_code == 200
        assert batch(fake, [call(), call(), call()], strict=strict).json() == {}
        assert fake.stored_ids() == {one["messageId"]}
        assert [len(fake.dropped), {rejection.reason for rejection in fake.dropped}] == [6, {"over the size limit"}]


def test_default_limits_are_the_references_in_bytes(customerio: FakeCustomerio) -> None:
    frame = call(properties={"x": ""})
    room = 32_000 - len(as_json(frame).replace(b", ", b",").replace(b": ", b":"))
    exact = {**frame, "properties": {"x": "é" * (room // 2) + "x" * (room % 2)}}
    over = {**frame, "messageId": ulid(), "properties": {"x": "é" * (room // 2) + "xx"}}
    assert send(customerio, "/track", exact).status_code == 200
    assert send(customerio, "/track", over).status_code == 200
    assert customerio.stored_ids() == {exact["messageId"]}
    assert customerio.requests[0].size == 32_000
    many = [call(properties={"x": "y" * 30_000}) for _ in range(17)]
    assert batch(customerio, many[:16]).status_code == 200
    assert batch(customerio, many).status_code == 200
    assert len(customerio.stored_ids()) == 17
    assert len(customerio.dropped) == 1 + 17


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"batch":[]}',
        b'{"batch":{}}',
        b'{"batch":[1]}',
        b'{"batch":[{"type":"track","type":"track"}]}',
        as_json({"batch": [call()], "context": 1}),
        as_json({"batch": [call()], "integrations": {"All": 1}}),
        as_json({"batch": [call()], "sentAt": "today"}),
        as_json({"batch": [without(call(), "type")]}),
        as_json({"batch": [call(type="batch")]}),
        as_json({"batch": [call(type=1)]}),
        as_json(
            {"batch": [call(messageId="01ARZ3NDEKTSV4RRFFQ69G5FAV"), call(messageId="01ARZ3NDEKTSV4RRFFQ69G5FAV")]}
        ),
    ],
)
def test_invalid_batch_is_400_in_strict_mode_and_dropped_otherwise(customerio: FakeCustomerio, body: bytes) -> None:
    with client(customerio, ("key", "")) as http:
        assert http.post("/batch", content=body, headers={"x-strict-mode": "1"}).status_code == 400
        assert http.post("/batch", content=body).status_code == 200
    assert customerio.stored_ids() == set()
    assert customerio.refused
    assert len(customerio.dropped) == len(customerio.refused)


def test_type_of_another_endpoint_is_400(customerio: FakeCustomerio) -> None:
    assert send(customerio, "/track", call("track", type="page")).status_code == 400


def test_alias_without_both_ids_is_400(customerio: FakeCustomerio) -> None:
    assert send(customerio, "/alias", call("alias", userId="", anonymousId="a")).status_code == 400
    assert send(customerio, "/alias", without(call("alias"), "previousId")).status_code == 400


def test_other_content_type_than_json_is_refused(customerio: FakeCustomerio) -> None:
    with client(customerio, ("key", "")) as http:
        headers = {"x-strict-mode": "1", "content-type": "text/plain"}
        assert http.post("/track", content=as_json(call()), headers=headers).status_code == 400


@pytest.mark.parametrize("path", ["/", "/track/", "/events", "/Track", "/v1/track"])
def test_other_paths_and_methods_are_404(customerio: FakeCustomerio, path: str) -> None:
    assert send(customerio, path, call()).status_code == 404
    with client(customerio, ("key", "")) as http:
        assert http.put("/track", json=call()).status_code == 404
    assert customerio.stored_ids() == set()


@pytest.mark.parametrize(
    "good",
    [
        without(call("identify"), "userId"),
        without(call("track", groupId="g1"), "userId"),
        without(call("group"), "userId"),
        without(call("page", anonymousId="a"), "userId"),
        call("group", traits={"object_type_id": "2", "relationshipAttributes": {"role": "owner"}}),
        call("track", properties={"total_length": None}),
        call("track", timestamp="2026-09-21T14:13:20+02:00", integrations={"All": True}),
        call("track", context={"channel": "server", "device": {"token": "t"}, "campaign": {"name": "c"}}),
    ],
)
def test_every_form_of_the_reference_is_accepted(customerio: FakeCustomerio, good: Document) -> None:
    assert send(customerio, f"/{good['type']}", good).status_code == 200
    assert customerio.stored_ids() == {good["messageId"]}


def test_unknown_key_of_a_batch_makes_a_warning(customerio: FakeCustomerio) -> None:
    batch(customerio, [call()], {"sentAt": "2026-09-21T14:13:20Z", "writeKey": "x"})
    assert [remark.reason for remark in customerio.warnings] == ["writeKey has no meaning in a batch"]


def test_compressed_body_is_measured_after_decompression(customerio: FakeCustomerio) -> None:
    headers = {"x-strict-mode": "1", "content-encoding": "gzip"}
    one, big = call(), call(properties={"x": "y" * 40_000})
    with client(customerio, ("key", "")) as http:
        assert http.post("/track", content=gzip.compress(as_json(one)), headers=headers).status_code == 200
        assert http.post("/track", content=gzip.compress(as_json(big)), headers=headers).status_code == 200
        assert http.post("/track", content=as_json(one), headers=headers).status_code == 400
        cut = gzip.compress(as_json(one))[:-9]
        assert http.post("/track", content=cut, headers=headers).status_code == 400
    assert customerio.stored_ids() == {one["messageId"]}
    assert [dropped.id for dropped in customerio.dropped] == [big["messageId"]]
