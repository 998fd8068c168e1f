"""An entry's fields against what its target may say: unknown fields, missing ones, consents."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.destinations import FieldRule, Target
from consumer.model.findings import did_you_mean
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.rules import FieldSource, Object
from consumer.yaml_document import Node, Table


def fitted(reading: MappingReadContext, fields: Object, table: Table, target: Target, path: str) -> Object:
    """Complain of what the target does not take or misses; return the fields, knowing which objects are mandatory."""
    result = _object(reading, fields, table, FieldRule(fields=target.fields, free=target.free), path)
    for group in target.one_of:
        if not any(_is_mapped(table, name) for name in group):
            names = " or ".join(f"`{name}`" for name in group)
            reading.error(table, path, f"must map {names}: `{target.name}` needs one of them")
    return result


def states_consent(fields: Object, target: Target) -> bool:
    """Tell whether an entry states a consent itself: one that gated it would keep every withdrawal from being said."""
    return target.carries_consent or _states(fields, target.fields)


def _states(fields: Object, rules: Mapping[str, FieldRule]) -> bool:
    for name, made in fields.fields.items():
        rule = rules.get(name)
        if rule is None:
            continue
        if rule.carries_consent or (isinstance(made, Object) and rule.fields and _states(made, rule.fields)):
            return True
    return False


def _object(reading: MappingReadContext, made: Object, table: Table, rule: FieldRule, path: str) -> Object:
    rules = rule.fields
    if rules is None:
        return Object(made.fields, rule.mandatory)
    for key, _ in table.entries:
        if key.text not in rules and not rule.free:
            message = "is no field of this target" if path.endswith("fields") else "is no field here"
            reading.error(key, f"{path}.{key.text}", message, did_you_mean(key.text, rules))
    for name, inner in rules.items():
        if inner.mandatory and table.get(name) is None:
            reading.error(table, path, f"misses `{name}`, which is mandatory here")
    fields: dict[str, FieldSource] = {}
    for name, making in made.fields.items():
        node: Node | None = table.get(name)
        known = rules.get(name)
        if known is not None and isinstance(making, Object) and isinstance(node, Table):
            fields[name] = _object(reading, making, node, known, f"{path}.{name}")
        else:
            fields[name] = making
    return Object(fields, rule.mandatory)


def _is_mapped(table: Table, dotted: str) -> bool:
    """Tell whether a field is mapped; below an expression nothing can be known, so it counts."""
    first, _, rest = dotted.partition(".")
    node = table.get(first)
    if not rest or node is None:
        return node is not None
    return _is_mapped(node, rest) if isinstance(node, Table) else True
