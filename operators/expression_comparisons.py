"""The code of one comparison in an expression, written out as far as its literals tell the types.

Called by `operators.expression_code`. The common comparisons need no call then: `x == 3` stays `x == 3`, and `x < 5` asks
for the type of x in front. What is left calls `equal`, `contains` and `ordered` of `operators.expression_values`.
"""

import ast
from typing import Any, Final, NamedTuple

from operators.expression_values import NUMBERS, SCALARS

VARIES: Final = object()
"""The constant of an operand that is none."""
_ORDER: Final[dict[type, str]] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


class Operand(NamedTuple):
    """A value in the written code: a variable, or a literal (`constant` holds its value then)."""

    code: str
    constant: Any = VARIES

    @property
    def varies(self) -> bool:
        """It is a variable."""
        return self.constant is VARIES

    @property
    def is_list(self) -> bool:
        """It is a literal list, tuple or set."""
        return isinstance(self.constant, (list, tuple, set))


def comparison_code(operator: ast.cmpop, left: Operand, right: Operand) -> str:
    """The test, as Python that gives True or False whatever the operands are."""
    match operator:
        case ast.Is():
            return f"{left.code} is None" if left.varies else repr(left.constant is None)
        case ast.IsNot():
            return f"{left.code} is not None" if left.varies else repr(left.constant is not None)
        case ast.Eq():
            return _equality(left, right)
        case ast.NotEq():
            return _opposite(_equality(left, right), left, right)
        case ast.In():
            return _membership(left, right)
        case ast.NotIn():
            return _opposite(_membership(left, right), left, right)
    return _order(_ORDER[type(operator)], left, right)


def _opposite(test: str, left: Operand, right: Operand) -> str:
    """Of two values that are there; with one missing, false all the same."""
    if left.constant is None or right.constant is None:
        return "False"
    there = [f"{operand.code} is not None and " for operand in (left, right) if operand.varies]
    return f"{''.join(there)}not ({test})"


def _equality(left: Operand, right: Operand) -> str:
    if right.varies:
        left, right = right, left
    one, other, constant = left.code, right.code, right.constant
    if right.varies:  # two properties of different events, most often: ids, which are texts
        return f"{one} == {other} if type({one}) is type({other}) is str else equal({one}, {other})"
    if type(constant) not in SCALARS or not left.varies:
        return f"equal({one}, {other})"
    if type(constant) is bool:
        return f"{one} is {other}"
    return f"{one} == {other} and type({one}) is not bool" if constant in (0, 1) else f"{one} == {other}"


def _order(mark: str, left: Operand, right: Operand) -> str:
    kinds = [type(operand.constant) for operand in (left, right) if not operand.varies]
    variable = left.code if left.varies else right.code
    if len(kinds) == 1 and kinds[0] in NUMBERS:
        known = f"(type({variable}) is int or type({variable}) is float)"
    elif kinds == [str]:
        known = f"type({variable}) is str"
    else:
        known = f"(type({left.code}) is type({right.code}) is int or ordered({left.code}, {right.code}))"
    return f"{known} and {left.code} {mark} {right.code}"


def _membership(left: Operand, right: Operand) -> str:
    item, container = left.code, right.code
    if left.varies and right.is_list:
        kinds = {type(one) for one in right.constant}
        members = f"{{{', '.join(map(repr, right.constant))}}}"  # Python makes it once
        if kinds == {str}:
            return f"type({item}) is str and {item} in {members}"
        if kinds and kinds <= NUMBERS:
            return f"(type({item}) is int or type({item}) is float) and {item} in {members}"
    elif isinstance(left.constant, str) and right.varies:
        sets = f"type({container}) is set or type({container}) is frozenset"
        return f"{item} in {container} if {sets} else contains({container}, {item})"
    return f"contains({container}, {item})"
