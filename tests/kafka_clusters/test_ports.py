"""Reserved ports: test processes that run side by side must not get the same port."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka_clusters.broker import free_port

_ASK = "from tests.kafka_clusters.broker import free_port; print(*[free_port() for _ in range(200)])"


def test_concurrent_processes_get_different_ports() -> None:
    mine = [free_port() for _ in range(200)]
    done = subprocess.run(
        [sys.executable, "-c", _ASK], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    theirs = [int(port) for port in done.stdout.split()]
    assert len({*mine, *theirs}) == 400


def test_port_in_use_is_not_returned() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="no port is free"):
            free_port((port,))
