"""The demo's registry gives the service's own client whole schemas, and knows what it does not have."""

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


def test_every_schema_comes_with_all_it_refers_to(registry: SchemaRegistry) -> None:
    client = RegistryClient({"url": registry.url}, 5.0)

    async def ask() -> dict[str, SchemaFound]:
        answers = {name: await client.fetch(each.id) for name, each in SCHEMAS.registered.items()}
        assert all(isinstance(answer, SchemaFound) for answer in answers.values())
        return {name: answer for name, answer in answers.items() if isinstance(answer, SchemaFound)}

    answers = asyncio.run(ask())
    assert len(answers) == 8
    order = answers["com.acme.shop.OrderPlaced"]
    assert set(order.references) == {"com.acme.shop.CustomerSignedUp", "com.acme.shop.ProductViewed"}
    assert json.loads(order.references["com.acme.shop.ProductViewed"])["name"] == "ProductViewed"


def test_an_id_nobody_registered_is_unknown_and_not_an_outage(registry: SchemaRegistry) -> None:
    client = RegistryClient({"url": registry.url}, 5.0)
    assert asyncio.run(client.fetch(999_999_999)) == SchemaUnknown()
