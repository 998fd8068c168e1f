"""The mapping's files: read, checked and taken together, all complaints at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from consumer.destinations import Destination
from consumer.model.findings import Finding, errors, in_order
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.entry_parser import label_in, read_entry
from consumer.translation.mapping.rules import EntryRule, EventMapping, EventRule
from consumer.translation.mapping.version import version_of
from consumer.yaml_document import Items, Node, Scalar, read_file

_TOP = ("version", "events")
_EVENT = ("id", "time", "key", "deliver")
_VERSION = 1


def load_mapping(
    files: Sequence[Path], destinations: Mapping[str, Destination], *, shown: Sequence[str] | None = None
) -> tuple[EventMapping | None, list[Finding]]:
    """Read a mapping of one or several files.

    Args:
        files: YAML documents; an event type stands in one of them.
        destinations: all destinations of the configuration by name, disabled ones included: `to` may name any of them.
        shown: the files' names in findings.

    Returns:
        The mapping, `None` if anything is wrong, and everything that is.
    """
    names = shown if shown is not None else [str(path) for path in files]
    documents = []
    findings: list[Finding] = []
    for path, name in zip(files, names, strict=True):
        node, found = read_file(path, name)
        findings += found
        if node is not None:
            documents.append((name, node))
    return _mapping(documents, destinations, findings)


def _mapping(
    documents: Sequence[tuple[str, Node]], destinations: Mapping[str, Destination], findings: list[Finding]
) -> tuple[EventMapping | None, list[Finding]]:
    events: dict[str, EventRule] = {}
    homes: dict[str, str] = {}
    for file, node in documents:
        reading = MappingReadContext(file)
        _document(reading, node, destinations, events, homes)
        findings = [*findings, *reading.findings]
    findings = in_order(findings)
    if errors(findings):
        return None, findings
    return EventMapping(version_of(node for _, node in documents), events), findings


def _document(
    reading: MappingReadContext,
    node: Node,
    destinations: Mapping[str, Destination],
    events: dict[str, EventRule],
    homes: dict[str, str],
) -> None:
    table = reading.table(node, "", "a mapping with `version` and `events`")
    if table is None:
        return
    reading.unknown_keys(table, _TOP, "")
    version = table.get("version")
    if version is None:
        reading.error(table, "", "misses `version`", f"version: {_VERSION}")
    elif not isinstance(version, Scalar) or version.value != _VERSION or isinstance(version.value, bool):
        reading.error(version, "version", f"must be {_VERSION}")
    events_node = table.get("events")
    if events_node is None:
        reading.error(table, "", "misses `events`", "events: the full names of Avro records, each with `deliver`")
        return
    found = reading.table(events_node, "events", "a mapping of Avro record names")
    for key, inner in found.entries if found is not None else ():
        if key.text in homes:
            reading.error(key, f"events.{key.text}", f"stands in {homes[key.text]} already", "keep one of the two")
            continue
        homes[key.text] = reading.file
        rule = _event(reading, key.text, inner, destinations)
        if rule is not None:
            events[key.text] = rule


def _event(
    reading: MappingReadContext, event_type: str, node: Node, destinations: Mapping[str, Destination]
) -> EventRule | None:
    path = f"events.{event_type}"
    table = reading.table(node, path, "a mapping with `deliver`")
    if table is None:
        return None
    reading.unknown_keys(table, _EVENT, path)
    rule = EventRule(
        event_type,
        id=reading.expression(table.get("id"), f"{path}.id"),
        time=reading.expression(table.get("time"), f"{path}.time"),
        key=reading.expression(table.get("key"), f"{path}.key"),
        entries=(),
    )
    deliver = table.get("deliver")
    if deliver is None:
        reading.error(table, path, "misses `deliver`", "deliver: a list of entries, each with `to`")
        return None
    if not isinstance(deliver, Items) or not deliver.items:
        reading.error(deliver, f"{path}.deliver", "must be a list of entries", "begin each with `- to: …`")
        return None
    entries: list[EntryRule] = []
    for index, each in enumerate(deliver.items):
        entry = read_entry(reading, each, event_type, destinations, f"{path}.deliver[{index}]")
        if entry is not None:
            entries.append(entry)
    _labels(reading, deliver, path)
    return replace(rule, entries=tuple(entries))


def _labels(reading: MappingReadContext, deliver: Items, path: str) -> None:
    """Complain of labels given twice: a label is part of a delivery's identity."""
    seen: dict[str, int] = {}
    for index, each in enumerate(deliver.items):
        found = label_in(each)
        if found is None:
            continue
        label, place = found
        if label in seen:
            hint = "give one of them a `label:` of its own; never change a label that is in use"
            message = f"has the label `{label}` like the entry on line {seen[label]}"
            reading.error(place, f"{path}.deliver[{index}]", message, hint)
        else:
            seen[label] = each.line
