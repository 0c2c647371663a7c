"""A diagram as Mermaid text, which GitHub, GitLab and many editors draw."""

from collections.abc import Iterator

from operators.diagram import Arrow, Diagram

_SHAPES = {
    "enter": ("([", "])"),
    "end": ("([", "])"),
    "exit": ("([", "])"),
    "branch": ("{{", "}}"),
    "wait": ("[/", "/]"),
    "hold": ("[[", "]]"),
    "set": ("[(", ")]"),
}
"""Kind -> what stands around its text; other kinds are rectangles."""


def mermaid(diagram: Diagram) -> str:
    """The text, a line for each box and arrow."""
    lines = ["flowchart TD"]
    for box in diagram.boxes.values():
        if box.kind != "point":
            before, after = _SHAPES.get(box.kind, ("[", "]"))
            lines.append(f'    {box.key}{before}"{"<br/>".join(map(_escaped, box.lines))}"{after}')
    for arrow in _without_points(diagram):
        label = f'|"{_escaped(arrow.label)}"|' if arrow.label else ""
        lines.append(f"    {arrow.start} {'-.->' if arrow.is_back else '-->'}{label} {arrow.end}")
    if diagram.notes:
        lines.append(f'    notes["{"<br/>".join(map(_escaped, diagram.notes))}"]')
        lines.append("    style notes stroke-dasharray: 4")
    return "\n".join(lines) + "\n"


def _without_points(diagram: Diagram) -> Iterator[Arrow]:
    """The arrows, straight through what is only a way."""
    into = {arrow.end: arrow for arrow in diagram.arrows if diagram.boxes[arrow.end].kind == "point"}
    for arrow in diagram.arrows:
        if arrow.end in into:
            continue
        before = into.get(arrow.start)
        if before is None:
            yield arrow
        else:
            label = ", ".join(filter(None, (before.label, arrow.label)))
            yield Arrow(before.start, arrow.end, label, arrow.is_back)


def _escaped(text: str) -> str:
    """Mermaid's own entities, for what would end the text or be read as HTML."""
    for char, name in (("#", "35"), ("&", "amp"), ('"', "quot"), ("<", "lt"), (">", "gt")):
        text = text.replace(char, f"#{name};")
    return text
