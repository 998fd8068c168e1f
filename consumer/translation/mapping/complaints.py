"""Reading single values of the mapping: texts and expressions, with what YAML itself did to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consumer.model.findings import did_you_mean
from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.static_checks import Problem
from consumer.yaml_document import Node, ReadContext, Scalar, Table, below, is_empty, node_kind, was_cut

_QUOTE = "quote the whole expression"


@dataclass(slots=True)
class MappingReadContext(ReadContext):
    """One file being read: collects findings, all of them."""

    def unknown_keys(self, table: Table, known: Iterable[str], path: str) -> None:
        """Complain of each key that means nothing here."""
        names = tuple(known)
        for key, _ in table.entries:
            if key.text not in names:
                self.error(key, below(path, key.text), "is unknown here", did_you_mean(key.text, names))

    def table(self, node: Node, path: str, what: str) -> Table | None:
        """Return a mapping, or complain that `what` should stand there."""
        if isinstance(node, Table):
            return node
        self.error(node, path, f"must be {what}", "indent its keys below it" if is_empty(node) else "")
        return None

    def word(self, node: Node | None, path: str) -> str | None:
        """Return a text that is taken as it stands: a name, a label. Numbers and booleans must be quoted."""
        if node is None:
            return None
        if not isinstance(node, Scalar):
            self.error(node, path, f"must be a text, not {node_kind(node)}", "quote it if it is one")
            return None
        if not isinstance(node.value, str):
            self.error(node, path, *_not_text(node, "a text"))
            return None
        if not node.value.strip():
            self.error(node, path, "is blank")
            return None
        return node.value

    def expression(self, node: Node | None, path: str) -> Expression | None:
        """Return a compiled expression; `None` if there is none, or after a complaint."""
        if node is None:
            return None
        if not isinstance(node, Scalar):
            self.error(node, path, f"must be an expression, but YAML reads {node_kind(node)} here", _QUOTE)
            return None
        if not isinstance(node.value, str):
            self.error(node, path, *_not_text(node, "an expression"))
            return None
        result = compile_expression(node.value)
        if isinstance(result, Problem):
            self._bad_expression(node, path, result)
            return None
        return result

    def _bad_expression(self, node: Scalar, path: str, problem: Problem) -> None:
        if was_cut(node):
            cut = "a comment" if node.after.startswith("#") else "the end of the value"
            message = f"{problem.message}: YAML took `{node.after.partition(' ')[0][:1]}` for {cut}"
            self.error(node, path, message, _QUOTE, shift=problem.at)
            return
        on_one_line = "\n" not in node.text
        shift = problem.at + (0 if node.plain else 1) if on_one_line else 0
        self.error(node, path, problem.message, problem.hint, shift=shift)


def _not_text(node: Scalar, wanted: str) -> tuple[str, str]:
    """Return what is wrong with a scalar that is no text, and what to do."""
    if is_empty(node):
        return f"is empty; {wanted} must stand here", ""
    kind = "null" if node.value is None else "a boolean" if isinstance(node.value, bool) else "a number"
    if wanted == "a text":
        return f"must be a text, but YAML reads {kind} here", f'quote it: "{node.text}"'
    return f"must be an expression, but YAML reads {kind} here", f"as a JMESPath literal: '`{node.text}`', quoted"
