"""A configuration error holds the destination, reports it, probes slowly and ends by itself, without a dead letter."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from consumer.demo.fakes.fault_rules import Gate, IncomingRequest, Respond, WaitForGate
from tests.e2e import oracle
from tests.e2e.evidence import gather
from tests.e2e.member import Member
from tests.e2e.shop import ISOLATED
from tests.e2e.world import CANARY, World
from tests.fault_injection.hold_alarms import check_probe_interval, wait_for_holds, wait_for_probes, wait_until_quiet
from tests.fault_injection.leak_check import leaks
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.settings import change
from tests.kafka_clusters import RealBroker
from tests.unit.hung_mount import HungMount

_PROBE_S = 1
_SECRET_READS_S = 2.5
"""Longer than the two seconds after which a member reads its secrets again during a hold."""
_NEW = f"{CANARY}-new"


@pytest.mark.timeout(900)
def test_expired_token_is_renewed_once_for_all_lanes(apache_broker: RealBroker, tmp_path: Path) -> None:
    """All lanes get a 401 at the same time, and only one of them requests a token."""
    lanes = 8
    with World(apache_broker, tmp_path, {"cdp-yotpo": ("yotpo",)}) as world:
        world.configure(timeout_s=19)
        change(world, every={"lanes": lanes})
        (pipeline,), server = world.pipelines, world.yotpo
        producer = OrderProducer(world, 41)
        with world.member() as member:
            producer.orders(50)
            producer.wait_until_delivered()
            for expiry in range(1, 3):
                gate = Gate()
                held = server.faults.add(WaitForGate(gate, processed_first=False), when=_is_delivery)
                producer.orders(200)
                member.wait_until(
                    lambda: member.status()[pipeline]["destinations"][0]["requests"] == lanes, 180, "a lane is idle"
                )
                server.expire_tokens()
                server.faults.remove(held)
                gate.open()
                producer.wait_until_delivered()
                assert len([one for one in server.requests if one.status == 401]) == lanes * expiry
                assert len([one for one in server.requests if one.path.endswith("access_tokens")]) == 1 + expiry
            assert not member.lines("endpoint held")
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert oracle.violations(producer.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_rejected_credentials_hold_until_accepted_again(apache_broker: RealBroker, tmp_path: Path) -> None:
    """Metric, log and status page report the hold, one prober probes slowly, and no event is dead-lettered."""
    with World(apache_broker, tmp_path, ISOLATED) as world:
        change(world, every={"probe": f"{_PROBE_S}s"})
        producer = OrderProducer(world, 42)
        with world.member() as member:
            producer.orders(50)
            producer.wait_until_delivered()
            assert set(_valid(member).values()) == {1}
            _accept(world, _NEW)
            producer.orders(400)
            wait_for_holds(member, [(name, "unauthorized") for name in world.servers])
            assert set(_valid(member).values()) == {0}
            assert {line["destination"] for line in member.lines("credentials rejected")} == set(world.servers)
            check_probe_interval(world, member, _PROBE_S)
            assert leaks(world, member, _NEW) == []
            _accept(world, CANARY)
            producer.wait_until_delivered()
            member.wait_until(lambda: set(_valid(member).values()) == {1}, 180, "credentials are not valid")
            assert {line["destination"] for line in member.lines("hold ended")} == set(world.servers)
            assert leaks(world, member, _NEW) == []
            assert member.stop() == 0
        assert oracle.violations(producer.records, gather(world)) == [], "a dead letter would be a violation"


@pytest.mark.timeout(900)
def test_changed_secret_file_ends_the_hold_at_once(apache_broker: RealBroker, tmp_path: Path) -> None:
    """A half-written file changes nothing."""
    with World(apache_broker, tmp_path, ISOLATED) as world:
        file, credentials_seen = tmp_path / "secret", set[str]()
        file.write_text(CANARY, encoding="utf-8")
        secret = {"file": str(file)}
        # The next scheduled probe is ten minutes away, so an early one is caused by the file.
        change(
            world,
            every={"probe": "10m"},
            destinations={
                "customerio": {"api_key": secret},
                "copilot": {"client_secret": secret},
                "yotpo": {"secret": secret},
            },
        )

        def record_credential(request: IncomingRequest) -> bool:
            credentials_seen.add(_credential_of(request))
            return False

        for server in world.servers.values():
            server.faults.add(Respond(500), when=record_credential)
        producer = OrderProducer(world, 43)
        with world.member() as member:
            producer.orders(50)
            producer.wait_until_delivered()
            _accept(world, _NEW)
            producer.orders(400)
            wait_for_holds(member, [(name, "unauthorized") for name in world.servers])
            wait_until_quiet(member)
            credentials_before, requests_before = set(credentials_seen), _requests(world)
            for content in (b"", _NEW.encode() + b"\xe2\x82"):  # truncated to nothing; cut within a character
                file.write_bytes(content)
                time.sleep(_SECRET_READS_S)  # no event reports that nothing was sent
            assert credentials_seen == credentials_before, "a half-written secret was sent"
            assert _requests(world) == requests_before, "a request was sent without a new secret"
            # A cut secret that is valid text looks like a whole one. It is tried and rejected; the hold continues.
            file.write_text(_NEW[:-2], encoding="utf-8")
            wait_for_probes(world, world.servers, 1)
            wait_until_quiet(member)
            assert _held_destinations(member) == set(world.servers)
            file.write_text(_NEW, encoding="utf-8")
            began = time.monotonic()
            producer.wait_until_delivered()
            assert leaks(world, member, _NEW) == []
            print(f"\neverything was delivered {time.monotonic() - began:.1f} s after the change of the file")
            assert member.stop() == 0
        assert oracle.violations(producer.records, gather(world)) == [], "a dead letter would be a violation"


@pytest.mark.timeout(900)
def test_hanging_secrets_mount_blocks_neither_delivery_nor_exit(apache_broker: RealBroker, tmp_path: Path) -> None:
    """Log, metric and status page report that the secret file cannot be read."""
    with World(apache_broker, tmp_path, ISOLATED) as world:
        file = tmp_path / "secret"
        file.write_text(CANARY, encoding="utf-8")
        change(
            world,
            every={"probe": "1s"},
            budgets={"drain": "5s"},
            destinations={
                "customerio": {"api_key": {"file": str(file)}},
                "copilot": {"client_secret": {"file": str(file)}},
                "yotpo": {"secret": {"file": str(file)}},
            },
        )
        producer = OrderProducer(world, 44)
        with world.member() as member:
            producer.orders(50)
            producer.wait_until_delivered()
            with HungMount(file):
                for server in world.servers.values():
                    server.faults.add(Respond(401), when=_is_delivery, times=4)
                producer.orders(400)
                producer.wait_until_delivered()
                producer.orders(50)
                producer.wait_until_delivered()
                for name in world.servers:
                    member.wait_for_line("secret file not in use", destination=name, reason="unreadable", level="error")
                assert len(member.lines("secret file not in use")) == len(world.servers), "a problem was logged twice"
                member.wait_until(
                    lambda: (
                        set(
                            _metric_by_destination(member, "cdp_destination_secret_stale", reason="unreadable").values()
                        )
                        == {1}
                    ),
                    180,
                    "cdp_destination_secret_stale is not 1 everywhere",
                )
                assert "the secret file cannot be read" in member.page("/status")[1]
                assert leaks(world, member) == []
                assert member.stop(within_s=60) == 0
        assert oracle.violations(producer.records, gather(world)) == []


def _is_delivery(request: IncomingRequest) -> bool:
    return not request.path.endswith("access_tokens")


def _credential_of(request: IncomingRequest) -> str:
    """Return the credential of a request. A token request has it in its body."""
    header = request.headers.get("authorization") or request.headers.get("x-yotpo-token")
    return header or request.body.decode()


def _accept(world: World, secret: str) -> None:
    """Let every server accept only this secret, and expire all tokens."""
    world.customerio.accept(api_key=secret)
    world.copilot.accept(client_id="id", client_secret=secret)
    world.yotpo.accept(secret=secret)
    world.yotpo.expire_tokens()


def _requests(world: World) -> dict[str, int]:
    return {name: len(server.requests) for name, server in world.servers.items()}


def _valid(member: Member) -> dict[str, float]:
    """Return, by destination, whether its credentials are valid according to `/metrics`."""
    return _metric_by_destination(member, "cdp_destination_credentials_valid")


def _metric_by_destination(member: Member, metric: str, **labels: str) -> dict[str, float]:
    """Return the value of a metric by destination."""
    return {
        dict(found)["destination"]: value
        for (name, found), value in member.metrics().items()
        if name == metric and labels.items() <= dict(found).items()
    }


def _held_destinations(member: Member) -> set[str]:
    destinations = [one for pipeline in member.status().values() for one in pipeline["destinations"]]
    return {one["name"] for one in destinations if one["holds"]}
