"""Kinds of values, as far as they can be known before anything is read: what is compared that never can be equal?

For `check`: nothing raises at run time, so `traits.orders > "3"` would be false for ever, silently. Known are literals, times,
names, results of functions, and traits; a property can hold anything, so nothing is said about one.
"""

import ast
from collections.abc import Mapping
from typing import Final

from operators.expression_error import ExpressionError
from operators.expression_tree import Tree
from operators.expression_uses import trait_named

NUMBER: Final = "a number"
TEXT: Final = "a text"
FLAG: Final = "true or false"
LIST: Final = "a list"
MAPPING: Final = "a mapping"
SEGMENTS: Final = "a set of names"

_EVENTS: Final = ("event", "first", "entry")
_PARTS: Final = {
    "time": NUMBER,
    "name": TEXT,
    "kind": TEXT,
    "message_id": TEXT,
    "properties": MAPPING,
    "context": MAPPING,
}
_ROOTS: Final = {"now": NUMBER, "segments": SEGMENTS, "profile": MAPPING, "properties": MAPPING, "matched": LIST}
_JOURNEY: Final = {"name": TEXT, "version": NUMBER, "priority": NUMBER, "tags": LIST}
_RESULTS: Final = {
    **dict.fromkeys(("len", "abs", "round", "days_since", "days_until", "hour"), NUMBER),
    **dict.fromkeys(("lower", "upper", "weekday"), TEXT),
    **dict.fromkeys(("contains", "starts_with", "ends_with"), FLAG),
}
_TIMES: Final = (NUMBER, TEXT)
_ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("lower", "upper", "starts_with", "ends_with"), (TEXT,)),
    **dict.fromkeys(("abs", "round"), (NUMBER,)),
    **dict.fromkeys(("days_since", "days_until", "hour", "weekday"), _TIMES),
    "len": (TEXT, LIST, MAPPING, SEGMENTS),
}
"""Kinds of which a function makes something."""


def kind_mistakes(tree: Tree, traits: Mapping[str, str | None] | None = None) -> list[ExpressionError]:
    """What can never hold, or is always missing, because of the kinds of its parts.

    Args:
        tree: an expression that compiles.
        traits: kinds of the traits, where they are known.
    """
    reader = _Reader(tree, traits or {})
    reader.kind(tree.top)
    return reader.mistakes


def kind_of(tree: Tree, traits: Mapping[str, str | None]) -> str | None:
    """The kind of what an expression gives; None where it cannot be known."""
    return _Reader(tree, traits).kind(tree.top)


