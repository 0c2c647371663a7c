"""What reading, comparing and computing mean in expressions: no operation raises or recurses, whatever JSON it is given.

The code written by `operators.expression_code` calls these; `operators.paths` and `operators.expression_functions` do, too.
Kinds are told by exact type, as JSON readers make them; a subclass is opaque (equal to nothing, unordered), except that
any Mapping is read like a dictionary and any Set like a set.
"""

import operator
from collections.abc import Callable, Mapping, Set
from math import isfinite
from typing import Any, Final

CHARS_MAX: Final = 10_000
"""Characters of a text that `+` builds. Nothing else in the language makes a value much larger than its parts."""
ITEMS_MAX: Final = 1_000
"""Items of a list that `+` builds."""
COMPARED_MAX: Final = 100_000
"""Values visited by one comparison of lists or dictionaries. Beyond it they count as different: an event is bounded by the
reader (about a megabyte), so this is for lists that `+` made out of the same large part many times."""
INTEGER_LEAST: Final = -(2**63)
INTEGER_MOST: Final = 2**63 - 1

NUMBERS: Final = frozenset({int, float})
SCALARS: Final = frozenset({int, float, str, bool})
LISTS: Final = frozenset({list, tuple})
_WITHOUT_PARTS: Final = SCALARS | LISTS | {type(None), set, frozenset}


def read(owner: Any, name: str) -> object:
    """The part `name` of what is not exactly a dictionary: an object that lists it in `expression_names`, or a Mapping."""
    kind = type(owner)
    if kind in _WITHOUT_PARTS:
        return None
    listed = getattr(kind, "expression_names", None)
    if listed is None:
        return owner.get(name) if isinstance(owner, Mapping) else None
    return getattr(owner, name, None) if name in listed else None


def index(owner: Any, key: Any) -> object:
    """`owner[key]`: an item of a list or text by place, -1 the last; a part of anything else by key."""
    if type(key) is str:
        return read(owner, key) if type(owner) is not dict else owner.get(key)
    if type(owner) in LISTS or type(owner) is str:
        return owner[key] if type(key) is int and -len(owner) <= key < len(owner) else None
    if not isinstance(owner, Mapping) or key is None:
        return None
    # Of a trait by value: what has no events counts 0.
    return owner.get(key) if _has(owner, key) else getattr(owner, "when_missing", None)


def _has(keys: Any, item: Any) -> bool:
    """Is `item` among the keys of a set or dictionary? True is not 1, and NaN is nowhere."""
    kind = type(item)
    if kind is str:
        return item in keys
    if kind not in SCALARS or item != item or item not in keys:  # noqa: PLR0124 - the test for NaN
        return False
    # A set cannot hold both True and 1, so the only item that equals it decides; 0 and 1 alone can be mistaken.
    return item not in (0, 1) or any(key == item and (type(key) is bool) is (kind is bool) for key in keys)


def equal(left: Any, right: Any) -> bool:
    """`left == right`."""
    kind, other = type(left), type(right)
    if kind in SCALARS or other in SCALARS:
        return (kind is other or (kind in NUMBERS and other in NUMBERS)) and bool(left == right)
    return left is not None and right is not None and alike(left, right, [COMPARED_MAX])


def alike(left: Any, right: Any, budget: list[int]) -> bool:
    """Equal as data, however deep: a stack instead of recursion, and at most `budget` values visited, which it lowers.

    Not by identity, not even as a shortcut: after a restart equal objects are no longer the same object.
    """
    pairs = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        kind = type(a)
        budget[0] -= 1
        if kind in SCALARS or type(b) in SCALARS:
            if not equal(a, b):
                return False
        elif a is None or b is None:
            if a is not b:
                return False
        elif kind in LISTS and type(b) in LISTS:
            if len(a) != len(b) or len(a) > budget[0]:
                return False
            pairs.extend(zip(a, b, strict=True))
        elif any(isinstance(a, keyed) and isinstance(b, keyed) for keyed in (Mapping, Set)):
            if len(a) != len(b) or len(a) > budget[0] or not all(_has(b, key) for key in a):
                return False
            if isinstance(a, Mapping):
                pairs.extend((a[key], b[key]) for key in a)
        elif kind is type(b) and hasattr(kind, "expression_names"):
            pairs.extend((read(a, name), read(b, name)) for name in kind.expression_names)
        else:
            return False
        if budget[0] <= 0:
            return False
    return True


def contains(container: Any, item: Any) -> bool:
    """A text contains a text, a list an item, a set or dictionary a key."""
    kind = type(container)
    if kind is str:
        return type(item) is str and item in container
    if item is None:
        return False
    if kind in LISTS:
        # The fast scan is right for texts, and for integers that no flag equals.
        if type(item) is str or (type(item) is int and item not in (0, 1)):
            return item in container
        if type(item) in SCALARS:
            return any(equal(item, one) for one in container)
        budget = [COMPARED_MAX]
        return any(one is not None and alike(item, one, budget) for one in container)
    return isinstance(container, (Set, Mapping)) and _has(container, item)


def ordered(left: object, right: object) -> bool:
    """Do `<` and its like have a meaning between the two?"""
    kind, other = type(left), type(right)
    return kind is other is str or (kind in NUMBERS and other in NUMBERS)


def bounded(number: Any) -> int | float | None:
    """The number, if it is one and 64 bits can hold it."""
    if type(number) is int:
        return number if INTEGER_LEAST <= number <= INTEGER_MOST else None
    return number if type(number) is float and isfinite(number) else None


def _of_numbers(operate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], int | float | None]:
    def compute(left: Any, right: Any) -> int | float | None:
        if type(left) not in NUMBERS or type(right) not in NUMBERS:
            return None
        try:
            return bounded(operate(left, right))
        except (OverflowError, ZeroDivisionError):  # overflow: an integer that no float can hold
            return None

    return compute


_sum: Final = _of_numbers(operator.add)
_product: Final = _of_numbers(operator.mul)
subtract: Final = _of_numbers(operator.sub)
divide: Final = _of_numbers(operator.truediv)


def add(left: Any, right: Any) -> object:
    """`left + right`, of numbers, texts or lists."""
    kind, other = type(left), type(right)
    if kind is other is str:
        return left + right if len(left) + len(right) <= CHARS_MAX else None
    if kind in LISTS and other in LISTS:
        return [*left, *right] if len(left) + len(right) <= ITEMS_MAX else None
    return _sum(left, right)


def multiply(left: Any, right: Any) -> int | float | None:
    """`left * right`. Factors are bounded first: the product of two integers of a million digits takes seconds."""
    return _product(bounded(left), bounded(right))
