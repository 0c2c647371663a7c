"""Segments and computed attributes of Dittofeed: its own test timelines, translated and run.

The cases come from Dittofeed's `computePropertiesIncremental.test.ts` (MIT), as a file of data that is not part of this
repository; without it the tests are skipped. The translator knows Dittofeed's nodes, not the cases: a node that it cannot say in our
language makes a case "not expressible", and the table at the end of this module says of each such case why, and of each
that ends differently on purpose. Differences that hold for all: Dittofeed computes every few minutes and sees a change only
then, Sojourn at its millisecond; a prefix of event names (`TEST_*`) is written as the list of the names.
"""

import json
import re
from collections import Counter
from datetime import timezone
from pathlib import Path

import pytest

from operators.events import Event
from operators.expression_error import ExpressionError
from operators.expression_uses import Uses
from operators.paths import compile_path
from operators.trait_compiler import Definitions
from operators.trait_definitions import Trait

CASES_FILE = Path(__file__).resolve().parents[2].parent / "shared" / "cases" / "segment_timelines.json"
CASES = json.loads(CASES_FILE.read_text(encoding="utf-8"))["cases"] if CASES_FILE.is_file() else []
NOW = 1_700_000_000_000
ALL = Uses(frozenset(), frozenset(), all_traits=True, all_segments=True)

NOT_EXPRESSIBLE = {
    "computes a segment that matches everyone": "counts customers of all kinds, not members of a segment",
    "computes HasBeen operator trait segment with less than comparator": "since when an attribute has its value is not kept",
    "with a performed user property with skipReCompute": "a value that is set by hand and never computed",
    "with a file user property": "files are no part of events",
    "with a performed user property with a flat complex inner structure": "all properties at once are no trait; name one",
    "with a random bucket segment": "chance is a matter of `split` and `control` in journeys, not of segments",
}
DIFFERENT = {
    "does not throw with an invalid trait user property": "a path that cannot be read is refused by `check`",
    "when the performed segment property condition has a syntax error, it ignores that property": (
        "a condition that cannot be read is refused by `check`, and not ignored"
    ),
}
"""Case -> why."""


class NotExpressibleError(Exception):
    """The language has no words for it."""


# --- translation

MARKS = {
    "Equals": "==",
    "LessThan": "<",
    "GreaterThan": ">",
    "GreaterThanOrEqual": ">=",
    "LessThanOrEqual": "<=",
    "NotEquals": "!=",
}


def reading(root, path):
    """A path of Dittofeed as an expression: `a.b`, `$["with spaces"]`."""
    quoted = re.fullmatch(r'\$\["(.+)"\]', path)
    return (
        f"{root}[{quoted[1]!r}]" if quoted else compile_path(f"properties.{path}").text.replace("properties", root, 1)
    )


def condition(read, operator):
    """What Dittofeed asks of one value. It compares texts; a number in quotes is meant as a number, too."""
    match operator["type"]:
        case "Exists":
            return f"{read} is not None"
        case "NotExists":
            return f"{read} is None"
        case "NotEquals":
            return f"not ({read} == {operator['value']!r})"
        case "Within":
            seconds = operator["windowSeconds"]
            return f"now >= {read} + 0s and now - ({read} + 0s) < {seconds}s"
        case "Equals" if str(operator["value"]).isdigit():
            return f"{read} in [{operator['value']!r}, {int(operator['value'])}]"
        case kind if kind in MARKS:
            return f"{read} {MARKS[kind]} {operator['value']!r}"
    raise NotExpressibleError(f"the operator {operator['type']}")


class Translator:
    """The definitions of one case, in our language."""

    def __init__(self, properties, segments, event_names):
        self.event_names = event_names
        self.traits = {}
        self.segments = {}
        for one in properties:
            definition = one["definition"]
            if definition["type"] != "Id":  # the customer's id needs no trait
                nodes = {node["id"]: node for node in definition.get("nodes", [])}
                self.traits[one["name"]] = self.attribute(definition, nodes)
        for one in segments:
            definition = one["definition"]
            nodes = {node["id"]: node for node in definition["nodes"]}
            self.segments[one["name"]] = self.segment(definition["entryNode"], nodes)

    def names(self, event):
        if event.endswith("*"):
            return sorted(name for name in self.event_names if name.startswith(event[:-1])) or ["no such event"]
        return [event]

    def where(self, conditions):
        return " and ".join(f"({condition(reading('properties', one['path']), one['operator'])})" for one in conditions)

    def trait(self, **spec):
        """The name of a trait that computes this."""
        spec = {key: value for key, value in spec.items() if value not in (None, "")}
        known = next((name for name, other in self.traits.items() if other == spec), None)
        name = known or f"trait_{len(self.traits)}"
        self.traits[name] = spec
        return f"traits.{name}"

    def attribute(self, node, nodes):
        """A user property as a trait."""
        return {"expr": self.value(node, nodes)}

    def value(self, node, nodes):
        match node["type"]:
            case "Trait":
                return reading("profile", node["path"])
            case "Performed" if not node.get("skipReCompute") and node["path"] != "$":
                where = self.where(node.get("properties", []))
                return self.trait(last=f"properties.{node['path']}", of=self.names(node["event"]), where=where)
            case "Group":
                return self.value(nodes[node["entry"]], nodes)
            case "AnyOf":
                return " or ".join(self.value(nodes[child], nodes) for child in node["children"])
        raise NotExpressibleError(f"the user property {node['type']}")

    def segment(self, node, nodes):
        match node["type"]:
            case "And":
                return " and ".join(f"({self.segment(nodes[child], nodes)})" for child in node["children"])
            case "Trait":
                return condition(reading("profile", node["path"]), node["operator"])
            case "Includes":
                return f"contains({reading('profile', node['path'])}, {node['item']!r})"
            case "Performed":
                return self.performed(node, self.where(node.get("properties", [])))
            case "Email":
                return self.performed(node, f"properties.templateId == {node['templateId']!r}")
            case "LastPerformed":
                # The last event of these is the last of those that have it, too.
                where = self.where(node.get("whereProperties", []))
                both = self.where([*node.get("whereProperties", []), *node["hasProperties"]])
                names = self.names(node["event"])
                last, having = (self.trait(last="time", of=names, where=text) for text in (where, both))
                return f"{last} == {having}"
        raise NotExpressibleError(f"the segment node {node['type']}")

    def performed(self, node, where):
        within = f"{node['withinSeconds']}s" if "withinSeconds" in node else None
        count = self.trait(count=self.names(node["event"]), where=where, within=within)
        return f"{count} {MARKS[node.get('timesOperator', 'GreaterThanOrEqual')]} {node.get('times', 1)}"

    def compiled(self):
        traits = {name: Trait.model_validate(spec) for name, spec in self.traits.items()}
        definitions = Definitions(traits, self.segments)
        assert [mistake.message for mistake in definitions.mistakes()] == []
        return definitions.plan(ALL)


