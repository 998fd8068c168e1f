"""Variables that the HTTP clients read by themselves: one finding for each that cannot be used, never its value."""

from __future__ import annotations

import os
from pathlib import Path

import certifi
import httpx2
import pytest

from consumer.config.process_environment import environment_findings
from tests.unit.config_texts import ENVIRON, GOOD, loaded

BAD_PROXIES = [
    "http://ferry:Canary/x@quay.example:3128",
    "http://ferry:Canary#x@quay.example:3128",
    "http://ferry:12#canary@quay.example:3128",
    "http://ferry:12/canary@quay.example:3128",
    "http://ferry:12?canary@quay.example:3128",
    '"http://quay.example:3128"',
    "http://quay.example:3128\n",
    "http://quay .example:3128",
    "http://",
    "http:/quay.example:3128",
    "http://:3128",
    "http://quay.example:99999",
    "http://http://quay.example",
    "ftp://quay.example",
    "socks4://quay.example",
    "socks5://quay.example:1080",
    "socks5h://ferry:canary@quay.example:1080",
]
GOOD_PROXIES = ["http://quay.example:3128", "quay.example:3128", "HTTPS://quay.example", "http://f:p%2Fw@[::1]:3128/"]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"])
@pytest.mark.parametrize("proxy", BAD_PROXIES)
def test_proxy_that_cannot_be_used_is_named(name: str, proxy: str) -> None:
    (finding,) = environment_findings({name: proxy})
    assert (finding.severity, finding.path) == ("error", name)
    assert finding.hint
    for part in ("anary", "ferry", "quay"):
        assert part not in finding.text()


@pytest.mark.parametrize("proxy", GOOD_PROXIES)
def test_proxy_that_may_be_unreachable_is_no_finding(proxy: str) -> None:
    assert environment_findings({"HTTPS_PROXY": proxy, "NO_PROXY": "localhost, 10.0.0.0/8,.cluster.local,::1,"}) == []


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"HTTPS_PROXY": "ftp://x", "https_proxy": "http://quay"}, []),
        ({"HTTPS_PROXY": "http://quay", "https_proxy": "ftp://x"}, ["https_proxy"]),
        ({"HTTPS_PROXY": "ftp://x", "https_proxy": ""}, []),
        ({"HTTP_PROXY": "ftp://x", "REQUEST_METHOD": "GET"}, []),
        ({"HTTP_PROXY": "ftp://x", "ALL_PROXY": "ftp://x"}, ["HTTP_PROXY", "ALL_PROXY"]),
        ({"ALL_PROXY": "ftp://x", "NO_PROXY": "a, *"}, []),
        ({"ALL_PROXY": "ftp://x", "NO_PROXY": "quay.example"}, ["ALL_PROXY"]),
        ({"ALL_PROXY": "http://quay", "NO_PROXY": '"localhost"'}, ["NO_PROXY"]),
        ({"ALL_PROXY": "http://quay", "no_proxy": "localhost 10.0.0.1"}, ["no_proxy"]),
        ({"NO_PROXY": '"localhost"'}, []),
        ({"FTP_PROXY": "nonsense", "MY_PROXY": "ftp://x"}, []),
    ],
)
def test_only_variables_that_are_read_are_findings(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], named: list[str]
) -> None:
    """The reading agrees with the client's own: it fails to start for a bad proxy, and for nothing else."""
    assert [each.path for each in environment_findings(environ)] == named
    for name in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if any(not name.lower().startswith("no_") for name in named):
        with pytest.raises(ValueError, match="proxy URL"):
            httpx2.AsyncClient(verify=False)
    else:
        httpx2.AsyncClient(verify=False)


def test_certificate_file_must_contain_a_certificate(tmp_path: Path) -> None:
    empty, key = tmp_path / "empty.pem", tmp_path / "key.pem"
    empty.write_text("")
    key.write_text("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
    for path in (tmp_path / "nowhere.pem", tmp_path, empty, key):
        (finding,) = environment_findings({"SSL_CERT_FILE": str(path), "SSL_CERT_DIR": str(tmp_path)})
        assert finding.path == "SSL_CERT_FILE"
        assert str(path) not in finding.text()
    assert environment_findings({"SSL_CERT_FILE": certifi.where(), "SSL_CERT_DIR": "/nowhere"}) == []
    assert environment_findings({"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": "/nowhere"}) == []


def test_certificate_directory_must_contain_a_hashed_name(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(Path(certifi.where()).read_text())
    for value in (str(tmp_path), "/nowhere", f"/nowhere:{tmp_path}"):
        assert [each.path for each in environment_findings({"SSL_CERT_DIR": value})] == ["SSL_CERT_DIR"]
    (tmp_path / "0a1b2c3d.0").symlink_to("ca.pem")
    assert environment_findings({"SSL_CERT_DIR": f"/nowhere:{tmp_path}"}) == []


@pytest.mark.parametrize("proxy", BAD_PROXIES)
def test_registry_proxy_that_cannot_be_used_is_a_finding(tmp_path: Path, proxy: str) -> None:
    text = GOOD + "schemas: {registry: {url: 'https://r', proxy: '${PROXY}'}}\n"
    found = loaded(tmp_path, text, {**ENVIRON, "PROXY": proxy}).findings
    if proxy.endswith("\n"):
        assert found == (), "the white space around a variable is removed"
        return
    (finding,) = found
    assert finding.path == "schemas.registry.proxy"
    assert "anary" not in finding.text()


def test_registry_is_not_blamed_for_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://quay.example:1080")
    text = GOOD + "schemas: {registry: {url: 'https://r'}}\n"
    assert loaded(tmp_path, text, {**ENVIRON, "ALL_PROXY": "socks5://quay.example:1080"}).findings == ()


def test_file_name_that_no_system_accepts_is_named() -> None:
    (finding,) = environment_findings({"SSL_CERT_FILE": "quay\0.pem"})
    assert finding.path == "SSL_CERT_FILE"
    assert "not the path of a file" in finding.message
