"""The counts of a storm: a kind of fault without hits fails the run, and so does a leak of a member."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.fault_injection.catalogue import FAULTS, deck, each_once
from tests.fault_injection.kill_points import POINTS
from tests.fault_injection.members import Line
from tests.fault_injection.report import faults_without_hits
from tests.fault_injection.soak import grown

_CENSUS: Line = {
    "tasks": 37,
    "threads": 46,
    "python_threads": ["MainThread", "kafka-poll-cdp"],
    "descriptors": {"socket": 30, "pipe": 53, "file": 4},
}


def test_fault_without_hits_is_reported() -> None:
    hits = Counter({fault.kind: 1 for fault in FAULTS})
    assert faults_without_hits(FAULTS, hits) == []
    hits["hang"] = 0
    assert faults_without_hits(FAULTS, hits) == ["hang never hit anything"]
    assert faults_without_hits([fault for fault in FAULTS if fault.kind != "hang"], hits) == []


def test_seed_reproduces_faults_and_long_run_has_every_kind() -> None:
    assert [fault.kind for fault in deck(300, Random(5))] == [fault.kind for fault in deck(300, Random(5))]
    assert [fault.kind for fault in deck(300, Random(5))] != [fault.kind for fault in deck(300, Random(6))]
    counted = Counter(fault.kind for fault in deck(300, Random(5)))
    assert min(counted[fault.kind] for fault in FAULTS) >= 5
    assert {fault.kind for fault in each_once(Random(5))} == {fault.kind for fault in FAULTS} >= set(POINTS)


def test_temporary_objects_are_not_counted_as_leaks() -> None:
    """Pool threads, idle connections and the threads of Kafka clients come and go."""
    assert [*grown(_CENSUS, _CENSUS)] == []
    pools = {"threads": 48, "python_threads": [*_CENSUS["python_threads"], "asyncio_0", "uvloop_1"]}
    assert [*grown(_CENSUS, {**_CENSUS, **pools})] == []
    client = {"threads": 48, "descriptors": {**_CENSUS["descriptors"], "pipe": 57}}
    assert [*grown(_CENSUS, {**_CENSUS, **client})] == []
    assert [*grown(_CENSUS, {**_CENSUS, "descriptors": {**_CENSUS["descriptors"], "socket": 40}})] == []


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"tasks": 38}, "tasks: 37, then 38"),
        ({"threads": 49}, "threads: 46, then 49"),
        ({"descriptors": {"socket": 90}}, "descriptors (socket): 30, then 90"),
        ({"descriptors": {"pipe": 58}}, "descriptors (pipe): 53, then 58"),
        ({"descriptors": {"file": 5}}, "descriptors (file): 4, then 5"),
    ],
)
def test_leaked_task_thread_socket_and_descriptor_are_seen(more: Line, complaint: str) -> None:
    assert [*grown(_CENSUS, {**_CENSUS, **more})] == [complaint]
