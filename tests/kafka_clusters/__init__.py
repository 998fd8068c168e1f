"""The brokers of the tests: the embedded cluster, and an Apache Kafka where one is available."""

from tests.kafka_clusters.broker import Broker, RealBroker
from tests.kafka_clusters.embedded import EmbeddedBroker

__all__ = ["Broker", "EmbeddedBroker", "RealBroker"]
