"""Faults are injected down to the socket."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import (
    Delay,
    Garbage,
    Gate,
    Hang,
    LoseResponse,
    Reset,
    Respond,
    Trickle,
    WaitForGate,
)
from consumer.demo.fakes.yotpo import FakeYotpo
from tests.fakes.clients import call, client, send


def statuses(fake: FakeCustomerio, count: int) -> list[int]:
    return [send(fake, "/track", call()).status_code for _ in range(count)]


# ── at the socket ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_reset_comes_before_processing(customerio: FakeCustomerio) -> None:
    customerio.faults.add(Reset(), times=1)
    with pytest.raises(httpx2.ReadError):
        send(customerio, "/track", call())
    assert (customerio.stored_ids(), [request.status for request in customerio.requests]) == (set(), [None])
    assert statuses(customerio, 1) == [200]


def test_reset_sends_rst_and_not_fin(customerio: FakeCustomerio) -> None:
    customerio.faults.add(Reset())
    with socket.create_connection(("127.0.0.1", customerio.port)) as raw:
        raw.sendall(b"POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            raw.recv(1)


def test_request_with_a_lost_response_is_processed(customerio: FakeCustomerio) -> None:
    customerio.faults.add(LoseResponse(), times=1)
    one = call()
    with pytest.raises(httpx2.ReadError):
        send(customerio, "/track", one)
    assert customerio.stored_ids() == {one["messageId"]}
    assert send(customerio, "/track", one).status_code == 200
    assert [arrival.id for arrival in customerio.received] == [one["messageId"]] * 2
    assert [request.status for request in customerio.requests] == [None, 200]


def test_hang_processes_nothing_and_ends_when_the_client_closes(customerio: FakeCustomerio) -> None:
    customerio.faults.add(Hang(600.0), times=1)
    with client(customerio, ("key", "")) as http, pytest.raises(httpx2.ReadTimeout):
        http.post("/track", json=call(), timeout=httpx2.Timeout(60.0, read=0.05))
    customerio.wait_until(lambda: len(customerio.requests) == 1)
    assert (customerio.stored_ids(), customerio.requests[0].status, customerio.in_flight) == (set(), None, 0)


def test_hang_ends_with_a_reset(customerio: FakeCustomerio) -> None:
    customerio.faults.add(Hang(0.05))
    with pytest.raises(httpx2.ReadError):
        send(customerio, "/track", call())
    assert customerio.requests[0].ended - customerio.requests[0].started >= 0.05


@pytest.mark.parametrize("processed_first", [True, False])
def test_delayed_request_is_processed_before_or_after_the_wait(
    customerio: FakeCustomerio, processed_first: bool
) -> None:
    customerio.faults.add(Delay(0.5, processed_first=processed_first))
    assert statuses(customerio, 1) == [200]
    (request,), (arrival,) = customerio.requests, customerio.received
    assert request.ended - request.started >= 0.5
    assert (arrival.at - request.started < request.ended - arrival.at) is processed_first


def test_late_event_is_processed_after_its_client_has_closed(customerio: FakeCustomerio) -> None:
    gate = Gate()
    customerio.faults.add(WaitForGate(gate, processed_first=False))
    one = call()
    with client(customerio, ("key", "")) as http, pytest.raises(httpx2.ReadTimeout):
        http.post("/track", json=one, timeout=httpx2.Timeout(60.0, read=0.05))
    assert customerio.stored_ids() == set()
    gate.open()
    customerio.wait_until(lambda: customerio.stored_ids() == {one["messageId"]})


def test_time_of_the_clients_close_is_recorded(customerio: FakeCustomerio) -> None:
    gate = Gate()
    rule = customerio.faults.add(WaitForGate(gate), times=1)
    with client(customerio, ("key", "")) as http, pytest.raises(httpx2.ReadTimeout):
        http.post("/track", json=call(), timeout=httpx2.Timeout(60.0, read=0.05))
    customerio.wait_until(lambda: rule.hits == 1)
    gate.open()
    customerio.wait_until(lambda: len(customerio.requests) == 1)
    assert statuses(customerio, 1) == [200]
    late, answered = customerio.requests
    assert late.client_left is not None
    assert late.client_left < late.ended < answered.started
    assert answered.client_left is None


def test_gate_holds_a_response_until_opened_and_stays_open(customerio: FakeCustomerio) -> None:
    gate = Gate()
    rule = customerio.faults.add(WaitForGate(gate))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(statuses, customerio, 1)
        customerio.wait_until(lambda: rule.hits == 1 and len(customerio.stored_ids()) == 1)
        assert (first.done(), customerio.in_flight, customerio.requests) == (False, 1, [])
        gate.open()
        assert first.result() == [200]
    assert statuses(customerio, 1) == [200]
    assert rule.hits == 2


def test_trickled_response_is_complete_at_the_end(customerio: FakeCustomerio) -> None:
    customerio.faults.add(Trickle(0.1))
    begun = time.monotonic()
    assert send(customerio, "/track", call()).json() == {}
    assert time.monotonic() - begun >= 0.09


@pytest.mark.parametrize(
    "data", [b"", b"220 smtp ready\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}", b"HTTP/1.1 2"]
)
def test_garbage_is_sent_unchanged_and_nothing_is_processed(customerio: FakeCustomerio, data: bytes) -> None:
    customerio.faults.add(Garbage(data))
    with pytest.raises(httpx2.RemoteProtocolError):
        send(customerio, "/track", call())
    with socket.create_connection(("127.0.0.1", customerio.port)) as raw:
        raw.sendall(b"POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        assert raw.makefile("rb").read() == data
    assert customerio.stored_ids() == set()


def test_respond_replaces_processing_by_status_headers_and_body(customerio: FakeCustomerio) -> None:
    customerio.faults.add(Respond(429, {"Retry-After": "7", "Date": "yesterday"}, b"<html>slow down"))
    response = send(customerio, "/track", call())
    assert (response.status_code, response.text) == (429, "<html>slow down")
    assert (response.headers["retry-after"], response.headers.get_list("date")) == ("7", ["yesterday"])
    assert customerio.stored_ids() == set()


@pytest.mark.parametrize("status", [201, 204, 301, 404, 410, 418, 500, 599])
def test_any_status_keeps_the_connection_open(customerio: FakeCustomerio, status: int) -> None:
    customerio.faults.add(Respond(status), times=1)
    with client(customerio, ("key", "")) as http:
        assert http.post("/track", json=call()).status_code == status
        assert http.post("/track", json=call()).status_code == 200


def test_injected_error_has_the_vendors_format(
    copilot: FakeCopilot, customerio: FakeCustomerio, yotpo: FakeYotpo
) -> None:
    for fake, key in ((copilot, "reason"), (customerio, "meta"), (yotpo, "errors")):
        fake.outage()
        with client(fake) as http:
            response = http.post("/anything", json={})
        assert (response.status_code, key in response.json()) == (503, True)
