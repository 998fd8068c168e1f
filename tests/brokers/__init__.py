"""The brokers tests run on: the embedded cluster, and an Apache Kafka where one can be had."""

from tests.brokers.broker import Broker, RealBroker
from tests.brokers.embedded import EmbeddedBroker

__all__ = ["Broker", "EmbeddedBroker", "RealBroker"]
