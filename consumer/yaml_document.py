"""YAML documents as trees with source positions (ruamel.yaml's only home).

A tree has scalars, lists and tables, and each node knows its line and column. Scalars have the meaning that the core
schema of YAML 1.2 gives them and no other: `yes`, `no`, `on`, `off` and dates are text, fractions are exact decimals.

A duplicate key is refused; otherwise the second would silently replace the first. Every error is a `Finding`; nothing
raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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

from consumer.model.findings import Finding, Severity, did_you_mean, nearest

Constant: TypeAlias = "bool | int | Decimal | float | str | None"
"""The value of a scalar. A float is always an infinity or not-a-number."""

_MAX_NUMBER_LENGTH = 1000  # characters; Python refuses to read whole numbers of more than 4300 digits
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True}
_CONSTANTS |= {"false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_INF_OR_NAN = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: its meaning, and its text in the file."""

    value: Constant
    text: str
    """The characters in the file, before the core schema gives them a meaning."""
    plain: bool
    """Neither quoted nor a block, so that YAML may have cut it short."""
    line: int
    column: int
    after: str = ""
    """The rest of the same line, trimmed: a comment, or the rest of a flow mapping."""


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
        """Return the value of the key `name`."""
        return next((node for key, node in self.entries if key.text == name), None)

    def key(self, name: str) -> Scalar | None:
        """Return the key `name`, for its position."""
        return next((key for key, _ in self.entries if key.text == name), None)

    def names(self) -> list[str]:
        """Return the keys as they are written."""
        return [key.text for key, _ in self.entries]


Node: TypeAlias = Scalar | Items | Table


