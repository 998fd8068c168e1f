"""The kinds of option: each reads its part of the tree, and describes itself as JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from consumer.config.complaints import ConfigReadContext, shown
from consumer.config.scalar_parsers import InvalidValue
from consumer.yaml_document import Items, Node, Scalar, Table, below, node_kind

JsonSchema = dict[str, Any]


class _Nothing:
    """The result of reading a part that has no value: it has an error, or this run does not need it."""


NOTHING: Final = _Nothing()

VARIABLE: JsonSchema = {"type": "string", "pattern": r"\$\{"}


class OptionType(Protocol):
    """One kind of value."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — each kind has its own type
        """Return the value, or `NOTHING`. Every error is added to `context`."""

    def schema(self) -> JsonSchema:
        """Describe the value for editors."""


@dataclass(frozen=True, slots=True)
class ScalarOption:
    """A scalar that `parse` understands."""

    parse: Callable[[str], Any]
    described: JsonSchema
    least: float | None = None
    most: float | None = None
    unit: str = ""
    quoted: bool = True
    """Whether an error may repeat the value: a URL may contain a password."""
    variables: bool = True
    """Whether the value may contain `${NAME}`."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — whatever `parse` makes
        """Return the parsed value."""
        if not isinstance(node, Scalar):
            context.error(node, path, f"must be a single value, not {node_kind(node)}")
            return NOTHING
        expanded = context.expand(node, path)
        if expanded is None:
            return NOTHING
        if not expanded.text.strip():
            source = f"{expanded.names[0]} is empty" if expanded.names else "is empty"
            context.error(node, path, source, "give it a value, or remove the line")
            return NOTHING
        value = self.parse(expanded.text)
        if isinstance(value, InvalidValue):
            what = f"{shown(node)} " if self.quoted else f"{', '.join(expanded.names)} " if expanded.names else ""
            context.error(node, path, f"{what}{value.message}", value.hint)
            return NOTHING
        if self.least is not None and value < self.least:
            context.error(node, path, f"must be at least {_number(self.least)}{self.unit}")
            return NOTHING
        if self.most is not None and value > self.most:
            context.error(node, path, f"must be at most {_number(self.most)}{self.unit}")
            return NOTHING
        return value

    def schema(self) -> JsonSchema:
        """Describe the value; where variables are allowed, also a text with variables in it."""
        return {"anyOf": [self.described, VARIABLE]} if self.variables else dict(self.described)


@dataclass(frozen=True, slots=True)
class ListOption:
    """A list. With `alone`, a single value means a list of one."""

    of: OptionType
    alone: bool = False
    empty: bool = False
    """Whether an empty list is allowed."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a tuple, or NOTHING
        """Return the values as a tuple."""
        if isinstance(node, Scalar) and self.alone:
            value = self.of.read(node, path, context)
            return NOTHING if value is NOTHING else (value,)
        if not isinstance(node, Items):
            context.error(node, path, f"must be a list, not {node_kind(node)}", "write `[one, two]`")
            return NOTHING
        if not node.items and not self.empty:
            context.error(node, path, "is an empty list", "name at least one")
            return NOTHING
        values = [self.of.read(item, f"{path}[{index}]", context) for index, item in enumerate(node.items)]
        return tuple(value for value in values if value is not NOTHING)

    def schema(self) -> JsonSchema:
        """Describe a list."""
        listed: JsonSchema = {"type": "array", "items": self.of.schema()}
        if not self.empty:
            listed["minItems"] = 1
        return {"anyOf": [self.of.schema(), listed]} if self.alone else listed


@dataclass(frozen=True, slots=True)
class MapOption:
    """A mapping with free names and values of one kind."""

    of: OptionType
    name: Callable[[str], object] = str
    """Checks a name; returns an `InvalidValue` to refuse it."""
    empty: bool = False

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a dict, or NOTHING
        """Return the values by name."""
        if not isinstance(node, Table):
            context.error(node, path, f"must be a mapping, not {node_kind(node)}", "write `name: value` lines under it")
            return NOTHING
        if not node.entries and not self.empty:
            context.error(node, path, "is empty", "name at least one")
            return NOTHING
        values = {}
        for key, inner in node.entries:
            checked = self.name(key.text)
            if isinstance(checked, InvalidValue):
                context.error(key, below(path, key.text), f"{shown(key)} {checked.message}", checked.hint)
                continue
            value = self.of.read(inner, below(path, key.text), context)
            if value is not NOTHING:
                values[key.text] = value
        return values

    def schema(self) -> JsonSchema:
        """Describe a mapping with free names."""
        return {"type": "object", "additionalProperties": self.of.schema()}


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a section."""

    kind: OptionType
    doc: str
    """One sentence, for editors and the reference."""
    default: Any = None
    shown_default: str = ""
    """The default as it would be written in the file; "" if there is none."""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with fixed keys."""

    options: Mapping[str, Option] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Keys of earlier versions and their present names. An old key is an error."""

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Any:  # noqa: ANN401 — a dict, or NOTHING
        """Return every key's value, with defaults filled in."""
        if not isinstance(node, Table):
            hint = "known keys: " + ", ".join(f"`{name}`" for name in self.options)
            context.error(node, path, f"must be a mapping, not {node_kind(node)}", hint)
            return NOTHING
        meant = self._report_unknown_keys(node, path, context)
        return {name: self._value(node, name, path, context, meant) for name in self.options}

    def _report_unknown_keys(self, node: Table, path: str, context: ConfigReadContext) -> set[str | None]:
        """Add an error for each unknown key. Return the absent keys that they were probably meant to be."""
        meant: set[str | None] = set()
        for key, _ in node.entries:
            if key.text in self.options:
                continue
            message, inner_path = f"unknown key {shown(key)}", below(path, key.text)
            new_name = self.renamed.get(key.text)
            if new_name is None:
                meant.add(context.unknown_key(key, node, self.options, inner_path, message))
            else:
                context.error(key, inner_path, message, f"was renamed to `{new_name}`")
        return meant

    def _value(self, node: Table, name: str, path: str, context: ConfigReadContext, meant: set[str | None]) -> object:
        option, inner = self.options[name], node.get(name)
        value: object = NOTHING
        if inner is not None:
            value = option.kind.read(inner, below(path, name), context)
        elif option.required and context.used and name not in meant:
            context.error(node, below(path, name), "is missing", option.doc)
        if value is not NOTHING:
            return value
        return option.kind.defaults() if isinstance(option.kind, Section) else option.default

    def defaults(self) -> dict[str, Any]:
        """Return the values of a section that is not in the file."""
        return {
            name: option.kind.defaults() if isinstance(option.kind, Section) else option.default
            for name, option in self.options.items()
        }

    def schema(self) -> JsonSchema:
        """Describe a mapping with fixed keys."""
        properties: JsonSchema = {}
        for name, option in self.options.items():
            described = {**option.kind.schema(), "description": option.doc}
            if option.shown_default:
                described["description"] += f" Default: {option.shown_default}."
            properties[name] = described
        required = [name for name, option in self.options.items() if option.required]
        schema: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**schema, "required": required} if required else schema


def _number(value: float) -> str:
    """Return a bound as digits: `{:g}` alone would print 1048576 as 1.04858e+06."""
    return str(int(value)) if value == int(value) else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Later:
    """A part that its own reader reads after the others. This only describes it."""

    described: OptionType

    def read(self, node: Node, path: str, context: ConfigReadContext) -> Node:  # noqa: ARG002 — as every kind
        """Return the part unread."""
        return node

    def schema(self) -> JsonSchema:
        """Describe the part."""
        return self.described.schema()
