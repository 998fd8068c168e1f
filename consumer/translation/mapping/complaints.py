"""Single values of the mapping file: names and expressions, and what YAML made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.static_checks import Problem, bare_literal_problem
from consumer.yaml_document import Node, ReadContext, Scalar, Table, below, is_empty, node_kind, was_cut

_QUOTE_HINT = "quote the whole expression"


@dataclass(slots=True)
class MappingReadContext(ReadContext):
    """Reads one mapping file and collects all its findings."""

    def check_keys(self, table: Table, known: Iterable[str], path: str) -> set[str | None]:
        """Add an error for each key that is not in `known`. Return the absent keys that they were meant to be."""
        names = tuple(known)
        return {
            self.unknown_key(key, table, names, below(path, key.text), f"unknown key `{key.text}`")
            for key, _ in table.entries
            if key.text not in names
        }

    def table(self, node: Node, path: str, expected: str) -> Table | None:
        """Return the node if it is a mapping; else add an error that names what is `expected` here."""
        if isinstance(node, Table):
            return node
        hint = "indent its keys below it" if is_empty(node) else ""
        self.error(node, path, f"must be {expected}, not {node_kind(node)}", hint)
        return None

    def text(self, node: Node | None, path: str) -> str | None:
        """Return a literal text such as a name or a label, or add an error. Numbers and booleans must be quoted."""
        if node is None:
            return None
        if not isinstance(node, Scalar):
            self.error(node, path, f"must be text, not {node_kind(node)}", "quote it if it is text")
            return None
        if not isinstance(node.value, str):
            self.error(node, path, *_not_text_problem(node, "text"))
            return None
        if not node.value.strip():
            self.error(node, path, "must not be blank", "write a name, or remove the key")
            return None
        return node.value

    def expression(self, node: Node | None, path: str) -> Expression | None:
        """Return a compiled expression; `None` if the node is `None`, or after an error."""
        if node is None:
            return None
        if not isinstance(node, Scalar):
            self.error(node, path, f"must be an expression, but YAML reads {node_kind(node)} here", _QUOTE_HINT)
            return None
        if not isinstance(node.value, str):
            self.error(node, path, *_not_text_problem(node, "an expression"))
            return None
        result = compile_expression(node.value)
        if isinstance(result, Expression) and (problem := bare_literal_problem(node.value)) is not None:
            result = problem
        if isinstance(result, Problem):
            self._expression_error(node, path, result)
            return None
        return result

    def _expression_error(self, node: Scalar, path: str, problem: Problem) -> None:
        if was_cut(node):
            role = "the start of a comment" if node.after.startswith("#") else "the end of the value"
            message = f"{problem.message}; YAML reads `{node.after[:1]}` as {role}"
            self.error(node, path, message, _QUOTE_HINT, shift=problem.position)
            return
        on_one_line = "\n" not in node.text
        shift = problem.position + (0 if node.plain else 1) if on_one_line else 0
        self.error(node, path, problem.message, problem.hint, shift=shift)


def _not_text_problem(node: Scalar, expected: str) -> tuple[str, str]:
    """Return the message and the hint for a scalar that YAML does not read as text."""
    if is_empty(node):
        return f"must be {expected}, but is empty", "write a value, or remove the key"
    kind = "null" if node.value is None else "a boolean" if isinstance(node.value, bool) else "a number"
    message = f"must be {expected}, but YAML reads {kind} here"
    if expected == "text":
        return message, f'quote it: "{node.text}"'
    return message, f"write it as a JMESPath literal in quotes: '`{node.text}`'"
