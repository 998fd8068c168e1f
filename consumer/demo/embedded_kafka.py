"""Embedded Kafka: librdkafka's mock cluster in a child process, for the demo and for tests.

Limits:

* It keeps about 5 MB a partition and drops older batches.
* It has no topic configuration. A topic that is used before it is created gets four partitions.
* Transactions are accepted but isolate nothing.
* A fetch that finds no record is answered only after the client's `fetch.wait.max.ms`: set that to 10-50 ms.

Run as a module it is the child process: `python -m consumer.demo.embedded_kafka BROKERS`.
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

_EXIT_WITHIN_S = 5.0


class ApiKey(IntEnum):
    """Kinds of request that can be made to fail (Kafka protocol guide, "API keys")."""

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
    """A command to the embedded cluster failed. The text is one sentence for the user."""


class EmbeddedKafka:
    """A Kafka cluster that lives as long as its `with` block. It ends with this process, even if that is killed.

    Args:
        brokers: the number of simulated brokers.

    Raises:
        EmbeddedKafkaError: on entering, if this platform's confluent-kafka has no mock cluster; later, if a command
            is refused or the cluster's process has ended.
    """

    def __init__(self, *, brokers: int = 1) -> None:
        self._brokers = brokers
        self._process: subprocess.Popen[str] | None = None
        self._bootstrap = ""
        self._lock = threading.Lock()  # one command at a time: each response line belongs to the command before it

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, as the value of `bootstrap.servers`."""
        return self._bootstrap

    @property
    def pid(self) -> int:
        """The id of the cluster's process."""
        return self._running().pid

    def start(self) -> Self:
        """Start the cluster's process and wait for its address."""
        root = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-m", "consumer.demo.embedded_kafka", str(self._brokers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # The child must import this package, whatever the working directory is.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))},
            # Ctrl-C reaches a whole process group: the brokers would end before the service's last commit.
            start_new_session=True,
        )
        try:
            self._bootstrap = self._read()["bootstrap"]
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End the cluster and discard its data. Closing twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:  # closes the pipes; the child ends at the end of its stdin
            try:
                process.communicate(timeout=_EXIT_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic. An existing one is an error."""
        self._command("create_topic", name, partitions)

    def broker_down(self, broker: int = -1) -> None:
        """Close a broker's connections and refuse new ones (-1: all brokers). Its data stay."""
        self._command("broker_down", broker)

    def broker_up(self, broker: int = -1) -> None:
        """Let a broker accept connections again (-1: all brokers)."""
        self._command("broker_up", broker)

    def set_rtt(self, rtt_ms: int) -> None:
        """Delay every response by `rtt_ms` milliseconds. 0 ends the delay."""
        self._command("set_rtt", rtt_ms)

    def push_request_errors(self, api_key: ApiKey, errors: list[int]) -> None:
        """Fail the next requests of this kind with these Kafka error codes, one each."""
        self._command("push_request_errors", int(api_key), errors)

    def clear_request_errors(self, api_key: ApiKey) -> None:
        """Discard the error codes not yet used for this kind of request."""
        self._command("clear_request_errors", int(api_key))

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise EmbeddedKafkaError("embedded Kafka: not running")
        return self._process

    def _command(self, name: str, *args: object) -> None:
        with self._lock:
            stdin = self._running().stdin
            if stdin is None:
                raise AssertionError("the child was started with a pipe for stdin")
            try:
                stdin.write(json.dumps({"do": name, "args": args}) + "\n")
                stdin.flush()
            except OSError as error:
                raise self._process_ended() from error
            self._read()

    def _read(self) -> dict[str, Any]:
        stdout = self._running().stdout
        line = "" if stdout is None else stdout.readline()
        if not line:
            raise self._process_ended()
        response: dict[str, Any] = json.loads(line)
        if "error" in response:
            raise EmbeddedKafkaError(f"embedded Kafka: {response['error']}")
        return response

    def _process_ended(self) -> EmbeddedKafkaError:
        process = self._running()
        return EmbeddedKafkaError(
            f"embedded Kafka: process {process.pid} has ended (exit code {process.poll()}). "
            "Look for its error message on standard error above."
        )


if __name__ == "__main__":
    mock_cluster.main()
