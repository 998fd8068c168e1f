"""The kinds of value the file knows by name, each with what it accepts and how editors are told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from consumer.config import scalar_parsers
from consumer.config.complaints import ConfigReadContext
from consumer.config.schema_nodes import NOTHING, JsonSchema, OptionType, ScalarOption
from consumer.config.secrets import Secret, SecretFile, is_secret_name, read_secret
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

    def parse(said: str) -> str | scalar_parsers.InvalidValue:
        named = ", ".join(f"`{word}`" for word in words)
        return said if said in words else scalar_parsers.InvalidValue("is not understood here", f"write {named}")

    return ScalarOption(parse, {"enum": list(words)})


def count(least: int, most: int | None = None) -> ScalarOption:
    """A whole number within bounds."""
    described: JsonSchema = {"type": "integer", "minimum": least}
    return ScalarOption(scalar_parsers.whole, described | ({"maximum": most} if most is not None else {}), least, most)


def duration(least_s: float, most_s: float) -> ScalarOption:
    """A duration, as seconds."""
    return ScalarOption(scalar_parsers.duration, _pattern(scalar_parsers.DURATION_PATTERN), least_s, most_s, "s")


def size(least: int) -> ScalarOption:
    """A number of bytes."""
    described: JsonSchema = {"anyOf": [{"type": "integer", "minimum": least}, _pattern(scalar_parsers.SIZE_PATTERN)]}
    return ScalarOption(scalar_parsers.size, described, least, unit=" bytes")


def rate() -> ScalarOption:
    """Calls per second."""
    return ScalarOption(scalar_parsers.rate, _pattern(scalar_parsers.RATE_PATTERN), least=1 / 3600)


def share() -> ScalarOption:
    """A share of a whole, from 0 to 1."""
    described: JsonSchema = {
        "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, _pattern(scalar_parsers.SHARE_PATTERN)]
    }
    return ScalarOption(scalar_parsers.share, described, 0, 1)


def url() -> ScalarOption:
    """A base address."""
    return ScalarOption(scalar_parsers.url, {"type": "string", "pattern": "^https?://"}, quoted=False)


class FilePath:
    """A path; a relative one starts at the folder of the configuration."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a Path, or NOTHING
        """Return the path; whether there is anything is for its reader to say."""
        said = text().read(node, path, context)
        if said is NOTHING:
            return NOTHING
        if "\0" in said:
            context.error(node, path, "is not a path")
            return NOTHING
        return context.folder / said

    def schema(self) -> JsonSchema:
        """Describe a path."""
        return {"type": "string"}


class SecretValue:
    """A secret: from the environment, or from a file; a literal one is a warning."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a Secret, or NOTHING
        """Return the secret; no message ever repeats what stands there."""
        if isinstance(node, Table):
            return self._file(node, path, context)
        if isinstance(node, Items):
            context.error(node, path, "must be a text or `{file: path}`, not a list")
            return NOTHING
        expanded = context.expand(node, path)
        if expanded is None:
            return NOTHING
        if not expanded.text.strip():
            if context.used and not context.offline:
                source = f"{expanded.names[0]} is empty" if expanded.names else "is empty"
                context.error(node, path, source, "give it the secret's value")
            return NOTHING
        if expanded.literal:
            hint = "take it from the environment (`${NAME}`) or from a file (`{file: path}`)"
            context.warn(node, path, "a secret stands in the file itself", hint)
        return Secret(expanded.text)

    def _file(self, node: Table, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — as above
        named = node.get("file")
        if named is None or len(node.entries) != 1:
            context.error(node, path, "is not a secret", "write `${NAME}` or `{file: path}`")
            return NOTHING
        place = FilePath().read(named, below(path, "file"), context)
        if place is NOTHING or not context.used or context.offline:
            return NOTHING
        found = read_secret(place)
        if found is None:
            state = "holds no secret: it must be one line of text" if place.is_file() else "cannot be read"
            context.error(named, path, f"the secret's file {state}", f"looked at {place}")
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


class Property:
    """One property of a foreign client: passed on as text, exactly as it stands."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a text, or NOTHING
        """Return the property's text; a secret one may stand in a file."""
        name = path.removeprefix("kafka.").removeprefix("schemas.registry.")
        if isinstance(node, Table) or is_secret_name(name):
            secret = SecretValue().read(node, path, context)
            return NOTHING if secret is NOTHING else secret.reveal()
        return text().read(node, path, context)

    def schema(self) -> JsonSchema:
        """Describe a property."""
        return {"anyOf": [_TEXT, _FILE]}


class JsonObject:
    """A JSON object, as it stands."""

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
    """Return the kind that is `other` where a mapping stands (or a list, if not `table`), and `scalar` elsewhere."""
    return _Either(scalar, other, Table if table else Items)


class _Either:
    """One of two kinds, chosen by the form of what stands there."""

    def __init__(self, plain: OptionType, other: OptionType, form: type[Table | Items]) -> None:
        self._plain, self._other, self._form = plain, other, form

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — as its parts
        kind = self._other if isinstance(node, self._form) else self._plain
        return kind.read(node, path, context)

    def schema(self) -> JsonSchema:
        return {"anyOf": [self._plain.schema(), self._other.schema()]}


def _json(node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — any JSON value, or NOTHING
    """Return a piece of JSON as it stands, with its variables replaced."""
    if isinstance(node, Table):
        pairs = [(key.text, _json(inner, below(path, key.text), context)) for key, inner in node.entries]
        return {name: value for name, value in pairs if value is not NOTHING}
    if isinstance(node, Items):
        read = [_json(item, f"{path}[{index}]", context) for index, item in enumerate(node.items)]
        return [value for value in read if value is not NOTHING]
    if isinstance(node.value, str):
        expanded = context.expand(node, path)
        return NOTHING if expanded is None else expanded.text
    if isinstance(node.value, float):
        context.error(node, path, "is a number JSON does not know")
        return NOTHING
    return float(node.value) if isinstance(node.value, Decimal) else node.value
