"""JMESPath over normalised values: exact numbers, times, and a few functions of our own (jmespath's only door).

The grammar is jmespath.org's. What differs from the published library is the meaning of values that JSON does not have:
decimals and integers compare exactly, instants compare with instants, and comparing what cannot be compared is null.
"""

from consumer.translation.expressions.compiler import Run
from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.record_scope import Scope, UnmappableError, kind_of
from consumer.translation.expressions.static_checks import Problem
from consumer.translation.expressions.timestamps import instant_of

__all__ = ["Expression", "Problem", "Run", "Scope", "UnmappableError", "compile_expression", "instant_of", "kind_of"]
