"""An entry's fields checked against its target: unknown fields, missing fields, consent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from consumer.destinations import FieldRule, Target
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.rules import ConstantField, EachField, FieldSource, ListField, ObjectField
from consumer.yaml_document import Node, Table


def check_target(
    context: MappingReadContext, fields: ObjectField, table: Table, target: Target, path: str
) -> ObjectField:
    """Add an error for each unknown or missing field; return the fields with the mandatory objects marked."""
    misspelt: set[str | None] = set()
    rule = FieldRule(
        fields=target.fields,
        free=target.free,
        property_problem=target.property_problem,
        names_problem=target.names_problem,
    )
    result = _check_object(context, fields, table, rule, path, misspelt)
    for group in target.one_of:
        if misspelt.isdisjoint(group) and not any(_is_mapped(table, name) for name in group):
            names = " or ".join(f"`{name}`" for name in group)
            context.error(table, path, f"{names} is missing; `{target.name}` needs one of them", "map one of them")
    return result


def sets_consent(fields: ObjectField, target: Target) -> bool:
    """Return True if an entry sets consent itself. A `consent` gate on such an entry would hold back withdrawals."""
    return target.carries_consent or _any_sets_consent(fields, target.fields)


def _any_sets_consent(fields: ObjectField, rules: Mapping[str, FieldRule]) -> bool:
    for name, source in fields.fields.items():
        rule = rules.get(name)
        if rule is None:
            continue
        if rule.carries_consent:
            return True
        if isinstance(source, ObjectField) and rule.fields and _any_sets_consent(source, rule.fields):
            return True
    return False


def _check_object(
    context: MappingReadContext,
    source: ObjectField,
    table: Table,
    rule: FieldRule,
    path: str,
    misspelt: set[str | None],
) -> ObjectField:
    """Check an object, and add to `misspelt` the absent fields that its unknown ones were meant to be."""
    rules = rule.fields or {}
    _check_properties(context, source, table, rule, path)
    if rule.fields is None:
        return ObjectField(source.fields, rule.mandatory)
    for key, _ in table.entries:
        if key.text not in rules and not rule.free:
            where = "this target" if path.endswith("fields") else "this object"
            message = f"{where} has no field `{key.text}`"
            misspelt.add(context.unknown_key(key, table, rules, f"{path}.{key.text}", message))
    for name in (name for name, inner in rules.items() if inner.mandatory and name not in misspelt):
        if table.get(name) is None:
            context.error(table, path, f"mandatory field `{name}` is missing", f"map `{name}`")
    if not misspelt:
        _check_names(context, table, rule, path)
    fields: dict[str, FieldSource] = {}
    for name, field in source.fields.items():
        node: Node | None = table.get(name)
        known = rules.get(name)
        if known is not None and isinstance(field, ObjectField) and isinstance(node, Table):
            fields[name] = _check_object(context, field, node, known, f"{path}.{name}", set())
        else:
            fields[name] = field
        if known is not None and known.problem is not None and node is not None:
            _check_value(context, field, node, known.problem, f"{path}.{name}")
    return ObjectField(fields, rule.mandatory)


def _check_names(context: MappingReadContext, table: Table, rule: FieldRule, path: str) -> None:
    """Check the number and the combination of an object's names."""
    problem = None if rule.names_problem is None else rule.names_problem(table.names())
    if problem is not None:
        context.error(table, path, problem, "map fewer fields, or other ones")


def _check_properties(
    context: MappingReadContext, source: ObjectField, table: Table, rule: FieldRule, path: str
) -> None:
    """Check the name and the shape of each property that the target does not know by name."""
    if rule.property_problem is None:
        return
    for key, node in table.entries:
        name = key.text
        if name not in source.fields or name in (rule.fields or {}):
            continue
        problem = rule.property_problem(name, _ANY_TEXT)
        if problem is not None:
            context.error(key, f"{path}.{name}", f"the name is invalid: {problem}", "rename the property")
            continue
        _check_value(context, source.fields[name], node, partial(rule.property_problem, name), f"{path}.{name}")


def _check_value(
    context: MappingReadContext, source: FieldSource, node: Node, problem: Callable[[object], str | None], path: str
) -> None:
    """Check a constant's value, or the shape of a list or an object. An expression's value is known per event only."""
    match source:
        case ConstantField(value=value):
            where = node.entries[0][1] if isinstance(node, Table) else node
        case ObjectField():
            where, value = node, {}
        case ListField() | EachField():
            where, value = node, []
        case _:
            return
    message = problem(value)
    if message is not None:
        context.error(where, path, message, "correct the constant" if isinstance(source, ConstantField) else _FLAT)


_ANY_TEXT = "x"
"""A value that every property accepts, for the check of its name."""
_FLAT = "map a single value"


def _is_mapped(table: Table, dotted: str) -> bool:
    """Return True if a field is mapped, or lies within an expression: its fields are unknown here."""
    first, _, rest = dotted.partition(".")
    node = table.get(first)
    if not rest or node is None:
        return node is not None
    return _is_mapped(node, rest) if isinstance(node, Table) else True
