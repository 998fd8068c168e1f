"""The published interpreter, with exact comparisons, a lazy `if`, and errors that hold no value."""

from __future__ import annotations

from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.visitor import Options, TreeInterpreter

from consumer.model.values import Value
from consumer.translation.expressions.comparison import equal, ordered
from consumer.translation.expressions.functions import Functions
from consumer.translation.expressions.parser import Ast
from consumer.translation.expressions.record_scope import Scope, UnmappableError, kind_of

_WITH_ELSE = 3


class Interpreter(TreeInterpreter):  # type: ignore[misc]  # published without types
    """Evaluates parsed expressions; one for all expressions of a mapping would do, each has its own."""

    def __init__(self) -> None:
        """Bring the functions along."""
        self.functions = Functions()
        super().__init__(Options(custom_functions=self.functions))

    def run(self, ast: Ast, value: Value, scope: Scope) -> Value:
        """Evaluate.

        Raises:
            UnmappableError: there is no value; says which function, never a value.
        """
        self.functions.scope = scope
        try:
            return self.visit(ast, value)  # type: ignore[no-any-return]
        except RecursionError:
            raise UnmappableError("it is nested too deeply") from None

    def visit_comparator(self, node: Ast, value: Value) -> bool | None:
        """Compare exactly; what cannot be ordered is null."""
        left = self.visit(node["children"][0], value)
        right = self.visit(node["children"][1], value)
        operator = node["value"]
        if operator == "eq":
            return equal(left, right)
        return not equal(left, right) if operator == "ne" else ordered(operator, left, right)

    def visit_not_expression(self, node: Ast, value: Value) -> bool:
        """Negate by JMESPath's idea of truth, which knows neither zero nor empty bytes as false."""
        return bool(self._is_false(self.visit(node["children"][0], value)))

    def visit_function_expression(self, node: Ast, value: Value) -> Value:
        """Call a function; only the branch of an `if` that is taken is evaluated."""
        name = node["value"]
        if name == "if":
            return self._if(node["children"], value)
        arguments = [self.visit(child, value) for child in node["children"]]
        try:
            return self.functions.call_function(name, arguments)  # type: ignore[no-any-return]
        except JMESPathTypeError as error:
            wanted = " or ".join(error.expected_types)
            raise UnmappableError(f"{name}() takes {wanted}, not {error.actual_type}") from None
        except (JMESPathError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError):
            raise UnmappableError(f"{name}() has no value for this") from None

    def _if(self, children: list[Ast], value: Value) -> Value:
        condition = self.visit(children[0], value)
        if condition is True:
            return self.visit(children[1], value)  # type: ignore[no-any-return]
        if condition is False or condition is None:
            return self.visit(children[2], value) if len(children) == _WITH_ELSE else None
        raise UnmappableError(f"if() takes a boolean condition, not {kind_of(condition)}")
