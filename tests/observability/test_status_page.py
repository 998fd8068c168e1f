"""The status page and /status in each state of a pipeline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumer.model import Partition
from consumer.model.status import DeliveryCounts, DestinationStatus, PartitionStatus, PipelineStatus, RecordCounts
from consumer.observability.health import Moment
from consumer.observability.http.status_json import lag, status_document
from consumer.observability.http.status_page import page
from consumer.observability.status_sources import CollectedStatus
from tests.observability.sample_status import healthy

NOW = Moment(1_795_168_800_000, 5_000.0)
SECOND_MS, DAY_MS = 1000, 86_400_000


def shown(status: PipelineStatus) -> str:
    return page(CollectedStatus([status], []), [], NOW)


def test_accounting_mismatch_is_a_problem() -> None:
    [to] = healthy().destinations
    off = replace(healthy(), records=RecordCounts(accepted=9, settled=2), destinations=(
        replace(to, accounting=DeliveryCounts(owed=8, delivered=5)),
    ))  # fmt: skip
    text = shown(off)
    assert "2 problems" in text
    assert "cdp-copilot: accounting mismatch of 7 for records. This is a bug; please report it." in text
    assert "cdp-copilot: accounting mismatch of 3 for copilot. This is a bug; please report it." in text


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (replace(healthy(), shut_down=True, shutting_down=True), "stopped"),
        (replace(healthy(), shutting_down=True), "shutting down"),
        (replace(healthy(), fenced=True), "fenced"),
        (healthy(), "in its group"),
        (replace(healthy(), joined=False), "joining"),
        (replace(healthy(), lost_since_ms=NOW.wall_ms), "joining"),
    ],
    ids=["stopped", "shutting down", "fenced", "in its group", "never joined", "put out of it"],
)
def test_pipeline_state(status: PipelineStatus, word: str) -> None:
    assert f"<dt>state</dt><dd>{word}</dd>" in shown(status)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (
            DestinationStatus("copilot", waiting_until_ms=NOW.wall_ms + 90 * SECOND_MS, requests=1),
            "rate limited by server for 90 s",
        ),
        (DestinationStatus("copilot", waiting_until_ms=NOW.wall_ms - SECOND_MS), "idle"),
        (DestinationStatus("copilot", requests=1), "delivering"),
        (DestinationStatus("copilot", open_events=1), "delivering"),
        (DestinationStatus("copilot"), "idle"),
    ],
    ids=["rate limited", "waited long enough", "calling", "holding work", "idle"],
)
def test_destination_state(status: DestinationStatus, word: str) -> None:
    assert f"<td>{word}</td>" in shown(replace(healthy(), destinations=(status,)))


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [
        (-5 * SECOND_MS, "0 s"),
        (119 * SECOND_MS, "119 s"),
        (120 * SECOND_MS, "2 min"),
        (2 * 3600 * SECOND_MS, "2 h"),
        (2 * DAY_MS, "2 d"),
        (400 * DAY_MS, "400 d"),
    ],
)
def test_age_is_shown_in_a_fitting_unit(age_ms: int, text: str) -> None:
    to = DestinationStatus("copilot", oldest_open_ms=NOW.wall_ms - age_ms)
    assert f"<td>{text}</td>" in shown(replace(healthy(), destinations=(to,)))


def test_accounts_without_lanes_are_shown_and_checked() -> None:
    others = {"yotpo": DeliveryCounts(owed=4, skipped=4), "": DeliveryCounts(owed=3, dead_lettered=1)}
    seen = replace(healthy(), other_accounts=others)
    assert "<td>yotpo</td><td>disabled</td><td>4</td>" in shown(seen)
    assert "<td>none</td><td>undecodable</td><td>3</td>" in shown(seen)
    assert "1 problem<" in shown(seen)
    assert "cdp-copilot: accounting mismatch of 2 for undecodable records. This is a bug; please report it." in shown(
        seen
    )
    pipelines: object = status_document(CollectedStatus([seen], []), NOW)["pipelines"]
    assert isinstance(pipelines, list)
    assert [(name, each["mismatch"]) for name, each in pipelines[0]["other_accounts"].items()] == [
        ("yotpo", 0),
        ("none", 2),
    ]


@pytest.mark.parametrize(
    ("problems", "text"),
    [
        ({}, "."),
        ({7: "refused"}, ": the schema registry rejects our credentials. Fix them."),
        ({7: "unreachable"}, ": the schema registry gives no usable response. Check that it can be reached."),
        (
            {7: "schema_needs_decryption"},
            (
                ": a rule of the schema encrypts or transforms its records, and this service cannot read those. "
                "Map another topic, or quarantine each record."
            ),
        ),
    ],
)
def test_pending_schema_is_a_problem_with_its_reason(problems: dict[int | str, str], text: str) -> None:
    waiting = replace(healthy(), schemas_pending={7: NOW.wall_ms - 60 * SECOND_MS}, schema_problems=problems)
    assert f"records have been waiting for schema 7 for 60 s{text}</li>" in shown(waiting)
    pipelines: object = status_document(CollectedStatus([waiting], []), NOW)["pipelines"]
    assert isinstance(pipelines, list)
    assert pipelines[0]["schemas_pending"][0]["problem"] == problems.get(7)


def test_record_limit_is_shown_with_retained_records() -> None:
    assert "<dt>records retained</dt><dd>12 of 50\u202f000</dd>" in shown(healthy())


def test_only_the_200_partitions_with_most_lag_are_listed() -> None:
    many = tuple(PartitionStatus(Partition("t", n), 1, 0, 0, log_end=n, committed=0) for n in range(250))
    text = shown(replace(healthy(), partitions=many))
    assert "Partitions, the 200 with most lag of 250" in text
    assert "<td>t/249</td>" in text
    assert "<td>t/50</td>" in text
    assert "<td>t/49</td>" not in text


def test_empty_tables_show_none() -> None:
    text = shown(PipelineStatus("p", "g", "classic"))
    assert text.count("class=quiet>none</td>") == 2
    assert "<dt>lag</dt><dd>not known yet</dd>" in text


@pytest.mark.parametrize(
    ("log_end", "committed", "expected"),
    [(10, 4, 6), (4, 10, 0), (None, 4, None), (10, None, None), (10, -1001, None), (-1001, 4, None)],
)
def test_lag_is_none_unless_both_offsets_are_known(
    log_end: int | None, committed: int | None, expected: int | None
) -> None:
    assert lag(PartitionStatus(Partition("t", 0), 1, 0, 0, log_end=log_end, committed=committed)) == expected


@pytest.mark.parametrize(
    ("head_ms", "text"),
    [(None, None), (0, "1970-01-01T00:00:00.000Z"), (1 << 62, None), (-(1 << 62), None)],
)
def test_any_record_timestamp_leaves_status_readable(head_ms: int | None, text: str | None) -> None:
    odd = PartitionStatus(Partition("t", 0), 1, 0, 0, head_ms=head_ms)
    document: object = status_document(CollectedStatus([replace(healthy(), partitions=(odd,))], []), NOW)["pipelines"]
    assert isinstance(document, list)
    assert document[0]["partitions"][0]["head"] == text
