"""Fixtures: the three servers, new ones for each test, in a thread."""

from collections.abc import Iterator

import pytest

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fakes.yotpo import FakeYotpo
from tests.fakes.clients import NOW_S


@pytest.fixture
def copilot() -> Iterator[FakeCopilot]:
    fake = FakeCopilot(client_id="id", client_secret="secret", clock=lambda: NOW_S)
    with ThreadRunner(fake):
        yield fake


@pytest.fixture
def customerio() -> Iterator[FakeCustomerio]:
    fake = FakeCustomerio(api_key="key", clock=lambda: NOW_S)
    with ThreadRunner(fake):
        yield fake


@pytest.fixture
def yotpo() -> Iterator[FakeYotpo]:
    fake = FakeYotpo(store_id="store", secret="secret", rate=None)
    with ThreadRunner(fake):
        yield fake
