"""A directory of Avro schemas: found by fingerprint for single-object encoding, and by the events' names for checks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastavro import parse_schema
from fastavro.schema import UnknownType, fingerprint, to_parsing_canonical_form

from consumer.model.findings import Finding, did_you_mean
from consumer.translation.avro.logical_types import Json, adapted


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema, complete: `text` and `references` are what `Translator.learn` takes."""

    name: str
    """Full name of the named type, or the Avro type's name."""
    text: str
    references: Mapping[str, str]
    file: str


@dataclass(frozen=True, slots=True)
class SchemaDirectory:
    """What the directory's files say."""

    by_name: Mapping[str, Schema] = field(default_factory=dict)
    """By full name of the named type at a file's top, or of each such branch if a union stands there."""
    by_fingerprint: Mapping[str, Schema] = field(default_factory=dict)
    """By CRC-64-AVRO fingerprint of the parsing canonical form: 16 hex digits, most significant first."""


@dataclass(slots=True)
class _File:
    shown: str
    text: str
    schema: Json
    parsed: Json = None
    names: dict[str, Json] = field(default_factory=dict)
    """Named types that this file itself defines."""


def load_schemas(directory: Path | None, *, shown: str | None = None) -> tuple[SchemaDirectory, list[Finding]]:
    """Read every `*.avsc` below a directory. Files may refer to each other's named types, in any order.

    Args:
        directory: `None` = there is none, which is no error.
        shown: the directory's name in findings.

    Returns:
        What could be read, and a finding for each file that could not.
    """
    if directory is None:
        return SchemaDirectory(), []
    name = shown if shown is not None else str(directory)
    if not directory.is_dir():
        hint = "schemas.directory names the folder of *.avsc files"
        return SchemaDirectory(), [_error(name, "is not a directory", hint)]
    findings: list[Finding] = []
    files = []
    for path in sorted(directory.rglob("*.avsc")):
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            findings.append(_error(f"{name}/{path.relative_to(directory)}", "cannot be read as UTF-8 text", ""))
            continue
        file, found = _read(f"{name}/{path.relative_to(directory).as_posix()}", text)
        findings += found
        if file is not None:
            files.append(file)
    names, found = _resolve(files)
    return _directory([each for each in files if each.parsed is not None], names), [*findings, *found]


def _read(shown: str, text: str) -> tuple[_File | None, list[Finding]]:
    try:
        return _File(shown, text, adapted(json.loads(text))), []
    except json.JSONDecodeError as error:
        message, hint = f"is not JSON: {error.msg.lower()}", "an Avro schema is a JSON document"
        return None, [Finding("error", shown, error.lineno, error.colno, "", message, hint)]
    except (KeyError, TypeError, AttributeError, RecursionError):
        hint = "each type needs its `type`, and each field `name` and `type`"
        return None, [_error(shown, "is not an Avro schema", hint)]


def _resolve(files: list[_File]) -> tuple[dict[str, Json], list[Finding]]:
    """Parse each file after those whose types it needs."""
    names: dict[str, Json] = {}
    homes: dict[str, str] = {}
    findings = []
    waiting, progress = list(files), True
    missing: dict[str, str] = {}
    while waiting and progress:
        progress, later = False, []
        for file in waiting:
            attempt = dict(names)
            try:
                parsed = parse_schema(file.schema, attempt)
            except UnknownType as error:
                missing[file.shown] = str(error.name)
                later.append(file)
                continue
            except Exception as error:  # noqa: BLE001 - fastavro complains of a schema in many ways
                findings.append(_bad(file, error))
                progress = True
                continue
            progress = True
            file.parsed = parsed
            file.names = {name: schema for name, schema in attempt.items() if name not in names}
            twice = [name for name in _defined(parsed) if name in homes]
            if twice:
                hint = f"it stands in {homes[twice[0]]} already"
                findings.append(_error(file.shown, f"defines {twice[0]} again", hint))
                file.parsed = None
                continue
            homes |= dict.fromkeys(file.names, file.shown)
            names = attempt
        waiting = later
    for file in waiting:
        unknown = missing[file.shown]
        message = f"refers to {unknown}, which no file here defines"
        findings.append(_error(file.shown, message, did_you_mean(unknown, names)))
    return names, findings


def _bad(file: _File, error: Exception) -> Finding:
    said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return _error(file.shown, f"is not an Avro schema: {said}", "")


def _directory(files: list[_File], names: Mapping[str, Json]) -> SchemaDirectory:
    home = {name: file for file in files for name in file.names}
    by_name: dict[str, Schema] = {}
    by_fingerprint: dict[str, Schema] = {}
    for file in files:
        references = {next(iter(other.names)): other.text for other in _needed(file, home)}
        branches = file.parsed if isinstance(file.parsed, list) else [file.parsed]
        for branch in branches:
            top = branch["name"] if isinstance(branch, dict) and "name" in branch else None
            if top is not None and top in file.names:
                text = file.text if not isinstance(file.parsed, list) else json.dumps(top)
                more = references if not isinstance(file.parsed, list) else {**references, f"{top}#": file.text}
                by_name[top] = Schema(top, text, more, file.shown)
        canonical = to_parsing_canonical_form(_whole(file.parsed, names, set()))
        key = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))[::-1].hex()  # fastavro has it as it is sent
        by_fingerprint[key] = Schema(_title(file.parsed), file.text, references, file.shown)
    return SchemaDirectory(by_name, by_fingerprint)


def _needed(file: _File, home: Mapping[str, _File]) -> list[_File]:
    """Return the other files whose types this one uses, directly or not."""
    found: dict[str, _File] = {}
    waiting = [file]
    while waiting:
        for name in _references(waiting.pop().parsed):
            other = home.get(name)
            if other is not None and other is not file and other.shown not in found:
                found[other.shown] = other
                waiting.append(other)
    return list(found.values())


def _references(node: Json) -> Iterator[str]:
    for inner in _inner(node):
        yield from _references(inner)
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict) and isinstance(node["type"], str):
        yield node["type"]


def _defined(node: Json) -> Iterator[str]:
    for inner in _inner(node):
        yield from _defined(inner)
    if isinstance(node, dict) and "name" in node:
        yield node["name"]


def _inner(node: Json) -> list[Json]:
    if isinstance(node, list):
        return node
    if not isinstance(node, dict):
        return []
    return [each["type"] for each in node.get("fields", ())] + [node[key] for key in ("items", "values") if key in node]


def _whole(node: Json, names: Mapping[str, Json], said: set[str]) -> Json:
    """Write each named type out where it is first used: so its writer has it, and so it is fingerprinted."""
    if isinstance(node, list):
        return [_whole(each, names, said) for each in node]
    if isinstance(node, str):
        return _whole(names[node], names, said) if node in names and node not in said else node
    copy = {key: value for key, value in node.items() if not key.startswith("__")}
    if "name" in copy:
        said.add(copy["name"])
    if "fields" in copy:
        copy["fields"] = [{**each, "type": _whole(each["type"], names, said)} for each in copy["fields"]]
    for key in ("items", "values"):
        if key in copy:
            copy[key] = _whole(copy[key], names, said)
    return copy


def _title(parsed: Json) -> str:
    if isinstance(parsed, dict):
        return str(parsed.get("name", parsed["type"]))
    return "union" if isinstance(parsed, list) else str(parsed)


def _error(file: str, message: str, hint: str) -> Finding:
    return Finding("error", file, None, None, "", message, hint)
