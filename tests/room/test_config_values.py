"""Each value of the configuration is read as documented, or refused with what to write instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.config import values
from consumer.config.environment import expand
from consumer.config.values import Bad


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.duration, "200ms", 0.2),
        (values.duration, "15s", 15.0),
        (values.duration, "1.5m", 90.0),
        (values.duration, "1h", 3600.0),
        (values.duration, "30d", 2_592_000.0),
        (values.size, "490000", 490_000),
        (values.size, "32KiB", 32_768),
        (values.size, "1.5 MiB", 1_572_864),
        (values.size, "10B", 10),
        (values.rate, "5/s", 5.0),
        (values.rate, "300/m", 5.0),
        (values.rate, "7200/h", 2.0),
        (values.share, "0.5", 0.5),
        (values.share, "1", 1.0),
        (values.share, "25%", 0.25),
        (values.whole, "-3", -3),
        (values.truth, "True", True),
        (values.truth, "false", False),
        (values.address, "0.0.0.0:9464", ("0.0.0.0", 9464)),  # noqa: S104 - the documented default
        (values.address, ":0", ("0.0.0.0", 0)),  # noqa: S104 - the documented default
        (values.address, "[::1]:80", ("::1", 80)),
        (values.address, "localhost:65535", ("localhost", 65_535)),
        (values.instant, "2026-11-01T00:00:00Z", 1_793_491_200_000),
        (values.instant, "2026-11-01T02:00:00.250+02:00", 1_793_491_200_250),
        (values.start, "earliest", "earliest"),
        (values.start, "latest", "latest"),
        (values.start, "1970-01-01T00:00:01Z", 1000),
        (values.url, "https://cdp.customer.io/v1/", "https://cdp.customer.io/v1"),
        (values.url, "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        (values.topic, "shop.orders", "shop.orders"),
        (values.topic, "^shop[.].*", "^shop[.].*"),
        (values.name, "copilot_eu", "copilot_eu"),
        (values.group, "cdp-copilot", "cdp-copilot"),
        (values.named_topic, "letters", "letters"),
        (values.kafka_property, "bootstrap.servers", "bootstrap.servers"),
    ],
)
def test_a_value_as_documented_is_read(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.duration, "15"),
        (values.duration, "15 s"),
        (values.duration, "-1s"),
        (values.duration, "s"),
        (values.duration, "9" * 70 + "s"),
        (values.size, "32KB"),
        (values.size, "-1"),
        (values.rate, "5"),
        (values.rate, "5/d"),
        (values.share, "half"),
        (values.share, "-1"),
        (values.share, "0." + "9" * 70),
        (values.whole, "1.5"),
        (values.whole, "1" * 70),
        (values.truth, "yes"),
        (values.address, "9464"),
        (values.address, "::1:80"),
        (values.address, "host:99999"),
        (values.address, "host:99999999999999"),
        (values.address, "host:²"),
        (values.instant, "2026-11-01T00:00:00"),
        (values.instant, "0001-01-01T00:00:00+23:00"),
        (values.start, "now"),
        (values.url, "ftp://x"),
        (values.url, "https://"),
        (values.url, "https://u:p@x"),
        (values.url, "https://x/?q"),
        (values.url, "https://x/#f"),
        (values.url, "https://x y"),
        (values.url, "https://[x"),
        (values.url, "https://x:port"),
        (values.topic, "a b"),
        (values.topic, ".."),
        (values.topic, "^["),
        (values.topic, "x" * 250),
        (values.name, "Copilot"),
        (values.group, "a b"),
        (values.named_topic, "^x"),
        (values.kafka_property, "stats_cb"),
        (values.kafka_property, "logger"),
    ],
)
def test_anything_else_is_refused_in_words(read: Callable[[str], object], text: str) -> None:
    refused = read(text)
    assert isinstance(refused, Bad)
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
def test_plain_http_matters_off_this_machine_only(text: str, *, plain: bool) -> None:
    assert values.is_plain_http(text) is plain


READERS = [
    values.duration, values.size, values.rate, values.whole, values.truth, values.address, values.instant, values.start,
    values.url, values.topic, values.name, values.group, values.named_topic, values.kafka_property,
]  # fmt: skip


@given(st.sampled_from(READERS), st.text(max_size=80))
def test_no_text_makes_a_reader_raise(read: Callable[[str], object], text: str) -> None:
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
def test_variables_are_replaced_once_and_known_for_what_they_are(
    text: str, result: str, unset: tuple[str, ...], *, literal: bool
) -> None:
    expanded = expand(text, {"A": "value", "EMPTY": ""})
    assert (expanded.text, expanded.unset, expanded.literal) == (result, unset, literal)
    assert not expanded.malformed


@pytest.mark.parametrize("text", ["${", "${1A}", "${A", "${A-b}", "${}", "x ${ y"])
def test_a_dollar_brace_that_names_nothing_is_malformed(text: str) -> None:
    assert expand(text, {"A": "value"}).malformed


def test_what_a_variable_holds_is_not_looked_through_again() -> None:
    assert expand("${A}", {"A": "${B}", "B": "no"}).text == "${B}"
