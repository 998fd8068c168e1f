"""The checks of the probes: what fails them, and what never does."""

from dataclasses import replace

import pytest

from consumer.model import TransientCause
from consumer.model.status import DestinationStatus, HoldStatus, PipelineStatus, RecordCounts
from consumer.observability.health import Check, HealthThresholds, Moment, live, ready, startup

NOW = Moment(wall_ms=1_000_000_000, monotonic_s=10_000.0)
GOOD = PipelineStatus(
    "cdp",
    "cdp",
    "classic",
    joined=True,
    poll_ticked_at_s=9_999.0,
    loop_ticked_at_s=9_999.0,
    records=RecordCounts(9, 4, 5),
)
LIMITS = HealthThresholds()


def failing(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.ok}


def all_failing(status: PipelineStatus) -> set[str]:
    return set().union(*(failing(probe([status], NOW, LIMITS)) for probe in (live, ready, startup)))


def test_healthy_pipeline_passes_every_check() -> None:
    assert all_failing(GOOD) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"poll_ticked_at_s": 9_849.0}, {"poll_ticking"}),
        ({"poll_ticked_at_s": 9_851.0}, set()),
        ({"poll_ticked_at_s": None}, {"poll_started"}),
        ({"loop_ticked_at_s": 9_939.0}, {"loop_ticking"}),
        ({"loop_ticked_at_s": 9_939.0, "records": RecordCounts(4, 4, 0)}, set()),
        ({"loop_ticked_at_s": None}, {"loop_started"}),
        ({"fatal": "_FATAL"}, {"client_alive"}),
        ({"joined": False}, {"joined"}),
        ({"shutting_down": True}, {"staying"}),
        ({"shut_down": True}, {"staying"}),
        ({"shut_down": True, "poll_ticked_at_s": 1.0, "loop_ticked_at_s": 1.0}, {"staying"}),
        ({"lost_since_ms": 1_000_000_000 - 301_000}, {"in_group"}),
        ({"lost_since_ms": 1_000_000_000 - 299_000}, set()),
        ({"destinations": (DestinationStatus("yotpo", credentials_valid=False),)}, {"credentials_accepted"}),
    ],
)
def test_each_problem_fails_only_its_own_check(change: dict[str, object], expected: set[str]) -> None:
    assert all_failing(replace(GOOD, **change)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"destinations": (DestinationStatus("yotpo", holds=(HoldStatus("events", TransientCause.GONE, 0),)),)},
        {"destinations": (DestinationStatus("yotpo", credentials_valid=False, credentials_proven=True),)},
        {"destinations": (DestinationStatus("yotpo", waiting_until_ms=9_000_000_000, oldest_open_ms=0),)},
        {"partitions": ()},
        {"missing_topics": ("cdp-dead-letters",)},
        {"schemas_pending": {7: 0}},
        {"fenced": True},
    ],
)
def test_hold_outage_or_wait_fails_no_check(change: dict[str, object]) -> None:
    assert all_failing(replace(GOOD, **change)) == set()  # type: ignore[arg-type]


def test_longer_poll_interval_raises_the_liveness_threshold() -> None:
    slow = replace(GOOD, poll_ticked_at_s=9_000.0, max_poll_interval_s=3_600.0)
    assert failing(live([slow], NOW, LIMITS)) == set()
    assert failing(live([slow], NOW, HealthThresholds(poll_s=60.0))) == {"poll_ticking"}


def test_process_without_pipelines_is_live_but_not_started_or_ready() -> None:
    assert live([], NOW, LIMITS) == []
    assert failing(ready([], NOW, LIMITS)) == {"pipeline_started"}
    assert failing(startup([], NOW, LIMITS)) == {"pipeline_started"}


def test_unready_pipeline_is_named() -> None:
    checks = ready([GOOD, replace(GOOD, name="second", joined=False)], NOW, LIMITS)
    assert [(check.pipeline, check.name) for check in checks if not check.ok] == [("second", "joined")]


def test_clock_set_back_gives_no_negative_age() -> None:
    status = replace(GOOD, poll_ticked_at_s=10_050.0, lost_since_ms=1_000_900_000)
    ages = [check.age_s for probe in (live, ready, startup) for check in probe([status], NOW, LIMITS)]
    assert min(age for age in ages if age is not None) == 0
