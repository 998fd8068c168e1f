"""Fixtures of the fault suite: a real broker, and a check that no member writes personal data or secrets."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault_injection import canary_search
from tests.fault_injection.own_kafka import OwnKafka
from tests.kafka_clusters import Broker, RealBroker
from tests.kafka_clusters.apache import ApacheKafkaError
from tests.kafka_clusters.jars import NoJarsError


@pytest.fixture(params=["apache"])
def broker(apache_broker: Broker) -> Broker:
    """Only a real broker: these scenarios test real processes, and are slow."""
    return apache_broker


@pytest.fixture(scope="session")
def own_kafka(apache_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnKafka]:
    """A broker for this suite alone: tests stop it, kill it and put a proxy before it."""
    try:
        broker = OwnKafka(tmp_path_factory.mktemp("own-kafka"))
    except (NoJarsError, ApacheKafkaError) as reason:
        missing = f"no second Apache Kafka, to stop and kill, beside {apache_broker.origin}: {reason}"
        if os.environ.get("CDP_REQUIRE_REAL_KAFKA"):
            pytest.fail(missing)
        pytest.skip(missing)
    yield broker
    broker.close()


@pytest.fixture(autouse=True)
def nothing_personal_is_written(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each scenario, search the members' output for personal data and secrets."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        output = canary_search.SearchedOutput()
        for folder_with_errors in {
            errors.parent for errors in folder.rglob("*.err")
        }:  # a broker's `.log` files are its data
            output.files(folder_with_errors)
        assert output.leaks(canary_search.SHOP_CANARIES) == []
