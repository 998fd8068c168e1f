"""The published interpreter, with exact comparisons, a lazy `if`, and errors that contain no values."""

from __future__ import annotations

from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.visitor import Options, TreeInterpreter

from consumer.model.values import Value
from consumer.translation.expressions.comparison import compare, equal
from consumer.translation.expressions.functions import Functions
from consumer.translation.expressions.parser import Ast
from consumer.translation.expressions.record_scope import Scope, type_name
from consumer.translation.unmappable import UnmappableError

_WITH_ELSE = 3


class Interpreter(TreeInterpreter):  # type: ignore[misc]  # published without types
    """Evaluates parsed expressions. Each expression has an interpreter of its own."""

    def __init__(self) -> None:
        """Create the functions that expressions may call."""
        self.functions = Functions()
        super().__init__(Options(custom_functions=self.functions))

    def evaluate(self, ast: Ast, value: Value, scope: Scope) -> Value:
        """Return the expression's result for `value`; `scope` is the current record.

        Raises:
            UnmappableError: there is no result. The reason names the function, never a value.
        """
        self.functions.scope = scope
        try:
            return self.visit(ast, value)  # type: ignore[no-any-return]
        except RecursionError:
            raise UnmappableError("the value is nested too deeply") from None

    def visit_comparator(self, node: Ast, value: Value) -> bool | None:
        """Compare exactly; null for values that have no order."""
        left = self.visit(node["children"][0], value)
        right = self.visit(node["children"][1], value)
        operator = node["value"]
        if operator == "eq":
            return equal(left, right)
        return not equal(left, right) if operator == "ne" else compare(operator, left, right)

    def visit_not_expression(self, node: Ast, value: Value) -> bool:
        """Negate by JMESPath's truth: zero and empty bytes are not false."""
        return bool(self._is_false(self.visit(node["children"][0], value)))

    def visit_function_expression(self, node: Ast, value: Value) -> Value:
        """Call a function. Of an `if`, evaluate only the branch that is chosen."""
        name = node["value"]
        if name == "if":
            return self._if(node["children"], value)
        arguments = [self.visit(child, value) for child in node["children"]]
        try:
            return self.functions.call_function(name, arguments)  # type: ignore[no-any-return]
        except JMESPathTypeError as error:
            expected = " or ".join(error.expected_types)
            raise UnmappableError(f"{name}() takes {expected}, not {error.actual_type}") from None
        except (JMESPathError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError):
            raise UnmappableError(f"{name}() has no result for its arguments") from None

    def _if(self, children: list[Ast], value: Value) -> Value:
        condition = self.visit(children[0], value)
        if condition is True:
            return self.visit(children[1], value)  # type: ignore[no-any-return]
        if condition is False or condition is None:
            return self.visit(children[2], value) if len(children) == _WITH_ELSE else None
        raise UnmappableError(f"if() takes a boolean condition, not {type_name(condition)}")
