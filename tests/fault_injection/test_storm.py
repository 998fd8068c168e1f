"""The short form: every kind of fault once, real members, a real broker of their own that is paused and killed, too."""

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
_OPTIONS = StormOptions(settle=1)
_WITHIN_S = 1800.0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_fault_once_loses_and_misorders_nothing(
    own_kafka: OwnKafka, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    of_deck, of_storm = report.seeds(_SEED)
    faults = each_once(of_deck)
    began = time.monotonic()
    folder = tmp_path / "world"
    folder.mkdir()
    with Storm(own_kafka, folder, of_storm, _OPTIONS, print) as storm:
        storm.start()
        storm.strike(faults, _WITHIN_S)
        storm.wait_for_the_rest()
        storm.shut_down()
        found = report.run(storm, faults, _SEED, time.monotonic() - began)
    measured(found.text())
    assert found.complaints == []
    assert {kind for kind, count in found.faults.items() if count.hits} == {fault.kind for fault in FAULTS}
    assert found.crashes
    for crash in found.crashes:
        assert crash.again <= crash.bound, crash
