"""A broken dispatcher over real sockets: the oracle finds two requests of one lane in flight at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from consumer.delivery.dispatcher import Dispatcher
from consumer.demo.fakes.fault_rules import Delay, endpoint
from tests.contract import suite, yotpo
from tests.contract.case import Case
from tests.contract.test_contract import real
from tests.e2e import order
from tests.e2e.produced import OwedDelivery

_CASE = Case(name="one key", events=tuple(yotpo.ordinary(1, f"text {number}") for number in range(6)))


async def _violations(*, broken: bool) -> list[str]:
    server = yotpo.server()
    server.faults.add(Delay(0.05), when=endpoint("/customer_events"))
    async with server:
        ends = suite.RecordingSink()
        deliveries, dispatcher, close = suite.queue(_CASE, server, real(server, {}), ends)
        tasks = [asyncio.create_task(each) for each in (dispatcher.run(), *(_twice(dispatcher) if broken else ()))]
        try:
            await server.wait_until_async(lambda: len(server.requests) >= (4 if broken else 1 + len(deliveries)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await close()
        owed = [
            OwedDelivery("p", "yotpo", "event", one.identity, one.stored_id, "1", 0, place, 0)
            for place, one in enumerate(deliveries)
        ]
        return list(order.violations(owed, server.received, server.requests, timeout_s=1.0))


def _twice(dispatcher: Dispatcher) -> list[Coroutine[None, None, None]]:
    """Run each lane by a second task, which the product never does."""
    return [lane.run() for lane in dispatcher.lanes]


@pytest.mark.parametrize("broken", [True, False], ids=["two requests at once", "one after another"])
def test_two_requests_of_one_lane_at_once_are_found(broken: bool) -> None:
    violations = asyncio.run(_violations(broken=broken))
    assert any("of the same key was over" in one for one in violations) is broken
    assert bool(violations) is broken, violations
