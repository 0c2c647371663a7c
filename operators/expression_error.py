"""The complaint about an expression or path that cannot be used: what is wrong, where, and what to write instead.

Raised by `operators.expressions` and `operators.paths` and what they are made of; the definitions add file and line.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class ExpressionError(ValueError):
    """An expression or path that cannot be used.

    `column` counts characters of the text from 1, as editors do.
    """

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


def error_at(text: str, place: int, what: str, instead: str) -> ExpressionError:
    """The complaint about what stands at `place`, counted from 0."""
    return ExpressionError(f"{what} (column {place + 1} of {clipped(text, place)}): {instead}", place + 1)


def clipped(text: str, place: int = 0) -> str:
    """`text` as a literal, around `place` if it is too long for a line of a message."""
    if len(text) <= 80:
        return repr(text)
    start = max(0, place - 40)
    return f"{'...' if start else ''}{text[start : start + 60]!r}{'...' if start + 60 < len(text) else ''}"


def nearest(word: str, words: Iterable[str], likeness: float = 0.6) -> str | None:
    """The one of `words` that was probably meant."""
    by_lower = {known.lower(): known for known in sorted(words, reverse=True)}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[near[0]] if near else None
