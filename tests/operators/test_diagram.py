"""Diagrams of journeys: what is drawn, as Mermaid text and as a picture in which nothing lies on anything else."""

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from flows.definitions import read_directory
from operators.diagram import draw
from operators.diagram_mermaid import mermaid
from operators.diagram_svg import svg
from operators.workspace import read_workspace

EXAMPLES = Path(__file__).parents[2] / "examples" / "journeys"
JOURNEYS = {journey.journey: journey for journey in read_directory(EXAMPLES).journeys}

CIRCLE = """
journey: circle
enter: {event: Signed Up, again: always}
goal: {event: Order Completed, within: 5d}
exit: [goal, {event: [Unsubscribed, Gone], reason: gone, do: [{send: email, template: bye}]}]
steps:
  - id: w
    wait_for:
      - {event: Product Added, again: true}
      - {event: Product Viewed, do: [{id: a, send: {best: [email, push]}, template: 'a<b & "c"'}], again: {max: 3}}
      - {outcome: engaged, of: a, do: [{id: x, exit: done}]}
    timeout: 7d
    else:
      - id: b
        branch:
          - {when: profile.tier == 'gold', do: [{id: g, suppress: all, tag: marketing, for: 7d}]}
"""


def journey_of(text):
    """A journey of its own workspace."""
    workspace = read_workspace({"orchestration.yaml": "timezone: UTC", "j.yaml": text})
    assert [str(one) for one in workspace.complaints] == []
    return workspace.journeys[0]


def test_mermaid_has_every_box_and_every_way():
    """Ways through empty lists are arrows; back to a wait is dashed; quotes and brackets are text."""
    assert mermaid(draw(journey_of(CIRCLE))) == (
        "flowchart TD\n"
        '    n1(["Signed Up"])\n'
        '    n2[/"w<br/>wait for the first, 7d at most"/]\n'
        '    n4["a<br/>send email or push<br/>a#lt;b #amp; #quot;c#quot;"]\n'
        '    n5(["x<br/>exit: done"])\n'
        '    n6{{"b"}}\n'
        '    n7[["g<br/>suppress marketing<br/>on all for 7d"]]\n'
        '    n9(["end"])\n'
        "    n1 --> n2\n"
        '    n2 -.->|"Product Added, again"| n2\n'
        '    n2 -->|"Product Viewed"| n4\n'
        '    n4 -.->|"at most 3 times"| n2\n'
        '    n2 -->|"engaged (a)"| n5\n'
        '    n2 -->|"7d"| n6\n'
        "    n6 -->|\"profile.tier == 'gold'\"| n7\n"
        "    n4 --> n9\n"
        "    n7 --> n9\n"
        '    n6 -->|"otherwise"| n9\n'
        '    notes["goal: Order Completed within 5d<br/>exit: at the goal<br/>'
        'exit: Unsubscribed, Gone (gone), then send email bye"]\n'
        "    style notes stroke-dasharray: 4\n"
    )


def shapes(journey):
    """The rectangles of the picture's boxes, and its size."""
    root = Xml.fromstring(svg(draw(journey)))  # noqa: S314 - made here
    name = "{http://www.w3.org/2000/svg}"
    boxes = [
        tuple(float(one.attrib[part]) for part in ("x", "y", "width", "height"))
        for one in root.iter(f"{name}rect")
        if "x" in one.attrib
    ]
    return boxes, float(root.attrib["width"]), float(root.attrib["height"]), root


@pytest.mark.parametrize("journey", [*JOURNEYS.values(), journey_of(CIRCLE)], ids=lambda journey: journey.journey)
def test_boxes_lie_beside_each_other_and_in_the_picture(journey):
    """For every journey that ships."""
    boxes, width, height, _ = shapes(journey)
    assert len(boxes) == sum(box.kind != "point" for box in draw(journey).boxes.values())
    for x, y, w, h in boxes:
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in combinations(boxes, 2):
        assert x1 + w1 < x2 or x2 + w2 < x1 or y1 + h1 < y2 or y2 + h2 < y1


def test_the_picture_says_what_the_text_says():
    """Names of steps, labels of ways, what ends it; a way back is told where it begins."""
    *_, root = shapes(journey_of(CIRCLE))
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {
        "circle",
        "w",
        "a",
        'a<b & "c"',
        "Product Viewed",
        "exit: done",
        "otherwise",
        "\u21ba w: at most 3 times",
    } <= texts
    assert "exit: Unsubscribed, Gone (gone), then send email bye" in texts


@pytest.mark.parametrize(
    ("enter", "lines"),
    [
        ("{event: [A, B], key: properties.x}", ("A, B", "one run for each properties.x")),
        ("{segment: {entered: vip}}", ("customer", "enters vip")),
        ("{segment: {left: vip}}", ("customer", "leaves vip")),
        ("{schedule: {cron: 0 10 * * mon, segment: vip}}", ("calendar", "0 10 * * mon", "in vip")),
        (
            "{pattern: [{event: A, times: {at_least: 2}}, {event: B}, {absent: C, for: 1h}], within: 1d}",
            ("A x 2 or more", "B", "no C for 1h", "within 1d"),
        ),
    ],
)
def test_what_enters_is_the_first_box(enter, lines):
    """In all its forms."""
    text = f"journey: j\nenter: {enter}\nsteps: [{{id: s, send: email, template: t}}]"
    files = {"orchestration.yaml": "timezone: UTC", "j.yaml": text, "segments.yaml": "vip: profile.vip"}
    workspace = read_workspace(files)
    assert [str(one) for one in workspace.complaints] == []
    assert draw(workspace.journeys[0]).boxes["n1"].lines == lines
