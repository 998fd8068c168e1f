"""The demo's registry serves complete schemas to the service's client, and found 404 for unknown ids."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from consumer.demo.registry import SchemaRegistry
from consumer.kafka.schema_registry.client import RegistryClient, SchemaFound, SchemaUnknown
from tests.demo.placed_records import SCHEMAS


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry(SCHEMAS.registered) as registry:
        yield registry


def test_schema_comes_with_all_its_references(registry: SchemaRegistry) -> None:
    client = RegistryClient({"url": registry.url}, 5.0)

    async def fetch_all() -> dict[str, SchemaFound]:
        results = {name: await client.fetch(each.id) for name, each in SCHEMAS.registered.items()}
        assert all(isinstance(result, SchemaFound) for result in results.values())
        return {name: result for name, result in results.items() if isinstance(result, SchemaFound)}

    found = asyncio.run(fetch_all())
    assert len(found) == 8
    order = found["com.acme.shop.OrderPlaced"]
    assert set(order.references) == {"com.acme.shop.CustomerSignedUp", "com.acme.shop.ProductViewed"}
    assert json.loads(order.references["com.acme.shop.ProductViewed"])["name"] == "ProductViewed"


def test_unregistered_id_is_unknown_and_not_an_outage(registry: SchemaRegistry) -> None:
    client = RegistryClient({"url": registry.url}, 5.0)
    assert asyncio.run(client.fetch(999_999_999)) == SchemaUnknown()
