"""A directory of Avro schemas: by fingerprint for single-object encoding, and by name for checks and samples."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastavro.schema import fingerprint

from consumer.model.findings import Finding, did_you_mean
from consumer.translation.avro.logical_types import decoding_form
from consumer.translation.avro.schema_link import (
    DefinitionIndex,
    DifferingDefinitionsError,
    LinkedSchema,
    UndefinedTypeError,
    canonical_form,
    link,
)
from consumer.translation.avro.schema_text import InvalidSchemaError, SchemaText, TypeName, read_schema_text, top_names


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

    by_name: Mapping[str, Sequence[Schema]] = field(default_factory=dict)
    """By full name of the top-level type of a file, or of each named branch of a top-level union. Several files may
    have versions of one type; they are in the natural order of their names."""
    by_fingerprint: Mapping[str, Schema] = field(default_factory=dict)
    """By CRC-64-AVRO fingerprint of the parsing canonical form: 16 hex digits, most significant first."""


@dataclass(frozen=True, slots=True)
class _File:
    shown: str
    content: str
    text: SchemaText


def load_schemas(directory: Path | None, *, shown_name: str | None = None) -> tuple[SchemaDirectory, list[Finding]]:
    """Read every `*.avsc` below a directory. Files may refer to each other's named types, in any order.

    Several files may define the same type: a name means the definition in its own file, else the one definition in the
    directory. Only a file that needs one of several different definitions is wrong.

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
    files: list[_File] = []
    findings: list[Finding] = []
    for path in sorted(directory.rglob("*.avsc"), key=lambda path: _natural_order(str(path.relative_to(directory)))):
        file = _read(path, f"{name}/{path.relative_to(directory).as_posix()}")
        if isinstance(file, Finding):
            findings.append(file)
        else:
            files.append(file)
    loader = _Loader(files)
    return loader.directory(), [*findings, *loader.findings]


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which `Order-10` comes after `Order-2`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _read(path: Path, shown: str) -> _File | Finding:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return _error(shown, "cannot be read as UTF-8 text", "save it as UTF-8, and check its permissions")
    try:
        return _File(shown, content, read_schema_text(json.loads(content), shown))
    except json.JSONDecodeError as error:
        message, hint = f"is not JSON: {error.msg.lower()}", "write the Avro schema as a JSON document"
        return Finding("error", shown, error.lineno, error.colno, "", message, hint)
    except InvalidSchemaError as error:
        hint = "give each type a `type`, each named type a `name`, and each field a `name` and a `type`"
        return _error(shown, f"is not an Avro schema: it {error}", hint)
    except RecursionError:
        return _error(shown, "is not an Avro schema: it is nested too deeply", "")


class _Loader:
    """Links the files of a directory."""

    def __init__(self, files: Sequence[_File]) -> None:
        self.findings: list[Finding] = []
        self._index = DefinitionIndex(file.text for file in files)
        self._content = {file.shown: file.content for file in files}
        self._by_name: dict[str, list[Schema]] = {}
        self._by_fingerprint: dict[str, tuple[Schema, LinkedSchema]] = {}
        for file in files:
            linked = self._link(file)
            if linked is not None:
                self._add(file, linked)

    def directory(self) -> SchemaDirectory:
        return SchemaDirectory(self._by_name, {key: schema for key, (schema, _) in self._by_fingerprint.items()})

    def _link(self, file: _File) -> LinkedSchema | None:
        try:
            return link(file.text.top, file.text, self._index)
        except UndefinedTypeError as error:
            hint = did_you_mean(error.name, self._index.names()) or "add the file that defines it"
            self.findings.append(_error(file.shown, f"refers to {error.name}, which no file here defines", hint))
        except DifferingDefinitionsError as error:
            one, other = sorted(error.sources)
            message = f"needs {error.name}, which {one} and {other} define differently"
            hint = "define it in this file as well, or keep one of the two definitions"
            self.findings.append(_error(file.shown, message, hint))
        return None

    def _add(self, file: _File, linked: LinkedSchema) -> None:
        sources = dict.fromkeys(text.source for text in linked.texts.values() if text is not file.text)
        references = {source: self._content[source] for source in sources}
        top = file.text.top
        name = "union" if isinstance(top, list) else top_names(json.loads(file.content))[0]
        schema = Schema(name, file.content, references, file.shown)
        if not self._add_fingerprint(schema, linked):
            return
        if isinstance(top, TypeName):
            self._by_name.setdefault(name, []).append(schema)
        elif isinstance(top, list):
            for branch in top:
                if isinstance(branch, TypeName):
                    whole = {**references, file.shown: file.content}
                    one = Schema(branch, json.dumps(branch), whole, file.shown)
                    self._by_name.setdefault(branch, []).append(one)

    def _add_fingerprint(self, schema: Schema, linked: LinkedSchema) -> bool:
        """Return False if another file has the same fingerprint, and data would mean something different."""
        # Reversed: fastavro returns the fingerprint in the byte order of the single-object encoding.
        key = bytes.fromhex(fingerprint(canonical_form(linked), "CRC-64-AVRO"))[::-1].hex()
        other, other_linked = self._by_fingerprint.setdefault(key, (schema, linked))
        if _forms(linked) == _forms(other_linked):
            return True
        message = f"has the same fingerprint as {other.file}, and other logical types"
        hint = "keep one of the two files: records in single-object encoding cannot tell them apart"
        self.findings.append(_error(schema.file, message, hint))
        return False


def _forms(schema: LinkedSchema) -> object:
    return decoding_form(schema.top), {name: decoding_form(each) for name, each in schema.types.items()}


def _error(file: str, message: str, hint: str) -> Finding:
    return Finding("error", file, None, None, "", message, hint)
