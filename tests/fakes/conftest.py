"""The three servers, each test with its own, in a thread."""

from collections.abc import Iterator

import pytest

from consumer.demo.fakes import Copilot, CustomerIo, Yotpo, threaded
from tests.fakes.speaking import NOW_S


@pytest.fixture
def copilot() -> Iterator[Copilot]:
    fake = Copilot(client_id="id", client_secret="secret", clock=lambda: NOW_S)
    with threaded(fake):
        yield fake


@pytest.fixture
def customerio() -> Iterator[CustomerIo]:
    fake = CustomerIo(api_key="key", clock=lambda: NOW_S)
    with threaded(fake):
        yield fake


@pytest.fixture
def yotpo() -> Iterator[Yotpo]:
    fake = Yotpo(store_id="store", secret="secret", rate=None)
    with threaded(fake):
        yield fake
