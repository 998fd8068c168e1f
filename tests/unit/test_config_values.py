"""Each value is parsed as documented, or refused with what to write instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.config import scalar_parsers
from consumer.config.env_substitution import expand
from consumer.config.scalar_parsers import InvalidValue


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (scalar_parsers.duration, "200ms", 0.2),
        (scalar_parsers.duration, "15s", 15.0),
        (scalar_parsers.duration, "1.5m", 90.0),
        (scalar_parsers.duration, "1h", 3600.0),
        (scalar_parsers.duration, "30d", 2_592_000.0),
        (scalar_parsers.size, "490000", 490_000),
        (scalar_parsers.size, "32KiB", 32_768),
        (scalar_parsers.size, "1.5 MiB", 1_572_864),
        (scalar_parsers.size, "10B", 10),
        (scalar_parsers.rate, "5/s", 5.0),
        (scalar_parsers.rate, "300/m", 5.0),
        (scalar_parsers.rate, "7200/h", 2.0),
        (scalar_parsers.share, "0.5", 0.5),
        (scalar_parsers.share, "1", 1.0),
        (scalar_parsers.share, "25%", 0.25),
        (scalar_parsers.whole, "-3", -3),
        (scalar_parsers.truth, "True", True),
        (scalar_parsers.truth, "false", False),
        (scalar_parsers.address, "0.0.0.0:9464", ("0.0.0.0", 9464)),  # noqa: S104 - the documented default
        (scalar_parsers.address, ":0", ("0.0.0.0", 0)),  # noqa: S104 - the documented default
        (scalar_parsers.address, "[::1]:80", ("::1", 80)),
        (scalar_parsers.address, "localhost:65535", ("localhost", 65_535)),
        (scalar_parsers.instant, "2026-11-01T00:00:00Z", 1_793_491_200_000),
        (scalar_parsers.instant, "2026-11-01T02:00:00.250+02:00", 1_793_491_200_250),
        (scalar_parsers.start, "earliest", "earliest"),
        (scalar_parsers.start, "latest", "latest"),
        (scalar_parsers.start, "1970-01-01T00:00:01Z", 1000),
        (scalar_parsers.url, "https://cdp.customer.io/v1/", "https://cdp.customer.io/v1"),
        (scalar_parsers.url, "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        (scalar_parsers.topic, "shop.orders", "shop.orders"),
        (scalar_parsers.topic, "^shop[.].*", "^shop[.].*"),
        (scalar_parsers.name, "copilot_eu", "copilot_eu"),
        (scalar_parsers.group, "cdp-copilot", "cdp-copilot"),
        (scalar_parsers.named_topic, "letters", "letters"),
        (scalar_parsers.kafka_property, "bootstrap.servers", "bootstrap.servers"),
    ],
)
def test_documented_value_is_parsed(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (scalar_parsers.duration, "15"),
        (scalar_parsers.duration, "15 s"),
        (scalar_parsers.duration, "-1s"),
        (scalar_parsers.duration, "s"),
        (scalar_parsers.duration, "9" * 70 + "s"),
        (scalar_parsers.size, "32KB"),
        (scalar_parsers.size, "-1"),
        (scalar_parsers.rate, "5"),
        (scalar_parsers.rate, "5/d"),
        (scalar_parsers.share, "half"),
        (scalar_parsers.share, "-1"),
        (scalar_parsers.share, "0." + "9" * 70),
        (scalar_parsers.whole, "1.5"),
        (scalar_parsers.whole, "1" * 70),
        (scalar_parsers.truth, "yes"),
        (scalar_parsers.address, "9464"),
        (scalar_parsers.address, "::1:80"),
        (scalar_parsers.address, "host:99999"),
        (scalar_parsers.address, "host:99999999999999"),
        (scalar_parsers.address, "host:²"),
        (scalar_parsers.instant, "2026-11-01T00:00:00"),
        (scalar_parsers.instant, "0001-01-01T00:00:00+23:00"),
        (scalar_parsers.start, "now"),
        (scalar_parsers.url, "ftp://x"),
        (scalar_parsers.url, "https://"),
        (scalar_parsers.url, "https://u:p@x"),
        (scalar_parsers.url, "https://x/?q"),
        (scalar_parsers.url, "https://x/#f"),
        (scalar_parsers.url, "https://x y"),
        (scalar_parsers.url, "https://[x"),
        (scalar_parsers.url, "https://x:port"),
        (scalar_parsers.topic, "a b"),
        (scalar_parsers.topic, ".."),
        (scalar_parsers.topic, "^["),
        (scalar_parsers.topic, "x" * 250),
        (scalar_parsers.name, "Copilot"),
        (scalar_parsers.group, "a b"),
        (scalar_parsers.named_topic, "^x"),
        (scalar_parsers.kafka_property, "stats_cb"),
        (scalar_parsers.kafka_property, "logger"),
    ],
)
def test_other_value_is_refused_with_a_message(read: Callable[[str], object], text: str) -> None:
    refused = read(text)
    assert isinstance(refused, InvalidValue)
    assert refused.message


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("http://api.example.com", True),
        ("http://10.0.0.1", True),
        ("https://api.example.com", False),
        ("http://localhost:80", False),
        ("http://shop.localhost", False),
        ("http://127.9.9.9", False),
        ("http://[::1]:80", False),
    ],
)
def test_plain_http_is_reported_for_other_machines_only(text: str, *, plain: bool) -> None:
    assert scalar_parsers.is_plain_http(text) is plain


READERS = [
    scalar_parsers.duration, scalar_parsers.size, scalar_parsers.rate, scalar_parsers.whole, scalar_parsers.truth,
    scalar_parsers.address, scalar_parsers.instant, scalar_parsers.start, scalar_parsers.url, scalar_parsers.topic,
    scalar_parsers.name, scalar_parsers.group, scalar_parsers.named_topic, scalar_parsers.kafka_property,
]  # fmt: skip


@given(st.sampled_from(READERS), st.text(max_size=80))
def test_no_text_makes_a_parser_raise(read: Callable[[str], object], text: str) -> None:
    read(text)


@pytest.mark.parametrize(
    ("text", "result", "unset", "literal"),
    [
        ("plain", "plain", (), True),
        ("${A}", "value", (), False),
        ("${A}${A}", "valuevalue", (), False),
        ("x${A}", "xvalue", (), True),
        ("${NONE}", "${NONE}", ("NONE",), False),
        ("${NONE:-}", "", (), False),
        ("${NONE:-other}", "other", (), True),
        ("${EMPTY:-other}", "other", (), True),
        ("${EMPTY}", "", (), False),
        ("${A:-other}", "value", (), False),
        ("$${A}", "${A}", (), True),
        ("$A", "$A", (), True),
    ],
)
def test_variables_are_replaced_and_classified(
    text: str, result: str, unset: tuple[str, ...], *, literal: bool
) -> None:
    expanded = expand(text, {"A": "value", "EMPTY": ""})
    assert (expanded.text, expanded.unset, expanded.literal) == (result, unset, literal)
    assert not expanded.malformed


@pytest.mark.parametrize("text", ["${", "${1A}", "${A", "${A-b}", "${}", "x ${ y"])
def test_dollar_brace_without_a_name_is_malformed(text: str) -> None:
    assert expand(text, {"A": "value"}).malformed


def test_value_of_a_variable_is_not_expanded() -> None:
    assert expand("${A}", {"A": "${B}", "B": "no"}).text == "${B}"
