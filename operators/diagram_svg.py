"""A diagram as SVG: laid out and written here, so that neither a browser nor a drawing program is needed.

The layout is that of the nested lists: a list is a column of boxes, lists side by side share the width below their box.
Text is measured by counting: a character of the font is about 0.58 of its height wide, 0.62 in bold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from operators.diagram import Arrow, Diagram, Row, Rows

_FONT = 13
_CHAR = 7.6
_LINE = 18
_PAD = 12
_GAP_X = 36
_GAP_Y = 56
_LABEL_MAX = 34
_MARGIN = 24
_CHARACTERS_MAX = 34
"""Of a line in a box; longer ones are cut, the file has them whole."""
_POINT = (70, 10)

_COLOURS = {
    "enter": ("#e3f2e6", "#3b7d4a"),
    "end": ("#eeeeee", "#777777"),
    "exit": ("#eeeeee", "#777777"),
    "send": ("#e2ecfb", "#33609c"),
    "wait": ("#fdf3d8", "#a07a1c"),
    "branch": ("#f1e7f8", "#77489c"),
    "hold": ("#fbe4e1", "#a34236"),
    "set": ("#e4f4f5", "#2f7f86"),
}
"""Kind -> (fill, line)."""


@dataclass
class Place:
    """Where a box lies: its middle, and its top."""

    x: float
    y: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


def svg(diagram: Diagram) -> str:
    """The whole document."""
    layout = _Layout(diagram)
    width, height = layout.size_of(diagram.rows)
    layout.place(diagram.rows, _MARGIN + width / 2, _MARGIN + _LINE * 2)
    notes = _notes(diagram, _MARGIN + _LINE * 2 + height + _LINE)
    right = max([_MARGIN + width, *(_MARGIN + len(note) * _CHAR for note in (*diagram.notes, diagram.title))])
    total_width = right + _MARGIN
    total_height = _MARGIN + _LINE * 2 + height + _LINE * (1 + len(diagram.notes)) + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width:.0f}" height="{total_height:.0f}" '
        f'viewBox="0 0 {total_width:.0f} {total_height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="{_FONT}">',
        f"<title>{escape(diagram.title)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0,0 L10,5 L0,10 z" fill="#555555"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="{_MARGIN + _LINE * 0.6:.0f}" font-size="16" font-weight="bold">{escape(diagram.title)}</text>',
        *(line for arrow in diagram.arrows for line in layout.arrow(arrow)),
        *(line for key in diagram.boxes for line in layout.box(key)),
        *(line for arrow in diagram.arrows for line in layout.label(arrow)),
        *notes,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


class _Layout:
    """Sizes and places of the boxes."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.places: dict[str, Place] = {}
        self.below: dict[str, float] = {}
        """Box -> where all that is inside of it ends."""

    def box_size(self, key: str) -> tuple[float, float]:
        box = self.diagram.boxes[key]
        if box.kind == "point":
            return _POINT
        widest = max(len(_cut(line, _CHARACTERS_MAX)) for line in box.lines)
        return max(widest * _CHAR + 2 * _PAD, 90), len(box.lines) * _LINE + _PAD

    def row_size(self, row: Row) -> tuple[float, float]:
        width, height = self.box_size(row.box)
        if not row.lists:
            return width, height
        sizes = [self.size_of(rows) for rows in row.lists]
        inside = sum(size[0] for size in sizes) + _GAP_X * (len(sizes) - 1)
        return max(width, inside), height + _GAP_Y + max(size[1] for size in sizes)

    def size_of(self, rows: Rows) -> tuple[float, float]:
        sizes = [self.row_size(row) for row in rows]
        labels = [
            _label_width(arrow)
            for arrow in self.diagram.arrows
            if arrow.end == rows[0].box or (arrow.is_back and arrow.start == rows[-1].box)
        ]
        width = max([*(size[0] for size in sizes), *labels])
        return width, sum(size[1] for size in sizes) + _GAP_Y * (len(sizes) - 1)

    def place(self, rows: Rows, x: float, y: float) -> None:
        """Put a list in its place, its boxes around `x` and from `y` downwards."""
        for row in rows:
            width, height = self.box_size(row.box)
            self.places[row.box] = Place(x, y, width, height)
            sizes = [self.size_of(inner) for inner in row.lists]
            left = x - (sum(size[0] for size in sizes) + _GAP_X * (len(sizes) - 1)) / 2
            for inner, size in zip(row.lists, sizes, strict=True):
                self.place(inner, left + size[0] / 2, y + height + _GAP_Y)
                left += size[0] + _GAP_X
            y += self.row_size(row)[1] + _GAP_Y

    def box(self, key: str) -> Iterator[str]:
        box, place = self.diagram.boxes[key], self.places[key]
        if box.kind == "point":
            return
        fill, line = _COLOURS.get(box.kind, ("#ffffff", "#555555"))
        round_by = place.height / 2 if box.kind in ("enter", "end", "exit") and len(box.lines) < 3 else 6
        yield (
            f'<rect x="{place.x - place.width / 2:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" '
            f'height="{place.height:.1f}" rx="{round_by:.0f}" fill="{fill}" stroke="{line}"/>'
        )
        for number, text in enumerate(box.lines):
            y = place.y + _PAD / 2 + _LINE * (number + 0.72)
            weight = ' font-weight="bold"' if number == 0 else ""
            shown = escape(_cut(text, _CHARACTERS_MAX))
            yield f'<text x="{place.x:.1f}" y="{y:.1f}" text-anchor="middle"{weight}>{shown}</text>'

    def arrow(self, arrow: Arrow) -> Iterator[str]:
        """The line; its label comes later, on top of all boxes."""
        if arrow.is_back:
            return
        start, end = self.places[arrow.start], self.places[arrow.end]
        is_point = self.diagram.boxes[arrow.end].kind == "point"
        # Down beside its neighbours first, then over to the box.
        begin, bend = start.bottom, max(end.y - _GAP_Y, start.bottom)
        down = f"L{start.x:.1f},{bend:.1f} " if bend > begin else ""
        middle = (bend + end.y) / 2
        through = f" L{end.x:.1f},{end.bottom:.1f}" if is_point else ""
        head = "" if is_point else ' marker-end="url(#arrow)"'
        yield (
            f'<path d="M{start.x:.1f},{begin:.1f} {down}C{start.x:.1f},{middle:.1f} {end.x:.1f},{middle:.1f} '
            f'{end.x:.1f},{end.y:.1f}{through}" fill="none" stroke="#555555"{head}/>'
        )

    def label(self, arrow: Arrow) -> Iterator[str]:
        """What is said of an arrow; one that leads back is said and not drawn: it would cross half of the picture."""
        start, end = self.places[arrow.start], self.places[arrow.end]
        text, x, y = arrow.label, end.x, end.y - _LINE * 0.7
        if arrow.is_back:
            wait = self.diagram.boxes[arrow.end].lines[0]
            text, x, y = f"\u21ba {wait}: {arrow.label}", start.x, start.bottom + _LINE
        if text:
            yield (
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="12" fill="#333333" '
                f'stroke="#ffffff" stroke-width="4" paint-order="stroke">{escape(_cut(text, _LABEL_MAX))}</text>'
            )


def _label_width(arrow: Arrow) -> float:
    length = len(arrow.label) + (_LABEL_MAX if arrow.is_back else 0)
    return min(length, _LABEL_MAX) * _CHAR * 0.9


def _notes(diagram: Diagram, y: float) -> Iterator[str]:
    for number, note in enumerate(diagram.notes):
        yield f'<text x="{_MARGIN}" y="{y + _LINE * number:.1f}" fill="#333333">{escape(note)}</text>'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
