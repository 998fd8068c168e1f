"""An entry's fields checked against its target: unknown fields, missing fields, consent."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.destinations import FieldRule, Target
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.rules import FieldSource, ObjectField
from consumer.yaml_document import Node, Table


def check_target(
    context: MappingReadContext, fields: ObjectField, table: Table, target: Target, path: str
) -> ObjectField:
    """Add an error for each unknown or missing field; return the fields with the mandatory objects marked."""
    misspelt: set[str | None] = set()
    result = _check_object(context, fields, table, FieldRule(fields=target.fields, free=target.free), path, misspelt)
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
    rules = rule.fields
    if rules is None:
        return ObjectField(source.fields, rule.mandatory)
    for key, _ in table.entries:
        if key.text not in rules and not rule.free:
            where = "this target" if path.endswith("fields") else "this object"
            message = f"{where} has no field `{key.text}`"
            misspelt.add(context.unknown_key(key, table, rules, f"{path}.{key.text}", message))
    for name, inner in rules.items():
        if inner.mandatory and table.get(name) is None and name not in misspelt:
            context.error(table, path, f"mandatory field `{name}` is missing", f"map `{name}`")
    fields: dict[str, FieldSource] = {}
    for name, field in source.fields.items():
        node: Node | None = table.get(name)
        known = rules.get(name)
        if known is not None and isinstance(field, ObjectField) and isinstance(node, Table):
            fields[name] = _check_object(context, field, node, known, f"{path}.{name}", set())
        else:
            fields[name] = field
    return ObjectField(fields, rule.mandatory)


def _is_mapped(table: Table, dotted: str) -> bool:
    """Return True if a field is mapped, or lies within an expression: its fields are unknown here."""
    first, _, rest = dotted.partition(".")
    node = table.get(first)
    if not rest or node is None:
        return node is not None
    return _is_mapped(node, rest) if isinstance(node, Table) else True
