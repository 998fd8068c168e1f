"""The types of value in the file: what each accepts, and its JSON Schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from consumer.config import scalar_parsers
from consumer.config.complaints import ConfigReadContext
from consumer.config.schema_nodes import NOTHING, JsonSchema, OptionType, ScalarOption
from consumer.config.secrets import Secret, SecretFile, is_secret_name, read_secret
from consumer.config.variable_text import UNREADABLE, TextFlaw, flaw_in, trimmed
from consumer.yaml_document import Items, Node, Table, below

_TEXT: JsonSchema = {"type": ["string", "number", "boolean"]}


def _pattern(pattern: str) -> JsonSchema:
    return {"type": "string", "pattern": f"^{pattern}$"}


def text() -> ScalarOption:
    """Any text."""
    return ScalarOption(str, _TEXT)


def truth() -> ScalarOption:
    """`true` or `false`."""
    return ScalarOption(scalar_parsers.truth, {"type": "boolean"})


def choice(*words: str) -> ScalarOption:
    """One of a few words."""

    def parse(text: str) -> str | scalar_parsers.InvalidValue:
        named = ", ".join(f"`{word}`" for word in words)
        return text if text in words else scalar_parsers.InvalidValue("is not a known value", f"write {named}")

    return ScalarOption(parse, {"enum": list(words)})


def count(least: int, most: int | None = None) -> ScalarOption:
    """A whole number within bounds."""
    described: JsonSchema = {"type": "integer", "minimum": least}
    return ScalarOption(scalar_parsers.whole, described | ({"maximum": most} if most is not None else {}), least, most)


def duration(least_s: float, most_s: float) -> ScalarOption:
    """A duration, in seconds."""
    return ScalarOption(scalar_parsers.duration, _pattern(scalar_parsers.DURATION_PATTERN), least_s, most_s, "s")


def size(least: int) -> ScalarOption:
    """A number of bytes."""
    described: JsonSchema = {"anyOf": [{"type": "integer", "minimum": least}, _pattern(scalar_parsers.SIZE_PATTERN)]}
    return ScalarOption(scalar_parsers.size, described, least, unit=" bytes")


def rate() -> ScalarOption:
    """A rate, in requests per second."""
    return ScalarOption(scalar_parsers.rate, _pattern(scalar_parsers.RATE_PATTERN), least=1 / 3600)


def share() -> ScalarOption:
    """A share, from 0 to 1."""
    described: JsonSchema = {
        "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, _pattern(scalar_parsers.SHARE_PATTERN)]
    }
    return ScalarOption(scalar_parsers.share, described, 0, 1)


def url() -> ScalarOption:
    """A base address."""
    return ScalarOption(scalar_parsers.url, {"type": "string", "pattern": "^https?://"}, quoted=False)


class FilePath:
    """A path. A relative one starts at the folder of the configuration file."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a Path, or NOTHING
        """Return the path. The file need not exist."""
        written = text().read(node, path, context)
        if written is NOTHING:
            return NOTHING
        if "\0" in written:
            context.error(node, path, "is not a path")
            return NOTHING
        return context.folder / written

    def schema(self) -> JsonSchema:
        """Describe a path."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A secret: from the environment, or from a file. A literal one is a warning."""

    several_lines: bool = False
    """Whether it may have several lines, as a PEM text has."""
    for_header: bool = False
    """Whether it becomes the value of an HTTP header unchanged."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a Secret, or NOTHING
        """Return the secret. No finding ever repeats the value."""
        if isinstance(node, Table):
            return self._file(node, path, context)
        if isinstance(node, Items):
            context.error(node, path, "must be a text or `{file: path}`, not a list")
            return NOTHING
        expanded = context.expand(node, path, several_lines=self.several_lines)
        if expanded is None:
            return NOTHING
        secret = trimmed(expanded.text)
        if not secret:
            if context.used and not context.offline:
                source = f"{expanded.names[0]} is empty" if expanded.names else "is empty"
                context.error(node, path, source, "set it to the secret")
            return NOTHING
        flaw = flaw_in(secret, several_lines=self.several_lines, for_header=self.for_header)
        if flaw is not None:
            if context.used:
                context.error(node, path, f"{', '.join(expanded.names) or 'the secret'} {flaw.message}", flaw.hint)
            return NOTHING
        if expanded.literal:
            hint = "take it from the environment (`${NAME}`) or from a file (`{file: path}`)"
            context.warn(node, path, "the secret is written in the configuration file", hint)
        return Secret(secret)

    def _file(self, node: Table, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — as above
        named = node.get("file")
        if named is None or len(node.entries) != 1:
            context.error(node, path, "is not a secret", "write `${NAME}` or `{file: path}`")
            return NOTHING
        place = FilePath().read(named, below(path, "file"), context)
        if place is NOTHING or not context.used or context.offline:
            return NOTHING
        found = read_secret(place, several_lines=self.several_lines, for_header=self.for_header)
        if isinstance(found, TextFlaw):
            what = "the secret's file" if found is UNREADABLE else "the secret in the file"
            hint = f"check {place}" if found is UNREADABLE else f"{found.hint}: {place}"
            context.error(named, path, f"{what} {found.message}", hint)
            return NOTHING
        return SecretFile(place, found)

    def schema(self) -> JsonSchema:
        """Describe a secret's two forms."""
        return {"anyOf": [{"type": "string"}, _FILE]}


