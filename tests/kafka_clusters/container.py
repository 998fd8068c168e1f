"""Apache Kafka in a container, if Docker responds and gets the images in bounded time."""

import gc
import threading
import warnings

import docker
from docker.errors import DockerException, ImageNotFound

from tests.kafka_clusters.broker import RealBroker, free_port, responds
from tests.kafka_clusters.jars import KAFKA_VERSION

_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
_DOCKER_RESPONDS_WITHIN_S = 5
_PULL_WITHIN_S = 120.0
_UP_WITHIN_S = 240.0


class NoContainerError(Exception):
    """Kafka cannot run in a container here. The text contains the reason."""


class ContainerBroker(RealBroker):
    """A single node in a container, removed at the end of the session.

    Raises:
        NoContainerError: Docker does not respond, an image does not arrive in time, or the node did not start.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations and open sockets inside the libraries cannot be fixed here
            from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - only where Docker may be
            from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - the same

            _have_images(_IMAGE, testcontainers_config.ryuk_image)
            port = free_port()
            container = DockerContainer(_IMAGE).with_bind_ports(9092, port)
            host = container.get_docker_client().host()  # "localhost", unless Docker is on another machine
            for name, value in _settings(host, port).items():
                container.with_env(name, value)
            self._container = container
            try:
                container.start()
            except (DockerException, OSError, RuntimeError) as error:
                raise NoContainerError(f"{_IMAGE} did not start: {type(error).__name__}") from error
        super().__init__(f"{host}:{port}", f"{_IMAGE} by Docker")
        self._await_response()

    def start(self) -> None:
        self._container.get_wrapped_container().start()
        self._await_response()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def close(self) -> None:
        self._container.stop()

    def _await_response(self) -> None:
        if not responds(self.bootstrap, within_s=_UP_WITHIN_S):
            self.close()
            raise NoContainerError(f"{_IMAGE} did not respond within {_UP_WITHIN_S:g} s")


def _settings(host: str, port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{host}:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }


def _have_images(*images: str) -> None:
    """Make sure that every image is on this machine, or raise with the reason.

    The pull runs in a thread that is abandoned after a timeout: Docker's own waits are unbounded without a registry.
    """
    client = _client()
    faults: list[str] = []

    def pull() -> None:
        for image in images:
            try:
                _pull(client, image)
            except (DockerException, OSError):
                faults.append(image)

    thread = threading.Thread(target=pull, daemon=True)
    thread.start()
    thread.join(_PULL_WITHIN_S)
    if thread.is_alive():
        raise NoContainerError(f"Docker responds, but did not get {' and '.join(images)} within {_PULL_WITHIN_S:g} s")
    if faults:
        raise NoContainerError(f"Docker responds, but cannot get {' and '.join(faults)}")
    client.close()


def _pull(client: docker.DockerClient, image: str) -> None:
    try:
        client.images.get(image)
    except ImageNotFound:
        client.images.pull(image)


def _client() -> docker.DockerClient:
    """Return a client of a responding Docker, with a timeout long enough for a pull."""
    client = None
    try:
        client = docker.from_env(timeout=_DOCKER_RESPONDS_WITHIN_S)
        client.ping()
        return docker.from_env(timeout=_PULL_WITHIN_S)
    except (DockerException, OSError):
        pass
    finally:
        if client is not None:
            client.close()
    gc.collect()  # otherwise the socket of a failed client causes a warning in some later test
    raise NoContainerError("Docker does not respond")
