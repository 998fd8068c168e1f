"""A real member writes no canary to any output, in a storm of faults that are full of canaries."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import Action, Garbage, IncomingRequest, MarkInvalid, Respond, Rule, contains
from tests.e2e import accounting, kafka_io, schemas
from tests.e2e.member import Member
from tests.e2e.shop import ISOLATED, LONG_AGO_MS, OLD_MS, Shop
from tests.e2e.world import CANARY, World
from tests.fault_injection import canary_search
from tests.fault_injection.canary_search import SearchedOutput
from tests.fault_injection.faulty_registry import NEVER, REGISTERED, UNUSABLE, Registry
from tests.kafka_clusters import Broker

FIELD, KEY, HEADER = "canary.field-51c2", "canary.key-9d01@example.com", "canary.header-77aa"
IN_RESPONSE, IN_RESPONSE_HEADER = "canary.response-2b40", "canary.response-header-c8e6"
DIRECTIVE, USER, PASSWORD, QUERY = (
    "canary.directive-0a9e",
    "canary.user-d4d4",
    "canary.pass-e5b1",
    "canary.query-1f7a",
)
ALL = (FIELD, KEY, HEADER, IN_RESPONSE, IN_RESPONSE_HEADER, REGISTERED, DIRECTIVE, USER, PASSWORD, QUERY, CANARY)

HEADERS = {
    "www-authenticate": f'Basic realm="{IN_RESPONSE_HEADER}"',
    "location": f"https://{IN_RESPONSE_HEADER}@elsewhere.example/?token={IN_RESPONSE_HEADER}",
    "set-cookie": f"session={IN_RESPONSE_HEADER}",
    "x-request-id": IN_RESPONSE_HEADER,
}


def echo(status: int, **more: str) -> Action:
    """Respond with the request's body and further canaries."""

    def respond(incoming: IncomingRequest) -> Respond:
        sent = incoming.body.decode(errors="replace")
        body = {"message": f"{IN_RESPONSE}: {sent}", "error": IN_RESPONSE, "reason": IN_RESPONSE, "secret": CANARY}
        body["errors"] = [{"message": f"{IN_RESPONSE} {KEY} is invalid"}]  # type: ignore[assignment]
        return Respond(status, {**HEADERS, **more}, json.dumps(body).encode())

    return respond  # type: ignore[return-value]


def page(status: int) -> Action:
    """Respond with an HTML page, as a proxy does."""
    return Respond(status, {**HEADERS, "content-type": "text/html"}, f"<h1>{IN_RESPONSE}</h1>{CANARY} {KEY}".encode())


STORM: Mapping[str, Action] = {
    "401": echo(401),
    "403": echo(403),
    "500 with HTML": page(500),
    "302": echo(302),
    "404": echo(404),
    "200 with HTML": page(200),
    "429": echo(429, **{"retry-after": IN_RESPONSE_HEADER}),
    "no HTTP": Garbage(f"{IN_RESPONSE} {CANARY}\r\n{KEY}: {IN_RESPONSE_HEADER}\r\n\r\n".encode()),
    "invalid header": Garbage(
        f"HTTP/1.1 200 OK\r\n{IN_RESPONSE_HEADER} {IN_RESPONSE_HEADER}\r\ncontent-length: x\r\n\r\n".encode()
    ),
    "418": echo(418),
}


def add_rules(server: Fake) -> list[Rule]:
    """Let a server send each response of the storm once, and refuse every event with the text `refuse-me`."""
    rules = [server.faults.add(action, times=1, name=name) for name, action in STORM.items()]
    return [*rules, server.faults.add(echo(400), when=contains("refuse-me"), name="400")]


def configure(world: World, registry: str) -> None:
    """Put canaries into every secret of the configuration."""
    config = json.loads(world.config.read_text())
    config["kafka"] |= {"sasl.username": USER, "sasl.password": PASSWORD, "ssl.key.password": PASSWORD}
    config["schemas"]["registry"] = {"url": registry, "basic.auth.user.info": f"{USER}:{PASSWORD}"}
    config["dead_letters"]["connect_headers"] = True
    config["directives"] = "directives.yaml"
    world.config.write_text(json.dumps(config))


def records(world: World) -> Shop:
    """Create good records and bad records of every kind, of one customer and of many."""
    shop = Shop(world.topic, world.partitions, world.pipelines, random.Random(12), customers=8)
    shop.ordinary(30)
    for vip in (False, True):
        shop.order(customer=KEY, tag=FIELD, vip=vip)
        shop.order(customer=KEY, tag=f"{FIELD} refuse-me", vip=vip)
    shop.order(customer=KEY, tag=f"{FIELD} list-me", lines=(FIELD, "two"))
    shop.order(customer=KEY, tag=FIELD, lines=(FIELD, "two", FIELD))
    shop.order(customer=f"{KEY} with a space", tag=FIELD)
    shop.order(customer=KEY, tag=FIELD, age_ms=OLD_MS)
    shop.order(customer=KEY, note=f"{FIELD} " * 3_000)
    for name in (schemas.ORDER, schemas.PROFILE):
        shop.undecodable(b"\0" + schemas.IDS[name].to_bytes(4, "big") + b"\x06" + FIELD.encode(), name)
    shop.undecodable(FIELD.encode(), None)
    shop.undecodable(b"\0" + UNUSABLE.to_bytes(4, "big") + FIELD.encode(), None)
    shop.undecodable(b"\0" + NEVER.to_bytes(4, "big") + FIELD.encode(), None)
    shop.ordinary(30)
    for record in shop.records:
        record.headers += [("trace", HEADER.encode()), ("cdp-detail", HEADER.encode()), (HEADER, b"1")]
        record.timestamp_ms -= LONG_AGO_MS  # older than the grace period of an unknown schema
    return shop


