"""The code of an expression: straight lines of Python, written from its checked tree and compiled.

Called by `operators.expressions`. Every operation becomes one statement that stores a variable; `and`, `or`, `if else` and
chains become `if` blocks. Against one large nested expression this (a) reads a path once however often it is written, (b)
cannot exceed the parser's limit of brackets, and (c) lets a comparison name its operands twice, which is what makes the
common ones fast: they are written out with the types known from the literal, and only the rest calls a helper.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import CodeType, FunctionType
from typing import Any, Final, NamedTuple

from operators import expression_values as values
from operators.calendar import WEEKDAYS
from operators.events import Event
from operators.expression_comparisons import VARIES, Operand, comparison_code
from operators.expression_error import nearest
from operators.expression_functions import BY_NAME, moment
from operators.expression_scan import INSTEAD
from operators.expression_tree import Tree

Scope = Mapping[str, object]

HELPERS: Final[dict[str, object]] = {
    "event_class": Event,
    "moment": moment,
    **{kind.__name__: kind for kind in (type, int, float, str, bool, dict, set, frozenset)},
    **{f"call_{name}": function.call for name, function in BY_NAME.items()},
    "read": values.read,
    "index": values.index,
    "equal": values.equal,
    "contains": values.contains,
    "ordered": values.ordered,
    "add": values.add,
    "subtract": values.subtract,
    "multiply": values.multiply,
    "divide": values.divide,
}
"""All that the written code can name."""

_ARITHMETIC: Final[dict[type, str]] = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
_LISTED: Final[dict[type, Callable[[list[object]], object]]] = {ast.List: list, ast.Tuple: tuple, ast.Set: set}
_EVENT_ROOTS: Final = ("event", "first", "entry")
_METHODS: Final = {
    "lower": "lower({0})",
    "upper": "upper({0})",
    "startswith": "starts_with({0}, ...)",
    "endswith": "ends_with({0}, ...)",
    "get": "{0}['key']",
    "count": "len({0})",
    "hour": "hour({0})",
    "weekday": "weekday({0})",
}


class Code(NamedTuple):
    """What was written, in the order of the fields of an `Expression`."""

    names: frozenset[str]
    warnings: tuple[str, ...]
    evaluate: Callable[[Scope], object]
    holds: Callable[[Scope], bool]


def write_code(tree: Tree, names: frozenset[str], later: Mapping[str, str]) -> Code:
    """Check the tree, node by node, and compile what is written for it."""
    writer = _Writer(tree, names, later)
    value = writer.value(tree.top).code
    body = "\n".join(writer.lines)
    source = f"def evaluate(scope):\n{body}\n return {value}\ndef holds(scope):\n{body}\n return True if {value} else False\n"
    module = compile(source, f"<expression {tree.text!r}>", "exec", dont_inherit=True)
    surroundings = {**HELPERS, "__builtins__": {}}
    functions = (FunctionType(code, surroundings) for code in module.co_consts if isinstance(code, CodeType))
    return Code(frozenset(writer.names_read), tuple(writer.warnings), *functions)


class _Writer(Tree):
    def __init__(self, tree: Tree, names: frozenset[str], later: Mapping[str, str]) -> None:
        super().__init__(tree.text, tree.scanned, tree.top)
        self.names = names
        self.later = later
        self.names_read: set[str] = set()
        self.warnings: list[str] = []
        self.lines: list[str] = []
        self.indent = 1
        self.variables = 0
        # What the code written so far has read, in this block and those around it.
        self.known: dict[object, Operand] = {}

    def warn(self, node: ast.expr, what: str, instead: str) -> None:
        self.warnings.append(str(self.error(node, what, instead)))

    # --- code

    def line(self, code: str) -> None:
        self.lines.append(f"{' ' * self.indent}{code}")

    def fresh(self) -> str:
        self.variables += 1
        return f"v{self.variables}"

    def stored(self, code: str) -> Operand:
        variable = self.fresh()
        self.line(f"{variable} = {code}")
        return Operand(variable)

    def assign(self, variable: str, node: ast.expr) -> None:
        self.line(f"{variable} = {self.value(node).code}")

    @contextmanager
    def block(self, condition: str) -> Iterator[None]:
        """An `if`; what is first read inside is not known after it."""
        self.line(f"{condition}:")
        known = self.known
        self.known = dict(known)
        self.indent += 1
        yield
        self.indent -= 1
        self.known = known

    # --- literals

    def value(self, node: ast.expr) -> Operand:
        literal = self.literal(node)
        if literal is not VARIES:
            return Operand(repr(literal), literal)
        writers: dict[type[ast.expr], Callable[[Any], Operand]] = {
            ast.Name: self.root,
            ast.Attribute: self.part,
            ast.Subscript: self.part,
            ast.Compare: self.comparison,
            ast.BoolOp: self.choice_of_operands,
            ast.BinOp: self.arithmetic,
            ast.UnaryOp: self.unary,
            ast.IfExp: self.conditional,
            ast.Call: self.call,
        }
        if type(node) in writers:
            return writers[type(node)](node)
        if isinstance(node, ast.Dict):
            raise self.refused(node, "write [] for an empty list")
        raise self.refused(node, "write names, values, comparisons, and/or/not, + - * / and listed functions only")

    def literal(self, node: ast.expr) -> Any:
        """The value of a literal, a list of literals included, or `VARIES`."""
        match node:
            case ast.Name():
                return self.durations.get(self.place(node) + 1, VARIES)
            case ast.Constant(value=value):
                if value is None or isinstance(value, (bool, str)) or values.bounded(value) is not None:
                    return value
                if not isinstance(value, (int, float)):
                    raise self.refused(node, "write a number, a text or a name")
                instead = f"write a number up to {values.INTEGER_MOST}, or in quotes if it is a text"
                raise self.error(node, f"{self.written(node)} is too large", instead)
            case ast.UnaryOp(op=ast.USub()):
                number = self.literal(node.operand)
                return -number if type(number) in values.NUMBERS else VARIES
            case ast.List() | ast.Tuple() | ast.Set():
                return _LISTED[type(node)]([self.item(item, node) for item in node.elts])
        return VARIES

    def item(self, node: ast.expr, owner: ast.expr) -> object:
        item = self.literal(node)
        if item is VARIES:
            what = f"{self.written(node)!r} in a list is not a literal"
            raise self.error(node, what, "write values only, or comparisons with or between them")
        if isinstance(owner, ast.Set) and isinstance(item, (list, tuple, set, bool)):
            # Python's set takes no list, and takes True and 1 for the same.
            raise self.error(node, f"{self.written(node)} inside braces", "write [...] instead of {...}")
        return item

    # --- names and what is under them

    def part(self, node: ast.Attribute | ast.Subscript) -> Operand:
        """What is read under another value: `traits.views[event.properties.category]`."""
        owner = self.value(node.value)
        if isinstance(node, ast.Subscript):
            key = self.value(node.slice)
        elif owner.varies:
            key = Operand(repr(node.attr), node.attr)
        else:
            what = f"{self.written(node.value)} has no parts"
            raise self.error(node.value, what, "write a name before the dot, such as event.name")
        remembered = (owner.code, key.code)
        if remembered not in self.known:
            code = f"index({owner.code}, {key.code})"
            if owner.varies and isinstance(key.constant, str):
                # Inline for events and for dictionaries, which most data is, by a helper for the rest.
                code = f"{owner.code}.get({key.code}) if type({owner.code}) is dict else read({owner.code}, {key.code})"
                is_event = isinstance(node.value, ast.Name) and node.value.id in _EVENT_ROOTS
                if is_event and key.constant in Event.expression_names:
                    code = f"{owner.code}.{key.constant} if type({owner.code}) is event_class else {code}"
            self.known[remembered] = self.stored(code)
        return self.known[remembered]

    def root(self, node: ast.Name) -> Operand:
        name = node.id
        self.check_name(node, name)
        self.names_read.add(name)
        if name not in self.known:
            self.known[name] = self.stored(f"scope.get({name!r})")
            if name == "properties":
                # Those of the current event, whether or not the caller put them into the scope once more.
                variable = self.known[name].code
                self.line(f"if {variable} is None: {variable} = read(scope.get('event'), 'properties')")
        return self.known[name]

    def check_name(self, node: ast.expr, name: str) -> None:
        if name in self.names:
            return
        if name in self.later:
            raise self.error(node, f"{name!r} cannot be used here", self.later[name])
        what = f"{name!r} is not a name here"
        if name in INSTEAD:
            raise self.error(node, what, INSTEAD[name])
        if name in BY_NAME:
            raise self.error(node, what, f"it is a function; write {BY_NAME[name].usage}")
        if glued := re.search(r"(\w+)-$", self.text[: self.place(node)]):
            raise self.error(node, what, f"write ['{glued[1]}-{name}'] in brackets and quotes if that is one key")
        if near := nearest(name, self.names, 0.7):
            raise self.error(node, what, f"write {near!r}")
        hints = [f"the names here are {', '.join(sorted(self.names))}"] if self.names else ["there are no names here"]
        for root, path in (("properties", "properties"), ("event", "event.properties")):
            if root in self.names:
                hints.append(f"a property of the event is {path}.{name}")
                break
        raise self.error(node, what, "; ".join([*hints, f"a text goes in quotes, as '{name}'"]))

    # --- operators and functions

    def choice_of_operands(self, node: ast.BoolOp) -> Operand:
        compared = next((operand for operand in node.values if isinstance(operand, ast.Compare)), None)
        result = self.fresh()
        self.assign(result, node.values[0])
        condition = f"if {result}" if isinstance(node.op, ast.And) else f"if not {result}"
        for operand in node.values[1:]:
            with self.block(condition):
                self.assign(result, operand)
        for operand in node.values:
            if compared is not None and isinstance(operand, (ast.Constant, ast.List, ast.Tuple, ast.Set)):
                # `x == 'a' or 'b'` is true for every x; who writes it means `x in ['a', 'b']`.
                instead = f"write {self.written(compared.left)} in [...], or a comparison"
                self.warn(operand, f"{self.written(operand)} stands for itself, not for a comparison", instead)
        return Operand(result)

    def conditional(self, node: ast.IfExp) -> Operand:
        condition = self.value(node.test)
        result = self.fresh()
        with self.block(f"if {condition.code}"):
            self.assign(result, node.body)
        with self.block("else"):
            self.assign(result, node.orelse)
        return Operand(result)

    def unary(self, node: ast.UnaryOp) -> Operand:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return self.stored(f"not {operand.code}")
        if isinstance(node.op, ast.USub):
            self.check_number(node.operand, operand)
            return self.stored(f"subtract(0, {operand.code})")
        raise self.error(node, f"{self.written(node)!r} begins with an operator", "leave it out")

    def arithmetic(self, node: ast.BinOp) -> Operand:
        helper = _ARITHMETIC[type(node.op)]
        left, right = self.value(node.left), self.value(node.right)
        # A text next to a duration is read as a date.
        if helper in ("add", "subtract") and self.is_duration(node.right):
            left = self.moment(left)
        elif helper == "add" and self.is_duration(node.left):
            right = self.moment(right)
        for part, operand in ((node.left, left), (node.right, right)):
            if helper != "add" or not isinstance(operand.constant, (str, list, tuple)):
                self.check_number(part, operand)
        return self.stored(f"{helper}({left.code}, {right.code})")

    def check_number(self, node: ast.expr, operand: Operand) -> None:
        if not operand.varies and type(operand.constant) not in values.NUMBERS:
            what = f"{self.written(node)} is not a number, so the result is always missing"
            raise self.error(node, what, "write a number or a name")

    def moment(self, operand: Operand) -> Operand:
        if not operand.varies and type(operand.constant) is not str:
            return operand
        return self.stored(
            f"moment({operand.code}, scope.get('zone')) if type({operand.code}) is str else {operand.code}"
        )

    def call(self, node: ast.Call) -> Operand:
        name = self.called(node)
        function = BY_NAME[name]
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self.error(node, f"{name!r} takes plain arguments only", f"write {function.usage}")
        if not function.least <= len(node.args) <= function.most:
            raise self.error(node, f"{name!r} has {len(node.args)} arguments", f"write {function.usage}")
        codes = [self.value(argument).code for argument in node.args]
        if "now" in function.reads:
            if "now" not in self.names:
                instead = self.later.get("now", "compare event.time with another time instead")
                raise self.error(node, f"{name!r} needs the time now, which cannot be used here", instead)
            self.names_read.add("now")
        codes += [f"scope.get({key!r})" for key in function.reads]
        return self.stored(f"call_{name}({', '.join(codes)})")

    def called(self, node: ast.Call) -> str:
        listed = f"the functions are {', '.join(BY_NAME)}"
        match node.func:
            case ast.Name(id=name):
                if name in BY_NAME:
                    return name
                near = nearest(name, BY_NAME)
                raise self.error(
                    node, f"{name!r} is not a function", f"write {BY_NAME[near].usage}" if near else listed
                )
            case ast.Attribute(value=subject, attr=name):
                instead = _METHODS.get(name, BY_NAME[name].usage if name in BY_NAME else "")
                instead = f"write {instead.format(self.written(subject))}" if instead else listed
                raise self.error(node, f".{name}() cannot be called", instead)
        raise self.error(node, f"{self.written(node.func)!r} cannot be called", listed)

    # --- comparisons

    def comparison(self, node: ast.Compare) -> Operand:
        """`a < b`, and chains: `a < b < c` is `a < b and b < c` with `b` read once."""
        result = self.fresh()
        left_node, left = node.left, self.value(node.left)
        for number, (operator, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
            with self.block(f"if {result}") if number else nullcontext():
                right = self.value(right_node)
                self.check_comparison(operator, (left_node, left), (right_node, right))
                self.line(f"{result} = {comparison_code(operator, left, right)}")
            left_node, left = right_node, right
        return Operand(result)

    def check_comparison(
        self, operator: ast.cmpop, left: tuple[ast.expr, Operand], right: tuple[ast.expr, Operand]
    ) -> None:
        if isinstance(operator, (ast.Is, ast.IsNot)):
            if right[1].constant is not None:
                equals = "==" if isinstance(operator, ast.Is) else "!="
                raise self.error(right[0], "'is' tests for None only", f"write {equals} {self.written(right[0])}")
            return
        for (node, operand), (other, _) in ((left, right), (right, left)):
            items = operand.constant if operand.is_list else [operand.constant]
            if operand.constant is None or (isinstance(operator, (ast.In, ast.NotIn)) and None in items):
                self.warn(node, "comparing with None is always false", "write 'is None' or 'is not None'")
            if isinstance(other, ast.Call) and self.called(other) == "weekday":
                for day in items:
                    if isinstance(day, str) and day not in WEEKDAYS:
                        self.warn(node, f"{day!r} is no weekday", f"write {nearest(day, WEEKDAYS) or 'monday'!r}")
