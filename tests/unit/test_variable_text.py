"""Values of variables and secret files: trimmed where that is harmless, refused where they cannot be meant."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.config.secrets import SecretFile, read_secret
from consumer.config.variable_text import (
    CONTROL_CHARACTER,
    EMPTY,
    NOT_FOR_HEADERS,
    NOT_UTF8,
    QUOTED,
    SEVERAL_LINES,
    TOO_LONG,
    UNREADABLE,
    TextFlaw,
    flaw_in,
    trimmed,
)
from tests.unit.config_texts import ENVIRON, GOOD, loaded, settings_of

FLAWS = {
    '"reef-canary"': QUOTED,
    "'reef-canary'": QUOTED,
    "\u201creef-canary\u201d": QUOTED,
    "reef\ncanary": SEVERAL_LINES,
    "reef\r\ncanary": SEVERAL_LINES,
    "reef\tcanary": CONTROL_CHARACTER,
    "reef\x7fcanary": CONTROL_CHARACTER,
    "reef\udcffcanary": NOT_UTF8,
}
PEM = "-----BEGIN CERTIFICATE-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5\n-----END CERTIFICATE-----"


async def no_pause(_seconds: float) -> None:
    pass


@pytest.mark.parametrize("text", ["reef\n", "reef\r\n", "\ufeffreef", " reef\t", "\ufeff reef \n"])
def test_white_space_and_mark_around_a_value_are_removed(tmp_path: Path, text: str) -> None:
    assert trimmed(text) == "reef"
    path = tmp_path / "key"
    path.write_bytes(text.encode())
    assert read_secret(path) == "reef"
    settings = settings_of(tmp_path, GOOD, {**ENVIRON, "COPILOT_CLIENT_SECRET": text})
    assert settings.destinations["copilot"].secrets["client_secret"].reveal() == "reef"


@pytest.mark.parametrize(("text", "flaw"), FLAWS.items())
def test_flaw_in_a_variable_is_one_finding_without_the_value(tmp_path: Path, text: str, flaw: TextFlaw) -> None:
    assert flaw_in(text) is flaw
    for name in ("COPILOT_CLIENT_SECRET", "KAFKA_BOOTSTRAP_SERVERS"):
        (finding,) = loaded(tmp_path, GOOD, {**ENVIRON, name: text}).findings
        assert (finding.message, finding.hint) == (f"{name} {flaw.message}", flaw.hint)
        assert "canary" not in finding.text()


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        *((text.encode("utf-8", "surrogateescape"), flaw) for text, flaw in FLAWS.items()),
        (b" \n", EMPTY),
        ("reef".encode("utf-16"), NOT_UTF8),
        (b"x" * 70_000, TOO_LONG),
        (None, UNREADABLE),
    ],
)
def test_flaw_in_a_secret_file_keeps_the_good_secret(tmp_path: Path, content: bytes | None, flaw: TextFlaw) -> None:
    """It is one finding at start; while running it is a problem until the file is good again."""
    path = tmp_path / "key"
    secret = SecretFile(path, "good", no_pause)
    if content is not None:
        path.write_bytes(content)
    (finding,) = loaded(tmp_path, GOOD.replace("${COPILOT_CLIENT_SECRET}", f"{{file: {path}}}")).findings
    assert flaw.message in finding.message
    assert str(path) in finding.hint
    assert "canary" not in finding.text()
    assert asyncio.run(secret.refresh()) is False
    assert (secret.reveal(), secret.is_invalid()) == ("good", True)
    path.write_text("good\n")
    assert asyncio.run(secret.refresh()) is False
    assert not secret.is_invalid()
    path.unlink()
    asyncio.run(secret.refresh())
    path.write_text("better")
    assert asyncio.run(secret.refresh()) is True
    assert (secret.reveal(), secret.is_invalid()) == ("better", False)


def test_pem_text_may_have_several_lines(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text(PEM + "\n")
    for written in ("${PEM}", f"{{file: {tmp_path}/pem}}"):
        text = GOOD.replace("kafka:\n", f"kafka:\n  ssl.key.pem: {written}\n")
        found = loaded(tmp_path, text, {**ENVIRON, "PEM": PEM + "\n"})
        assert found.understood is not None
        assert found.understood.kafka["ssl.key.pem"] == PEM
        assert not any("line break" in each.message for each in found.findings)


def test_bearer_token_must_fit_into_a_header(tmp_path: Path) -> None:
    text = GOOD + "schemas: {registry: {url: 'https://r', bearer.auth.token: '${TOKEN}'}}\n"
    (finding,) = loaded(tmp_path, text, {**ENVIRON, "TOKEN": "reef-c\u00e4nary"}).findings
    assert finding.message == f"TOKEN {NOT_FOR_HEADERS.message}"


def test_secret_that_is_sent_in_a_body_may_have_accents(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, GOOD, {**ENVIRON, "COPILOT_CLIENT_SECRET": "r\u00e9\u00e9f"})
    assert settings.destinations["copilot"].secrets["client_secret"].reveal() == "r\u00e9\u00e9f"


def test_unused_variable_with_a_flaw_is_no_finding(tmp_path: Path) -> None:
    yotpo = "  yotpo: {enabled: false, url: 'https://y', store_id: '${YOTPO_STORE_ID}', secret: '${YOTPO_SECRET}'}\n"
    assert loaded(tmp_path, GOOD + yotpo, {**ENVIRON, "YOTPO_SECRET": '"reef"'}).findings == ()


def test_url_from_a_variable_is_trimmed_or_named(tmp_path: Path) -> None:
    text = GOOD.replace("https://api.acme.bycopilot.com", "${COPILOT_URL}")
    settings = settings_of(tmp_path, text, {**ENVIRON, "COPILOT_URL": "https://api.reef.example/\n"})
    assert settings.destinations["copilot"].options.url == "https://api.reef.example"
    (finding,) = loaded(tmp_path, text, {**ENVIRON, "COPILOT_URL": "api.reef.example"}).findings
    assert finding.message == "COPILOT_URL is not a URL"


@pytest.mark.parametrize(
    "brokers",
    ["reef:9092\n", " reef:9092 , kelp:9092 ,", "reef", "[::1]:9092", "SASL_SSL://reef:9093", "reef_1.sea:1,kelp-2"],
)
def test_list_of_brokers_with_blanks_and_commas_is_accepted(tmp_path: Path, brokers: str) -> None:
    assert loaded(tmp_path, GOOD, {**ENVIRON, "KAFKA_BOOTSTRAP_SERVERS": brokers}).findings == ()


@pytest.mark.parametrize(
    ("brokers", "message"),
    [
        ("kafka://reef:9092", "broker 1 of 1 begins with a scheme that Kafka does not have"),
        ("kelp:1,http://me:canary@reef:9092", "broker 2 of 2 begins with a scheme that Kafka does not have"),
        ("reef:9092;kelp:9092", "broker 1 of 1 is not `host:port`"),
        ("reef:9092 kelp:9092", "broker 1 of 1 is not `host:port`"),
        ("reef:99999", "broker 1 of 1 is not `host:port`"),
        ("reef:0", "broker 1 of 1 is not `host:port`"),
        ("reef:port", "broker 1 of 1 is not `host:port`"),
        ("reef:9092,'kelp:9092'", "broker 2 of 2 is not `host:port`"),
        ("reef:9092/", "broker 1 of 1 is not `host:port`"),
        (",", "names no broker"),
    ],
)
def test_list_of_brokers_that_is_none_is_one_finding(tmp_path: Path, brokers: str, message: str) -> None:
    (finding,) = loaded(tmp_path, GOOD, {**ENVIRON, "KAFKA_BOOTSTRAP_SERVERS": brokers}).findings
    assert finding.path == "kafka.bootstrap.servers"
    assert finding.message.startswith(f"KAFKA_BOOTSTRAP_SERVERS: {message}")
    assert "reef" not in finding.text()


@given(st.text(max_size=30))
def test_trimmed_text_stays_as_it_is(text: str) -> None:
    assert trimmed(trimmed(text)) == trimmed(text) or "\ufeff" in text
    assert trimmed(text) in text