_FILE: JsonSchema = {
    "type": "object",
    "properties": {"file": {"type": "string"}},
    "required": ["file"],
    "additionalProperties": False,
}


_SEVERAL_LINES = re.compile(r"\.pem$|jaas")
_IN_HEADERS = frozenset({"bearer.auth.token"})


_CREDENTIALS = frozenset({"sasl.username", "sasl.password", "basic.auth.user.info"})
_PLACEHOLDER = "unset:unset"
"""A credential that an offline run need not have. Without one, the client libraries refuse the other properties."""


def _or_placeholder(value: Any, name: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 - a text, or NOTHING
    return _PLACEHOLDER if value is NOTHING and context.offline and name in _CREDENTIALS else value


class Property:
    """One property of a client library: passed on as text, unchanged."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a text, or NOTHING
        """Return the property's text; a secret one may come from a file."""
        name = path.removeprefix("kafka.").removeprefix("schemas.registry.")
        if isinstance(node, Table) or is_secret_name(name):
            kind = SecretValue(_SEVERAL_LINES.search(name) is not None, name in _IN_HEADERS)
            secret = kind.read(node, path, context)
            return _or_placeholder(NOTHING if secret is NOTHING else secret.reveal(), name, context)
        return _or_placeholder(text().read(node, path, context), name, context)

    def schema(self) -> JsonSchema:
        """Describe a property."""
        return {"anyOf": [_TEXT, _FILE]}


class JsonObject:
    """A JSON object, passed on unchanged."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a dict, or NOTHING
        """Return the object."""
        if not isinstance(node, Table):
            context.error(node, path, "must be a mapping")
            return NOTHING
        return _json(node, path, context)

    def schema(self) -> JsonSchema:
        """Describe an object."""
        return {"type": "object"}


def either(scalar: OptionType, other: OptionType, *, table: bool) -> OptionType:
    """Return the type that reads a mapping (or a list, if not `table`) as `other`, and anything else as `scalar`."""
    return _Either(scalar, other, Table if table else Items)


class _Either:
    """One of two types, chosen by the kind of the node."""

    def __init__(self, plain: OptionType, other: OptionType, form: type[Table | Items]) -> None:
        self._plain, self._other, self._form = plain, other, form

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — as its parts
        kind = self._other if isinstance(node, self._form) else self._plain
        return kind.read(node, path, context)

    def schema(self) -> JsonSchema:
        return {"anyOf": [self._plain.schema(), self._other.schema()]}


def _json(node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — any JSON value, or NOTHING
    """Return a JSON value, with its variables replaced."""
    if isinstance(node, Table):
        pairs = [(key.text, _json(inner, below(path, key.text), context)) for key, inner in node.entries]
        return {name: value for name, value in pairs if value is not NOTHING}
    if isinstance(node, Items):
        values = [_json(item, f"{path}[{index}]", context) for index, item in enumerate(node.items)]
        return [value for value in values if value is not NOTHING]
    if isinstance(node.value, str):
        expanded = context.expand(node, path, several_lines=True)
        return NOTHING if expanded is None else expanded.text
    if isinstance(node.value, float):
        context.error(node, path, "is not a number in JSON")
        return NOTHING
    return float(node.value) if isinstance(node.value, Decimal) else node.value
