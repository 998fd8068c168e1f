"""Customer.io's server refuses aloud in strict mode, drops in silence otherwise, and over size always."""

import gzip

import pytest

from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.customerio_rules import BATCHABLE, KINDS
from consumer.demo.fakes.thread_runner import ThreadRunner
from tests.fakes.clients import Document, as_json, batch, call, client, send, ulid, without


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_call_is_taken_at_its_own_endpoint_with_and_without_its_type(
    customerio: FakeCustomerio, kind: str
) -> None:
    typed, bare = call(kind), without(call(kind), "type")
    assert send(customerio, f"/{kind}", typed).json() == {}
    assert send(customerio, f"/{kind}", bare).status_code == 200
    assert customerio.stored_ids() == {typed["messageId"], bare["messageId"]}
    assert [arrival.kind for arrival in customerio.received] == [kind, kind]


def test_a_batch_takes_every_kind_but_alias(customerio: FakeCustomerio) -> None:
    calls = [call(kind) for kind in sorted(BATCHABLE)]
    assert batch(customerio, calls).status_code == 200
    assert customerio.stored_ids() == {one["messageId"] for one in calls}
    assert batch(customerio, [call("alias")]).status_code == 400


def test_an_arrival_says_who_what_and_the_exact_bytes(customerio: FakeCustomerio) -> None:
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
def test_in_strict_mode_one_bad_call_refuses_its_whole_batch(
    customerio: FakeCustomerio, bad: Document, why: str
) -> None:
    reply = batch(customerio, [call(), bad, call()])
    assert reply.status_code == 400
    assert reply.json().keys() == {"meta"}
    assert why in " ".join(reply.json()["meta"]["errors"])
    assert customerio.stored_ids() == set()
    assert [rejection.document for rejection in customerio.refused] == [bad]


@pytest.mark.parametrize(("bad", "why"), _BAD)
def test_in_permissive_mode_it_is_dropped_behind_a_200_and_the_others_are_taken(
    customerio: FakeCustomerio, bad: Document, why: str
) -> None:
    good = call()
    reply = batch(customerio, [good, bad], strict=False)
    assert (reply.status_code, reply.json()) == (200, {})
    assert customerio.stored_ids() == {good["messageId"]}
    ((dropped),) = customerio.dropped
    assert dropped.document == bad
    assert why in dropped.reason


@pytest.mark.parametrize("header", ["0", "true", ""])
def test_only_1_is_strict(customerio: FakeCustomerio, header: str) -> None:
    with client(customerio, ("key", "")) as http:
        reply = http.post("/track", json={}, headers={"x-strict-mode": header})
    assert (reply.status_code, len(customerio.dropped)) == (200, 1)


def test_a_wrong_key_is_401_in_strict_mode_and_200_and_nothing_kept_otherwise(customerio: FakeCustomerio) -> None:
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
def test_over_a_size_limit_it_is_200_and_dropped_strict_or_not(strict: bool) -> None:
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


def test_the_limits_are_those_of_the_reference_and_count_bytes_not_characters(customerio: FakeCustomerio) -> None:
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
def test_a_batch_that_is_none_is_400_when_strict_and_lost_when_not(customerio: FakeCustomerio, body: bytes) -> None:
    with client(customerio, ("key", "")) as http:
        assert http.post("/batch", content=body, headers={"x-strict-mode": "1"}).status_code == 400
        assert http.post("/batch", content=body).status_code == 200
    assert customerio.stored_ids() == set()
    assert customerio.refused
    assert len(customerio.dropped) == len(customerio.refused)


def test_the_type_must_be_the_endpoints(customerio: FakeCustomerio) -> None:
    assert send(customerio, "/track", call("track", type="page")).status_code == 400


def test_an_alias_is_between_two_known_ids(customerio: FakeCustomerio) -> None:
    assert send(customerio, "/alias", call("alias", userId="", anonymousId="a")).status_code == 400
    assert send(customerio, "/alias", without(call("alias"), "previousId")).status_code == 400


def test_a_body_that_does_not_say_json_is_refused(customerio: FakeCustomerio) -> None:
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
def test_the_forms_that_the_reference_allows_are_taken(customerio: FakeCustomerio, good: Document) -> None:
    assert send(customerio, f"/{good['type']}", good).status_code == 200
    assert customerio.stored_ids() == {good["messageId"]}


def test_an_unknown_key_of_a_batch_is_warned_of(customerio: FakeCustomerio) -> None:
    batch(customerio, [call()], {"sentAt": "2026-09-21T14:13:20Z", "writeKey": "x"})
    assert [remark.reason for remark in customerio.warnings] == ["writeKey has no meaning in a batch"]


def test_a_compressed_body_is_measured_and_read_unpacked(customerio: FakeCustomerio) -> None:
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
