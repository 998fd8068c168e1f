"""A directory of Avro schemas: by fingerprint for single-object encoding, and by name for checks and samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastavro import parse_schema
from fastavro.schema import UnknownType, fingerprint, to_parsing_canonical_form

from consumer.model.findings import Finding, did_you_mean
from consumer.translation.avro.logical_types import Json, adapt_schema


@dataclass(frozen=True, slots=True)
class Schema:
    """One complete schema; `text` and `references` are the arguments of `Translator.learn`."""

    name: str
    """Full name of a named type, else the name of the Avro type."""
    text: str
    references: Mapping[str, str]
    file: str


@dataclass(frozen=True, slots=True)
class SchemaDirectory:
    """The schemas of all files of the directory."""

    by_name: Mapping[str, Schema] = field(default_factory=dict)
    """By full name of the top-level type of a file, or of each named branch of a top-level union."""
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


def load_schemas(directory: Path | None, *, shown_name: str | None = None) -> tuple[SchemaDirectory, list[Finding]]:
    """Read every `*.avsc` below a directory. Files may refer to each other's named types, in any order.

    Args:
        directory: `None` = no directory is configured, which is not an error.
        shown_name: the directory's name in findings; default: its path.

    Returns:
        The schemas that could be read, and a finding for each file that could not.
    """
    if directory is None:
        return SchemaDirectory(), []
    name = shown_name if shown_name is not None else str(directory)
    if not directory.is_dir():
        hint = "set `schemas.directory` to the folder with the *.avsc files"
        return SchemaDirectory(), [_error(name, "is not a directory", hint)]
    findings: list[Finding] = []
    files = []
    unreadable = "save it as UTF-8, and check its permissions"
    for path in sorted(directory.rglob("*.avsc")):
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            findings.append(_error(f"{name}/{path.relative_to(directory)}", "cannot be read as UTF-8 text", unreadable))
            continue
        file, found = _read(f"{name}/{path.relative_to(directory).as_posix()}", text)
        findings += found
        if file is not None:
            files.append(file)
    names, found = _resolve(files)
    return _directory([each for each in files if each.parsed is not None], names), [*findings, *found]


def _read(shown: str, text: str) -> tuple[_File | None, list[Finding]]:
    try:
        return _File(shown, text, adapt_schema(json.loads(text))), []
    except json.JSONDecodeError as error:
        message, hint = f"is not JSON: {error.msg.lower()}", "write the Avro schema as a JSON document"
        return None, [Finding("error", shown, error.lineno, error.colno, "", message, hint)]
    except (KeyError, TypeError, AttributeError, RecursionError):
        hint = "give each type a `type`, and each field a `name` and a `type`"
        return None, [_error(shown, "is not an Avro schema", hint)]


def _resolve(files: list[_File]) -> tuple[dict[str, Json], list[Finding]]:
    """Parse each file after those whose types it needs."""
    names: dict[str, Json] = {}
    file_of_type: dict[str, str] = {}
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
            except Exception as error:  # noqa: BLE001 - fastavro raises many exceptions for a bad schema
                findings.append(_parse_error(file, error))
                progress = True
                continue
            progress = True
            file.parsed = parsed
            file.names = {name: schema for name, schema in attempt.items() if name not in names}
            twice = [name for name in _defined(parsed) if name in file_of_type]
            if twice:
                message = f"defines {twice[0]} again, after {file_of_type[twice[0]]}"
                findings.append(_error(file.shown, message, "keep one of the two definitions"))
                file.parsed = None
                continue
            file_of_type |= dict.fromkeys(file.names, file.shown)
            names = attempt
        waiting = later
    for file in waiting:
        unknown = missing[file.shown]
        message = f"refers to {unknown}, which no file here defines"
        hint = did_you_mean(unknown, names) or "add the file that defines it"
        findings.append(_error(file.shown, message, hint))
    return names, findings


def _parse_error(file: _File, error: Exception) -> Finding:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return _error(file.shown, f"is not an Avro schema: {reason}", "")


def _directory(files: list[_File], names: Mapping[str, Json]) -> SchemaDirectory:
    file_of_type = {name: file for file in files for name in file.names}
    by_name: dict[str, Schema] = {}
    by_fingerprint: dict[str, Schema] = {}
    for file in files:
        references = {next(iter(other.names)): other.text for other in _needed(file, file_of_type)}
        branches = file.parsed if isinstance(file.parsed, list) else [file.parsed]
        for branch in branches:
            top = branch["name"] if isinstance(branch, dict) and "name" in branch else None
            if top is not None and top in file.names:
                text = file.text if not isinstance(file.parsed, list) else json.dumps(top)
                more = references if not isinstance(file.parsed, list) else {**references, f"{top}#": file.text}
                by_name[top] = Schema(top, text, more, file.shown)
        canonical = to_parsing_canonical_form(_inlined(file.parsed, names, set()))
        # Reversed: fastavro returns the fingerprint in the byte order of the single-object encoding.
        key = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))[::-1].hex()
        by_fingerprint[key] = Schema(_schema_name(file.parsed), file.text, references, file.shown)
    return SchemaDirectory(by_name, by_fingerprint)


def _needed(file: _File, file_of_type: Mapping[str, _File]) -> list[_File]:
    """Return the other files whose types this one uses, directly or not."""
    found: dict[str, _File] = {}
    waiting = [file]
    while waiting:
        for name in _references(waiting.pop().parsed):
            other = file_of_type.get(name)
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


def _inlined(node: Json, names: Mapping[str, Json], defined: set[str]) -> Json:
    """Return the schema with each named type written out at its first use: the form that writers fingerprint."""
    if isinstance(node, list):
        return [_inlined(each, names, defined) for each in node]
    if isinstance(node, str):
        return _inlined(names[node], names, defined) if node in names and node not in defined else node
    copy = {key: value for key, value in node.items() if not key.startswith("__")}
    if "name" in copy:
        defined.add(copy["name"])
    if "fields" in copy:
        copy["fields"] = [{**each, "type": _inlined(each["type"], names, defined)} for each in copy["fields"]]
    for key in ("items", "values"):
        if key in copy:
            copy[key] = _inlined(copy[key], names, defined)
    return copy


def _schema_name(parsed: Json) -> str:
    if isinstance(parsed, dict):
        return str(parsed.get("name", parsed["type"]))
    return "union" if isinstance(parsed, list) else str(parsed)


def _error(file: str, message: str, hint: str) -> Finding:
    return Finding("error", file, None, None, "", message, hint)
