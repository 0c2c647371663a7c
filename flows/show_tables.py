"""Tables for a terminal, or for a file: numbers to the right, text as it is."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Row = Sequence[str]
"""The cells of one row: a label, then values."""

_WIDTH = 160
"""Of what is no terminal: wide enough that no cell of ours is broken."""


def show_table(title: str, columns: Sequence[str], rows: Iterable[Row], texts: int = 1) -> None:
    """Print a table.

    Args:
        title: Above it.
        columns: Their heads.
        rows: Their cells.
        texts: How many columns, from the left, are text; the others are numbers.
    """
    table = Table(title=escape(title), title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(escape(column), justify="left" if number < texts else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    console.print(table)
