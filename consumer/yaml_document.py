"""YAML documents as trees with source positions (ruamel.yaml's only home).

A tree has scalars, lists and tables, and each node knows its line and column. Scalars have the meaning that the core
schema of YAML 1.2 gives them and no other: `yes`, `no`, `on`, `off` and dates are text, fractions are exact decimals.

A key given twice is refused; otherwise the second would silently replace the first. Every error is a `Finding`;
nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from consumer.model.findings import Finding, Severity

Constant: TypeAlias = "bool | int | Decimal | float | str | None"
"""What a scalar means; a float is only ever an infinity or not-a-number."""

_LONGEST_NUMBER = 1000  # characters: Python refuses to read longer whole numbers than 4300 digits
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True}
_CONSTANTS |= {"false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_UNBOUNDED = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: what it means, and how it stood there."""

    value: Constant
    text: str
    """The characters, before the core schema gave them a meaning."""
    plain: bool
    """Neither quoted nor a block: YAML itself may have cut it."""
    line: int
    column: int
    after: str = ""
    """What follows on the same line, trimmed: a comment, or the rest of a flow mapping."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    line: int
    column: int
    flow: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping, in the order of the file."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int
    flow: bool = False

    def get(self, name: str) -> Node | None:
        """Return the value under the key written `name`."""
        return next((node for key, node in self.entries if key.text == name), None)

    def key(self, name: str) -> Scalar | None:
        """Return the key written `name`, for its place."""
        return next((key for key, _ in self.entries if key.text == name), None)

    def names(self) -> list[str]:
        """Return the keys as they were written."""
        return [key.text for key, _ in self.entries]


Node: TypeAlias = Scalar | Items | Table


def meaning(text: str) -> Constant:
    """Return what a plain scalar of these characters means under the core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FRACTION.fullmatch(text):
        return Decimal(text)
    return float(text.replace(".", "", 1)) if _UNBOUNDED.fullmatch(text) else text


def was_cut(node: Scalar) -> bool:
    """Tell whether YAML may have ended a plain value before its author did: at ` #`, or at a comma within braces."""
    return node.plain and node.after.startswith(("#", ",", "]", "}", "{", "[")) and node.after not in {"}", "]"}


def is_empty(node: Node) -> bool:
    """Tell whether nothing stands there."""
    return isinstance(node, Scalar) and node.plain and not node.text


def node_kind(node: Node) -> str:
    """Return the kind of a node as a finding names it, with its article."""
    match node:
        case Items():
            return "a list"
        case Table():
            return "a mapping (`{…}`)" if node.flow else "a mapping"
        case Scalar():  # pragma: no branch - mypy proves the match total
            return "nothing" if node.value is None else "a single value"


@dataclass(slots=True)
class ReadContext:
    """One document being read: collects all findings, each with its position."""

    file: str
    """The file's name in findings."""
    findings: list[Finding] = field(default_factory=list, kw_only=True)

    def error(self, node: Node | None, path: str, message: str, hint: str = "", *, shift: int = 0) -> None:
        """Add an error at the node's position, `shift` characters into it."""
        self._add("error", node, path, message, hint, shift)

    def warn(self, node: Node | None, path: str, message: str, hint: str = "") -> None:
        """Add a warning at the node's position."""
        self._add("warning", node, path, message, hint)

    def _add(self, severity: Severity, node: Node | None, path: str, message: str, hint: str, shift: int = 0) -> None:
        line, column = (node.line, node.column + shift) if node is not None else (None, None)
        self.findings.append(Finding(severity, self.file, line, column, path, message, hint))


def below(path: str, name: str) -> str:
    """Return the path of a key inside `path`."""
    return f"{path}.{name}" if path else name


_DEEPEST = 64  # levels; walkers of the tree recurse
_MOST = 200_000  # nodes with every alias written out: aliases of aliases multiply
# The scanner has states its authors did not foresee (an escape beyond all characters, `"\UFFFFFFFF"`, overflows): a
# file of nonsense must still end in a sentence.
_UNFORESEEN = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_TEXT_TAG = "tag:yaml.org,2002:str"


def read_file(path: Path, shown: str | None = None) -> tuple[Node | None, list[Finding]]:
    """Read a file of one YAML document; `shown` is its name in findings. The tree is `None` if it cannot be read."""
    name = shown if shown is not None else str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        hint = "check the path and its permissions"
        return None, [Finding("error", name, None, None, "", f"cannot be read: {reason}", hint)]
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
        return None, [Finding("error", name, None, None, "", message, "save it as UTF-8")]
    except ValueError:
        return None, [Finding("error", name, None, None, "", "is not a path a file can have")]
    return read_text(text, name)


