"""What other engines' test suites expect of patterns, and what ours makes of it.

The cases lie beside the checkout (`../shared/cases/peer_patterns.json`): inputs and expected outputs of the test suites of Flink CEP,
Siddhi, Esper, Trino, Kafka Streams, Unomi and Dittofeed. `peer_translation` says each in our words, or why it cannot be said. What
can be said runs through the engine, and through the oracle; then it is equal, or different in one of the ways that are named here.

`python -m pytest tests/operators/test_peer_patterns.py -s -k table` prints the table.
"""

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

from operators.customer_step import CustomerStep
from operators.events import Event
from operators.expressions import compile_expression
from operators.paths import compile_path
from operators.pattern_definitions import pattern_mistakes
from operators.plan import compile_plan
from operators.workspace import read_workspace
from state.customer import Customer
from tests.operators.pattern_watcher import Watcher
from tests.operators.peer_translation import CannotSay, translate
from tests.pattern_oracle import Oracle, Part, Rule, Thing

CASES_FILE = Path(__file__).parents[3] / "shared" / "cases" / "peer_patterns.json"
CASES = json.loads(CASES_FILE.read_text(encoding="utf-8"))["cases"] if CASES_FILE.exists() else []

pytestmark = pytest.mark.skipif(not CASES, reason=f"the cases of other engines are not here ({CASES_FILE.name})")

EQUAL, DIFFERENT, CANNOT = "equal", "different on purpose", "not expressible"

TABLE = {
    "flink-cep": [15, 25, 26],
    "siddhi": [16, 4, 14],
    "esper": [6, 1, 12],
    "sql-match-recognize": [2, 1, 14],
    "kafka-streams": [1, 0, 2],
    "dittofeed": [3, 0, 4],
    "unomi": [0, 0, 4],
}
"""Engine -> cases that are equal, different on purpose, not expressible."""

BEST = "one match for each event read: the preferred one of those that it completes"
NTH = "a final `at_least: n` matches at the nth; theirs again at each further one"
PASSES = "what lies between two events of a match may be an event that would fit, too; theirs goes on with the first that fits"
USED = "only matched events are used up; theirs forgets all that came before the match, too"
AFTER_LAST = "what is forbidden after repeats is forbidden after the last of them; theirs also between them"

BY_NAME = {
    "flink/NFAITCase.testNoConditionNFA": PASSES,
    "flink/NFAITCase.testNoConditionLoopingNFA": PASSES,
    "flink/NotPatternITCase.testTimesWithNotFollowedBy": AFTER_LAST,
    "siddhi/PatternPartitionTestCase.testPatternPartitionQuery27": PASSES,
    "siddhi/CountPatternTestCase.testQuery15": PASSES,
    "esper/PatternOperatorNot.PatternOperatorNotWHarness#13": USED,
}
"""Where it takes a reader to see which difference it is. That ours is what our words say, the oracle shows for all."""


# --- running a case


def events_of(case):
    """(key, event, clock); labels are message ids. The clock is the greatest time so far, watermarks included."""
    now = 0
    for number, event in enumerate(case["events"]):
        now = max(now, event.get("t", event.get("watermark", 0)))
        if "type" in event:
            label = str(event.get("label") or event["attrs"].get("id", number))
            yield event["key"], Event("track", event["type"], "c-1", label, event["t"], event["attrs"], {}), now


def run(case, translation):
    """Our matches, which are the oracle's, too: in labels, or in the columns that the case compares."""
    watchers, oracles, over, matches, expected = {}, {}, set(), [], []
    for key, event, now in events_of(case):
        watcher = watchers.setdefault(key, Watcher(translation.enter))
        oracle = oracles.setdefault(key, Oracle(rule_of(translation.enter)))
        found = watcher.pattern.see(watcher.memory, event, watcher.moment(event, now))
        told = oracle.read(event, now)
        assert [[one.message_id for one in match.events] for match in found] == labels(told)
        for match in found:
            watcher.pattern.use_up(watcher.memory, match)
        for value, chosen in told:
            oracle.use_up(value, chosen)
        if key not in over:
            matches += found
            expected += labels(told)
        if found and translation.once:
            over.add(key)
    ids = [[event.message_id for event in match.events] for match in matches]
    assert ids == expected
    return [row_of(match, translation) for match in matches] if translation.columns else ids


def labels(told):
    return [[known.event.message_id for known, _ in chosen] for _, chosen in told]


