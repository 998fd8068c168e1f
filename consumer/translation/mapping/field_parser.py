"""What stands under `fields`: expressions, constants, lists and objects."""

from __future__ import annotations

import math
from decimal import Decimal

from consumer.model.values import Value
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.rules import Constant, Each, EachRule, FieldSource, Object
from consumer.yaml_document import Items, Node, Scalar, Table, is_empty, was_cut


def read_object(reading: MappingReadContext, table: Table, path: str) -> Object:
    """Read fields by name.

    A table within them whose only key is `value` is a constant, one with `each` a list, any other an object. An object
    that really has the one field `value` is written as an expression: `"{value: amount}"`.
    """
    fields: dict[str, FieldSource] = {}
    cut = False
    for key, node in table.entries:
        if cut and is_empty(node):
            continue  # the rest of the expression that YAML cut at its comma: complained of already
        if key.text == "<<" and key.plain:  # YAML 1.2 has no merge keys: a field of this name would be sent
            reading.error(key, f"{path}.<<", "is a merge key, which YAML 1.2 does not have", "write the fields out")
            continue
        before = len(reading.findings)
        made = read_making(reading, node, f"{path}.{key.text}")
        if made is not None:
            fields[key.text] = made
        failed = len(reading.findings) > before
        cut = (cut or failed) and table.flow and isinstance(node, Scalar) and (was_cut(node) or cut)
    return Object(fields)


def read_making(reading: MappingReadContext, node: Node, path: str) -> FieldSource | None:
    """Read one value; `None` after a complaint."""
    if isinstance(node, Table):
        return _table(reading, node, path)
    if isinstance(node, Items):
        made = [read_making(reading, each, f"{path}[{index}]") for index, each in enumerate(node.items)]
        return EachRule(tuple(each for each in made if each is not None))
    if isinstance(node.value, float):
        reading.error(node, path, "is not a finite number")
        return None
    if node.value is None:
        said = "is empty" if is_empty(node) else "is null"
        reading.error(node, path, said, "leave the field out, or write {value: null} to send a null")
        return None
    return reading.expression(node, path) if isinstance(node.value, str) else Constant(node.value)


def _table(reading: MappingReadContext, table: Table, path: str) -> FieldSource | None:
    names = table.names()
    if names == ["value"]:
        return _constant(reading, table.entries[0][1], path)
    if "each" in names and set(names) <= {"each", "fields"}:
        return _each(reading, table, path)
    value = table.get("value")
    if isinstance(value, Scalar) and isinstance(value.value, bool | int | Decimal):
        # Beside other keys it would silently become one field of an object.
        hint = "a constant stands alone: `{value: 1}`; of an object's field named `value` write `value: {value: 1}`"
        reading.error(value, f"{path}.value", "is a constant with other keys beside it", hint)
        return None
    if not names:
        reading.error(table, path, "is an empty mapping", "leave the field out, or write {value: {}}")
        return None
    return read_object(reading, table, path)


def _each(reading: MappingReadContext, table: Table, path: str) -> Each | None:
    of = reading.expression(table.get("each"), f"{path}.each")
    node = table.get("fields")
    if node is None:
        reading.error(table, path, "has `each` but no `fields`", "say what becomes of each element")
        return None
    fields = read_making(reading, node, f"{path}.fields")
    return None if of is None or fields is None else Each(of, fields)


def _constant(reading: MappingReadContext, node: Node, path: str) -> Constant | None:
    before = len(reading.findings)
    value = _plain(reading, node, path)
    return Constant(value) if len(reading.findings) == before else None


def _plain(reading: MappingReadContext, node: Node, path: str) -> Value:
    match node:
        case Table():
            return {key.text: _plain(reading, inner, f"{path}.{key.text}") for key, inner in node.entries}
        case Items():
            return [_plain(reading, inner, path) for inner in node.items]
        case Scalar(value=float() as value) if not math.isfinite(value):
            reading.error(node, path, "is not a finite number")
            return None
        case Scalar() if is_empty(node):
            reading.error(node, path, "is empty", "write the constant, or null")
            return None
        case Scalar(value=value):  # pragma: no branch - mypy proves the match total
            return value
