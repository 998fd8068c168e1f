"""Apache Kafka in a container, where Docker answers and can get the images within a bounded wait."""

import threading
import warnings

import docker
from docker.errors import DockerException, ImageNotFound

from tests.brokers.broker import RealBroker, answers, free_port
from tests.brokers.jars import KAFKA_VERSION

_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
_DOCKER_ANSWERS_WITHIN_S = 5
_PULL_WITHIN_S = 120.0
_UP_WITHIN_S = 60.0


class NoContainerError(Exception):
    """Kafka cannot be run in a container here; the text says why."""


class ContainerBroker(RealBroker):
    """A single node in a container, removed at the end of the session.

    Raises:
        NoContainerError: Docker does not answer, an image cannot be had in time, or the node did not come up.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's own deprecations are not ours to mend
            from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - only where Docker may be
            from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - the same

            _have_images(_IMAGE, testcontainers_config.ryuk_image)
            port = free_port()
            container = DockerContainer(_IMAGE)
            host = container.get_docker_client().host()  # "localhost", unless Docker is on another machine
            self._container = (
                container.with_bind_ports(9092, port)
                .with_env("KAFKA_NODE_ID", "1")
                .with_env("KAFKA_PROCESS_ROLES", "broker,controller")
                .with_env("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093")
                .with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://{host}:{port}")
                .with_env("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
                .with_env("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT")
                .with_env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093")
                .with_env("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
                .with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
                .with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
                .with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
                .with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
                .start()
            )
        super().__init__(f"{host}:{port}", f"{_IMAGE} by Docker")
        if not answers(self.bootstrap, within_s=_UP_WITHIN_S):
            self.close()
            raise NoContainerError(f"{_IMAGE} did not answer within {_UP_WITHIN_S:g} s")

    def close(self) -> None:
        self._container.stop()


def _have_images(*images: str) -> None:
    """Make sure that every image is on this machine, or say why it is not.

    The pull runs in a thread that may be left behind: Docker's own waits have no end when a registry cannot be reached.
    """
    try:
        client = docker.from_env(timeout=_DOCKER_ANSWERS_WITHIN_S)
        client.ping()
    except DockerException as error:
        raise NoContainerError("Docker does not answer") from error
    patient = docker.from_env(timeout=_PULL_WITHIN_S)
    faults: list[str] = []

    def pull() -> None:
        for image in images:
            try:
                patient.images.get(image)
            except ImageNotFound:
                try:
                    patient.images.pull(image)
                except (DockerException, OSError):
                    faults.append(image)

    thread = threading.Thread(target=pull, daemon=True)
    thread.start()
    thread.join(_PULL_WITHIN_S)
    if thread.is_alive():
        raise NoContainerError(f"Docker answers, but did not get {' and '.join(images)} within {_PULL_WITHIN_S:g} s")
    if faults:
        raise NoContainerError(f"Docker answers, but cannot get {' and '.join(faults)}")
    client.close()
    patient.close()
