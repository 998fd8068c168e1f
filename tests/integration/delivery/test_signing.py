"""One authenticated request: rejected credentials are renewed once; a request that may not start is not sent."""

import asyncio
from collections.abc import Mapping

import pytest

from consumer.delivery.http.client import HttpConnection, send
from consumer.delivery.http.credentials import AuthHeaders
from consumer.model import Blocked, Deferred, Endpoint, Fault, HttpRequest, HttpResponse, TransientCause

REQUEST = HttpRequest(Endpoint("batch", "POST", "/batch"), b"{}")


class NumberedCredentials:
    """Credentials that return the given results and record the calls."""

    def __init__(self, *results: AuthHeaders | Blocked | Deferred | None) -> None:
        self.results = list(results)
        self.calls: list[str] = []

    async def current(self) -> AuthHeaders | Blocked | Deferred:
        self.calls.append("current")
        result = self.results.pop(0)
        assert result is not None
        return result

    async def renew(self, rejected: AuthHeaders) -> AuthHeaders | Blocked | Deferred | None:
        self.calls.append(f"renew {rejected['authorization']}")
        return self.results.pop(0)

    async def refresh(self) -> bool:
        return False

    def record_accepted(self, auth_headers: AuthHeaders) -> None:
        self.calls.append(f"accepted {auth_headers['authorization']}")

    def problem(self) -> None:
        return None


class ScriptedConnection(HttpConnection):
    """Responds with the given statuses and records the headers used."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.used: list[str] = []

    async def exchange(self, request: HttpRequest, auth_headers: Mapping[str, str]) -> HttpResponse | Fault:  # noqa: ARG002
        self.used.append(auth_headers["authorization"])
        return HttpResponse(self.statuses.pop(0), {}, b"")


OLD, NEW = AuthHeaders(authorization="old"), AuthHeaders(authorization="new")
FAULT = Fault(TransientCause.UNAUTHORIZED, "no")


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_credentials_are_renewed_and_request_sent_once_more(status: int) -> None:
    connection = ScriptedConnection(status, status)
    result = asyncio.run(send(connection, REQUEST, NumberedCredentials(OLD, NEW)))
    assert isinstance(result, HttpResponse)
    assert result.status == status
    assert connection.used == ["old", "new"]


def test_rejection_stands_without_other_credentials() -> None:
    connection = ScriptedConnection(401)
    result = asyncio.run(send(connection, REQUEST, NumberedCredentials(OLD, None)))
    assert isinstance(result, HttpResponse)
    assert result.status == 401


@pytest.mark.parametrize("result", [Blocked(FAULT), Deferred(FAULT)])
def test_without_credentials_no_request_is_sent(result: Blocked | Deferred) -> None:
    connection = ScriptedConnection()
    assert asyncio.run(send(connection, REQUEST, NumberedCredentials(result))) is result
    connection = ScriptedConnection(401)
    assert asyncio.run(send(connection, REQUEST, NumberedCredentials(OLD, result))) is result
    assert connection.used == ["old"]


async def no() -> bool:
    return False


def test_request_that_may_not_start_after_a_fetch_is_not_sent() -> None:
    connection = ScriptedConnection()
    result = asyncio.run(send(connection, REQUEST, NumberedCredentials(OLD), may_start=no))
    assert result is None
    assert not connection.used


def test_request_that_may_not_repeat_after_renewal_is_not_sent_again() -> None:
    connection = ScriptedConnection(401)
    result = asyncio.run(send(connection, REQUEST, NumberedCredentials(OLD, NEW), may_repeat=no))
    assert result is None
    assert connection.used == ["old"]


@pytest.mark.parametrize("status", [199, 300, 400, 404, 429, 500])
def test_unsuccessful_response_accepts_no_credentials(status: int) -> None:
    credentials = NumberedCredentials(OLD)
    asyncio.run(send(ScriptedConnection(status), REQUEST, credentials))
    assert credentials.calls == ["current"]


@pytest.mark.parametrize("status", [200, 204, 299])
def test_success_accepts_the_credentials_of_that_attempt(status: int) -> None:
    credentials = NumberedCredentials(OLD)
    asyncio.run(send(ScriptedConnection(status), REQUEST, credentials))
    assert credentials.calls == ["current", "accepted old"]
    credentials = NumberedCredentials(OLD, NEW)
    asyncio.run(send(ScriptedConnection(401, status), REQUEST, credentials))
    assert credentials.calls == ["current", "renew old", "accepted new"]
