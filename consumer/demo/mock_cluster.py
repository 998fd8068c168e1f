"""The child process of `EmbeddedKafka`: librdkafka's mock cluster, controlled by JSON lines on stdin.

The protocol has one JSON object a line. The first line out is `{"bootstrap": "127.0.0.1:port,…"}`. Each line in,
`{"do": name, "args": […]}`, gets one line out: `{"ok": true}` or `{"error": "a sentence"}`. The process ends at the end
of stdin: a parent that dies closes the pipe, so no broker outlives it.

Non-obvious:

* The mock's control functions are not in the Python API. The librdkafka in confluent-kafka's wheel exports them. ctypes
  calls them with the `rd_kafka_t *` that lies directly after a Producer's object header. This depends on CPython's
  object layout and on an experimental interface of librdkafka (`rdkafka_mock.h`).
* Numbers are passed with their exact C type. Otherwise ctypes would pass an `int` for an `int16_t` or a `size_t`.
"""

import ctypes
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka

_LIBRARY_PATTERNS = (
    "confluent_kafka.libs/librdkafka-*.so*",  # Linux wheels (auditwheel)
    "confluent_kafka/.dylibs/librdkafka*.dylib",  # macOS wheels (delocate)
)


class UnsupportedError(Exception):
    """The installed confluent-kafka has no librdkafka that ctypes can load."""


def bundled_librdkafka() -> Path:
    """Return the path of the librdkafka in the installed wheel of confluent-kafka.

    Raises:
        UnsupportedError: there is none: on Windows, or if confluent-kafka was built from source.
    """
    site = Path(confluent_kafka.__file__).parent.parent
    for pattern in _LIBRARY_PATTERNS:
        for found in sorted(site.glob(pattern)):
            return found
    raise UnsupportedError(
        "embedded Kafka: no librdkafka of a confluent-kafka wheel for Linux or macOS "
        f"(looked beside {site / 'confluent_kafka'} on {sys.platform}). Install the wheel "
        "(pip install --only-binary confluent-kafka confluent-kafka) or use a real Kafka."
    )


class MockCluster:
    """One mock cluster with its fault injection.

    The functions called here are declared in librdkafka's `rdkafka_mock.h`.
    """

    def __init__(self, brokers: int) -> None:
        self._lib = ctypes.CDLL(str(bundled_librdkafka()))
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": "ignored:1",  # the mock replaces it by its own addresses
                "test.mock.num.brokers": brokers,
                "log_level": 0,  # injected faults would fill the parent's terminal with log lines
            }
        )
        self._cluster = self._handle()
        # Otherwise the first join of each group takes three seconds.
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, ctypes.c_int32(0))

    def _handle(self) -> ctypes.c_void_p:
        """Return the cluster's handle. The Producer's first field after its object header is its `rd_kafka_t *`."""
        pointer = ctypes.cast(id(self._producer) + object.__basicsize__, ctypes.POINTER(ctypes.c_void_p))
        self._lib.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p  # the default, int, would truncate the pointer
        cluster = self._lib.rd_kafka_handle_mock_cluster(ctypes.c_void_p(pointer[0]))
        if not cluster:
            raise UnsupportedError("embedded Kafka: librdkafka returned no mock cluster for this producer")
        return ctypes.c_void_p(cluster)

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, as the value of `bootstrap.servers`."""
        self._lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        return bytes(self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster)).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic with one replica."""
        self._expect(
            self._lib.rd_kafka_mock_topic_create(
                self._cluster, name.encode(), ctypes.c_int(partitions), ctypes.c_int(1)
            ),
            f"create topic {name}",
        )

    def broker_down(self, broker: int) -> None:
        """Close a broker's connections and refuse new ones (-1: all brokers). Its data stay."""
        self._expect(
            self._lib.rd_kafka_mock_broker_set_down(self._cluster, ctypes.c_int32(broker)), f"broker {broker} down"
        )

    def broker_up(self, broker: int) -> None:
        """Let a broker accept connections again (-1: all brokers)."""
        self._expect(
            self._lib.rd_kafka_mock_broker_set_up(self._cluster, ctypes.c_int32(broker)), f"broker {broker} up"
        )

    def set_rtt(self, rtt_ms: int) -> None:
        """Delay every response of every broker by `rtt_ms` milliseconds."""
        self._expect(
            self._lib.rd_kafka_mock_broker_set_rtt(self._cluster, ctypes.c_int32(-1), ctypes.c_int(rtt_ms)), "rtt"
        )

    def push_request_errors(self, api_key: int, errors: list[int]) -> None:
        """Fail the next requests of this kind with these error codes, one each."""
        self._lib.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(api_key), ctypes.c_size_t(len(errors)), (ctypes.c_int * len(errors))(*errors)
        )

    def clear_request_errors(self, api_key: int) -> None:
        """Discard the error codes not yet used for this kind of request."""
        self._lib.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(api_key))

    def _expect(self, code: int, what: str) -> None:
        if code != 0:
            reason = confluent_kafka.KafkaError(code).str()
            raise confluent_kafka.KafkaException(confluent_kafka.KafkaError(code, f"{what}: {reason}"))


def execute(cluster: MockCluster, line: str) -> dict[str, Any]:
    """Execute one command line of the parent and return the response to print."""
    commands: dict[str, Callable[..., None]] = {
        "create_topic": cluster.create_topic,
        "broker_down": cluster.broker_down,
        "broker_up": cluster.broker_up,
        "set_rtt": cluster.set_rtt,
        "push_request_errors": cluster.push_request_errors,
        "clear_request_errors": cluster.clear_request_errors,
    }
    command = json.loads(line)
    try:
        commands[command["do"]](*command["args"])
    except confluent_kafka.KafkaException as error:
        return {"error": error.args[0].str()}
    return {"ok": True}


def main() -> None:
    """Serve one cluster until stdin ends."""
    try:
        cluster = MockCluster(int(sys.argv[1]))
    except UnsupportedError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    print(json.dumps({"bootstrap": cluster.bootstrap}), flush=True)
    for line in sys.stdin:
        print(json.dumps(execute(cluster, line)), flush=True)
