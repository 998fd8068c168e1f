"""The short storm: every kind of fault once, with real members and a real broker that is paused and killed as well."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault_injection import report
from tests.fault_injection.catalogue import FAULTS, each_once
from tests.fault_injection.own_kafka import OwnKafka
from tests.fault_injection.storm import Storm
from tests.fault_injection.storm_counts import StormOptions

_SEED = 4
_OPTIONS = StormOptions(settle_in_10=1)
_WITHIN_S = 1800.0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_fault_once_loses_and_misorders_nothing(
    own_kafka: OwnKafka, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    """No event is lost, out of order or wrongly dead-lettered."""
    deck_random, storm_random = report.seeds(_SEED)
    faults = each_once(deck_random)
    began = time.monotonic()
    folder = tmp_path / "world"
    folder.mkdir()
    with Storm(own_kafka, folder, storm_random, _OPTIONS, print) as storm:
        storm.start()
        storm.strike(faults, _WITHIN_S)
        storm.wait_for_deliveries()
        storm.shut_down()
        found = report.run(storm, faults, _SEED, time.monotonic() - began)
    measured(found.text())
    assert found.complaints == []
    assert {kind for kind, count in found.faults.items() if count.hits} == {fault.kind for fault in FAULTS}
    assert found.crashes
    for crash in found.crashes:
        assert crash.again <= crash.bound, crash
