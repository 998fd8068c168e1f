"""The values under `fields`: expressions, constants, lists and objects."""

from __future__ import annotations

import math
from decimal import Decimal

from consumer.model.values import Value
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.rules import ConstantField, EachField, FieldSource, ListField, ObjectField
from consumer.yaml_document import Items, Node, Scalar, Table, is_empty, was_cut


def read_object(context: MappingReadContext, table: Table, path: str) -> ObjectField:
    """Read fields by name.

    A mapping whose only key is `value` is a constant, one with `each` is a list, any other is an object. To send an
    object with the single field `value`, write it as an expression: `"{value: amount}"`.
    """
    fields: dict[str, FieldSource] = {}
    cut = False
    for key, node in table.entries:
        if cut and is_empty(node):
            continue  # the rest of an expression that YAML cut at a comma; the error is reported already
        if key.text == "<<" and key.plain:  # YAML 1.2 has no merge keys: `<<` would be sent as a field
            context.error(key, f"{path}.<<", "is a merge key, which YAML 1.2 does not have", "write the fields out")
            continue
        before = len(context.findings)
        source = read_field(context, node, f"{path}.{key.text}")
        if source is not None:
            fields[key.text] = source
        failed = len(context.findings) > before
        cut = (cut or failed) and table.flow and isinstance(node, Scalar) and (was_cut(node) or cut)
    return ObjectField(fields)


def read_field(context: MappingReadContext, node: Node, path: str) -> FieldSource | None:
    """Read one field's value; `None` after an error."""
    if isinstance(node, Table):
        return _table(context, node, path)
    if isinstance(node, Items):
        sources = [read_field(context, each, f"{path}[{index}]") for index, each in enumerate(node.items)]
        return ListField(tuple(each for each in sources if each is not None))
    if isinstance(node.value, float):
        context.error(node, path, "must be a finite number", "write a finite number")
        return None
    if node.value is None:
        message = "is empty" if is_empty(node) else "is null"
        context.error(node, path, message, "remove the field, or write {value: null} to send a null")
        return None
    return context.expression(node, path) if isinstance(node.value, str) else ConstantField(node.value)


def _table(context: MappingReadContext, table: Table, path: str) -> FieldSource | None:
    names = table.names()
    if names == ["value"]:
        return _constant(context, table.entries[0][1], path)
    if "each" in names and set(names) <= {"each", "fields"}:
        return _each(context, table, path)
    value = table.get("value")
    if isinstance(value, Scalar) and isinstance(value.value, bool | int | Decimal):
        # Without this error the constant would silently become one field of an object.
        hint = "write a constant alone: `{value: 1}`; write a field named `value` as `value: {value: 1}`"
        context.error(value, f"{path}.value", "is a constant with other keys beside it", hint)
        return None
    if not names:
        context.error(table, path, "is an empty mapping", "remove the field, or write {value: {}}")
        return None
    return read_object(context, table, path)


def _each(context: MappingReadContext, table: Table, path: str) -> EachField | None:
    items = context.expression(table.get("each"), f"{path}.each")
    node = table.get("fields")
    if node is None:
        context.error(table, path, "has `each` but no `fields`", "add `fields:` with the fields of each element")
        return None
    fields = read_field(context, node, f"{path}.fields")
    return None if items is None or fields is None else EachField(items, fields)


def _constant(context: MappingReadContext, node: Node, path: str) -> ConstantField | None:
    before = len(context.findings)
    value = _constant_value(context, node, path)
    return ConstantField(value) if len(context.findings) == before else None


def _constant_value(context: MappingReadContext, node: Node, path: str) -> Value:
    match node:
        case Table():
            return {key.text: _constant_value(context, inner, f"{path}.{key.text}") for key, inner in node.entries}
        case Items():
            return [_constant_value(context, inner, path) for inner in node.items]
        case Scalar(value=float() as value) if not math.isfinite(value):
            context.error(node, path, "must be a finite number", "write a finite number")
            return None
        case Scalar() if is_empty(node):
            context.error(node, path, "is empty", "write the constant, or null")
            return None
        case Scalar(value=value):  # pragma: no branch - mypy proves the match total
            return value