END = "until: '2100-01-01T00:00:00Z'"
GOOD_DIRECTIVES = f"directives:\n  - {{quarantine: {{topic: TOPIC, key: '{DIRECTIVE}'}}, {END}, reason: 'as asked'}}"
BAD_DIRECTIVES = (
    f"directives:\n  - {{quarantine: {{topic: TOPIC, key: '{DIRECTIVE}', keyy: '{DIRECTIVE}'}}, {END}}}",
    f"directives:\n  - quarantine: {{topic: TOPIC, key: '{DIRECTIVE}",
    f"directives:\n  - quarantine:\n      topic: TOPIC\n     key: {DIRECTIVE}\n",
    f"directives:\n  - {{quarantine: {{topic: TOPIC, key: [{DIRECTIVE}]}}, {END}}}",
    f"directives:\n  - {{quarantine: {{topic: TOPIC, key: '{DIRECTIVE}', position: '{DIRECTIVE}'}}, until: soon}}",
)


def write_directives(member: Member, world: World, output: SearchedOutput) -> None:
    """Write a valid directives file, then every invalid one; wait until the member has read each."""
    expected = ("directives read", *["directives file rejected"] * len(BAD_DIRECTIVES))
    for number, text in enumerate((GOOD_DIRECTIVES, *BAD_DIRECTIVES), start=1):
        (world.folder / "directives.yaml").write_text(text.replace("TOPIC", world.topic))
        member.wait_until(
            lambda due=expected[:number]: _of_directives(member) == [*due],  # type: ignore[misc]
            180,
            f"log events missing: {expected[:number]}",
        )
        output.pages(member)


def _of_directives(member: Member) -> list[str]:
    return [
        line["event"] for line in member.lines() if line["event"] in {"directives read", "directives file rejected"}
    ]


@pytest.mark.timeout(900)
def test_member_in_a_storm_leaks_no_canary(embedded_broker: Broker, tmp_path: Path) -> None:
    output, registry = SearchedOutput(), Registry()
    with World(embedded_broker, tmp_path, ISOLATED, partitions=2) as world, registry.running() as url:
        configure(world, url)
        rules = {name: add_rules(server) for name, server in world.servers.items()}
        listed = MarkInvalid(f"{IN_RESPONSE} {KEY} is invalid")
        rules["copilot"].append(world.copilot.faults.add(listed, when=contains("list-me"), name="listed"))
        output.check(world.config)
        shop = records(world)
        with world.member("--log-level", "debug") as member:
            kafka_io.produce(embedded_broker, world.topic, shop.records)
            write_directives(member, world, output)

            def has_ended() -> bool:
                output.pages(member)
                records_status = [each["records"] for each in member.status().values()]
                return all(each["accepted"] == len(shop.records) and not each["open"] for each in records_status)

            member.wait_until(has_ended, 180, "not everything has ended")
            unbalanced = accounting.mismatches(member.status())
            assert member.stop() == 0
        dead_letters = kafka_io.read_dead_letters(embedded_broker, world.dead_letters)
        output.dead_letters(dead_letters)
        output.files(tmp_path)
        causes = Counter(dead_letter.header("cdp-cause") for dead_letter in dead_letters)
        print(f"\n{len(dead_letters)} dead letters: {dict(causes)}; the registry answered {dict(registry.responses)}")
        print(f"channels: {sorted(output.channels)}")

        assert output.leaks(ALL) == []
        assert unbalanced == []
        # Without a hit of every rule and every cause, the test proves nothing.
        assert [(name, rule.name) for name, some in rules.items() for rule in some if not rule.hits] == []
        assert {401, 200, 500, 404} <= registry.responses.keys()
        assert causes.keys() >= {
            "undecodable",
            "unknown_schema",
            "contract",
            "refused",
            "repeated_element",
            "too_large",
        }
        assert output.channels >= {
            *canary_search.PAGES,
            "log",
            "check",
            "dead letter cdp-cause",
            "dead letter cdp-detail",
        }
        assert any(
            HEADER.encode() in (value or b"") for dead_letter in dead_letters for name, value in dead_letter.headers
        ), "no dead letter has the original's headers"


def test_url_with_a_secret_is_refused_without_repeating_it(tmp_path: Path) -> None:
    schemas.write(tmp_path)
    secret = {"client_id": USER, "client_secret": CANARY}
    config = {
        "kafka": {"bootstrap.servers": "127.0.0.1:9"},
        "topics": ["t"],
        "schemas": {"registry": {"url": f"ht!{QUERY}"}, "directory": "avro"},
        "mapping": "mapping.yaml",
        "destinations": {
            "customerio": {"url": f"http://{USER}:{PASSWORD}@127.0.0.1:9", "api_key": CANARY},
            "copilot": {"url": f"http://127.0.0.1:9/?key={QUERY}", **secret},
            "yotpo": {"url": f"http://{QUERY}:port/", "store_id": "s", "secret": CANARY},
        },
        "pipelines": ISOLATED,
        "dead_letters": {"topic": "letters"},
    }
    path = tmp_path / "cdp.yaml"
    path.write_text(json.dumps(config))
    output = SearchedOutput()
    assert output.check(path) == 2
    assert output.channels == {"check"}
    assert output.leaks(ALL) == []
    for setting in ("destinations.customerio", "destinations.copilot", "destinations.yotpo", "schemas.registry"):
        assert output.leaks([f"{setting}.url"]), "a setting is not named"
