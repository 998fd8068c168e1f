"""Requests for Yotpo's access token, and the causes of a missing one."""

import pytest

from consumer.destinations import AccessToken
from consumer.destinations.yotpo import TOKEN_LIFE_S, Yotpo, YotpoOptions
from consumer.model import Fault, HttpResponse, TransientCause

YOTPO = Yotpo(YotpoOptions(url="https://api.yotpo.com/core/v3", store_id="store/1 "))


def read(status: int, body: bytes) -> str | Fault:
    assert isinstance(YOTPO.credential, AccessToken)
    return YOTPO.credential.read(HttpResponse(status, {}, body))


def test_token_request_carries_the_secret() -> None:
    token = YOTPO.credential
    assert isinstance(token, AccessToken)
    assert token.endpoint == ("access_tokens", "POST", "/stores/store%2F1/access_tokens")
    assert token.body('s"1') == b'{"secret":"s\\"1"}'
    assert (token.header, token.secret, token.life_s) == ("x-yotpo-token", "secret", TOKEN_LIFE_S)
    assert read(200, b'{"access_token":"abc.DEF-1"}') == "abc.DEF-1"
    assert read(201, b'{"access_token":"abc"}') == "abc"


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"<html>", b'{"access_token":""}', b'{"access_token":7}', b'{"access_token":"a\\r\\nx: y"}'],
)
def test_token_unfit_for_a_header_is_a_fault(body: bytes) -> None:
    fault = read(200, body)
    assert isinstance(fault, Fault)
    assert fault.cause is TransientCause.UNINTELLIGIBLE


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, TransientCause.UNAUTHORIZED),
        (422, TransientCause.UNAUTHORIZED),
        (401, TransientCause.UNAUTHORIZED),
        (404, TransientCause.GONE),
        (429, TransientCause.THROTTLED),
        (500, TransientCause.SERVER_ERROR),
        (302, TransientCause.UNEXPECTED),
    ],
)
def test_missing_token_names_its_cause(status: int, cause: TransientCause) -> None:
    fault = read(status, b"{}")
    assert isinstance(fault, Fault)
    assert (fault.cause, fault.status) == (cause, status)