# --- running


class Customer:
    def __init__(self):
        self.memory = None
        self.profile = {}


class Engine:
    """The customers of one case, and the time."""

    def __init__(self):
        self.now = NOW
        self.plan = None
        self.customers = {}
        self.read = 0

    def use(self, plan):
        self.plan = plan
        for customer in self.customers.values():
            self.ready(customer)

    def ready(self, customer):
        if self.plan is not None and not self.plan.is_ready(customer.memory):
            customer.memory = self.plan.ready(customer.memory, customer.profile, self.now, timezone.utc)

    def until(self, now):
        for customer in self.customers.values():
            while self.plan and (due := self.plan.due(customer.memory)) is not None and due <= now:
                self.plan.tick(customer.memory, customer.profile, due, timezone.utc)
        self.now = now

    def submit(self, written):
        self.read += 1
        customer = self.customers.setdefault(written["userId"], Customer())
        self.ready(customer)
        time = self.now + written["offsetMs"]
        is_identify = written["type"] == "Identify"
        content = written.get("traits" if is_identify else "properties", {})
        name = written.get("event", written["type"].lower())
        event = Event(written["type"].lower(), name, written["userId"], f"m{self.read}", time, content, {})
        if is_identify:
            customer.profile = {**customer.profile, **content}
        if self.plan:
            self.plan.see(customer.memory, event, customer.profile, self.now, timezone.utc, is_identify)

    def check(self, users):
        for user in users:
            customer = self.customers[user["id"]]
            members = self.plan.segments_of(customer.memory) if self.plan else set()
            for segment, is_member in user.get("segments", {}).items():
                assert (segment in members) is bool(is_member), (user["id"], segment)
            if "properties" in user:
                view = self.plan.view(customer.memory, customer.profile, self.now, timezone.utc)
                there = {name: view[name] for name in view if not name.startswith("trait_") and view[name] is not None}
                assert there == {name: value for name, value in user["properties"].items() if name != "id"}


def run(case):
    events = [event for step in case["steps"] for event in step.get("events", [])]
    names = {event["event"] for event in events if "event" in event}
    engine = Engine()
    engine.use(Translator(case.get("userProperties") or [], case.get("segments") or [], names).compiled())
    checked = 0
    for step in case["steps"]:
        match step["type"]:
            case "SubmitEvents":
                for event in step["events"]:
                    engine.submit(event)
            case "Sleep" | "Delay":
                engine.until(engine.now + step["timeMs"])
            case "UpdateComputedProperty":
                changed = {name: step.get(name, case.get(name)) or [] for name in ("userProperties", "segments")}
                engine.use(Translator(changed["userProperties"], changed["segments"], names).compiled())
            case "Assert":
                engine.check(step.get("users", []))
                checked += len(step.get("users", []))
            case "ComputeProperties":
                pass
            case other:
                raise NotExpressibleError(f"the step {other}")
    return checked


def outcome(case):
    """`equal`, `different`, or `not expressible`; anything else raises."""
    try:
        checked = run(case)
    except NotExpressibleError:
        return "not expressible"
    except ExpressionError:
        return "different"
    assert checked, "the case asserts nothing"
    return "equal"


def name_of(case):
    return case["name"].removeprefix("dittofeed/")


needs_cases = pytest.mark.skipif(
    not CASES, reason=f"the cases are not here: {CASES_FILE.name} beside the repository, in shared/cases"
)


@needs_cases
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_timeline_ends_as_in_dittofeed_or_says_why_not(case):
    """Membership and values at each of its assertions."""
    name = name_of(case)
    expected = "not expressible" if name in NOT_EXPRESSIBLE else "different" if name in DIFFERENT else "equal"
    assert outcome(case) == expected


@needs_cases
def test_the_table_of_timelines():
    """All 52: what is equal, what is different on purpose, what cannot be said."""
    names = {name_of(case) for case in CASES}
    assert names >= NOT_EXPRESSIBLE.keys() | DIFFERENT.keys()
    table = Counter(outcome(case) for case in CASES)
    assert table == {"equal": 44, "different": 2, "not expressible": 6}


@needs_cases
def test_a_wrong_translation_would_be_seen():
    """The runner can fail: the opposite of what a case expects does."""
    case = next(case for case in CASES if name_of(case) == "computes a trait segment")
    wrong = json.loads(json.dumps(case).replace('"test": true', '"test": null', 1))
    with pytest.raises(AssertionError):
        run(wrong)
