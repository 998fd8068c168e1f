"""What is our own fault holds, says so, asks slowly, and goes on by itself; none of it becomes a dead letter."""

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
from tests.fault_injection.hold_alarms import see_one_slow_prober, wait_for_holds, wait_for_probes, wait_until_quiet
from tests.fault_injection.leak_check import leaks
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.settings import change
from tests.kafka_clusters import RealBroker
from tests.unit.hung_mount import HungMount

_PROBE_S = 1
_LOOKS_S = 2.5
"""Secrets are read again every two seconds while something is held."""
_NEW = f"{CANARY}-new"


@pytest.mark.timeout(900)
def test_expired_token_is_renewed_once_for_all_lanes(apache_broker: RealBroker, tmp_path: Path) -> None:
    lanes = 8
    with World(apache_broker, tmp_path, {"cdp-yotpo": ("yotpo",)}) as world:
        world.configure(timeout_s=19)
        change(world, every={"lanes": lanes})
        (pipeline,), server = world.pipelines, world.yotpo
        shop = OrderProducer(world, 41)
        with world.member() as member:
            shop.orders(50)
            shop.wait_until_delivered()
            for expiry in range(1, 3):
                gate = Gate()
                held = server.faults.add(WaitForGate(gate, processed_first=False), when=_delivers)
                shop.orders(200)
                member.wait_until(
                    lambda: member.status()[pipeline]["destinations"][0]["requests"] == lanes, 180, "a lane is idle"
                )
                server.expire_tokens()
                server.faults.remove(held)
                gate.open()
                shop.wait_until_delivered()
                assert len([one for one in server.requests if one.status == 401]) == lanes * expiry
                assert len([one for one in server.requests if one.path.endswith("access_tokens")]) == 1 + expiry
            assert not member.lines("endpoint held")
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_rejected_credentials_hold_until_accepted_again(apache_broker: RealBroker, tmp_path: Path) -> None:
    with World(apache_broker, tmp_path, ISOLATED) as world:
        change(world, every={"probe": f"{_PROBE_S}s"})
        shop = OrderProducer(world, 42)
        with world.member() as member:
            shop.orders(50)
            shop.wait_until_delivered()
            assert set(_valid(member).values()) == {1}
            _accept(world, _NEW)
            shop.orders(400)
            wait_for_holds(member, [(name, "unauthorized") for name in world.servers])
            assert set(_valid(member).values()) == {0}
            assert {line["destination"] for line in member.lines("credentials rejected")} == set(world.servers)
            see_one_slow_prober(world, member, _PROBE_S)
            assert leaks(world, member, _NEW) == []
            _accept(world, CANARY)
            shop.wait_until_delivered()
            member.wait_until(lambda: set(_valid(member).values()) == {1}, 180, "the alarm stays")
            assert {line["destination"] for line in member.lines("hold ended")} == set(world.servers)
            assert leaks(world, member, _NEW) == []
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == [], "a letter would be among the complaints"


@pytest.mark.timeout(900)
def test_changed_secret_file_ends_the_hold_at_once(apache_broker: RealBroker, tmp_path: Path) -> None:
    with World(apache_broker, tmp_path, ISOLATED) as world:
        file, seen = tmp_path / "secret", set[str]()
        file.write_text(CANARY, encoding="utf-8")
        secret = {"file": str(file)}
        # The next probe by itself is ten minutes away: what happens at once happens because of the file.
        change(
            world,
            every={"probe": "10m"},
            destinations={
                "customerio": {"api_key": secret},
                "copilot": {"client_secret": secret},
                "yotpo": {"secret": secret},
            },
        )

        def note(call: IncomingRequest) -> bool:
            seen.add(_signed_with(call))
            return False

        for server in world.servers.values():
            server.faults.add(Respond(500), when=note)
        shop = OrderProducer(world, 43)
        with world.member() as member:
            shop.orders(50)
            shop.wait_until_delivered()
            _accept(world, _NEW)
            shop.orders(400)
            wait_for_holds(member, [(name, "unauthorized") for name in world.servers])
            wait_until_quiet(member)
            with_the_old, before = set(seen), _requests(world)
            for half in (b"", _NEW.encode() + b"\xe2\x82"):  # just truncated; cut within a character
                file.write_bytes(half)
                time.sleep(_LOOKS_S)  # that nothing happens has no event
            assert seen == with_the_old, "something half-written was sent"
            assert _requests(world) == before, "nothing has changed, and yet it was tried"
            # Half a key cannot be told from a whole one: it is tried, refused, and costs nothing.
            file.write_text(_NEW[:-2], encoding="utf-8")
            wait_for_probes(world, world.servers, 1)
            wait_until_quiet(member)
            assert _held(member) == set(world.servers)
            file.write_text(_NEW, encoding="utf-8")
            began = time.monotonic()
            shop.wait_until_delivered()
            assert leaks(world, member, _NEW) == []
            print(f"\neverything had arrived {time.monotonic() - began:.1f} s after the file was changed")
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == [], "a letter would be among the complaints"


@pytest.mark.timeout(900)
def test_hanging_secrets_mount_blocks_neither_delivery_nor_exit(apache_broker: RealBroker, tmp_path: Path) -> None:
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
        shop = OrderProducer(world, 44)
        with world.member() as member:
            shop.orders(50)
            shop.wait_until_delivered()
            with HungMount(file):
                for server in world.servers.values():
                    server.faults.add(Respond(401), when=_delivers, times=4)
                shop.orders(400)
                shop.wait_until_delivered()
                shop.orders(50)
                shop.wait_until_delivered()
                for name in world.servers:
                    member.wait_for_line("secret file not in use", destination=name, reason="unreadable", level="error")
                assert len(member.lines("secret file not in use")) == len(world.servers), "each is said once"
                member.wait_until(
                    lambda: set(_of_each(member, "cdp_destination_secret_stale", reason="unreadable").values()) == {1},
                    180,
                    "no metric says so",
                )
                assert "the secret file cannot be read" in member.page("/status")[1]
                assert leaks(world, member) == []
                assert member.stop(within_s=60) == 0
        assert oracle.violations(shop.records, gather(world)) == []


def _delivers(call: IncomingRequest) -> bool:
    return not call.path.endswith("access_tokens")


def _signed_with(call: IncomingRequest) -> str:
    """Return what a call proves itself with; a call for a token does so in its body."""
    said = call.headers.get("authorization") or call.headers.get("x-yotpo-token")
    return said or call.body.decode()


def _accept(world: World, secret: str) -> None:
    """Let every server take this secret, and no other and no token that is out."""
    world.customerio.accept(api_key=secret)
    world.copilot.accept(client_id="id", client_secret=secret)
    world.yotpo.accept(secret=secret)
    world.yotpo.expire_tokens()


def _requests(world: World) -> dict[str, int]:
    return {name: len(server.requests) for name, server in world.servers.items()}


def _valid(member: Member) -> dict[str, float]:
    """Return what `/metrics` says of each destination's credentials."""
    return _of_each(member, "cdp_destination_credentials_valid")


def _of_each(member: Member, metric: str, **labels: str) -> dict[str, float]:
    """Return what a metric says of each destination."""
    return {
        dict(found)["destination"]: value
        for (name, found), value in member.metrics().items()
        if name == metric and labels.items() <= dict(found).items()
    }


def _held(member: Member) -> set[str]:
    destinations = [one for pipeline in member.status().values() for one in pipeline["destinations"]]
    return {one["name"] for one in destinations if one["holds"]}
