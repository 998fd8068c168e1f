"""The mapping's files, read, checked and merged. All findings are reported at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from consumer.destinations import Destination
from consumer.model.findings import Finding, errors, in_order
from consumer.translation.mapping import keys
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.entry_parser import label_of, read_entry
from consumer.translation.mapping.rules import EntryRule, EventMapping, EventRule
from consumer.translation.mapping.version import version_of
from consumer.yaml_document import Items, Node, Scalar, node_kind, read_file


def load_mapping(
    files: Sequence[Path], destinations: Mapping[str, Destination], *, shown_names: Sequence[str] | None = None
) -> tuple[EventMapping | None, list[Finding]]:
    """Read a mapping of one or several files.

    Args:
        files: YAML documents; each event type is in exactly one of them.
        destinations: all configured destinations by name, disabled ones included: `to` may name any of them.
        shown_names: the files' names in findings; default: their paths.

    Returns:
        The mapping, or `None` if there are errors; and all findings.
    """
    names = shown_names if shown_names is not None else [str(path) for path in files]
    documents = []
    findings: list[Finding] = []
    for path, name in zip(files, names, strict=True):
        node, found = read_file(path, name)
        findings += found
        if node is not None:
            documents.append((name, node))
    return _merge_documents(documents, destinations, findings)


def _merge_documents(
    documents: Sequence[tuple[str, Node]], destinations: Mapping[str, Destination], findings: list[Finding]
) -> tuple[EventMapping | None, list[Finding]]:
    events: dict[str, EventRule] = {}
    file_of_event: dict[str, str] = {}
    for file, node in documents:
        context = MappingReadContext(file)
        _read_document(context, node, destinations, events, file_of_event)
        findings = [*findings, *context.findings]
    findings = in_order(findings)
    if errors(findings):
        return None, findings
    return EventMapping(version_of(node for _, node in documents), events), findings


def _read_document(
    context: MappingReadContext,
    node: Node,
    destinations: Mapping[str, Destination],
    events: dict[str, EventRule],
    file_of_event: dict[str, str],
) -> None:
    table = context.table(node, "", "a mapping with `version` and `events`")
    if table is None:
        return
    misspelt = context.check_keys(table, keys.FILE, "")
    version = table.get("version")
    if version is None:
        if "version" not in misspelt:
            context.error(table, "", "`version` is missing", f"write `version: {keys.VERSION}`")
    elif not isinstance(version, Scalar) or version.value != keys.VERSION or isinstance(version.value, bool):
        context.error(version, "version", f"must be {keys.VERSION}", f"write `version: {keys.VERSION}`")
    events_node = table.get("events")
    if events_node is None and "events" in misspelt:
        return
    if events_node is None:
        hint = "add `events:` with the full names of Avro records, each with `deliver`"
        context.error(table, "", "`events` is missing", hint)
        return
    found = context.table(events_node, "events", "a mapping of Avro record names")
    for key, inner in found.entries if found is not None else ():
        path = f"events.{key.text}"
        if key.text in file_of_event:
            context.error(key, path, f"is mapped in {file_of_event[key.text]} already", "keep one of the two")
            continue
        file_of_event[key.text] = context.file
        rule = _read_event(context, key.text, inner, destinations)
        if rule is not None:
            events[key.text] = rule


def _read_event(
    context: MappingReadContext, event_type: str, node: Node, destinations: Mapping[str, Destination]
) -> EventRule | None:
    path = f"events.{event_type}"
    table = context.table(node, path, "a mapping with `deliver`")
    if table is None:
        return None
    misspelt = context.check_keys(table, keys.EVENT, path)
    rule = EventRule(
        event_type,
        id=context.expression(table.get("id"), f"{path}.id"),
        time=context.expression(table.get("time"), f"{path}.time"),
        key=context.expression(table.get("key"), f"{path}.key"),
        entries=(),
    )
    deliver = table.get("deliver")
    if deliver is None and "deliver" in misspelt:
        return None
    if deliver is None:
        context.error(table, path, "`deliver` is missing", "add `deliver:` with a list of entries, each with `to`")
        return None
    if not isinstance(deliver, Items) or not deliver.items:
        kind = "an empty list" if isinstance(deliver, Items) else node_kind(deliver)
        hint = "begin each entry with `- to: destination.target`"
        context.error(deliver, f"{path}.deliver", f"must be a list of entries, not {kind}", hint)
        return None
    entries: list[EntryRule] = []
    for index, each in enumerate(deliver.items):
        entry = read_entry(context, each, event_type, destinations, f"{path}.deliver[{index}]")
        if entry is not None:
            entries.append(entry)
    _check_labels(context, deliver, path)
    return replace(rule, entries=tuple(entries))


def _check_labels(context: MappingReadContext, deliver: Items, path: str) -> None:
    """Add an error for each duplicate label: a label is part of the identity of its deliveries."""
    line_of_label: dict[str, int] = {}
    for index, each in enumerate(deliver.items):
        found = label_of(each)
        if found is None:
            continue
        label, node = found
        if label in line_of_label:
            hint = "give one of them a `label:` of its own; never change a label that is in use"
            message = f"has the label `{label}` like the entry on line {line_of_label[label]}"
            context.error(node, f"{path}.deliver[{index}]", message, hint)
        else:
            line_of_label[label] = each.line
