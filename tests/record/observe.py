"""One observation: all compared behaviour as named JSON documents.

A value that differs between runs is recorded as `*`. A sentence for people is recorded as `<text>`: its words may
change, its presence may not. Of the text output of `translate` only the headings are recorded. The JSON has the bodies.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.record import clock
from tests.record.renames import canonical_order

Json = Any

ANY = "*"
TEXT = "<text>"

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_CHANGING_METRICS = re.compile(
    r"cdp_kafka_(commits_total|commit_duration_seconds|consumer_lag|log_end_offset|committed_offset|paused_partitions)"
    r"|cdp_kafka_partition_pauses_total|cdp_build_info|cdp_poll_interval_seconds|cdp_log_messages\w*|\w+_timestamp_seconds"
    r"|cdp_(rate_limit_wait|destination_hold)_seconds_total|cdp_kafka_rebalance_duration_seconds"
)
_CHANGING_STATUS = frozenset({"epoch", "committed", "log_end", "lag", "paused"})
_TEXTS = frozenset({"detail", "message", "reason", "hint", "problems", "refused", "rejected", "about"})
_LABELS_IN_LOG = ("cause", "source", "result", "code", "reason")
_OPTIONAL_KEYS = frozenset({"suppressed", "http_status", "detail", "hint", "event_type", "ts"})


def observe(new_keys: Mapping[str, str]) -> dict[str, Json]:
    """Process the corpus and return all documents. `new_keys` has the new names of configuration keys."""
    from tests.record import commands, internals, service  # noqa: PLC0415 - the clock is installed first

    seen: dict[str, Json] = {}
    for part in (commands.translated, commands.checked, service.served):
        with tempfile.TemporaryDirectory(prefix="cdp-record-") as folder:
            seen.update(part(Path(folder), new_keys))
    needs = seen["check_needs"]
    needs["findings"] = [{**each, "message": TEXT, "hint": TEXT} for each in needs["findings"]]
    seen["translate"]["errors"] = len(seen["translate"]["errors"])
    seen["translate_text"] = [line for line in seen["translate_text"] if not line.startswith("    ")]
    seen["metrics"] = metrics(seen["metrics"], changing=True)
    seen["status"] = status(seen["status"])
    seen["probes"] = probes(seen["probes"])
    seen["log"]["lines"] = log(seen["log"]["lines"])
    seen["dead_letters"] = [_dead_letter(each) for each in seen["dead_letters"]]
    seen["closed_lists"] = internals.closed_lists()
    seen["sample_metrics"] = metrics(internals.sample_metrics(), changing=False)
    seen["sample_status"] = status(internals.sample_status())
    lines, counters = [], []
    for logged, page in internals.occurrences():
        lines.append([_line(each) for each in logged])
        counters.append(_nonzero(metrics(page, changing=False)))
    seen["sample_log"], seen["sample_counters"] = lines, counters
    return json.loads(json.dumps(seen))  # type: ignore[no-any-return]


def metrics(page: str, *, changing: bool) -> dict[str, Json]:
    """Return the metric families of a page with types and series; for a histogram its counts and bounds."""
    families: dict[str, Json] = {}
    for family in text_string_to_metric_families(page):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not name.startswith("cdp_"):
            continue
        bounds: set[str] = set()
        series: dict[str, Json] = {}
        for sample in family.samples:
            labels = dict(sample.labels)
            bounds |= {labels.pop("le")} if "le" in labels else set()
            if sample.name.endswith(("_bucket", "_created")) or (
                family.type == "histogram" and not sample.name.endswith("_count")
            ):
                continue
            key = ",".join(f"{label}={value}" for label, value in sorted(labels.items()))
            volatile = (changing and _CHANGING_METRICS.fullmatch(name)) or name.endswith(
                ("_age_seconds", "_timestamp_seconds", "_wait_seconds")
            )
            series[key] = ANY if volatile or name == "cdp_build_info" else sample.value
        if name == "cdp_build_info":
            series = {"": ANY}
        families[name] = {
            "type": family.type,
            "series": series,
            **({"bounds": sorted(bounds, key=float)} if bounds else {}),
        }
    return families


def _nonzero(families: dict[str, Json]) -> dict[str, Json]:
    """Return the series that are not 0."""
    nonzero = {
        name: {key: value for key, value in family["series"].items() if value not in {0, ANY}}
        for name, family in families.items()
    }
    return {name: series for name, series in nonzero.items() if series}


def status(node: Json, key: str = "") -> Json:
    """Return the status with masked instants, ages and sentences, and with sorted partitions."""
    match node:
        case dict():
            return {name: status(value, name) for name, value in node.items()}
        case list():
            items = [status(each, key) for each in node]
            return sorted(items, key=lambda each: (each["topic"], each["partition"])) if key == "partitions" else items
        case str() if _INSTANT.fullmatch(node):
            return ANY
        case str() if key in _TEXTS:
            return TEXT
        case float():
            return ANY if key.endswith(("_ago", "age_s")) else node
        case _:
            return ANY if key in _CHANGING_STATUS else node


def probes(pages: dict[str, Json]) -> Json:
    """Return the HTTP status of each probe and the names of its checks."""
    return {
        path: {
            "status": code,
            "keys": sorted(page),
            "checks": [{**each, "reason": TEXT, "age_s": ANY} for each in page["checks"]],
        }
        for path, (code, page) in pages.items()
    }


def log(lines: list[dict[str, Json]]) -> list[Json]:
    """Return each kind of line once. Repetitions and optional fields depend on timing.

    Lines of level debug are omitted for the same reason; `sample_log` has them.
    """
    kinds = {
        json.dumps(
            {
                "level": line["level"],
                "event": line["event"],
                **{name: line[name] for name in _LABELS_IN_LOG if name in line},
                "keys": {name: True for name in sorted(line) if name not in _OPTIONAL_KEYS},
            }
        )
        for line in lines
        if line["level"] != "debug" and "suppressed" not in line
    }
    return canonical_order(json.loads(kind) for kind in kinds)


def _line(line: dict[str, Json]) -> Json:
    return {
        name: TEXT
        if name in _TEXTS and name != "reason"
        else ANY
        if isinstance(value, str) and _INSTANT.fullmatch(value)
        else value
        for name, value in line.items()
    }


def _dead_letter(dead_letter: dict[str, Json]) -> Json:
    changing = {"cdp-first-failed-at", "cdp-last-failed-at"}
    del dead_letter["order"]
    return {
        **dead_letter,
        "headers": [[name, ANY if name in changing else text] for name, text in dead_letter["headers"]],
    }


if __name__ == "__main__":
    assert clock.is_installed(), "the fixed clock is not installed; run this module with tests.record.clock"
    Path(sys.argv[1]).write_text(json.dumps(observe(json.loads(sys.argv[2])), ensure_ascii=False), encoding="utf-8")