def read_text(text: str, file: str) -> tuple[Node | None, list[Finding]]:
    """Read one YAML document. An empty one is a `Scalar` of `None`; the tree is `None` after an error of syntax."""
    reader = _Reader(text.removeprefix("\ufeff"), file)
    try:
        return reader.read(), reader.findings
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        finding = Finding("error", file, line, column, "", f"is not YAML: {said}", _advice(said))
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        finding = Finding("error", file, line, column, "", "holds a character that YAML does not allow", "remove it")
    except _RefusedError as error:
        finding = error.finding
    except (YAMLError, *_UNFORESEEN):
        finding = Finding("error", file, None, None, "", "is not YAML", "check quotes, brackets and indentation")
    return None, [*reader.findings, finding]


class _RefusedError(Exception):
    """The document breaks a bound; the reader gives up."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class _Reader:
    """Builds the tree from the parser's events, with one open collection per level."""

    def __init__(self, text: str, file: str) -> None:
        self.findings: list[Finding] = []
        self._text = text
        self._file = file
        self._lines = text.splitlines()
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0

    def read(self) -> Node | None:
        yaml = YAML(typ="safe", pure=True)
        events = iter(yaml.parse(self._text))
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self._complain(event, "holds a second document", "keep one document in a file: remove the `---`")
                    break
                root = self._node(next(events), events, 0)
        return root if root is not None else Scalar(None, "", plain=True, line=1, column=1)

    def _node(self, event: object, events: Iterator[object], depth: int) -> Node:
        before = self._count
        self._count += 1
        if depth > _DEEPEST:
            self._refuse(event, f"is nested more than {_DEEPEST} levels deep", "flatten it")
        node: Node
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                self._refuse(
                    event, f"`*{event.anchor}` has no finished anchor before it", f"define `&{event.anchor}` first"
                )
            node, size = self._anchors[event.anchor]
            self._count += size
        elif isinstance(event, ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, SequenceStartEvent):
            self._no_tag(event)
            items = []
            while not isinstance(inner := next(events), SequenceEndEvent):
                items.append(self._node(inner, events, depth + 1))
            node = Items(tuple(items), *_place(event), flow=bool(event.flow_style))
        elif isinstance(event, MappingStartEvent):
            self._no_tag(event)
            node = self._table(event, events, depth)
        else:  # pragma: no cover - the parser has no other events; a later one must not pass for a value
            raise TypeError(type(event).__name__)
        if self._count > _MOST:
            self._refuse(event, f"holds more than {_MOST} values, aliases written out", "use fewer aliases of aliases")
        anchor = getattr(event, "anchor", None)
        if anchor is not None and not isinstance(event, AliasEvent):
            self._anchors[anchor] = (node, self._count - before)
        return node

    def _table(self, start: MappingStartEvent, events: Iterator[object], depth: int) -> Table:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(inner := next(events), MappingEndEvent):
            key = self._node(inner, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if not isinstance(key, Scalar):
                hint = "quote it if it holds brackets or braces"
                self._complain(inner, "a key must be a word, not a list or a mapping", hint)
            elif key.text in entries:
                hint = f"it stands on line {entries[key.text][0].line} already: keep one of the two"
                self._complain(inner, f"the key `{key.text}` is given twice", hint)
            else:
                if isinstance(value, Scalar) and value.plain and not value.text:
                    # The parser puts a value that is not there wherever the next word stands: on a later line, mostly.
                    value = replace(value, line=key.line, column=key.column, after="")
                entries[key.text] = (key, value)
        return Table(tuple(entries.values()), *_place(start), flow=bool(start.flow_style))

    def _scalar(self, event: ScalarEvent) -> Scalar:
        line, column = _place(event)
        text = str(event.value)
        plain = not event.style
        tag = event.tag
        if tag not in {None, "!", _TEXT_TAG}:
            self._complain(event, "tags are not understood here", "remove the word that begins with `!`")
        end = event.end_mark  # of a block scalar it stands on the next key's line
        block = event.style in {"|", ">"}
        after = "" if block or end.line >= len(self._lines) else self._lines[end.line][end.column :].strip()
        value = meaning(text) if plain and tag is None else text
        return Scalar(value, text, plain, line, column, after)

    def _no_tag(self, event: SequenceStartEvent | MappingStartEvent) -> None:
        if event.tag is not None:
            self._complain(event, "tags are not understood here", "remove the word that begins with `!`")

    def _finding(self, event: object, message: str, hint: str) -> Finding:
        return Finding("error", self._file, *_place(event), "", message, hint)

    def _complain(self, event: object, message: str, hint: str) -> None:
        self.findings.append(self._finding(event, message, hint))

    def _refuse(self, event: object, message: str, hint: str) -> None:
        raise _RefusedError(self._finding(event, message, hint))


def _place(event: object) -> tuple[int, int]:
    mark = event.start_mark  # type: ignore[attr-defined]  # every event has one, but their union has no name
    return mark.line + 1, mark.column + 1


def _advice(said: str) -> str:
    if "cannot start any token" in said:
        return "put the value in quotes"
    if "mapping values are not allowed" in said:
        return "put a value that holds `: ` in quotes, and check the indentation"
    return "check quotes, brackets and indentation"
