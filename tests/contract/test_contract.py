"""Every destination passes the shared contract suite: the real client over sockets against its strict server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumer.demo.fakes.base import Fake
from consumer.destinations import Destination
from consumer.destinations.kinds import KINDS
from tests.contract import copilot, customerio, suite, yotpo
from tests.contract.case import Case

CONTRACTS: dict[str, tuple[Callable[[], Fake], list[Case]]] = {
    "copilot": (copilot.server, copilot.CASES),
    "customerio": (customerio.server, customerio.CASES),
    "yotpo": (yotpo.server, yotpo.CASES),
}


def real(server: Fake, options: dict[str, Any]) -> Destination:
    """Return the product's own client for a server."""
    kind = KINDS[server.name]
    store = {"store_id": "store"} if server.name == "yotpo" else {}
    return kind.construct(kind.options(url=server.url, **store, **options))


@pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(name, case, id=f"{name}: {case.name}") for name, (_, cases) in CONTRACTS.items() for case in cases],
)
def test_destination_keeps_its_contract(name: str, case: Case) -> None:
    assert suite.complaints(case, CONTRACTS[name][0], real) == []


def test_cases_cover_every_target() -> None:
    assert CONTRACTS.keys() == KINDS.keys()
    for name, (server, cases) in CONTRACTS.items():
        covered = {event.target for case in cases for event in case.events if event.cause is None}
        assert covered == set(real(server(), {}).targets), name
