"""The JSON Schema of a mapping, from the tables that validate one: its keys, and the contract of each target.

The schema cannot know everything that `check` knows. Expressions are texts to it. A destination with a name of its own
(`kind:` in the configuration) may use the targets of every kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from consumer.config.destinations import placeholder
from consumer.config.scalar_parsers import NAME_PATTERN
from consumer.config.schema_nodes import JsonSchema
from consumer.destinations import FieldRule, Target
from consumer.destinations.kinds import KINDS
from consumer.translation.mapping import keys
from consumer.translation.mapping.keys import Key, ValueForm

_EXPRESSION: JsonSchema = {"$ref": "#/$defs/expression"}
_VALUE: JsonSchema = {"$ref": "#/$defs/value"}
_CONSTANT: JsonSchema = {"$ref": "#/$defs/constant"}
_EACH: JsonSchema = {"$ref": "#/$defs/each"}


def json_schema() -> JsonSchema:
    """Return the JSON Schema of a mapping file, for editors."""
    targets = {kind: placeholder(kind).targets for kind in KINDS}
    forms: dict[ValueForm, JsonSchema] = {
        ValueForm.VERSION: {"const": keys.VERSION},
        ValueForm.EVENTS: {"type": "object", "additionalProperties": {"$ref": "#/$defs/event"}},
        ValueForm.ENTRIES: {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/entry"}},
        ValueForm.TARGET: _to(targets),
        ValueForm.TEXT: {"type": "string", "pattern": r"\S"},
        ValueForm.EXPRESSION: _EXPRESSION,
        ValueForm.FIELDS: {"type": ["object", "null"]},
    }
    entry = _table(keys.ENTRY, forms)
    entry["dependentRequired"] = {"each": ["id"], "id": ["each"]}
    entry["allOf"] = _contracts(targets)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cdp-consumer mapping",
        **_table(keys.FILE, forms),
        "$defs": {"event": _table(keys.EVENT, forms), "entry": entry, **_VALUES},
    }


def _table(known: Mapping[str, Key], forms: Mapping[ValueForm, JsonSchema]) -> JsonSchema:
    return {
        "type": "object",
        "properties": {name: {**forms[key.form], "description": key.doc} for name, key in known.items()},
        "required": [name for name, key in known.items() if key.required],
        "additionalProperties": False,
    }


def _to(targets: Mapping[str, Mapping[str, Target]]) -> JsonSchema:
    """Describe `to`: the targets of each kind under the kind's name, and those of any kind under another name."""
    names = sorted({name for each in targets.values() for name in each})
    own_name = rf"(?!(?:{'|'.join(targets)})\.){NAME_PATTERN}\.(?:{'|'.join(map(re.escape, names))})"
    by_kind = [f"{kind}.{name}" for kind, each in targets.items() for name in each]
    return {"anyOf": [{"enum": by_kind}, {"type": "string", "pattern": f"^{own_name}$"}]}


def _contracts(targets: Mapping[str, Mapping[str, Target]]) -> list[JsonSchema]:
    """Return for each target a rule that applies to the entries that name it."""
    by_name: dict[str, list[Target]] = {}
    for each in targets.values():
        for name, target in each.items():
            by_name.setdefault(name, []).append(target)
    rules = []
    for name, same_name in by_name.items():
        condition = {"properties": {"to": {"pattern": rf"\.{re.escape(name)}$"}}, "required": ["to"]}
        contracts = [target_schema(target) for target in same_name]
        rules.append({"if": condition, "then": contracts[0] if len(contracts) == 1 else {"anyOf": contracts}})
    return rules


def target_schema(target: Target) -> JsonSchema:
    """Return the JSON Schema of a target's entries; certain names of the event have a contract of their own."""
    plain = _contract(target)
    if not target.by_name:
        return plain
    special = [{"if": _is_named([name]), "then": _contract(each)} for name, each in target.by_name.items()]
    return {"allOf": [*special, {"if": _is_named(target.by_name), "else": plain}]}


def _is_named(names: Mapping[str, Target] | list[str]) -> JsonSchema:
    return {"properties": {"name": {"enum": list(names)}}, "required": ["name"]}


def _contract(target: Target) -> JsonSchema:
    fields = _object(FieldRule(fields=target.fields, free=target.free))
    if target.one_of:
        fields["allOf"] = [{"anyOf": [_is_mapped(name) for name in group]} for group in target.one_of]
    must_map = bool(target.one_of) or any(rule.mandatory for rule in target.fields.values())
    contract: JsonSchema = {"properties": {"fields": fields if must_map else {"anyOf": [{"type": "null"}, fields]}}}
    contract["required"] = [*(["name"] if target.named else []), *(["fields"] if must_map else [])]
    if not target.named and not target.name_optional:
        contract["properties"]["name"] = False
    if target.carries_consent:
        contract["properties"]["consent"] = False
    return contract


def _object(rule: FieldRule) -> JsonSchema:
    """Describe an object whose names are known."""
    rules = rule.fields or {}
    return {
        "type": "object",
        "properties": {name: _field(each) for name, each in rules.items()},
        "required": [name for name, each in rules.items() if each.mandatory],
        "additionalProperties": _VALUE if rule.free else False,
    }


def _field(rule: FieldRule) -> JsonSchema:
    return _VALUE if rule.fields is None else {"anyOf": [_EXPRESSION, _CONSTANT, _EACH, _object(rule)]}


def _is_mapped(dotted: str) -> JsonSchema:
    """Describe an object that maps a field. An expression in the place of an object may have any fields."""
    first, _, rest = dotted.partition(".")
    mapped: JsonSchema = {"required": [first]}
    if rest:
        mapped["properties"] = {first: {"if": {"type": "object"}, "then": _is_mapped(rest)}}
    return mapped


_VALUES: Mapping[str, JsonSchema] = {
    "expression": {"type": "string", "pattern": r"\S", "description": "A JMESPath expression over the event."},
    "constant": {
        "type": "object",
        "description": "A constant.",
        "properties": {"value": True},
        "required": ["value"],
        "additionalProperties": False,
    },
    "each": {
        "type": "object",
        "description": "A list: `fields` for each element of `each`.",
        "properties": {"each": _EXPRESSION, "fields": _VALUE},
        "required": ["each", "fields"],
        "additionalProperties": False,
    },
    "value": {
        "anyOf": [
            _EXPRESSION,
            {"type": ["number", "boolean"]},
            {"type": "array", "items": _VALUE},
            _CONSTANT,
            _EACH,
            {
                "type": "object",
                "minProperties": 1,
                # A number beside other keys would be a constant that became a field by mistake.
                "properties": {"value": {"not": {"type": ["number", "boolean"]}}},
                "additionalProperties": _VALUE,
                "not": {"required": ["each"], "propertyNames": {"enum": ["each", "fields"]}},
            },
        ]
    },
}
"""The forms of a field's value, as `field_parser` reads them."""
