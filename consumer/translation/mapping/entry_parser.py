"""One entry under `deliver`: where it goes, when, and with which fields."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.destinations import Destination, EntryError, Target
from consumer.model import Entry
from consumer.model.findings import did_you_mean
from consumer.translation.expressions.expression import Expression
from consumer.translation.mapping.complaints import MappingReadContext
from consumer.translation.mapping.field_parser import read_object
from consumer.translation.mapping.rules import EntryRule, Object
from consumer.translation.mapping.target_check import fitted, states_consent
from consumer.yaml_document import Node, Scalar, Table, is_empty

_KEYS = ("to", "name", "label", "when", "consent", "each", "id", "fields")


def read_entry(
    reading: MappingReadContext, node: Node, event_type: str, destinations: Mapping[str, Destination], path: str
) -> EntryRule | None:
    """Read one entry; `None` after complaints."""
    table = reading.table(node, path, "a mapping that begins with `to: destination.target`")
    if table is None:
        return None
    before = len(reading.findings)
    reading.unknown_keys(table, _KEYS, path)
    name = reading.word(table.get("name"), f"{path}.name")
    where = _where(reading, table, destinations, path)
    when = reading.expression(table.get("when"), f"{path}.when")
    consent = reading.expression(table.get("consent"), f"{path}.consent")
    each, own_id = _each(reading, table, path)
    label = reading.word(table.get("label"), f"{path}.label")
    made, fields = _fields(reading, table, path)
    if where is None:
        return None
    destination, target = where
    _check_name(reading, table, destination, target, name, path)
    special = target.by_name.get(name.strip(), target) if name is not None else target
    made = fitted(reading, made, fields, special, f"{path}.fields")
    if consent is not None and states_consent(made, special):
        message = "gates a call that itself states a consent: a withdrawal would never be said"
        hint = "remove it; other fields can go in an entry of their own"
        reading.error(table.key("consent") or table, f"{path}.consent", message, hint)
    if len(reading.findings) > before:
        return None
    entry = Entry(event_type, destination.name, label or _default_label(target, name), target.name)
    return EntryRule(entry, name, when, consent, each, own_id, made)


def label_in(node: Node, name: str = "") -> tuple[str, Node] | None:
    """Return an entry's label and its place, as far as it can be told without reading the rest."""
    if not isinstance(node, Table):
        return None
    label, to, named = node.get("label"), node.get("to"), node.get("name")
    if isinstance(label, Scalar) and isinstance(label.value, str):
        return label.value, label
    if label is not None or not isinstance(to, Scalar) or not isinstance(to.value, str):
        return None
    target = to.value.partition(".")[2]
    name = named.value if isinstance(named, Scalar) and isinstance(named.value, str) else ""
    return (f"{target}:{name}" if name else target), to


def _default_label(target: Target, name: str | None) -> str:
    return f"{target.name}:{name}" if name else target.name


def _where(
    reading: MappingReadContext, table: Table, destinations: Mapping[str, Destination], path: str
) -> tuple[Destination, Target] | None:
    node = table.get("to")
    if node is None:
        reading.error(table, path, "misses `to`", "to: destination.target")
        return None
    text = reading.word(node, f"{path}.to")
    if text is None:
        return None
    head, dot, tail = text.partition(".")
    if not dot:
        reading.error(node, f"{path}.to", f"`{text}` names no target", "to: destination.target")
        return None
    destination = destinations.get(head)
    if destination is None:
        hint = did_you_mean(head, destinations) or "name it under `destinations` in the configuration"
        reading.error(node, f"{path}.to", f"`{head}` is no destination of this configuration", hint)
        return None
    target = destination.targets.get(tail)
    if target is None:
        hint = did_you_mean(tail, destination.targets)
        reading.error(node, f"{path}.to", f"{head} has no target `{tail}`", hint, shift=len(head) + 1)
        return None
    return destination, target


def _check_name(
    reading: MappingReadContext, table: Table, destination: Destination, target: Target, name: str | None, path: str
) -> None:
    node = table.get("name")
    if name is None:
        if node is None and target.named:
            reading.error(table, path, f"misses `name`, which {destination.name}.{target.name} needs")
        if node is not None or target.named:
            return
    elif not target.named and not target.name_optional:
        reading.error(table.key("name") or table, f"{path}.name", f"{destination.name}.{target.name} takes no name")
        return
    try:
        destination.encoder(target.name, name)
    except EntryError as error:
        reading.error(node or table.get("to") or table, f"{path}.name" if node else path, error.message, error.hint)


def _each(reading: MappingReadContext, table: Table, path: str) -> tuple[Expression | None, Expression | None]:
    each = reading.expression(table.get("each"), f"{path}.each")
    own_id = reading.expression(table.get("id"), f"{path}.id")
    if table.get("each") is not None and table.get("id") is None:
        hint = "id: an expression over the element, unique within a record"
        reading.error(table.key("each") or table, f"{path}.each", "needs an `id` for its elements", hint)
    if table.get("each") is None and table.get("id") is not None:
        hint = "the event's own `id` stands beside `deliver`"
        reading.error(table.key("id") or table, f"{path}.id", "means something only beside `each`", hint)
    return each, own_id


def _fields(reading: MappingReadContext, table: Table, path: str) -> tuple[Object, Table]:
    node = table.get("fields")
    if node is None or is_empty(node):
        place = table.key("fields") or table
        return Object({}), Table((), place.line, place.column)
    fields = reading.table(node, f"{path}.fields", "a mapping of fields to expressions")
    if fields is None:
        return Object({}), Table((), node.line, node.column)
    return read_object(reading, fields, f"{path}.fields"), fields
