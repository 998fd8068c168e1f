"""Kafka without Kafka: librdkafka's mock cluster in a process of its own, for the demo and for tests.

What it is not: about 5 MB a partition are kept and older batches dropped; there is no topic configuration; transactions
are accepted and isolate nothing; a topic nobody created appears with four partitions; a waiting fetch is answered only
after the client's `fetch.wait.max.ms`, so set that to 10-50 ms.

Run as a module it is the child: `python -m consumer.demo.embedded_kafka BROKERS`.
"""

import json
import os
import subprocess
import sys
import threading
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

from consumer.demo import mock_cluster

_LEAVE_WITHIN_S = 5.0


class ApiKey(IntEnum):
    """Kinds of request a fault can be aimed at (Kafka protocol guide, "API keys")."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    CONSUMER_GROUP_HEARTBEAT = 68


class EmbeddedKafkaError(Exception):
    """The embedded cluster could not do what was asked; the text is one sentence for a person."""


class EmbeddedKafka:
    """A Kafka cluster that lives as long as its `with` block, and dies with this process whatever happens to it.

    Args:
        brokers: how many brokers it pretends to have.

    Raises:
        EmbeddedKafkaError: on entering, when this platform's confluent-kafka has no mock cluster; later, when a request
            is refused or the cluster's process is gone.
    """

    def __init__(self, *, brokers: int = 1) -> None:
        self._brokers = brokers
        self._process: subprocess.Popen[str] | None = None
        self._bootstrap = ""
        self._turn = threading.Lock()  # one question at a time: an answer belongs to the line before it

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses as `bootstrap.servers` takes them."""
        return self._bootstrap

    @property
    def pid(self) -> int:
        """The cluster's process."""
        return self._running().pid

    def start(self) -> Self:
        """Start the cluster's process and wait for its address."""
        root = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-m", "consumer.demo.embedded_kafka", str(self._brokers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # The child must find this very package, from whatever folder it is started.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))},
            # Ctrl-C reaches a whole process group: the brokers would be gone before the last commit of a clean leave.
            start_new_session=True,
        )
        try:
            self._bootstrap = self._read()["bootstrap"]
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End the cluster; what it held is gone. Closing twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:  # closes the pipes; the child ends at the end of its stdin
            try:
                process.communicate(timeout=_LEAVE_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic; an existing one is an error."""
        self._do("create_topic", name, partitions)

    def broker_down(self, broker: int = -1) -> None:
        """Cut a broker's connections and refuse new ones (-1: all brokers); its data stay."""
        self._do("broker_down", broker)

    def broker_up(self, broker: int = -1) -> None:
        """Let a broker answer again (-1: all brokers)."""
        self._do("broker_up", broker)

    def set_rtt(self, rtt_ms: int) -> None:
        """Delay every answer by this many milliseconds; 0 ends the delay."""
        self._do("set_rtt", rtt_ms)

    def push_request_errors(self, api_key: ApiKey, errors: list[int]) -> None:
        """Answer the next requests of this kind with these Kafka error codes, in turn."""
        self._do("push_request_errors", int(api_key), errors)

    def clear_request_errors(self, api_key: ApiKey) -> None:
        """Forget the error codes that still wait for this kind of request."""
        self._do("clear_request_errors", int(api_key))

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise EmbeddedKafkaError("embedded Kafka is not running")
        return self._process

    def _do(self, name: str, *args: object) -> None:
        with self._turn:
            stdin = self._running().stdin
            if stdin is None:
                raise AssertionError("the child was started with a pipe for stdin")
            try:
                stdin.write(json.dumps({"do": name, "args": args}) + "\n")
                stdin.flush()
            except OSError as error:
                raise self._gone() from error
            self._read()

    def _read(self) -> dict[str, Any]:
        stdout = self._running().stdout
        line = "" if stdout is None else stdout.readline()
        if not line:
            raise self._gone()
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise EmbeddedKafkaError(f"embedded Kafka: {said['error']}")
        return said

    def _gone(self) -> EmbeddedKafkaError:
        process = self._running()
        return EmbeddedKafkaError(
            f"embedded Kafka's process {process.pid} is gone (exit code {process.poll()}); "
            "its own words, if any, stand on standard error above"
        )


if __name__ == "__main__":
    mock_cluster.main()