def meaning(text: str) -> Constant:
    """Return the value of a plain scalar of these characters under the core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _MAX_NUMBER_LENGTH:
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FRACTION.fullmatch(text):
        return Decimal(text)
    return float(text.replace(".", "", 1)) if _INF_OR_NAN.fullmatch(text) else text


def was_cut(node: Scalar) -> bool:
    """Return whether YAML may have cut a plain value short: at ` #`, or at a comma within braces."""
    return node.plain and node.after.startswith(("#", ",", "]", "}", "{", "[")) and node.after not in {"}", "]"}


def is_empty(node: Node) -> bool:
    """Return whether the node is an empty plain value."""
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

    def unknown_key(self, key: Scalar, table: Table, known: Iterable[str], path: str, message: str) -> str | None:
        """Add an error for an unknown key of a table.

        Return the absent key that it was probably meant to be: do not report that one as missing as well. Absent keys
        come first, because of two similar keys the one that is there was not meant.
        """
        names = tuple(known)
        meant = nearest(key.text, [name for name in names if table.get(name) is None])
        hint = did_you_mean(key.text, names) if meant is None else f"did you mean `{meant}`?"
        self.error(key, path, message, hint)
        return meant

    def _add(self, severity: Severity, node: Node | None, path: str, message: str, hint: str, shift: int = 0) -> None:
        line, column = (node.line, node.column + shift) if node is not None else (None, None)
        self.findings.append(Finding(severity, self.file, line, column, path, message, hint))


def below(path: str, name: str) -> str:
    """Return the path of a key inside `path`."""
    return f"{path}.{name}" if path else name


_MAX_DEPTH = 64  # levels; functions that walk the tree recurse
_MAX_NODES = 200_000  # with every alias expanded, because aliases of aliases multiply
# ruamel.yaml raises these on some invalid input (the escape `"\UFFFFFFFF"` overflows, for example). Any content must
# end in a finding.
_PARSER_BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_TEXT_TAG = "tag:yaml.org,2002:str"


def read_file(path: Path, shown: str | None = None) -> tuple[Node | None, list[Finding]]:
    """Read a file of one YAML document. `shown` is its name in findings. The tree is `None` if it cannot be read."""
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
        return None, [Finding("error", name, None, None, "", "is not the path of a file")]
    return read_text(text, name)


def read_text(text: str, file: str) -> tuple[Node | None, list[Finding]]:
    """Read one YAML document. An empty one is a `Scalar` of `None`. After a syntax error the tree is `None`."""
    reader = _Reader(text.removeprefix("\ufeff"), file)
    try:
        return reader.read(), reader.findings
    except MarkedYAMLError as error:
        finding = _syntax_finding(error, text.splitlines(), file)
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        finding = Finding("error", file, line, column, "", "contains a character that YAML does not allow", "remove it")
    except _RefusedError as error:
        finding = error.finding
    except (YAMLError, *_PARSER_BUGS):
        finding = Finding("error", file, None, None, "", "is not YAML", "check quotes, brackets and indentation")
    return None, [*reader.findings, finding]


class _RefusedError(Exception):
    """The document exceeds a limit; the reader stops."""

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
                    self._error(event, "contains a second document", "keep one document per file: remove the `---`")
                    break
                root = self._node(next(events), events, 0)
        return root if root is not None else Scalar(None, "", plain=True, line=1, column=1)

    def _node(self, event: object, events: Iterator[object], depth: int) -> Node:
        before = self._count
        self._count += 1
        if depth > _MAX_DEPTH:
            self._refuse(event, f"is nested more than {_MAX_DEPTH} levels deep", "nest it less deeply")
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
            node = Items(tuple(items), *_position(event), flow=bool(event.flow_style))
        elif isinstance(event, MappingStartEvent):
            self._no_tag(event)
            node = self._table(event, events, depth)
        else:  # pragma: no cover - the parser has no other events; a new one must not be mistaken for a value
            raise TypeError(type(event).__name__)
        if self._count > _MAX_NODES:
            self._refuse(
                event, f"contains more than {_MAX_NODES} values, with aliases expanded", "use fewer aliases of aliases"
            )
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
                hint = "quote it if it contains brackets or braces"
                self._error(inner, "a key must be a single value, not a list or a mapping", hint)
            elif key.text in entries:
                hint = f"line {entries[key.text][0].line} has it already: keep one of the two"
                self._error(inner, f"the key `{key.text}` is given twice", hint)
            else:
                if isinstance(value, Scalar) and value.plain and not value.text:
                    # The parser places a missing value at the next token, mostly on a later line.
                    value = replace(value, line=key.line, column=key.column, after="")
                entries[key.text] = (key, value)
        return Table(tuple(entries.values()), *_position(start), flow=bool(start.flow_style))

    def _scalar(self, event: ScalarEvent) -> Scalar:
        line, column = _position(event)
        text = str(event.value)
        plain = not event.style
        tag = event.tag
        if tag not in {None, "!", _TEXT_TAG}:
            self._error(event, "tags are not allowed here", "remove the word that begins with `!`")
        end = event.end_mark  # of a block scalar it is on the next key's line
        block = event.style in {"|", ">"}
        after = "" if block or end.line >= len(self._lines) else self._lines[end.line][end.column :].strip()
        value = meaning(text) if plain and tag is None else text
        return Scalar(value, text, plain, line, column, after)

    def _no_tag(self, event: SequenceStartEvent | MappingStartEvent) -> None:
        if event.tag is not None:
            self._error(event, "tags are not allowed here", "remove the word that begins with `!`")

    def _finding(self, event: object, message: str, hint: str) -> Finding:
        return Finding("error", self._file, *_position(event), "", message, hint)

    def _error(self, event: object, message: str, hint: str) -> None:
        self.findings.append(self._finding(event, message, hint))

    def _refuse(self, event: object, message: str, hint: str) -> None:
        raise _RefusedError(self._finding(event, message, hint))


def _position(event: object) -> tuple[int, int]:
    mark = event.start_mark  # type: ignore[attr-defined]  # every event has one, but their union has no name
    return mark.line + 1, mark.column + 1


_COLON = re.compile(r":(\s|$)")
_HINTS = (
    # (part of the parser's message, what to do)
    ("found character '\\t'", "replace the tab with spaces"),
    ("cannot start any token", "put the value in quotes"),
    ("mapping values are not allowed", "put a value that contains `: ` in quotes, and check the indentation"),
    ("could not find expected ':'", "write a `:` and a space after the key"),
    ("block collection, expected <block end>, but found '?'", "begin each item of the list with `- `, and align them"),
    (
        "block mapping, expected <block end>, but found '-'",
        "align the items of a list, and indent them below their key",
    ),
    ("but found '<block mapping start>'", "give all keys of one mapping the same indentation"),
    ("but found '<scalar>'", "check the quotes: within single quotes, write a single quote twice"),
    ("quoted scalar, found unexpected end", "close the quote that opens here"),
    ("parsing a flow", "close each bracket and brace, and separate values with commas"),
)


def _syntax_finding(error: MarkedYAMLError, lines: list[str], file: str) -> Finding:
    """Return what the parser reports, at the position of the mistake rather than where the parser noticed it."""
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
    hint = next((hint for part, hint in _HINTS if part in problem), "check quotes, brackets and indentation")
    begins_here = "could not find expected ':'" in problem or "found unexpected end of stream" in problem
    if begins_here and error.context_mark is not None:
        line, column = error.context_mark.line + 1, error.context_mark.column + 1
    elif line is not None and "mapping values are not allowed" in problem:
        key = _key_without_colon(lines, line)
        if key is not None:
            line, column = key
            hint = "write a `:` and a space after the key"
    return Finding("error", file, line, column, "", f"is not YAML: {problem}", hint)


def _key_without_colon(lines: list[str], line: int) -> tuple[int, int] | None:
    """Return the position of the line above `line` if it looks like a key whose colon is missing.

    YAML joins such a line with the next one to a single value, and the parser fails at the next line's colon.
    """
    above = next((number for number in range(line - 1, 0, -1) if lines[number - 1].strip()), None)
    if above is None:
        return None
    text = lines[above - 1]
    indent = len(text) - len(text.lstrip())
    next_indent = len(lines[line - 1]) - len(lines[line - 1].lstrip())
    if _COLON.search(text) or next_indent > indent or text.lstrip().startswith(("#", "- ")):
        return None
    return above, indent + 1
