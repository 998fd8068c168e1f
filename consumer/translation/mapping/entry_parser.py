"""One entry under `deliver`: its target, its conditions and its fields."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.destinations import Destination, EntryError, Target
from consumer.model import Entry
from consumer.model.findings import did_you_mean
from consumer.translation.expressions.expression import Expression
from consumer.translation.mapping import keys
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.field_parser import read_object
from consumer.translation.mapping.rules import EntryRule, ObjectField
from consumer.translation.mapping.target_check import check_target, sets_consent
from consumer.yaml_document import Node, Scalar, Table, is_empty


def read_entry(
    context: MappingReadContext, node: Node, event_type: str, destinations: Mapping[str, Destination], path: str
) -> EntryRule | None:
    """Read one entry; `None` if it has errors."""
    table = context.table(node, path, "a mapping that begins with `to: destination.target`")
    if table is None:
        return None
    before = len(context.findings)
    misspelt = context.check_keys(table, keys.ENTRY, path)
    name = context.text(table.get("name"), f"{path}.name")
    found = None if "to" in misspelt else _destination_and_target(context, table, destinations, path)
    when = context.expression(table.get("when"), f"{path}.when")
    consent = context.expression(table.get("consent"), f"{path}.consent")
    each, element_id = _each(context, table, path)
    label = context.text(table.get("label"), f"{path}.label")
    fields, fields_table = _fields(context, table, path)
    if found is None:
        return None
    destination, target = found
    if "name" not in misspelt:
        _check_name(context, table, destination, target, name, path)
    target_of_name = target.by_name.get(name.strip(), target) if name is not None else target
    if "fields" not in misspelt:
        fields = check_target(context, fields, fields_table, target_of_name, f"{path}.fields")
    if consent is not None and sets_consent(fields, target_of_name):
        message = "must not gate a call that sets consent; a withdrawal would never be sent"
        hint = "remove `consent`, and map other fields in an entry of their own"
        context.error(table.key("consent") or table, f"{path}.consent", message, hint)
    if len(context.findings) > before:
        return None
    entry = Entry(event_type, destination.name, label or _default_label(target, name), target.name)
    return EntryRule(entry, name, when, consent, each, element_id, fields)


def label_of(node: Node) -> tuple[str, Node] | None:
    """Return an entry's label and the node it comes from; `None` if `to` and `label` do not determine it."""
    if not isinstance(node, Table):
        return None
    label, to, name = node.get("label"), node.get("to"), node.get("name")
    if isinstance(label, Scalar) and isinstance(label.value, str):
        return label.value, label
    if label is not None or not isinstance(to, Scalar) or not isinstance(to.value, str):
        return None
    target = to.value.partition(".")[2]
    named = isinstance(name, Scalar) and isinstance(name.value, str) and name.value
    return (f"{target}:{named}" if named else target), to


def _default_label(target: Target, name: str | None) -> str:
    return f"{target.name}:{name}" if name else target.name


def _destination_and_target(
    context: MappingReadContext, table: Table, destinations: Mapping[str, Destination], path: str
) -> tuple[Destination, Target] | None:
    node = table.get("to")
    if node is None:
        context.error(table, path, "`to` is missing", "write `to: destination.target`")
        return None
    text = context.text(node, f"{path}.to")
    if text is None:
        return None
    head, dot, tail = text.partition(".")
    if not dot:
        context.error(node, f"{path}.to", f"`{text}` names no target", "write `to: destination.target`")
        return None
    destination = destinations.get(head)
    if destination is None:
        hint = did_you_mean(head, destinations) or "add it under `destinations` in the configuration"
        context.error(node, f"{path}.to", f"destination `{head}` is not configured", hint)
        return None
    target = destination.targets.get(tail)
    if target is None:
        hint = did_you_mean(tail, destination.targets, at_most=None)
        context.error(node, f"{path}.to", f"{head} has no target `{tail}`", hint, shift=len(head) + 1)
        return None
    return destination, target


def _check_name(
    context: MappingReadContext, table: Table, destination: Destination, target: Target, name: str | None, path: str
) -> None:
    node = table.get("name")
    if name is None:
        if node is None and target.named:
            message = f"`name` is missing; {destination.name}.{target.name} needs one"
            context.error(table, path, message, "add `name:` to the entry")
        if node is not None or target.named:
            return
    elif not target.named and not target.name_optional:
        message = f"{destination.name}.{target.name} takes no name"
        context.error(table.key("name") or table, f"{path}.name", message, "remove `name`")
        return
    try:
        destination.encoder(target.name, name)
    except EntryError as error:
        context.error(node or table.get("to") or table, f"{path}.name" if node else path, error.message, error.hint)


def _each(context: MappingReadContext, table: Table, path: str) -> tuple[Expression | None, Expression | None]:
    each = context.expression(table.get("each"), f"{path}.each")
    element_id = context.expression(table.get("id"), f"{path}.id")
    if table.get("each") is not None and table.get("id") is None:
        hint = "add `id:`, an expression over the element that is unique within a record"
        context.error(table.key("each") or table, f"{path}.each", "`id` is missing; each element needs its own", hint)
    if table.get("each") is None and table.get("id") is not None:
        hint = "move the event's own `id` next to `deliver`"
        context.error(table.key("id") or table, f"{path}.id", "is only valid together with `each`", hint)
    return each, element_id


def _fields(context: MappingReadContext, table: Table, path: str) -> tuple[ObjectField, Table]:
    node = table.get("fields")
    if node is None or is_empty(node):
        position = table.key("fields") or table
        return ObjectField({}), Table((), position.line, position.column)
    fields = context.table(node, f"{path}.fields", "a mapping of fields to expressions")
    if fields is None:
        return ObjectField({}), Table((), node.line, node.column)
    return read_object(context, fields, f"{path}.fields"), fields
