"""The brokers tests run on: the embedded cluster, and an Apache Kafka where one can be had."""

from tests.kafka_clusters.broker import Broker, RealBroker
from tests.kafka_clusters.embedded import EmbeddedBroker

__all__ = ["Broker", "EmbeddedBroker", "RealBroker"]
