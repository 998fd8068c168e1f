"""Secrets are never printed, and are replaced only by a valid secret."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.config.secrets import MASK, Properties, Secret, SecretFile, is_secret_name, read_secret
from consumer.config.variable_text import TextFlaw
from tests.unit.config_texts import ENVIRON, GOOD, loaded, settings_of
from tests.unit.hung_mount import HungMount


def test_secret_is_asterisks_however_it_is_printed() -> None:
    secret = Secret("canary")
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret:>20}", "%s".__mod__(secret), str([secret])):
        assert "canary" not in shown
        assert MASK in shown


def refreshed(secret: Secret) -> bool:
    return asyncio.run(secret.refresh())


def test_pickled_secret_is_only_its_mask() -> None:
    assert pickle.loads(pickle.dumps(Secret("canary"))).reveal() == MASK  # noqa: S301 - our own bytes
    assert Secret("canary").reveal() == "canary"
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert refreshed(Secret("canary")) is False
    assert not Secret("canary").hangs()
    assert copy.copy(Secret("canary")).reveal() == MASK


async def no_pause(_seconds: float) -> None:
    pass


def test_changed_file_gives_its_new_secret_once(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old\n")
    secret = SecretFile(path, "old", no_pause)
    assert refreshed(secret) is False
    path.write_text("new\n")
    assert refreshed(secret) is True
    assert secret.reveal() == "new"
    assert refreshed(secret) is False


def test_swapped_symlink_is_read_by_content(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old")
    (tmp_path / "two").write_text("new")
    link = tmp_path / "key"
    link.symlink_to(tmp_path / "one")
    secret = SecretFile(link, "old", no_pause)
    link.unlink()
    link.symlink_to(tmp_path / "two")
    assert refreshed(secret) is True
    assert secret.reveal() == "new"


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe", b"two\nlines", b"nul\0", b"x" * 70_000])
def test_invalid_content_never_replaces_a_good_secret(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    secret = SecretFile(path, "good", no_pause)
    assert refreshed(secret) is False
    assert secret.reveal() == "good"
    path.unlink()
    assert refreshed(secret) is False
    assert secret.reveal() == "good"


def test_file_being_written_is_read_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("hal")

    async def write_more(_seconds: float) -> None:
        path.write_text("complete")

    secret = SecretFile(path, "good", write_more)
    assert refreshed(secret) is False
    assert secret.reveal() == "good"
    assert refreshed(secret) is True
    assert secret.reveal() == "complete"


def test_hanging_disk_keeps_the_value_and_blocks_one_thread(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("good")
    secret = SecretFile(path, "good", no_pause, timeout_s=0.05)

    async def scenario() -> None:
        with HungMount(path) as mount:
            assert not secret.hangs()
            assert await secret.refresh() is False
            assert secret.hangs()
            (reader,) = mount.waiting()
            assert await secret.refresh() is False
            assert mount.waiting() == [reader], "at most one thread waits for the disk"
            mount.answer(b"new")
        assert not secret.hangs()
        assert secret.reveal() == "good", "the result after the timeout is discarded"

    asyncio.run(scenario())  # its loop closes while the disk hangs, and does not wait
    patient = SecretFile(path, "good", no_pause, timeout_s=30)
    assert refreshed(patient) is True
    assert patient.reveal() == "new"


@given(st.binary(max_size=200))
def test_any_content_gives_one_line_or_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any-key"
    path.write_bytes(content)
    found = read_secret(path)
    if not isinstance(found, TextFlaw):
        assert found
        assert found == found.strip()
        assert "\n" not in found
        assert "\r" not in found


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("sasl.password", True),
        ("ssl.key.password", True),
        ("ssl.key.pem", True),
        ("sasl.oauthbearer.client.secret", True),
        ("sasl.oauthbearer.config", True),
        ("sasl.jaas.config", True),
        ("basic.auth.user.info", True),
        ("bearer.auth.token", True),
        ("ssl.key.location", False),
        ("ssl.keystore.location", False),
        ("sasl.username", False),
        ("sasl.oauthbearer.token.endpoint.url", False),
        ("bearer.auth.credentials.source", False),
        ("enable.ssl.certificate.verification", False),
        ("bootstrap.servers", False),
    ],
)
def test_secret_property_is_recognised_by_its_name(name: str, *, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_properties_are_masked_when_printed() -> None:
    properties = Properties({"sasl.password": "canary", "url": "https://me:canary@host", "client.id": "x"})
    for shown in (repr(properties), str(properties), f"{properties}"):
        assert "canary" not in shown
    assert properties["sasl.password"] == "canary"
    assert properties.masked() == {"sasl.password": MASK, "url": f"https://{MASK}@host", "client.id": "x"}


WITH_SECRETS = (
    GOOD.replace("kafka:\n", "kafka:\n  sasl.password: ${SASL}\n  ssl.key.password: literal-canary\n")
    + "schemas: {registry: {url: 'https://r', basic.auth.user.info: '${USERINFO}'}}\n"
)


def test_settings_never_print_a_secret(tmp_path: Path) -> None:
    environ = {**ENVIRON, "SASL": "sasl-canary", "USERINFO": "me:user-canary", "COPILOT_CLIENT_ID": "id-canary"}
    settings = settings_of(tmp_path, WITH_SECRETS, environ)
    assert settings.kafka["sasl.password"] == "sasl-canary"
    for shown in (repr(settings), str(settings), f"{settings}", str(asdict(settings))):
        assert "canary" not in shown


def test_empty_secret_is_an_error_only_for_a_run_that_uses_it(tmp_path: Path) -> None:
    text = GOOD.replace("${COPILOT_CLIENT_SECRET}", '""')
    assert [each.message for each in loaded(tmp_path, text).findings] == ["is empty"]
    assert loaded(tmp_path, text, {}, offline=True).settings is not None


@pytest.mark.parametrize(
    "change",
    [
        ("url: https", "url: gopher"),
        ("${SASL}", "${NONE}${SASL}"),
        ("  ssl.key.password", "  ssl.key.passwort"),
        ("${COPILOT_CLIENT_ID}", "{canary: x}"),
        ("${COPILOT_CLIENT_ID}", "[literal-canary]"),
        ("${COPILOT_CLIENT_ID}", "{file: 'a\\0b'}"),
        ("sasl.password: ${SASL}", "security.protocol: ${SASL}"),
    ],
)
def test_no_finding_repeats_a_secret(tmp_path: Path, change: tuple[str, str]) -> None:
    environ = {**ENVIRON, "SASL": "sasl-canary", "USERINFO": "me:user-canary", "COPILOT_CLIENT_ID": "id-canary"}
    found = loaded(tmp_path, WITH_SECRETS.replace(*change), environ)
    assert found.settings is None or "a\\0b" in str(change)
    texts = [each.text() for each in found.findings] + [json.dumps(each.as_json()) for each in found.findings]
    assert texts
    for each in texts:
        assert "-canary" not in each


def test_secret_without_a_source_neither_hangs_nor_is_invalid() -> None:
    secret = Secret("value")
    assert not secret.hangs()
    assert not secret.is_invalid()
