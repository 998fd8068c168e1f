"""The embedded cluster of the demo as a broker for tests."""

from consumer.demo.embedded_kafka import EmbeddedKafka
from tests.kafka_clusters.broker import Broker


class EmbeddedBroker(Broker):
    """librdkafka's mock cluster. `kafka` injects faults."""

    name = "embedded"
    is_real = False
    origin = "librdkafka's mock cluster"
    # The mock assigns a classic group's partitions to the next member only when the last one's session would have
    # timed out, even after LeaveGroup: with librdkafka's default session timeout that takes 44 s.
    session_ms = 3000

    def __init__(self) -> None:
        self.kafka = EmbeddedKafka().start()
        self.bootstrap = self.kafka.bootstrap

    def start(self) -> None:
        self.kafka.broker_up()

    def stop(self) -> None:
        self.kafka.broker_down()

    def close(self) -> None:
        self.kafka.close()

    def _create(self, topic: str, partitions: int, config: dict[str, str]) -> None:
        if config:
            raise ValueError(
                f"the embedded cluster has no topic settings ({', '.join(config)}): mark needs_real_broker"
            )
        self.kafka.create_topic(topic, partitions)
