"""A configuration with the demo's schemas and mapping, for commands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.commands.shell import ROOT

ENVIRON = {
    "KAFKA": "kafka:9092",
    "CLIENT_ID": "id-canary",
    "CLIENT_SECRET": "secret-canary",
    "API_KEY": "key-canary",
    "STORE": "store-1",
    "YOTPO": "yotpo-canary",
}

CONFIG = f"""\
kafka: {{bootstrap.servers: "${{KAFKA}}"}}
topics: [shop.orders]
schemas: {{directory: {ROOT}/avro}}
mapping: {ROOT}/avro/mapping.yaml
destinations:
  copilot: {{url: "https://api.acme.bycopilot.com", client_id: "${{CLIENT_ID}}", client_secret: "${{CLIENT_SECRET}}"}}
  customerio: {{url: "https://cdp.customer.io/v1", api_key: "${{API_KEY}}"}}
  yotpo: {{url: "https://api.yotpo.com/core/v3", store_id: "${{STORE}}", secret: "${{YOTPO}}"}}
"""


def configured(folder: Path, text: str = CONFIG) -> Path:
    """Write the configuration as `cdp.yaml`, and return its folder."""
    (folder / "cdp.yaml").write_text(text)
    return folder


def event(name: str, value: object, **more: Any) -> str:  # noqa: ANN401 - JSON
    """Return one line for `translate`."""
    return json.dumps({"type": f"com.acme.shop.{name}", "value": value, **more}) + "\n"


CONSENT = {
    "event_id": "0b0b0b0b-0000-4000-8000-000000000003",
    "occurred_at": "2026-11-20T10:00:00Z",
    "customer_id": "c-1",
    "purpose": "ANALYSIS",
    "granted": False,
}

ORDER = {
    "event_id": "0b0b0b0b-0000-4000-8000-000000000001",
    "occurred_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds"),
    "number": 1001,
    "status": "PAID",
    "currency": "EUR",
    "total": 59.90,
    "customer": {"id": "c-1", "email": "ada@example.com", "marketing_ok": True},
    "items": [
        {"line_id": "1", "product": {"sku": "A-1", "title": "Tea", "price": "9.95"}, "quantity": 2},
        {"line_id": "2", "product": {"sku": "B-2", "title": "Pot", "price": 40}, "quantity": 1, "gift": True},
    ],
}
