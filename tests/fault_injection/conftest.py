"""Over the whole fault suite: a real broker, and no member of any scenario writes down whom it serves, or a secret."""

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
    """The real one alone: these scenarios are about what real processes do to each other, and take their time."""
    return apache_broker


@pytest.fixture(scope="session")
def own_kafka(apache_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnKafka]:
    """A broker that no other test minds the loss of: it is stopped, killed, stood in front of."""
    try:
        broker = OwnKafka(tmp_path_factory.mktemp("own-kafka"))
    except (NoJarsError, ApacheKafkaError) as reason:
        missing = f"no Apache Kafka that may be killed, beside {apache_broker.origin}: {reason}"
        if os.environ.get("CDP_REQUIRE_REAL_KAFKA"):
            pytest.fail(missing)
        pytest.skip(missing)
    yield broker
    broker.close()


@pytest.fixture(autouse=True)
def nothing_personal_is_written(request: pytest.FixtureRequest) -> Iterator[None]:
    """Search what the members of a scenario wrote for the shop's customers and the world's secrets, at its end."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        said = canary_search.SearchedOutput()
        for beside in {errors.parent for errors in folder.rglob("*.err")}:  # a broker's own `.log` is its data
            said.files(beside)
        assert said.leaks(canary_search.OF_THE_SHOP) == []
