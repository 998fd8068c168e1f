"""A real member in a storm of faults that are full of canaries says none of them, anywhere."""

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
ANSWERED, AHEAD = "canary.answer-2b40", "canary.ahead-c8e6"
DIRECTED, USER, PASSWORD, QUERY = "canary.directive-0a9e", "canary.user-d4d4", "canary.pass-e5b1", "canary.query-1f7a"
ALL = (FIELD, KEY, HEADER, ANSWERED, AHEAD, REGISTERED, DIRECTED, USER, PASSWORD, QUERY, CANARY)

HEADERS = {
    "www-authenticate": f'Basic realm="{AHEAD}"',
    "location": f"https://{AHEAD}@elsewhere.example/?token={AHEAD}",
    "set-cookie": f"session={AHEAD}",
    "x-request-id": AHEAD,
}


def echo(status: int, **more: str) -> Action:
    """Answer with everything that was sent, and with words of one's own."""

    def answer(incoming: IncomingRequest) -> Respond:
        sent = incoming.body.decode(errors="replace")
        said = {"message": f"{ANSWERED}: {sent}", "error": ANSWERED, "reason": ANSWERED, "secret": CANARY}
        said["errors"] = [{"message": f"{ANSWERED} {KEY} is invalid"}]  # type: ignore[assignment]
        return Respond(status, {**HEADERS, **more}, json.dumps(said).encode())

    return answer  # type: ignore[return-value]


def page(status: int) -> Action:
    """Answer with a page, as a proxy does."""
    return Respond(status, {**HEADERS, "content-type": "text/html"}, f"<h1>{ANSWERED}</h1>{CANARY} {KEY}".encode())


STORM: Mapping[str, Action] = {
    "401": echo(401),
    "403": echo(403),
    "500 with HTML": page(500),
    "302": echo(302),
    "404": echo(404),
    "200 with HTML": page(200),
    "429": echo(429, **{"retry-after": AHEAD}),
    "no HTTP": Garbage(f"{ANSWERED} {CANARY}\r\n{KEY}: {AHEAD}\r\n\r\n".encode()),
    "a false header": Garbage(f"HTTP/1.1 200 OK\r\n{AHEAD} {AHEAD}\r\ncontent-length: x\r\n\r\n".encode()),
    "418": echo(418),
}


def brew(server: Fake) -> list[Rule]:
    """Let a server answer each of the storm's ways once, and refuse every event that asks for it."""
    rules = [server.faults.add(action, times=1, name=name) for name, action in STORM.items()]
    return [*rules, server.faults.add(echo(400), when=contains("refuse-me"), name="400")]


def configure(world: World, registry: str) -> None:
    """Put canaries wherever a configuration takes something secret."""
    said = json.loads(world.config.read_text())
    said["kafka"] |= {"sasl.username": USER, "sasl.password": PASSWORD, "ssl.key.password": PASSWORD}
    said["schemas"]["registry"] = {"url": registry, "basic.auth.user.info": f"{USER}:{PASSWORD}"}
    said["dead_letters"]["connect_headers"] = True
    said["directives"] = "directives.yaml"
    world.config.write_text(json.dumps(said))


def records(world: World) -> Shop:
    """Make records that are good, and some of every kind that are not, about one person and many."""
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
        record.timestamp_ms -= LONG_AGO_MS  # one is of a schema that nobody knows: old enough to be sure
    return shop


END = "until: '2100-01-01T00:00:00Z'"
GOOD_DIRECTIVES = f"directives:\n  - {{quarantine: {{topic: TOPIC, key: '{DIRECTED}'}}, {END}, reason: 'as asked'}}"
BAD_DIRECTIVES = (
    f"directives:\n  - {{quarantine: {{topic: TOPIC, key: '{DIRECTED}', keyy: '{DIRECTED}'}}, {END}}}",
    f"directives:\n  - quarantine: {{topic: TOPIC, key: '{DIRECTED}",
    f"directives:\n  - quarantine:\n      topic: TOPIC\n     key: {DIRECTED}\n",
    f"directives:\n  - {{quarantine: {{topic: TOPIC, key: [{DIRECTED}]}}, {END}}}",
    f"directives:\n  - {{quarantine: {{topic: TOPIC, key: '{DIRECTED}', position: '{DIRECTED}'}}, until: soon}}",
)


def direct(member: Member, world: World, said: SearchedOutput) -> None:
    """Say something right, and then everything wrong, each heard before the next."""
    heard = ("directives read", *["directives file rejected"] * len(BAD_DIRECTIVES))
    for number, text in enumerate((GOOD_DIRECTIVES, *BAD_DIRECTIVES), start=1):
        (world.folder / "directives.yaml").write_text(text.replace("TOPIC", world.topic))
        member.wait_until(
            lambda due=heard[:number]: _of_directives(member) == [*due],  # type: ignore[misc]
            180,
            f"not heard: {heard[:number]}",
        )
        said.pages(member)


def _of_directives(member: Member) -> list[str]:
    return [
        line["event"] for line in member.lines() if line["event"] in {"directives read", "directives file rejected"}
    ]


@pytest.mark.timeout(900)
def test_member_in_a_storm_leaks_no_canary(embedded_broker: Broker, tmp_path: Path) -> None:
    said, registry = SearchedOutput(), Registry()
    with World(embedded_broker, tmp_path, ISOLATED, partitions=2) as world, registry.running() as url:
        configure(world, url)
        rules = {name: brew(server) for name, server in world.servers.items()}
        listed = MarkInvalid(f"{ANSWERED} {KEY} is invalid")
        rules["copilot"].append(world.copilot.faults.add(listed, when=contains("list-me"), name="listed"))
        said.check(world.config)
        shop = records(world)
        with world.member("--log-level", "debug") as member:
            kafka_io.produce(embedded_broker, world.topic, shop.records)
            direct(member, world, said)

            def over() -> bool:
                said.pages(member)
                books = [each["records"] for each in member.status().values()]
                return all(each["accepted"] == len(shop.records) and not each["open"] for each in books)

            member.wait_until(over, 180, "not everything has ended")
            unbalanced = accounting.mismatches(member.status())
            assert member.stop() == 0
        letters = kafka_io.read_dead_letters(embedded_broker, world.dead_letters)
        said.letters(letters)
        said.files(tmp_path)
        causes = Counter(letter.header("cdp-cause") for letter in letters)
        print(f"\n{len(letters)} letters: {dict(causes)}; the registry answered {dict(registry.answers)}")
        print(f"channels: {sorted(said.channels)}")

        assert said.leaks(ALL) == []
        assert unbalanced == []
        # A proof that never met what it is about proves nothing.
        assert [(name, rule.name) for name, some in rules.items() for rule in some if not rule.hits] == []
        assert {401, 200, 500, 404} <= registry.answers.keys()
        assert causes.keys() >= {
            "undecodable",
            "unknown_schema",
            "contract",
            "refused",
            "repeated_element",
            "too_large",
        }
        assert said.channels >= {*canary_search.PAGES, "log", "check", "letter cdp-cause", "letter cdp-detail"}
        assert any(HEADER.encode() in (value or b"") for letter in letters for name, value in letter.headers), (
            "untouched"
        )


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
    said = SearchedOutput()
    assert said.check(path) == 2
    assert said.channels == {"check"}
    assert said.leaks(ALL) == []
    for whose in ("destinations.customerio", "destinations.copilot", "destinations.yotpo", "schemas.registry"):
        assert said.leaks([f"{whose}.url"]), "each is complained of"
