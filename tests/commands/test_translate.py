"""`translate` prints the exact requests, with credentials masked, and sends nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.commands.shell import ROOT, cdp
from tests.commands.shop import CONFIG, CONSENT, ENVIRON, ORDER, configured, event


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_becomes_its_exact_requests(tmp_path: Path) -> None:
    ended = cdp("translate", cwd=configured(tmp_path), stdin=event("OrderPlaced", ORDER), environ=ENVIRON)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("stdin:1  com.acme.shop.OrderPlaced  (")
    assert ended.out.splitlines()[0].endswith("avro/OrderPlaced.avsc)")
    assert "    POST https://cdp.customer.io/v1/batch\n" in ended.out
    assert "    PATCH https://api.yotpo.com/core/v3/stores/store-1/customer_events\n" in ended.out
    assert "    authorization: Basic ********\n" in ended.out
    assert "    x-yotpo-token: ********\n" in ended.out
    assert '"total": 59.90' in ended.out
    assert "  skipped: customerio, filtered\n" in ended.out
    assert "canary" not in ended.output


def test_json_output_has_one_line_per_event_with_exact_bodies(tmp_path: Path) -> None:
    ended = cdp(
        "translate", "--format", "json", cwd=configured(tmp_path), stdin=event("OrderPlaced", ORDER), environ=ENVIRON
    )
    [result] = lines(ended.out)
    assert result["event"] == "stdin:1"
    assert result["type"] == "com.acme.shop.OrderPlaced"
    assert result["schema"].endswith("avro/OrderPlaced.avsc")
    by_destination = {each["destination"]: each for each in result["requests"]}
    assert sorted(by_destination) == ["copilot", "customerio", "yotpo"]
    batch = json.loads(by_destination["customerio"]["body"])["batch"]
    assert [each["event"] for each in batch] == ["Order Completed", "Gift Bought"]
    assert [each["messageId"] for each in batch] == by_destination["customerio"]["identities"]
    assert by_destination["customerio"]["labels"] == ["track:Order Completed", "track:Gift Bought"]
    assert by_destination["customerio"]["headers"]["authorization"] == "Basic ********"
    assert result["skipped"] == [{"destination": "customerio", "reason": "filtered", "count": 1}]
    assert result["dead_letters"] == []


def test_the_same_event_has_the_same_identities_every_time(tmp_path: Path) -> None:
    configured(tmp_path)
    first = cdp("translate", "--format", "json", cwd=tmp_path, stdin=event("OrderPlaced", ORDER))
    second = cdp("translate", "--format", "json", cwd=tmp_path, stdin="\n\n" + event("OrderPlaced", ORDER))
    bodies = [[each["body"] for each in lines(ended.out)[0]["requests"]] for ended in (first, second)]
    assert bodies[0] == bodies[1]


def test_dead_letter_is_printed_and_fails_only_with_strict(tmp_path: Path) -> None:
    stdin = event("ConsentChanged", {**CONSENT, "customer_id": "no such/ID"})
    ended = cdp("translate", cwd=configured(tmp_path), stdin=stdin)
    assert ended.code == 0
    assert "  dead letter: copilot · consent: contract: user_id: " in ended.out
    assert "no such" not in ended.out
    strict = cdp("translate", "--strict", "--format", "json", cwd=tmp_path, stdin=stdin)
    assert strict.code == 1
    [dead_letter] = lines(strict.out)[0]["dead_letters"]
    assert (dead_letter["destination"], dead_letter["label"], dead_letter["cause"]) == (
        "copilot",
        "consent",
        "contract",
    )


def test_event_that_is_too_old_becomes_a_dead_letter(tmp_path: Path) -> None:
    stdin = event("OrderPlaced", {**ORDER, "occurred_at": "2025-11-20T10:00:00Z"})
    ended = cdp("translate", "--strict", "--pipeline", "cdp-copilot", cwd=configured(tmp_path), stdin=stdin)
    assert ended.code == 1
    assert "POST" not in ended.out
    assert "dead letter: copilot · custom_event:order_placed: out_of_window: the event is older" in ended.out


def test_data_that_journeys_would_drop_is_a_warning(tmp_path: Path) -> None:
    customer = {"id": "c-1", "email": "ada@example.com", "first_name": "x" * 1001}
    value = {"event_id": CONSENT["event_id"], "occurred_at": ORDER["occurred_at"], "customer": customer}
    stdin = event("CustomerUpdated", {**value, "tier": "GOLD"})
    warning = "an attribute is longer than the 1000 bytes that Journeys accepts"
    ended = cdp("translate", "--strict", cwd=configured(tmp_path), stdin=stdin)
    assert ended.code == 0
    assert f"  warning: customerio · identify: traits: {warning}\n" in ended.out
    as_json = cdp("translate", "--format", "json", cwd=tmp_path, stdin=stdin)
    [warned] = lines(as_json.out)[0]["warnings"]
    assert warned == {"destination": "customerio", "label": "identify", "detail": f"traits: {warning}"}


def test_tombstone_is_skipped(tmp_path: Path) -> None:
    ended = cdp("translate", cwd=configured(tmp_path), stdin=event("OrderPlaced", None))
    assert ended.out == "stdin:1\n  skipped: tombstone\n\n"


def test_pipeline_option_prints_only_its_requests(tmp_path: Path) -> None:
    ended = cdp(
        "translate",
        "--pipeline",
        "cdp-copilot",
        "--format",
        "json",
        cwd=configured(tmp_path),
        stdin=event("OrderPlaced", ORDER),
    )
    assert [each["destination"] for each in lines(ended.out)[0]["requests"]] == ["copilot"]


def test_disabled_destination_is_skipped(tmp_path: Path) -> None:
    text = CONFIG.replace("yotpo: {", "yotpo: {enabled: false, ") + "pipelines: {cdp: [copilot, customerio, yotpo]}\n"
    ended = cdp("translate", "--format", "json", cwd=configured(tmp_path, text), stdin=event("OrderPlaced", ORDER))
    [result] = lines(ended.out)
    assert {"destination": "yotpo", "reason": "disabled", "count": 1} in result["skipped"]


def test_headers_key_and_timestamp_are_used(tmp_path: Path) -> None:
    customer = {"id": "c-1", "email": "ada@example.com"}
    value = {"event_id": CONSENT["event_id"], "occurred_at": 1_795_168_800_000, "customer": customer, "channel": "WEB"}
    stdin = event("CustomerSignedUp", value, headers={"campaign": "autumn"}, key="k", timestamp="2026-11-20T10:00:00Z")
    ended = cdp("translate", cwd=configured(tmp_path), stdin=stdin)
    assert '"campaign": "autumn"' in ended.out


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("nope", "stdin:1: error: is not a line of JSON (column 1)"),
        ("[]", "stdin:1: error: must be an object: {type, value, key, headers, timestamp, schema}"),
        ('{"typ": "x"}', "stdin:1: error: typ: is not a key of an event; did you mean `type`?"),
        ('{"value": {}}', "stdin:1: error: type: must be the full name of the event type"),
        ('{"type": "com.acme.shop.OrderPlacd", "value": {}}', "did you mean `com.acme.shop.OrderPlaced`?"),
        ('{"type": "x", "key": 1}', "stdin:1: error: key: must be text or null"),
        ('{"type": "x", "headers": {"a": 1}}', "stdin:1: error: headers: each must have a name, and text or null"),
        ('{"type": "x", "headers": 1}', "stdin:1: error: headers: must be an object, or a list of [name, text]"),
        ('{"type": "x", "timestamp": "noon"}', "stdin:1: error: timestamp: must be a number or an ISO 8601 time"),
        ('{"type": "x", "timestamp": -1}', "stdin:1: error: timestamp: must be epoch milliseconds or an ISO 8601 time"),
        ('{"type": "com.acme.shop.ConsentChanged", "value": {}}', "stdin:1: error: value.event_id: is missing"),
        ("[" * 100_000, "stdin:1: error: is not a line of JSON"),
        ('{"type": "x", "timestamp": 1' + "0" * 5000 + "}", "stdin:1: error: is not a line of JSON"),
    ],
    ids=range(13),
)
def test_invalid_line_is_reported_and_the_rest_is_translated(tmp_path: Path, line: str, error: str) -> None:
    ended = cdp("translate", cwd=configured(tmp_path), stdin=line + "\n" + event("OrderPlaced", None))
    assert ended.code == 2
    assert error in ended.err
    assert ended.out == "stdin:2\n  skipped: tombstone\n\n"


def container(codec: str = "null") -> bytes:
    schema = json.loads((ROOT / "avro" / "ConsentChanged.avsc").read_text())
    value = {**CONSENT, "occurred_at": 1_795_168_800_000}
    stream = io.BytesIO()
    fastavro.writer(stream, schema, [value, {**value, "granted": True}], codec=codec)
    return stream.getvalue()


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_container_file_is_read_with_its_own_schema(tmp_path: Path, codec: str) -> None:
    (tmp_path / "events.avro").write_bytes(container(codec))
    text = CONFIG.replace(f"schemas: {{directory: {ROOT}/avro}}\n", "")
    ended = cdp("translate", "--events", "events.avro", "--format", "json", cwd=configured(tmp_path, text))
    assert ended.code == 0
    first, second = lines(ended.out)
    assert (first["event"], second["event"]) == ("events.avro:record 1", "events.avro:record 2")
    bodies = [json.loads(each["requests"][0]["body"]) for each in (first, second)]
    assert [body["consent_value"] for body in bodies] == [False, True]


def test_lines_and_container_give_the_same_request(tmp_path: Path) -> None:
    by_file = cdp("translate", "--format", "json", cwd=configured(tmp_path), stdin=container())
    by_line = cdp("translate", "--format", "json", cwd=tmp_path, stdin=event("ConsentChanged", CONSENT))
    assert lines(by_file.out)[0]["requests"] == lines(by_line.out)[0]["requests"]


@pytest.mark.parametrize("cut", [10, 200, -5])
def test_damaged_container_is_an_error(tmp_path: Path, cut: int) -> None:
    ended = cdp("translate", cwd=configured(tmp_path), stdin=container()[:cut])
    assert ended.code == 2
    assert "stdin: error: cannot be read" in ended.err


def test_unreadable_file_is_a_usage_error(tmp_path: Path) -> None:
    for name in ("none.jsonl", "."):
        ended = cdp("translate", "--events", name, cwd=configured(tmp_path))
        assert ended.code == 2
        assert ended.err.startswith(f"cdp-consumer translate: {name} cannot be read: ")


def test_without_a_configuration_nothing_is_translated(tmp_path: Path) -> None:
    ended = cdp("translate", cwd=tmp_path, stdin=event("OrderPlaced", ORDER))
    assert ended.code == 2
    assert "cdp.yaml: error: cannot be read: no such file or directory" in ended.err
