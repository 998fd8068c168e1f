"""The HTTP port, over real sockets."""

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from consumer.observability.http.server import IDLE_TIMEOUT_S, StatusServer
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import CollectedStatus, StatusSources
from tests.observability.sample_status import FailingStatus, FixedStatus, healthy, unhealthy


class ReplaceableSources(StatusSources):
    """Status sources that a test can exchange while the server runs."""

    def __init__(self) -> None:
        super().__init__()
        self.current = StatusSources()

    def collect(self) -> CollectedStatus:
        return self.current.collect()


class Served:
    """A server on a free port."""

    def __init__(self, idle_timeout_s: float = IDLE_TIMEOUT_S) -> None:
        self.replaceable = ReplaceableSources()
        self.metrics = Metrics(CollectorRegistry())
        self.metrics.watch(self.replaceable)
        self.server = StatusServer("127.0.0.1:0", self.metrics, self.replaceable, idle_timeout_s=idle_timeout_s)
        self.port = self.server.start()

    @property
    def sources(self) -> StatusSources:
        return self.replaceable.current

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers
        finally:
            connection.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    served = Served()
    yield served
    served.server.close()


@pytest.fixture
def served(server: Served) -> Served:
    """The one server, without pipelines: to start and stop one for each test would take most of the time."""
    server.replaceable.current = StatusSources()
    return server


PROBES = ("/livez", "/readyz", "/startupz")


def test_probes_of_healthy_pipeline_return_ok(served: Served) -> None:
    served.sources.add("cdp-copilot", FixedStatus(healthy()))
    for path in PROBES:
        assert served.get(path)[:2] == (200, "ok\n")


def test_only_liveness_passes_before_the_first_pipeline(served: Served) -> None:
    assert [served.get(path)[0] for path in PROBES] == [200, 503, 503]
    assert "no pipeline has started yet" in served.get("/readyz")[1]


def test_held_fenced_lagging_pipeline_is_live_and_ready(served: Served) -> None:
    served.sources.add("cdp-customerio", FixedStatus(unhealthy()))
    assert [served.get(path)[0] for path in PROBES] == [200, 200, 200]


