"""The servers' connections, ports and threads, and records that can be read while they are written."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import httpx2
import pytest

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Gate, Hang, WaitForGate
from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fakes.yotpo import FakeYotpo
from tests.fakes.clients import as_json, batch, call, client, send

_BASIC = "authorization: Basic a2V5Og==\r\n"


def _raw(fake: FakeCustomerio, *pieces: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", fake.port), timeout=10) as raw:
        for piece in pieces:
            raw.sendall(piece)
        raw.shutdown(socket.SHUT_WR)
        return raw.makefile("rb").read()


def _post(body: bytes, extra: str = "") -> bytes:
    head = (
        f"POST /v1/track HTTP/1.1\r\nhost: x\r\n{_BASIC}content-type: application/json\r\nx-strict-mode: 1\r\n{extra}"
    )
    return head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body


def test_one_connection_carries_many_requests(customerio: FakeCustomerio) -> None:
    responses = _raw(customerio, _post(as_json(call())), _post(as_json(call())), _post(b"nonsense"))
    assert responses.count(b"HTTP/1.1 200") == 2
    assert responses.count(b"HTTP/1.1 400") == 1
    assert [request.number for request in customerio.requests] == [1, 2, 3]


def test_request_may_come_in_pieces_and_in_chunks(customerio: FakeCustomerio) -> None:
    whole = _post(as_json(call()))
    assert _raw(customerio, *(whole[at : at + 1] for at in range(len(whole)))).startswith(b"HTTP/1.1 200")

    body = as_json(call())
    with client(customerio, ("key", "")) as http:
        response = http.post("/track", content=iter([body[:5], body[5:]]), headers={"x-strict-mode": "1"})
    assert response.status_code == 200
    assert len(customerio.stored_ids()) == 2


def test_expect_100_continue_gets_100(customerio: FakeCustomerio) -> None:
    body = as_json(call())
    head = _post(body, "expect: 100-continue\r\n")[: -len(body)]
    with socket.create_connection(("127.0.0.1", customerio.port), timeout=10) as raw:
        raw.sendall(head)
        responses = raw.makefile("rb")
        assert responses.readline() == b"HTTP/1.1 100 \r\n"
        raw.sendall(body)
        assert responses.readline() == b"\r\n"
        assert responses.readline().startswith(b"HTTP/1.1 200")


def test_connection_close_is_honoured_and_head_has_no_body(customerio: FakeCustomerio) -> None:
    responses = _raw(customerio, _post(as_json(call()), "connection: close\r\n") + _post(as_json(call())))
    assert responses.count(b"HTTP/1.1") == 1
    with client(customerio) as http:
        response = http.head("/track")
    assert (response.status_code, response.content) == (404, b"")


def test_bytes_that_are_not_http_get_400_and_are_not_recorded(customerio: FakeCustomerio) -> None:
    assert _raw(customerio, b"hello\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert customerio.requests == []


def test_truncated_request_is_not_recorded(customerio: FakeCustomerio) -> None:
    _raw(customerio, _post(as_json(call()))[:-5])
    customerio.wait_until(lambda: customerio.in_flight == 0)
    assert (customerio.requests, customerio.stored_ids()) == ([], set())
    assert send(customerio, "/track", call()).status_code == 200
    assert customerio.requests[0].number == 1


def test_request_ends_before_its_clients_next_request_starts(customerio: FakeCustomerio) -> None:
    with client(customerio, ("key", "")) as http:
        for _ in range(50):
            http.post("/track", json=call())
    ended = [(request.started, request.ended) for request in customerio.requests]
    assert len(ended) == 50
    assert all(before[1] < after[0] for before, after in pairwise(ended))


def test_two_requests_in_flight_at_once_overlap(customerio: FakeCustomerio) -> None:
    gate = Gate()
    rule = customerio.faults.add(WaitForGate(gate))
    with ThreadPoolExecutor() as pool:
        sent = [pool.submit(send, customerio, "/track", call()) for _ in range(2)]
        customerio.wait_until(lambda: rule.hits == 2)
        gate.open()
        assert [one.result().status_code for one in sent] == [200, 200]
    first, second = customerio.requests
    assert max(first.started, second.started) < min(first.ended, second.ended)


def test_stopped_server_restarts_on_its_port_with_its_records() -> None:
    fake = FakeCustomerio(api_key="key")
    with ThreadRunner(fake) as servers:
        url = fake.url
        send(fake, "/track", call())
        servers.stop(fake)
        servers.stop(fake)
        with pytest.raises(httpx2.ConnectError):
            send(fake, "/track", call())
        servers.start(fake)
        servers.start(fake)
        assert fake.url == url
        assert send(fake, "/track", call()).status_code == 200
    assert len(fake.stored_ids()) == 2


def test_stop_closes_open_requests() -> None:
    fake = FakeCustomerio(api_key="key")
    rule = fake.faults.add(Hang(600.0))
    with ThreadRunner(fake) as servers, ThreadPoolExecutor() as pool:
        sent = pool.submit(send, fake, "/track", call())
        fake.wait_until(lambda: rule.hits == 1)
        servers.stop(fake)
        assert isinstance(sent.exception(), httpx2.TransportError)
        assert [request.status for request in fake.requests] == [None]


def test_thread_ends_with_the_block_and_can_be_closed_twice() -> None:
    servers = ThreadRunner(FakeCopilot(client_id="id", client_secret="secret"), FakeCustomerio(api_key="key"))
    with servers:
        assert any(thread.name == "fakes" for thread in threading.enumerate())
    assert not servers.is_running
    servers.close()


def test_port_in_use_is_an_error_and_leaves_no_thread() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        servers = ThreadRunner(
            FakeCustomerio(api_key="key"), FakeCustomerio(api_key="key", port=taken.getsockname()[1])
        )
        with pytest.raises(OSError, match="address"):
            servers.open()
    assert not servers.is_running


def test_url_is_the_value_for_the_configuration() -> None:
    copilot, customerio = FakeCopilot(client_id="id", client_secret="secret"), FakeCustomerio(api_key="key")
    yotpo = FakeYotpo(store_id="store", secret="secret")
    with ThreadRunner(copilot, customerio, yotpo):
        assert len({copilot.port, customerio.port, yotpo.port} - {0}) == 3
        assert copilot.url == f"http://127.0.0.1:{copilot.port}"
        assert customerio.url == f"http://127.0.0.1:{customerio.port}/v1"
        assert yotpo.url == f"http://127.0.0.1:{yotpo.port}/core/v3"


def test_servers_share_one_loop_and_can_be_awaited_in_it() -> None:
    async def both() -> tuple[int, int]:
        async with (
            FakeCustomerio(api_key="key") as one,
            FakeCustomerio(api_key="key") as other,
            httpx2.AsyncClient(auth=("key", "")) as http,
        ):
            responses = [http.post(f"{fake.url}/track", json=call()) for fake in (one, other)]
            sent = asyncio.gather(*responses)
            await one.wait_until_async(lambda: len(one.stored_ids()) == 1)
            await sent
            with pytest.raises(TimeoutError):
                await one.wait_until_async(lambda: False, timeout_s=0.01)
            return len(one.received), len(other.received)

    assert asyncio.run(both()) == (1, 1)


def test_wait_until_raises_after_its_timeout(customerio: FakeCustomerio) -> None:
    with pytest.raises(TimeoutError, match=r"0\.01 s"):
        customerio.wait_until(lambda: False, timeout_s=0.01)


def test_returned_lists_are_copies_and_clear_keeps_the_rules(customerio: FakeCustomerio) -> None:
    before = customerio.received
    rule = customerio.faults.add(Hang(0.0), times=0)
    send(customerio, "/track", call())
    assert (before, len(customerio.received)) == ([], 1)
    customerio.clear()
    assert (customerio.received, customerio.requests, customerio.stored_ids(), customerio.documents()) == (
        [],
        [],
        set(),
        {},
    )
    assert rule in customerio.faults.rules


def test_readers_never_see_part_of_a_batch(customerio: FakeCustomerio) -> None:
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(len(customerio.stored_ids()))
            seen.add(len(customerio.received))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            assert batch(customerio, [call() for _ in range(50)]).status_code == 200
    finally:
        done.set()
        reader.join()
    assert seen <= set(range(0, 1001, 50))