def row_of(match, translation):
    """The columns of one match, as a `select` has them."""
    row = []
    for name, index, attribute in translation.columns:
        event = match.names.get(name)
        if name in translation.choices:
            of, _ = translation.choices[name]
            event = match.names[of]
            holding = [
                other
                for other, (both, where) in translation.choices.items()
                if both == of and holds(where, event, match)
            ]
            event = event if holding[:1] == [name] else None
        if isinstance(event, list):
            event = event[index or 0] if (index or 0) < len(event) else None
        row.append(None if event is None else event.properties.get(attribute))
    return row


def holds(where, event, match):
    scope = {**match.names, "event": event, "properties": event.properties}
    return compile_expression(where, tuple(scope)).holds(scope)


def rule_of(enter):
    """The oracle's rule of a definition without an absence."""
    names = [element["as"] for element in enter.get("pattern", ()) if "as" in element]
    elements = enter.get("pattern") or [{"event": enter["event"], "where": enter.get("where")}]
    parts = []
    for index, element in enumerate(elements):
        times = element.get("times", 1)
        least, most = (
            (times, times) if isinstance(times, int) else (times.get("at_least", 1), times.get("at_most", 256))
        )
        without = element.get("without")
        parts.append(
            Part(
                thing_of(element, names),
                least,
                least if index == len(elements) - 1 else most,
                element.get("optional", False),
                element.get("strict", False),
                None,
                thing_of(without, names) if without else None,
                (without or {}).get("over", "span"),
                element.get("as"),
            )
        )
    within = 10**15 if "within" not in enter or enter["within"].endswith("d") else int(enter["within"][:-2])
    return Rule(tuple(parts), within, 10**15, skips=enter.get("skip") != "none")


def thing_of(element, names):
    where = element.get("where")
    by = element.get("by")
    if where is None:
        return Thing(tuple(element["event"]), None, compile_path(by).values if by else None)
    compiled = compile_expression(where, ("event", "properties", "first", "matched", *names))

    def means(event, first, matched, named):
        return compiled.holds(
            {**named, "event": event, "properties": event.properties, "first": first, "matched": matched}
        )

    return Thing(tuple(element["event"]), means)


# --- what a case expects


def expected_of(case):
    """Their matches: labels, or rows."""
    expected = case["expected"]
    match case["engine"]:
        case "flink-cep":
            return expected["matches"]
        case "siddhi":
            return expected["rows"]
        case "esper":
            return [list(match["binding"].values()) for match in expected["matches"]]
    rows = {}
    for row in expected["rows"]:
        rows.setdefault(row["match"], []).append(str(row["id"]))
    return list(rows.values())


def preferred(case, matches):
    """Of matches that one event completes, the one that we prefer; theirs are in labels."""
    order = {event.message_id: (event.time, number) for number, (_, event, _) in enumerate(events_of(case))}
    best = {}
    for match in matches:
        places = [order[label] for label in match]
        if match[-1] not in best or places < [order[label] for label in best[match[-1]]]:
            best[match[-1]] = match
    return list(best.values())


def as_told(matches):
    return sorted(map(repr, matches))


@lru_cache(1)
def outcomes():
    """Name of a case -> (engine, what it is, why)."""
    return {case["name"]: (case["engine"], *outcome_of(case)) for case in CASES}


def outcome_of(case):
    try:
        translation = translate(case)
    except CannotSay as reason:
        return CANNOT, str(reason)
    mistakes = list(pattern_mistakes(translation.enter))
    if mistakes:
        return CANNOT, f"refused: {mistakes[0][1]}"
    if case["engine"] in ("kafka-streams", "dittofeed"):
        return (EQUAL if JOURNEYS[case["engine"]](case, translation) else "wrong"), ""
    ours, theirs = run(case, translation), expected_of(case)
    if as_told(ours) == as_told(theirs):
        return EQUAL, ""
    return DIFFERENT, difference(case, translation, ours, theirs)


def difference(case, translation, ours, theirs):
    """Which of the known differences it is; it fails where it is none of them."""
    if case["name"] in BY_NAME:
        return BY_NAME[case["name"]]
    if translation.columns:
        # Theirs are all matches that there are; ours are some of them, one for each event that completes any.
        assert not Counter(map(repr, ours)) - Counter(map(repr, theirs)), case["name"]
        assert as_told(all_matches(case, translation)) == as_told(theirs), case["name"]
        return BEST
    if as_told(ours) == as_told(preferred(case, theirs)):
        return BEST
    last = case["pattern"]["steps"][-1]
    least = last.get("times", [1, 1])[0]
    kind = last["where"]["value"]
    names = {event.message_id: event.name for _, event, _ in events_of(case)}
    at_nth = [match for match in theirs if sum(names[label] == kind for label in match) == least]
    assert last["times"][1] is None, case["name"]
    assert as_told(ours) == as_told(preferred(case, at_nth)), case["name"]
    return NTH