def test_stuck_poll_thread_fails_liveness_with_reason(served: Served) -> None:
    served.sources.add("cdp", FixedStatus(replace(healthy("cdp"), poll_ticked_at_s=-10_000.0)))
    code, body, _ = served.get("/livez")
    assert code == 503
    assert body == "cdp poll_ticking: no tick for more than 150 s\n"
    code, body, headers = served.get("/livez?verbose")
    assert code == 503
    assert headers["Content-Type"].startswith("application/json")
    document = json.loads(body)
    assert document["ok"] is False
    assert [check["name"] for check in document["checks"]] == ["poll_ticking", "loop_ticking", "client_alive"]
    assert document["checks"][0]["age_s"] > 150


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/livez", "/status"])
def test_other_methods_return_405(served: Served, method: str, path: str) -> None:
    code, _, headers = served.get(path, method)
    assert (code, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/metrics", "/status", "/readyz?verbose"])
def test_head_returns_headers_without_body(served: Served, path: str) -> None:
    served.sources.add("cdp-copilot", FixedStatus(healthy()))
    code, body, headers = served.get(path, "HEAD")
    assert (code, body) == (200, "")
    assert int(headers["Content-Length"]) > 100


def test_metrics_follow_the_accept_header(served: Served) -> None:
    served.sources.add("cdp-copilot", FixedStatus(healthy()))
    plain = served.get("/metrics")
    assert plain[2]["Content-Type"].startswith("text/plain")
    code, body, headers = served.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert code == 200
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert any(family.name == "cdp_health_check" for family in parse_openmetrics(body))  # type: ignore[no-untyped-call]


def test_status_has_pipelines_and_those_not_answering(served: Served) -> None:
    served.sources.add("cdp-customerio", FixedStatus(unhealthy()))
    served.sources.add("broken", FailingStatus())
    code, body, _ = served.get("/status")
    document = json.loads(body)
    assert code == 200
    assert document["not_answering"] == ["broken"]
    (pipeline,) = document["pipelines"]
    assert pipeline["destinations"][0]["holds"][0]["cause"] == "unauthorized"
    assert pipeline["destinations"][0]["accounting"]["mismatch"] == 1
    assert pipeline["partitions"][0]["lag"] == 24_000
    assert pipeline["schemas_pending"][0]["schema"] == "1234"
    assert document["probes"]["/readyz"]["ok"] is True
    assert "canary" not in body


class Page(HTMLParser):
    """Checks that tags nest, and remembers what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)
        if tag in {"script", "img", "link", "iframe"} or any(name == "src" for name, _ in attrs):
            self.fetched.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def test_page_lists_problems_first_and_fetches_nothing(served: Served) -> None:
    served.sources.add("cdp-copilot", FixedStatus(healthy()))
    served.sources.add("cdp-customerio", FixedStatus(unhealthy()))
    code, body, headers = served.get("/")
    page = read(body)
    text = "\n".join(page.text)
    assert code == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.fetched == []
    assert "13 problems" in text
    assert "customerio: endpoint batch has been held for 60 min (unauthorized)." in text
    assert text.index("has been held") < text.index("Destinations")
    assert "<b>eu</b>" not in body
    assert "shop.customers.<b>eu</b>/0" in page.text, "names are shown as text"


def test_page_of_healthy_pipeline_shows_no_problems(served: Served) -> None:
    served.sources.add("cdp-copilot", FixedStatus(healthy()))
    page = read(served.get("/")[1])
    assert "No problems" in page.text
    assert "in its group" in page.text


@pytest.mark.parametrize("path", ["/nothing", "/livez/", "/../etc/passwd", "/%00", "/metrics/x"])
def test_unknown_path_returns_404(served: Served, path: str) -> None:
    code, body, _ = served.get(path)
    assert code == 404
    assert "/status" in body


@pytest.mark.parametrize(
    "garbage", [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x00\xff" * 20, b"GET / HTTP/9.9\r\n\r\n"]
)
def test_malformed_request_does_not_stop_the_server(served: Served, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=120) as connection:
        connection.sendall(garbage)
    assert served.get("/livez")[0] == 200


def test_idle_connections_do_not_block_probes(served: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", served.port), timeout=120) for _ in range(20)]
    try:
        assert served.get("/livez")[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_idle_connections_are_closed_and_free_slots_for_probes() -> None:
    assert IDLE_TIMEOUT_S == 5.0, "as long as a liveness probe waits"
    served = Served(idle_timeout_s=0.2)
    idle = [socket.create_connection(("127.0.0.1", served.port), timeout=120) for _ in range(40)]
    try:
        assert served.get("/livez")[0] == 200
        assert idle[0].recv(1) == b"", "the server closed it"
    finally:
        for connection in idle:
            connection.close()
        served.server.close()


def test_server_header_reveals_no_versions(served: Served) -> None:
    _, _, headers = served.get("/livez")
    assert headers["Server"].strip() == "cdp-consumer"
    assert headers["Cache-Control"] == "no-store"


def test_address_in_use_raises_on_start(served: Served) -> None:
    second = StatusServer(("127.0.0.1", served.port), served.metrics, served.sources)
    with pytest.raises(OSError, match="in use"):
        second.start()
    second.close()


@pytest.mark.parametrize("address", ["9464", "localhost", "localhost:http", "localhost:99999", ""])
def test_address_without_valid_port_raises(address: str) -> None:
    with pytest.raises(ValueError, match=r"e\.g\. 0\.0\.0\.0:9464"):
        StatusServer(address, Metrics(CollectorRegistry()), StatusSources())


def test_second_close_does_nothing() -> None:
    served = Served()
    served.server.close()
    served.server.close()
    with pytest.raises(OSError):
        served.get("/livez")
