"""A journey as a diagram: boxes, arrows, and how the boxes lie in each other; Mermaid text and SVG are made of it.

`draw` walks the lists of steps as the author nested them. A step is a box, the lists inside of it lie below it side by side,
and whatever leads out of them leads on to the step after it. `operators.diagram_mermaid` and `operators.diagram_svg` write it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from operators.definitions import Enter, ExitRule, Goal, Journey
from operators.send_definitions import Best, Choose, Send, StepModel
from operators.step_definitions import (
    Back,
    Branch,
    Delay,
    Exit,
    Otherwise,
    Release,
    Set,
    Split,
    Suppress,
    Wait,
    WaitFor,
)


@dataclass(frozen=True)
class Box:
    """One thing that is drawn."""

    key: str
    """`n1`, `n2`, ... in the order of the file."""
    kind: str
    """`enter`, `end`, `exit`, a kind of step, or `point`: an empty list, which is only a way through."""
    lines: tuple[str, ...]
    """The first is its name."""


@dataclass(frozen=True)
class Arrow:
    """One way from box to box."""

    start: str
    end: str
    label: str = ""
    is_back: bool = False
    """Whether it leads back to a wait."""


@dataclass
class Row:
    """A box and the lists below it, side by side."""

    box: str
    lists: list["Rows"] = field(default_factory=list)


Rows = list[Row]


@dataclass
class Diagram:
    """All of it."""

    title: str
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
    rows: Rows = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What ends runs, and what the journey is for: sentences without arrows, since they act anywhere."""


Ends = list[tuple[str, str]]
"""What leads on: (box, label of the arrow)."""


def draw(journey: Journey) -> Diagram:
    """The diagram of a journey."""
    drawing = _Drawing(Diagram(journey.journey))
    enter = drawing.box("enter", *_enter_lines(journey.enter))
    rows, ends = drawing.list(journey.steps, "", [(enter, "")])
    diagram = drawing.diagram
    diagram.rows = [Row(enter), *rows]
    if ends:
        end = drawing.box("end", "end")
        drawing.lead(ends, end)
        diagram.rows.append(Row(end))
    if journey.goal is not None:
        diagram.notes.append(_goal(journey.goal))
    diagram.notes += [_exit(rule) for rule in journey.exit]
    return diagram


