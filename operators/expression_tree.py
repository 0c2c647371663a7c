"""The tree of an expression, with the way back from a node to what was written there.

Made by `parse`, which refuses what cannot be read; `operators.expression_code` compiles it, `operators.expression_uses` and
`operators.segment_clock` ask it questions.
"""

import ast
from typing import Final, NoReturn

from operators.expression_error import ExpressionError, error_at
from operators.expression_scan import Scanned, scan

DEPTH_MAX: Final = 64
"""Far from the limits of Python's compiler, which recurses (100 indents), so that what compiles does not depend on how deep
the caller's stack is."""


class Tree:
    """An expression, parsed and not too deep: everything below may recurse."""

    def __init__(self, text: str, scanned: Scanned, top: ast.expr) -> None:
        self.text = text
        self.scanned = scanned
        self.source = scanned.source.encode()
        self.durations = scanned.durations
        self.top = top

    def check_depth(self) -> None:
        """Refuse what is nested too deeply, without recursion."""
        level: list[ast.AST] = [self.top]
        for _ in range(DEPTH_MAX):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            if not level:
                return
        node = next((node for node in level if isinstance(node, ast.expr)), self.top)
        raise self.error(node, f"more than {DEPTH_MAX} operations deep", "write it as several traits or segments")

    def place(self, node: ast.expr) -> int:
        """Where `node` begins in the text; the parser counts bytes, and one bracket that the scanner put in front."""
        return max(len(self.source[: node.col_offset].decode()) - 1, 0)

    def text_of(self, node: ast.expr) -> str:
        """The part of the text that `node` is; an expression of its own."""
        return self.text[self.place(node) : len(self.source[: node.end_col_offset].decode()) - 1]

    def written(self, node: ast.expr) -> str:
        """The same, short enough for a message."""
        part = self.text_of(node)
        return part if len(part) <= 40 else f"{part[:37]}..."

    def error(self, node: ast.expr, what: str, instead: str) -> ExpressionError:
        """The complaint about a node."""
        return error_at(self.text, self.place(node), what, instead)

    def refused(self, node: ast.expr, instead: str) -> ExpressionError:
        """The complaint about a node that no expression has."""
        return self.error(node, f"{self.written(node)!r} is not part of the language", instead)

    def is_duration(self, node: ast.expr) -> bool:
        """Whether a duration literal stands there."""
        return isinstance(node, ast.Name) and self.place(node) + 1 in self.durations


def parse(text: str) -> Tree:
    """Read an expression as far as its grammar goes.

    Raises:
        ExpressionError: it cannot be read; whatever `text` is, nothing else is raised.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"{text!r} is not an expression: write it as text, in quotes")
    scanned = scan(text)
    try:
        top = ast.parse(scanned.source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        _refuse_unreadable(text, error)
    tree = Tree(text, scanned, top)
    tree.check_depth()
    return tree


def _refuse_unreadable(text: str, error: Exception) -> NoReturn:
    """What the scanner lets through and the grammar does not, such as `a == * b` or `(,)`."""
    place = 0
    if isinstance(error, SyntaxError) and error.offset:
        place = min(max(error.offset - 2, 0), len(text) - 1)
    rest = text[place:].strip()
    what = f"{rest[:20]!r} cannot stand here" if rest else "the expression is not complete"
    instead = "write values with an operator between each two, such as a == 1 and b is None"
    raise error_at(text, place, what, instead) from None
