"""When does a condition change by the passing of time alone? Found out beforehand, from how it is written.

For segments: `days_since(traits.last_order_at) > 60` becomes true on a day on which nothing happens, and a timer has to be
set for the millisecond. `changes_by_clock` finds the comparisons that can change, and refuses what cannot be scheduled;
`ClockTest.next_change` says when one does. What windows of traits lose is no matter of this module.

Each part of an expression is of one of three sorts:

- still: the same until something happens, or until a window of a trait loses an event;
- running: a number that only rises or only falls with time, such as `now`, `days_since(x)`, `2 * days_until(x) - 3`;
- switching: still, but for the moments at which a comparison of something running changes, once.

A comparison of what is running with what is still is switching, and gives a `ClockTest`. Everything else that would put
something running into another place (`days_since(x) == 3`, `hour(now)`) has no next change that can be computed.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from operators.expression_error import ExpressionError
from operators.expression_tree import Tree, parse
from operators.expression_uses import trait_named
from operators.expressions import Expression, compile_expression
from state.instants import INSTANT_MS_MAX

Sort = Literal["still", "running", "switching"]

Scope = Mapping[str, object]

_MARKS: Final[dict[type[ast.cmpop], str]] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_APART_MS: Final = 1_000_000_000
"""Two instants so far apart tell how fast a number runs."""
_NAMES: Final = ("traits", "profile", "segments", "now")


@dataclass(frozen=True)
class ClockTest:
    """A comparison that time alone changes, once: true before and false after, or the other way round."""

    holds: Expression
    difference: Expression
    """Of its sides, for a first guess."""

    def next_change(self, scope_at: Callable[[int], Scope], now: int) -> int | None:
        """The first ms after `now` at which the comparison is no longer what it is now; None where it stays.

        `scope_at` gives what the expression reads at an instant, all but the time as it is now.
        """
        before = self.difference.evaluate(scope_at(now))
        after = self.difference.evaluate(scope_at(now + _APART_MS))
        if not isinstance(before, (int, float)) or not isinstance(after, (int, float)):
            return None  # missing, or no number: false for ever
        is_now = self.holds.holds(scope_at(now))
        # The guess is a millisecond off at most, unless rounding has a say; each look further away is 16 times as far.
        speed = (after - before) / _APART_MS
        guess = int(min(max(now - before / speed if speed else now, now), INSTANT_MS_MAX))
        low, high, reach = now, INSTANT_MS_MAX, 1
        while reach < INSTANT_MS_MAX:
            for instant in (guess - reach, guess + reach):
                if low < instant < high:
                    if self.holds.holds(scope_at(instant)) is is_now:
                        low = instant
                    else:
                        high = instant
            if high - low <= 2 * reach:
                break
            reach *= 16
        if high == INSTANT_MS_MAX and self.holds.holds(scope_at(high)) is is_now:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self.holds.holds(scope_at(middle)) is is_now:
                low = middle
            else:
                high = middle
        return high


def changes_by_clock(text: str, traits: Mapping[str, Sort]) -> tuple[Sort, tuple[ClockTest, ...]]:
    """How an expression changes with time alone.

    Args:
        text: an expression that compiles with the names of segments.
        traits: the sort of each trait that is an expression itself; all others are still.

    Raises:
        ExpressionError: it changes with time in a way that cannot be computed beforehand.
    """
    reader = _Reader(parse(text), traits)
    sort = reader.sort(reader.tree.top)
    return sort, tuple(reader.tests)


class _Reader:
    """Goes through one expression, once."""

    def __init__(self, tree: Tree, traits: Mapping[str, Sort]) -> None:
        self.tree = tree
        self.traits = traits
        self.tests: list[ClockTest] = []

    def sort(self, node: ast.expr) -> Sort:
        trait = trait_named(node)
        if trait is not None:
            return self.traits.get(trait, "still")
        match node:
            case ast.Name(id="now"):
                return "running"
            case ast.BinOp():
                return self.arithmetic(node)
            case ast.UnaryOp(op=ast.USub()):
                return self.one_running(node, [node.operand])
            case ast.Call():
                return self.call(node)
            case ast.Compare():
                return self.comparison(node)
            case ast.IfExp():
                return self.conditional(node)
        children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return self.no_running(node, children)

    # --- which sorts may stand where

    def no_running(self, node: ast.expr, parts: list[ast.expr]) -> Sort:
        """Still if all parts are; what runs has no place here."""
        result: Sort = "still"
        for part in parts:
            match self.sort(part):
                case "running":
                    raise self.refusal(
                        part, f"{self.tree.written(node)!r} changes all the time, and not at a known one"
                    )
                case "switching":
                    result = "switching"
        return result

    def one_running(self, node: ast.expr, parts: list[ast.expr]) -> Sort:
        """Running if one part is and the others are still."""
        sorts = [self.sort(part) for part in parts]
        if sorts.count("running") > 1:
            raise self.refusal(node, f"{self.tree.written(node)!r} has the time in it twice")
        if "running" in sorts and "switching" in sorts:
            raise self.refusal(
                node, f"{self.tree.written(node)!r} mixes a time with a condition that changes by the clock"
            )
        return "running" if "running" in sorts else "switching" if "switching" in sorts else "still"

    def arithmetic(self, node: ast.BinOp) -> Sort:
        if isinstance(node.op, ast.Div) and self.sort(node.right) == "running":
            raise self.refusal(node, f"{self.tree.written(node)!r} divides by a time")
        return self.one_running(node, [node.left, node.right])

    def call(self, node: ast.Call) -> Sort:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("days_since", "days_until"):
            if self.sort(node.args[0]) != "still":
                what = f"the time in {self.tree.written(node)!r} changes by the clock itself"
                raise self.refusal(node, what)
            return "running"
        if name == "round":
            return self.one_running(node, node.args)
        return self.no_running(node, node.args)

    def conditional(self, node: ast.IfExp) -> Sort:
        test = self.no_running(node, [node.test])
        branches = {self.sort(node.body), self.sort(node.orelse)}
        if "running" not in branches:
            return "switching" if "switching" in {test, *branches} else "still"
        if "switching" in {test, *branches}:
            raise self.refusal(
                node, f"{self.tree.written(node)!r} mixes a time with a condition that changes by the clock"
            )
        return "running"

    def comparison(self, node: ast.Compare) -> Sort:
        result: Sort = "still"
        left, left_sort = node.left, self.sort(node.left)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            right_sort = self.sort(right)
            sorts = {left_sort, right_sort}
            if "running" in sorts and not isinstance(operator, (ast.Is, ast.IsNot)):
                self.test(node, left, operator, right, sorts)
                result = "switching"
            elif "switching" in sorts:
                result = "switching"
            left, left_sort = right, right_sort
        return result

    def test(self, node: ast.Compare, left: ast.expr, operator: ast.cmpop, right: ast.expr, sorts: set[Sort]) -> None:
        mark = _MARKS.get(type(operator))
        if mark is None:
            what = f"{self.tree.written(node)!r} holds for an instant only, if at all"
            raise self.refusal(node, what, "write < <= > or >=")
        if sorts != {"running", "still"}:
            raise self.refusal(node, f"{self.tree.written(node)!r} has the time on both sides")
        left_text, right_text = f"({self.tree.text_of(left)})", f"({self.tree.text_of(right)})"
        self.tests.append(
            ClockTest(
                compile_expression(f"{left_text} {mark} {right_text}", _NAMES),
                compile_expression(f"{left_text} - {right_text}", _NAMES),
            )
        )

    def refusal(self, node: ast.expr, what: str, instead: str = "") -> ExpressionError:
        advice = "compare one now, days_since(...) or days_until(...) with what changes by events only"
        return self.tree.error(node, f"it cannot be known beforehand when this changes: {what}", instead or advice)