class _Drawing:
    """A diagram that is being drawn."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram

    def box(self, kind: str, *lines: str) -> str:
        key = f"n{len(self.diagram.boxes) + 1}"
        self.diagram.boxes[key] = Box(key, kind, lines)
        return key

    def lead(self, ends: Ends, to: str, is_back: bool = False) -> None:
        self.diagram.arrows += [Arrow(start, to, label, is_back) for start, label in ends]

    def list(self, steps: Sequence[Any], prefix: str, ends: Ends) -> tuple[Rows, Ends]:
        """Draw a list of steps: its rows, and what leads out of it."""
        if not steps:
            point = self.box("point")
            self.lead(ends, point)
            return [Row(point)], [(point, "")]
        rows: Rows = []
        for number, step in enumerate(steps, 1):
            row, ends = self.step(step, f"{prefix}{number}", ends)
            rows.append(row)
        return rows, ends

    def step(self, step: StepModel, path: str, ends: Ends) -> tuple[Row, Ends]:
        """Draw a step, and what is inside of it."""
        name = step.id or path
        kind, lines = _told(step)
        box = self.box(kind, name, *lines)
        self.lead(ends, box)
        row = Row(box)
        if isinstance(step, Exit):
            return row, []
        ways: list[tuple[str, str, Sequence[Any], bool | Back]] = []
        out: Ends = []
        if isinstance(step, Branch):
            for number, way in enumerate(step.branch, 1):
                ways.append((way.when or "otherwise", f"{path}.{number}.", way.do, False))
            if step.branch[-1].when is not None:
                ways.append(("otherwise", "", (), False))
        elif isinstance(step, Split):
            total = sum(arm.weight for arm in step.split.arms.values()) or 1
            for arm, one in step.split.arms.items():
                ways.append((f"{arm} {one.weight / total:.0%}", f"{path}.arms.{arm}.", one.do, False))
        elif isinstance(step, WaitFor):
            for number, reply in enumerate(step.wait_for, 1):
                label = _names(reply.event) if reply.event else f"{reply.outcome}{f' ({reply.of})' if reply.of else ''}"
                ways.append((label, f"{path}.{number}.", reply.do, reply.again))
            otherwise = step.else_ or Otherwise()
            ways.append((_delay(step.timeout), f"{path}.else.", otherwise.do, otherwise.again))
        else:
            return row, [(box, "")]
        for label, prefix, steps, again in ways:
            rows, left = self.list(steps, prefix, [(box, label)])
            row.lists.append(rows)
            if again is False:
                out += left
            else:
                most = f"at most {again.max} times" if isinstance(again, Back) else "again"
                self.lead([(start, most) for start, _ in left], box, is_back=True)
                if isinstance(again, Back):
                    out += left
        return row, out


def _told(step: StepModel) -> tuple[str, list[str]]:
    """Kind and lines of a step."""
    match step:
        case Send():
            channels = step.send.best if isinstance(step.send, Best) else step.send
            how = " or " if isinstance(step.send, Best) else ", else "
            sent = channels if isinstance(channels, str) else how.join(channels)
            return "send", [f"send {sent}", step.template, *([f"at {step.at}"] if step.at else [])]
        case Choose():
            named = step.choose.from_
            what = f"an offer of {named}" if isinstance(named, str) else " or ".join(named)
            return "send", [f"choose {what}", *([f"at {step.at}"] if step.at else [])]
        case Wait():
            return "wait", [f"wait {_delay(step.wait)}"]
        case WaitFor():
            return "wait", [f"wait for {'the best' if step.rank else 'the first'}, {_delay(step.timeout)} at most"]
        case Branch():
            return "branch", []
        case Split():
            return "branch", [f"split {step.split.name}"]
        case Suppress():
            until = f" for {step.for_}" if step.for_ else " during the run"
            return "hold", [
                f"suppress {_names(step.tag) if step.tag else 'all messages'}",
                f"on {_names(step.suppress)}{until}",
            ]
        case Release():
            return "hold", [f"release {_names(step.release)}"]
        case Set():
            return "set", [f"set {', '.join(step.set)}"]
        case Exit():
            return "exit", [f"exit: {step.exit}"]
    raise AssertionError(step)


def _enter_lines(enter: Enter) -> list[str]:
    if enter.segment is not None:
        change = f"enters {enter.segment.entered}" if enter.segment.entered else f"leaves {enter.segment.left}"
        lines = ["customer", change]
    elif enter.schedule is not None:
        lines = ["calendar", enter.schedule.cron, *([f"in {enter.schedule.segment}"] if enter.schedule.segment else [])]
    else:
        lines = [_element(element) for element in enter.elements]
        if enter.within:
            lines.append(f"within {enter.within}")
    return [*lines, *([f"one run for each {enter.key}"] if enter.key else [])]


def _element(element: Any) -> str:
    if element.absent:
        return f"no {_names(element.absent)} for {element.for_}"
    times = element.times
    often = f" x {times.exactly}" if times.exactly and times.exactly > 1 else ""
    often = f" x {times.at_least} or more" if times.at_least else often
    often = f" x {times.at_most} at most" if times.at_most else often
    return f"{_names(element.event)}{often}"


def _delay(delay: Delay) -> str:
    if delay.for_ is not None:
        return f"{delay.for_} from the entry" if delay.from_ == "entry" else delay.for_
    return f"until {delay.until}"


def _goal(goal: Goal) -> str:
    return f"goal: {_names(goal.event)} within {goal.within}"


def _exit(rule: ExitRule | str) -> str:
    if isinstance(rule, str):
        return "exit: at the goal"
    what = _names(rule.event) if rule.event else f"enters {rule.entered}" if rule.entered else f"leaves {rule.left}"
    if rule.when:
        what = rule.when
    then = "".join(f", then {' '.join(_told(step)[1])}" for step in rule.do)
    return f"exit: {what}{f' ({rule.reason})' if rule.reason else ''}{then}"


def _names(names: Sequence[str] | None) -> str:
    return ", ".join(names or ())
