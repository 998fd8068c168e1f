"""Apache Kafka from its published jars: one node, KRaft, on loopback, stopped by its process id."""

import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from tests.kafka_clusters.broker import RealBroker, free_port, responds
from tests.kafka_clusters.jars import KAFKA_VERSION, java, libraries

_UP_WITHIN_S = 240.0


class ApacheBroker(RealBroker):
    """A broker process of our own. It can be stopped, killed, and started again with its data.

    Args:
        folder: holds its configuration, its log and its data.
        front: the port of a second listener SLOW, and the port of a proxy that it advertises.
        more: additional lines of `server.properties`.

    Raises:
        NoJarsError: there is no Java, or the jars are not available.
        ApacheKafkaError: the process did not start. The text contains the end of its log.
    """

    def __init__(self, folder: Path, *, front: tuple[int, int] | None = None, more: str = "") -> None:
        self._java, self._libs = java(), libraries()
        port, controller = free_port(), free_port()
        super().__init__(f"127.0.0.1:{port}", f"Apache Kafka {KAFKA_VERSION} from its jars")
        self._folder = folder
        self._settings = folder / "server.properties"
        self._settings.write_text(_settings(folder / "data", port, controller, front) + more)
        self._log = folder / "kafka.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._leash: subprocess.Popen[bytes] | None = None
        self._format()
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The broker's process id, while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._process = self._run("kafka.Kafka", str(self._settings))
        # A killed test run must not leave a broker behind: then the leash's stdin closes, and it kills the broker.
        self._leash = subprocess.Popen(
            ["/bin/sh", "-c", 'cat >/dev/null; kill -9 "$0"', str(self._process.pid)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _UP_WITHIN_S
        while not responds(self.bootstrap, within_s=1.0):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ApacheKafkaError(f"Apache Kafka did not start: {self._log_tail()}")

    def stop(self) -> None:
        # Killed: a lone broker that shuts down in order reports to its clients that there is no broker at all, and some
        # never reconnect (https://github.com/confluentinc/librdkafka/issues/5301). Its data stays either way.
        self._end()

    def kill(self) -> None:
        """Kill the broker, as a power loss would."""
        self._end()

    def close(self) -> None:
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        leash, self._leash = self._leash, None
        if leash is not None:
            leash.kill()  # before its stdin closes: the process id may belong to another process by now
            leash.communicate()

    def _format(self) -> None:
        # The first bit is cleared: an id that begins with a dash would be read as an option.
        raw = uuid.uuid4().bytes
        cluster_id = urlsafe_b64encode(bytes([raw[0] & 0x7F]) + raw[1:]).decode().rstrip("=")
        tool = self._run("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._settings))
        if tool.wait(_UP_WITHIN_S) != 0:
            raise ApacheKafkaError(f"Apache Kafka's storage could not be formatted: {self._log_tail()}")

    def _run(self, main: str, *args: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [self._java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{self._libs}/*", main, *args],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C stops the tests, which then stop the broker
            )

    def _log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])


class ApacheKafkaError(Exception):
    """The broker's process failed. The text contains the end of its log."""


def _settings(data: Path, port: int, controller: int, front: tuple[int, int] | None) -> str:
    first = f"PLAINTEXT://127.0.0.1:{port}"
    second, advertised = (f",SLOW://127.0.0.1:{one}" for one in front) if front else ("", "")
    return f"""\
node.id=1
process.roles=broker,controller
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={first},CONTROLLER://127.0.0.1:{controller}{second}
advertised.listeners={first}{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SLOW:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
# One node holds one replica of everything.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Fewer files to open at the first commit: the defaults are 50.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
# A missing topic must stay missing: the service reports it and waits.
auto.create.topics.enable=false
# Tests do not wait for further members, and may use short sessions.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=500
# Compacted topics are compacted soon.
log.cleaner.backoff.ms=500
"""
