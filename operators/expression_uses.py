"""Which traits and segments an expression reads: only those in use are kept, and a name that is none is a mistake.

>>> uses_of(parse("traits.orders > 3 and 'vip' in segments"))
Uses(traits=frozenset({'orders'}), segments=frozenset({'vip'}), all_traits=False, all_segments=False)
"""

import ast
from typing import NamedTuple

from operators.expression_tree import Tree, parse

__all__ = ["NOTHING", "Uses", "parse", "uses_of"]


class Uses(NamedTuple):
    """Names of traits and segments that are read."""

    traits: frozenset[str]
    segments: frozenset[str]
    all_traits: bool = False
    """`traits` is read as a whole, or by a name that is not known beforehand: any of them may be meant."""
    all_segments: bool = False

    def and_those(self, others: "Uses") -> "Uses":
        """What either uses."""
        return Uses(
            self.traits | others.traits,
            self.segments | others.segments,
            self.all_traits or others.all_traits,
            self.all_segments or others.all_segments,
        )


NOTHING = Uses(frozenset(), frozenset())


def uses_of(tree: Tree) -> Uses:
    """The traits and segments that an expression reads, in `traits.NAME`, `traits['NAME']` and `'NAME' in segments`."""
    traits: set[str] = set()
    segments: set[str] = set()
    whole: set[str] = set()
    _gather(tree.top, traits, segments, whole)
    return Uses(frozenset(traits), frozenset(segments), "traits" in whole, "segments" in whole)


def trait_named(node: ast.expr) -> str | None:
    """The name of the trait that a node reads, as `traits.NAME` or `traits['NAME']`."""
    match node:
        case ast.Attribute(value=ast.Name(id="traits"), attr=name):
            return name
        case ast.Subscript(value=ast.Name(id="traits"), slice=ast.Constant(value=str(name))):
            return name
    return None


def _gather(node: ast.AST, traits: set[str], segments: set[str], whole: set[str]) -> None:
    if isinstance(node, ast.expr) and (name := trait_named(node)) is not None:
        traits.add(name)
        return
    match node:
        case ast.Name(id=("traits" | "segments") as root):
            whole.add(root)
            return
        case ast.Compare(
            left=ast.Constant(value=str(name)),
            ops=[ast.In() | ast.NotIn()],
            comparators=[ast.Name(id="segments")],
        ):
            segments.add(name)
            return
        case ast.Call(
            func=ast.Name(id="contains"), args=[ast.Name(id="segments"), ast.Constant(value=str(name))], keywords=[]
        ):
            segments.add(name)
            return
    for child in ast.iter_child_nodes(node):
        _gather(child, traits, segments, whole)
