"""Endpoints that are gone, redirect, or return foreign pages: each is held on its own and resumes by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from consumer.demo.fakes.fault_rules import Action, Respond, endpoint
from tests.e2e import oracle
from tests.e2e.evidence import gather
from tests.e2e.shop import ISOLATED
from tests.e2e.world import World
from tests.fault_injection.hold_alarms import check_probe_interval, wait_for_holds
from tests.fault_injection.leak_check import leaks
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.settings import change
from tests.kafka_clusters import RealBroker

_PROBE_S = 1
_CONSENT = "/user_copilot_analysis_consent_changed"
_MOVED, _PAGE = "moved-canary-5a1c", "page-canary-90be"
_ELSEWHERE = {"location": f"http://127.0.0.1:9/{_MOVED}"}
_FOREIGN_PAGE = f"<html>{_PAGE}</html>".encode()
_ROUNDS: tuple[Mapping[str, tuple[Action, str]], ...] = (
    {
        "customerio": (Respond(404), "gone"),
        "copilot": (Respond(302, _ELSEWHERE), "unexpected"),
        "yotpo": (Respond(200, {}, _FOREIGN_PAGE), "unintelligible"),
    },
    {
        "customerio": (Respond(200, {}, _FOREIGN_PAGE), "unintelligible"),
        "copilot": (Respond(410), "gone"),
        "yotpo": (Respond(308, _ELSEWHERE), "unexpected"),
    },
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("responses", _ROUNDS, ids=["404, 302, a page", "a page, 410, 308"])
def test_404_redirect_and_unintelligible_hold_until_fixed(
    apache_broker: RealBroker, tmp_path: Path, responses: Mapping[str, tuple[Action, str]]
) -> None:
    """Metric, log and status page report each hold, and one prober probes slowly."""
    with World(apache_broker, tmp_path, ISOLATED) as world:
        change(world, every={"probe": f"{_PROBE_S}s"})
        producer = OrderProducer(world, 51)
        with world.member() as member:
            producer.orders(50)
            producer.wait_until_delivered()
            rules = {name: world.servers[name].faults.add(action) for name, (action, _) in responses.items()}
            producer.orders(400)
            wait_for_holds(member, [(name, cause) for name, (_, cause) in responses.items()])
            check_probe_interval(world, member, _PROBE_S)
            for name, rule in rules.items():
                world.servers[name].faults.remove(rule)
            producer.wait_until_delivered()
            assert {line["destination"] for line in member.lines("hold ended")} == set(world.servers)
            assert leaks(world, member, _MOVED, _PAGE) == []
            assert member.stop() == 0
        assert oracle.violations(producer.records, gather(world)) == [], "a dead letter would be a violation"


@pytest.mark.timeout(900)
def test_hold_of_consent_endpoint_leaves_collect_running(apache_broker: RealBroker, tmp_path: Path) -> None:
    """Only the consents wait, and the events behind them in the order of their keys."""
    with World(apache_broker, tmp_path, {"cdp-copilot": ("copilot",)}) as world:
        change(world, every={"probe": f"{_PROBE_S}s"})
        producer, server = OrderProducer(world, 52), world.copilot
        gone = server.faults.add(Respond(404), when=endpoint(_CONSENT))
        with world.member() as member:
            for _ in range(40):
                producer.consent()
            producer.produce()
            wait_for_holds(member, [("copilot", "gone")])
            # Customers with a waiting consent wait as well, to keep the order. All others continue.
            for number in range(300):
                producer.order(customer=f"visitor-{number:03}")
            visits = {one.stored_id for record in producer.produce() for one in record.owed}
            server.wait_until(lambda: visits <= server.stored_ids(), 180)
            (pipeline,) = member.status().values()
            assert [hold["endpoint"] for hold in pipeline["destinations"][0]["holds"]] == ["consent"]
            server.faults.remove(gone)
            producer.wait_until_delivered()
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert oracle.violations(producer.records, gather(world)) == [], "a dead letter would be a violation"
