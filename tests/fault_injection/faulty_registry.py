"""A schema registry whose first responses are bad and contain a canary."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.e2e import schemas

REGISTERED = "canary.registry-6f13"
UNUSABLE, NEVER = 501, 99_998
"""Schema ids: one with an unusable schema, one that is unknown."""
UNUSABLE_TEXT = json.dumps({"type": "record", "name": REGISTERED, "fields": [{"name": REGISTERED, "type": "no such"}]})


class Registry:
    """A registry that answers each lookup badly three times, each time differently, and then correctly."""

    def __init__(self) -> None:
        self.responses: Counter[int] = Counter()
        lookups: Counter[str] = Counter()
        texts = {schema_id: json.dumps(schemas.SCHEMAS[name]) for name, schema_id in schemas.IDS.items()}
        texts[UNUSABLE] = UNUSABLE_TEXT
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                lookups[path] += 1
                schema_id = int(path.rpartition("/")[2])
                text = json.dumps({"message": REGISTERED, "error_code": 40403, "schema": None})
                status, body = {1: (401, text), 2: (200, f"<p>{REGISTERED}"), 3: (500, text)}.get(
                    lookups[path],
                    (200, json.dumps({"schema": texts[schema_id]})) if schema_id in texts else (404, text),
                )
                registry.responses[status] += 1
                self.send_response(status)
                self.send_header("x-canary", REGISTERED)
                self.send_header("content-type", "application/vnd.schemaregistry.v1+json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve, and yield the address."""
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{self.server.server_address[1]}"
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()
