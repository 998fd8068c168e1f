"""One signed call: refused credentials are renewed once, and a call whose turn has passed is not made."""

import asyncio
from collections.abc import Mapping

import pytest

from consumer.delivery.http.client import HttpConnection, send
from consumer.delivery.http.credentials import AuthHeaders
from consumer.model import Blocked, Deferred, Endpoint, Fault, HttpRequest, HttpResponse, TransientCause

CALL = HttpRequest(Endpoint("batch", "POST", "/batch"), b"{}")


class Door:
    """Credentials that hand out numbered signatures."""

    def __init__(self, *results: AuthHeaders | Blocked | Deferred | None) -> None:
        self.results = list(results)
        self.asked: list[str] = []

    async def current(self) -> AuthHeaders | Blocked | Deferred:
        self.asked.append("current")
        result = self.results.pop(0)
        assert result is not None
        return result

    async def renew(self, refused: AuthHeaders) -> AuthHeaders | Blocked | Deferred | None:
        self.asked.append(f"renew {refused['authorization']}")
        return self.results.pop(0)

    async def refresh(self) -> bool:
        return False

    def record_accepted(self, signature: AuthHeaders) -> None:
        self.asked.append(f"taken {signature['authorization']}")

    def problem(self) -> None:
        return None


class CountingWire(HttpConnection):
    """Answers with the statuses it was given, and keeps what it was signed with."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.signed: list[str] = []

    async def exchange(self, call: HttpRequest, signature: Mapping[str, str]) -> HttpResponse | Fault:  # noqa: ARG002
        self.signed.append(signature["authorization"])
        return HttpResponse(self.statuses.pop(0), {}, b"")


OLD, NEW = AuthHeaders(authorization="old"), AuthHeaders(authorization="new")
FAULT = Fault(TransientCause.UNAUTHORIZED, "no")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_renewed_and_the_call_is_made_again_once(status: int) -> None:
    wire = CountingWire(status, status)
    answer = asyncio.run(send(wire, CALL, Door(OLD, NEW)))
    assert isinstance(answer, HttpResponse)
    assert answer.status == status
    assert wire.signed == ["old", "new"]


def test_where_there_is_no_other_signature_the_refusal_stands() -> None:
    wire = CountingWire(401)
    answer = asyncio.run(send(wire, CALL, Door(OLD, None)))
    assert isinstance(answer, HttpResponse)
    assert answer.status == 401


@pytest.mark.parametrize("result", [Blocked(FAULT), Deferred(FAULT)])
def test_without_a_signature_nothing_is_sent(result: Blocked | Deferred) -> None:
    wire = CountingWire()
    assert asyncio.run(send(wire, CALL, Door(result))) is result
    wire = CountingWire(401)
    assert asyncio.run(send(wire, CALL, Door(OLD, result))) is result
    assert wire.signed == ["old"]


async def no() -> bool:
    return False


def test_a_call_whose_turn_passed_while_credentials_were_fetched_is_not_sent() -> None:
    wire = CountingWire()
    answer = asyncio.run(send(wire, CALL, Door(OLD), may_start=no))
    assert answer is None
    assert not wire.signed


def test_a_call_whose_turn_passed_during_the_renewal_is_not_made_again() -> None:
    wire = CountingWire(401)
    answer = asyncio.run(send(wire, CALL, Door(OLD, NEW), may_repeat=no))
    assert answer is None
    assert wire.signed == ["old"]


@pytest.mark.parametrize("status", [199, 300, 400, 404, 429, 500])
def test_a_call_that_is_not_taken_proves_no_signature(status: int) -> None:
    door = Door(OLD)
    asyncio.run(send(CountingWire(status), CALL, door))
    assert door.asked == ["current"]


@pytest.mark.parametrize("status", [200, 204, 299])
def test_whichever_signature_a_call_was_taken_with_is_proven(status: int) -> None:
    door = Door(OLD)
    asyncio.run(send(CountingWire(status), CALL, door))
    assert door.asked == ["current", "taken old"]
    door = Door(OLD, NEW)
    asyncio.run(send(CountingWire(401, status), CALL, door))
    assert door.asked == ["current", "renew old", "taken new"]
