"""A dry run gives the requests of a service without starting it: complete, in order, without credentials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from consumer.check.dry_run import DryRun, Outcome, PlannedDeadLetter
from consumer.check.journeys_warnings import journeys_findings
from consumer.config.secrets import MASK
from consumer.destinations import AccessToken, Encoded, Encoder
from tests.unit.config_texts import GOOD, settings_of
from tests.unit.order_event import SCHEMA, order_message
from tests.unit.translator_harness import (
    ENDPOINT,
    NOW_MS,
    FakeDestination,
    FakeMessage,
    load_valid,
    mapping_with,
    new_translator,
)

HOUR_MS = 3_600_000

THREE = mapping_with("{n: n}", entry_lines="each: items\nid: sku")
URL = "https://add.example"
CUSTOMERIO = "  customerio:\n    url: https://cdp.customer.io/v1\n    api_key: ${CUSTOMERIO_KEY}\n"


def dry(text: str, vendor: FakeDestination | None = None) -> DryRun:
    destination = vendor if vendor is not None else FakeDestination()
    translator = new_translator(text, SCHEMA, destinations={"vendor": destination})
    return DryRun(translator, {"vendor": destination}, {"vendor": URL}, lambda: NOW_MS)


def items(count: int) -> Sequence[dict[str, object]]:
    return [{"sku": f"s-{n}", "n": n} for n in range(count)]


def test_deliveries_share_requests_up_to_the_destinations_limit() -> None:
    outcome = dry(THREE).translate(order_message(items=items(23)))
    assert [len(each.identities) for each in outcome.requests] == [10, 10, 3]
    numbers = [each["fields"]["n"] for request in outcome.requests for each in json.loads(request.body)]
    assert numbers == list(range(23))
    assert {(each.destination, each.method, each.url) for each in outcome.requests} == {
        ("vendor", "POST", f"{URL}/add")
    }
    assert outcome.requests[-1].labels == ("add",) * 3


def test_credentials_are_masked_in_every_header() -> None:
    by_token = FakeDestination()
    by_token.credential = AccessToken("x-token", ENDPOINT, "secret", 60, str.encode, lambda _: "token")
    for vendor, headers in ((FakeDestination(), {"authorization": f"Basic {MASK}"}), (by_token, {"x-token": MASK})):
        [request] = dry(mapping_with("{s: status}"), vendor).translate(order_message()).requests
        assert request.headers == headers


def test_skipped_or_refused_event_makes_no_request() -> None:
    assert dry(THREE).translate(FakeMessage(None)) == Outcome((), (("", "tombstone", 1),), ())
    undecodable = dry(THREE).translate(FakeMessage(b""))
    assert undecodable == Outcome((), (), (PlannedDeadLetter("", "", "undecodable", "the value is empty"),))
    [refusal] = dry(mapping_with("{s: cents(status)}")).translate(order_message()).dead_letters
    assert (refusal.destination, refusal.label, refusal.cause) == ("vendor", "add", "unmappable")


@pytest.mark.parametrize(
    ("age_ms", "detail"),
    [
        (HOUR_MS, None),
        (-60_000, None),
        (HOUR_MS + 1, "the event is older than the destination accepts"),
        (-60_001, "the event's time is in the future"),
    ],
)
def test_event_outside_of_the_window_becomes_a_dead_letter(age_ms: int, detail: str | None) -> None:
    outcome = dry(mapping_with("{s: status}", event_lines="time: at"), FakeDestination(max_age_ms=HOUR_MS)).translate(
        order_message(at=NOW_MS - age_ms)
    )
    expected = () if detail is None else (PlannedDeadLetter("vendor", "add", "out_of_window", detail),)
    assert (len(outcome.requests), outcome.dead_letters) == (detail is None, expected)


class Plain(FakeDestination):
    """A destination of Customer.io's kind that encodes the fields unchanged."""

    kind = "customerio"

    def encoder(self, target: str, name: str | None) -> Encoder:  # noqa: ARG002 - one encoder for all targets
        return lambda fields, digest, _: Encoded(json.dumps(fields).encode(), self.envelope, digest.hex())


def test_data_that_journeys_would_drop_is_a_warning_of_its_kind() -> None:
    """Only destinations of Customer.io's kind have these warnings."""
    long = order_message(status="x" * 1001)
    warning = "traits: an attribute is longer than the 1000 bytes that Journeys accepts"
    for vendor, warnings in ((Plain(), (("vendor", "add", warning),)), (FakeDestination(), ())):
        outcome = dry(mapping_with("{traits: {a: status}}"), vendor).translate(long)
        assert (len(outcome.requests), outcome.warnings) == (1, warnings)


def test_names_in_the_mapping_too_long_for_journeys_are_warnings(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("")
    settings = settings_of(tmp_path, GOOD + CUSTOMERIO)
    long = "x" * 151
    text = (
        "version: 1\nevents:\n  shop.E:\n    deliver:\n"
        f"      - {{to: customerio.add, label: trait, fields: {{traits: {{{long}: status}}}}}}\n"
        f"      - {{to: customerio.add, label: value, fields: {{traits: {{a: {{value: {'x' * 1001}}}, b: status}}}}}}\n"
        f"      - {{to: customerio.add, label: unknown, fields: {{traits: more}}}}\n"
        f"      - {{to: copilot.add, name: {'x' * 101}}}\n"
        f"      - {{to: customerio.add, name: {'x' * 101}, label: long}}\n"
        f"      - {{to: customerio.add, name: {'x' * 100}, label: fits}}\n"
    )
    found = journeys_findings(load_valid(text, "copilot", "customerio"), settings)
    assert [finding.path for finding in found] == [f"events.shop.E.{label}" for label in ("trait", "value", "long")]
    assert {(finding.severity, finding.hint) for finding in found} == {("warning", "shorten it")}