def all_matches(case, translation):
    """The rows of every match that there is, by the oracle."""
    oracles, rows = {}, []
    rule = rule_of(translation.enter)
    for key, event, now in events_of(case):
        oracle = oracles.setdefault(key, Oracle(rule))
        oracle.read(event, now)
        newest = next(known for known in oracle.known if known.event is event)
        for chosen in oracle._matches("", newest, event):
            named = oracle._named(chosen)
            rows.append([named[name].properties.get(attribute) for name, _, attribute in translation.columns])
    return rows


# --- whole journeys


def journey_of(translation):
    enter = {key: value for key, value in translation.enter.items() if value is not None}
    steps = [{"id": "s", "send": "email", "template": "t"}]
    texts = {
        "orchestration.yaml": "timezone: UTC",
        "j.yaml": json.dumps({"journey": "j", "enter": enter, "steps": steps}),
    }
    workspace = read_workspace(texts)
    assert not workspace.complaints, workspace.complaints
    return CustomerStep(compile_plan(workspace.orchestration, workspace.journeys))


def told_of(case, translation):
    """Key -> the records of its customer."""
    step, customers, told = journey_of(translation), {}, {}
    for number, (key, event, now) in enumerate(events_of(case)):
        event.message_id = f"m{number}"
        records = told.setdefault(key, [])
        step.take(customers.setdefault(key, Customer()), str(key), [(event, now)], records)
    return told


def kafka_streams_is_equal(case, translation):
    """Which records were taken, which came too late."""
    told = {
        key: {record.get("reason") or record.get("fact") for _, record in records}
        for key, records in told_of(case, translation).items()
    }
    expected = case["expected"]
    return all("entered" in told[key] for key in expected["accepted"]) and all(
        told[key] == {"late"} for key in expected["dropped_late"]
    )


def dittofeed_is_equal(case, translation):
    """How many messages."""
    sent = {
        key: sum(topic == "actions.email" for topic, _ in records)
        for key, records in told_of(case, translation).items()
    }
    expected = case["expected"]
    if "messages_total" in expected:
        return sum(sent.values()) == expected["messages_total"]
    return all(
        sent[key] >= 1 if number == ">=1" else sent[key] == number for key, number in expected["messages"].items()
    )


JOURNEYS = {"kafka-streams": kafka_streams_is_equal, "dittofeed": dittofeed_is_equal}


# --- the tests


@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_a_case_is_equal_or_different_in_a_way_that_is_named_or_cannot_be_said(name):
    """Each of them; whatever is translated agrees with the oracle."""
    _, what, why = outcomes()[name]
    assert what == EQUAL or (what in (CANNOT, DIFFERENT) and why), (what, why)


def test_what_can_be_said_stays_said():
    """The table of the note, as a number for each engine: a translator that refuses more, or an engine that differs more, is seen."""
    found = Counter((engine, what) for engine, what, _ in outcomes().values())
    kinds = (EQUAL, DIFFERENT, CANNOT)
    assert {
        engine: [found[engine, what] for what in kinds] for engine in dict.fromkeys(engine for engine, _ in found)
    } == TABLE


def test_the_differences_that_are_named_are_there():
    """No reason outlives its case."""
    different = {name: why for name, (_, what, why) in outcomes().items() if what == DIFFERENT}
    assert {name: different.get(name) for name in BY_NAME} == BY_NAME
    assert set(different.values()) == {BEST, NTH, PASSES, USED, AFTER_LAST}


def test_the_table_of_all_cases():
    """For the reader: `-s` shows it."""
    for engine in dict.fromkeys(case["engine"] for case in CASES):
        of = [(what, why) for other, what, why in outcomes().values() if other == engine]
        print(f"\n{engine}: {len(of)} cases, {sum(what == EQUAL for what, _ in of)} equal")
        for (what, why), number in sorted(Counter(of).items()):
            if what != EQUAL:
                print(f"  {number:3} {what}: {why}")
    assert len(outcomes()) == len(CASES)