class _Reader:
    """Goes through one expression, once."""

    def __init__(self, tree: Tree, traits: Mapping[str, str | None]) -> None:
        self.tree = tree
        self.traits = traits
        self.mistakes: list[ExpressionError] = []

    def mistake(self, node: ast.expr, what: str, instead: str) -> None:
        self.mistakes.append(self.tree.error(node, what, instead))

    def kind(self, node: ast.expr) -> str | None:
        if self.tree.is_duration(node):
            return NUMBER
        match node:
            case ast.Constant(value=value):
                return {int: NUMBER, float: NUMBER, str: TEXT, bool: FLAG}.get(type(value))
            case ast.Name(id=name):
                return _ROOTS.get(name)
            case ast.List() | ast.Tuple() | ast.Set():
                return LIST
            case ast.Attribute() | ast.Subscript():
                return self.part(node)
            case ast.Compare():
                return self.comparison(node)
            case ast.BinOp():
                return self.arithmetic(node)
            case ast.UnaryOp(op=ast.USub()):
                self.number(node.operand, node)
                return NUMBER
            case ast.UnaryOp():
                self.kind(node.operand)
                return FLAG
            case ast.BoolOp():
                return _common([self.kind(part) for part in node.values])
            case ast.IfExp():
                self.kind(node.test)
                return _common([self.kind(node.body), self.kind(node.orelse)])
            case ast.Call(func=ast.Name(id=name)):
                return self.call(node, name)
        return None

    def part(self, node: ast.Attribute | ast.Subscript) -> str | None:
        trait = trait_named(node)
        if trait is not None:
            return self.traits.get(trait)
        key = node.attr if isinstance(node, ast.Attribute) else None
        if isinstance(node, ast.Subscript):
            self.kind(node.slice)
            key = node.slice.value if isinstance(node.slice, ast.Constant) and type(node.slice.value) is str else None
        if isinstance(node.value, ast.Name):
            owner = node.value.id
            if owner in _EVENTS and key is not None:
                return _PARTS.get(key)
            if owner == "journey" and key is not None:
                return _JOURNEY.get(key)
        kind = self.kind(node.value)
        if kind == SEGMENTS:
            self.mistake(node, "a segment is in the set of names or not", f'write "{key or "NAME"}" in segments')
        elif kind in (NUMBER, FLAG):
            self.mistake(node, f"{self.tree.written(node.value)} is {kind} and has no parts", "leave them out")
        if trait_named(node.value) is not None and kind == MAPPING:
            return NUMBER  # of a trait by value
        return None

    # --- comparisons

    def comparison(self, node: ast.Compare) -> str:
        left, left_kind = node.left, self.kind(node.left)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            right_kind = self.kind(right)
            if left_kind is not None and right_kind is not None:
                match operator:
                    case ast.Eq() | ast.NotEq():
                        self.equality(node, left, left_kind, right, right_kind)
                    case ast.In() | ast.NotIn():
                        self.membership(node, left, left_kind, right, right_kind)
                    case ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE():
                        self.order(node, left, left_kind, right, right_kind)
            left, left_kind = right, right_kind
        return FLAG

    def equality(self, node: ast.expr, left: ast.expr, left_kind: str, right: ast.expr, right_kind: str) -> None:
        if left_kind != right_kind:
            self.mistake(node, self.both(left, left_kind, right, right_kind, "never equal"), self.advice(left, right))

    def order(self, node: ast.expr, left: ast.expr, left_kind: str, right: ast.expr, right_kind: str) -> None:
        if left_kind != right_kind or left_kind not in (NUMBER, TEXT):
            what = self.both(left, left_kind, right, right_kind, "not in any order")
            self.mistake(node, what, self.advice(left, right))

    def membership(self, node: ast.expr, left: ast.expr, left_kind: str, right: ast.expr, right_kind: str) -> None:
        wrong = right_kind in (NUMBER, FLAG) or (right_kind in (TEXT, SEGMENTS) and left_kind != TEXT)
        if right_kind == LIST and isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            wrong = bool(right.elts) and all(self.kind(item) not in (left_kind, None) for item in right.elts)
        if wrong:
            what = self.both(left, left_kind, right, right_kind, "never one in the other")
            self.mistake(node, what, self.advice(left, right))

    def both(self, left: ast.expr, left_kind: str, right: ast.expr, right_kind: str, what: str) -> str:
        written = self.tree.written
        if left_kind == right_kind:
            return f"{written(left)} and {written(right)} are {left_kind} each and {what}"
        return f"{written(left)} is {left_kind} and {written(right)} is {right_kind}: they are {what}"

    def advice(self, left: ast.expr, right: ast.expr) -> str:
        for node, other in ((left, right), (right, left)):
            trait = trait_named(node)
            if trait is not None and self.traits.get(trait) == MAPPING:
                return f"write {self.tree.written(node)}[VALUE] for one of its values"
            if isinstance(other, ast.Constant) and type(other.value) is str and self.kind(node) == NUMBER:
                number = other.value.replace(".", "", 1)
                if number.isdigit():
                    return f"write {other.value} without quotes"
                if number[:4].isdigit():
                    return "write days_since('...') or days_until('...') to compare with a date"
        return "compare what is of one kind"

    # --- numbers

    def arithmetic(self, node: ast.BinOp) -> str | None:
        left, right = self.kind(node.left), self.kind(node.right)
        if isinstance(node.op, (ast.Add, ast.Sub)):
            # A text beside a duration is a date.
            is_moment = (self.tree.is_duration(node.right) and left == TEXT) or (
                isinstance(node.op, ast.Add) and self.tree.is_duration(node.left) and right == TEXT
            )
            if is_moment:
                return NUMBER
            if isinstance(node.op, ast.Add) and left == right and left in (TEXT, LIST):
                return left
            if isinstance(node.op, ast.Add) and (left is None or right is None):
                for part, kind in ((node.left, left), (node.right, right)):
                    if kind in (FLAG, MAPPING, SEGMENTS):
                        self.number(part, node)
                known = left or right
                return None if known is None or known == NUMBER else known
        self.number(node.left, node)
        self.number(node.right, node)
        return NUMBER

    def number(self, node: ast.expr, whole: ast.expr) -> None:
        before = len(self.mistakes)
        kind = self.kind(node)
        del self.mistakes[before:]  # told already
        if kind is not None and kind != NUMBER:
            what = f"{self.tree.written(node)} is {kind}, so {self.tree.written(whole)!r} is always missing"
            self.mistake(node, what, "calculate with numbers")

    def call(self, node: ast.Call, name: str) -> str | None:
        kinds = [self.kind(argument) for argument in node.args]
        takes = _ARGUMENTS.get(name)
        for argument, kind in zip(node.args, kinds, strict=True):
            if takes is not None and kind is not None and kind not in takes:
                what = f"{self.tree.written(argument)} is {kind}, of which {name}(...) makes nothing"
                self.mistake(argument, what, f"give it {' or '.join(takes)}")
        if name == "contains" and None not in kinds:
            self.membership(node, node.args[1], kinds[1] or "", node.args[0], kinds[0] or "")
        return _RESULTS.get(name)


def _common(kinds: list[str | None]) -> str | None:
    return kinds[0] if len(set(kinds)) == 1 else None
