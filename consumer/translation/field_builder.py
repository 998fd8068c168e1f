"""Fields of a delivery out of an event: each making of the mapping becomes one function, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consumer.model.values import Fields, Value
from consumer.translation.expressions.compiler import Run
from consumer.translation.expressions.expression import Expression
from consumer.translation.expressions.record_scope import Scope, UnmappableError, kind_of
from consumer.translation.mapping.rules import Constant, Each, EachRule, FieldSource, Object


def compile_field(making: FieldSource) -> Run:
    """Return the function of one making. Its value is null where there is nothing to say; nothing in it is null.

    Null and absent are the same: nulls are left out at every depth, list elements included, and so is an object that
    ends up empty, unless its target insists on it. Only a constant null stays.
    """
    match making:
        case Expression():
            return _from_event(making.run)
        case Constant(value):
            return lambda _value, _scope: value
        case Each():
            return _each(making)
        case EachRule():
            return _listed(making.items)
        case Object():  # pragma: no branch - mypy proves the match total
            return object_maker(making)


def object_maker(made: Object) -> Run:
    """Return the function of an object of fields."""
    items = tuple((name, *_parts(each)) for name, each in made.fields.items())
    keep = made.mandatory

    def make(value: Value, scope: Scope) -> Value:
        fields: Fields = {}
        for name, run, from_event, says_null in items:
            inner = run(value, scope)
            if from_event and isinstance(inner, dict | list):
                inner = cleaned(inner)
            if inner is not None or says_null:
                fields[name] = inner
        return fields if fields or keep else None

    return make


def _parts(making: FieldSource) -> tuple[Run, bool, bool]:
    """Return a making's function, whether what it gives must be cleaned, and whether it says null on purpose."""
    if isinstance(making, Expression):
        return making.run, True, False
    return compile_field(making), False, _says_null(making)


def _from_event(run: Run) -> Run:
    def make(value: Value, scope: Scope) -> Value:
        made = run(value, scope)
        return cleaned(made) if isinstance(made, dict | list) else made

    return make


def _each(making: Each) -> Run:
    of, run = making.of.run, compile_field(making.fields)

    def make(value: Value, scope: Scope) -> Value:
        items = of(value, scope)
        if items is None:
            return None
        if not isinstance(items, list):
            raise UnmappableError(f"each takes an array, not {kind_of(items)}")
        return _present(run(item, scope) for item in items if item is not None)

    return make


def _listed(items: Sequence[FieldSource]) -> Run:
    runs = tuple((compile_field(each), _says_null(each)) for each in items)

    def make(value: Value, scope: Scope) -> Value:
        made = [(run(value, scope), says_null) for run, says_null in runs]
        return [each for each, says_null in made if each is not None or says_null]

    return make


def cleaned(value: Fields | list[Value]) -> Value:
    """Return an object or a list without nulls and empty objects, at any depth; null if an object is left empty."""
    if isinstance(value, dict):
        fields: Fields = {}
        for name, inner in value.items():
            kept = cleaned(inner) if isinstance(inner, dict | list) else inner
            if kept is not None:
                fields[name] = kept
        return fields or None
    return _present(cleaned(inner) if isinstance(inner, dict | list) else inner for inner in value)


def explain_failure(made: Object, value: Value, scope: Scope) -> str:
    """Return which field had no value and why, after an `UnmappableError`: `fields.total: cents() takes …`."""
    return _blame_within(made, value, scope, "fields") or "fields"


def _blame_within(made: Object, value: Value, scope: Scope, path: str) -> str | None:
    for name, each in made.fields.items():
        inner = f"{path}.{name}"
        if isinstance(each, Object):
            found = _blame_within(each, value, scope, inner)
            if found is not None:
                return found
            continue
        try:
            compile_field(each)(value, scope)
        except UnmappableError as error:
            return f"{inner}: {error.said}"
    return None


def _says_null(making: FieldSource) -> bool:
    return isinstance(making, Constant) and making.value is None


def _present(values: Iterable[Value]) -> Value:
    return [each for each in values if each is not None]
