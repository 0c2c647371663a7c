"""Patterns of several elements: the engine against the oracle over random definitions and random logs."""

from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from operators.pattern_definitions import pattern_mistakes
from tests.examples import examples
from tests.operators.pattern_watcher import Watcher, an_event
from tests.oracle import same
from tests.pattern_oracle import Oracle, Part, Rule, Thing

# --- random definitions, each with what it means


@st.composite
def chosen(draw, make, *args, **kwargs):
    """What `make` builds of choices that Hypothesis takes."""
    return make(lambda options: draw(st.sampled_from(list(options))), *args, **kwargs)


def one_value(name):
    return lambda event: [value for value in [event.properties.get(name)] if value is not None]


def item_values(event):
    found = []
    for item in event.properties.get("items") or ():
        if item.get("c") is not None and not any(same(item["c"], one) for one in found):
            found.append(item["c"])
    return found


PATHS = {"properties.c": one_value("c"), "properties.d": one_value("d"), "properties.items[].c": item_values}


def n(event):
    return event.properties["n"] if event is not None else None


def before(one, other, holds):
    return one is not None and other is not None and holds(one, other)


WHERES = {
    "properties.n > 1": lambda event, first, matched, names: n(event) > 1,
    "properties.n >= first.properties.n": lambda event, first, matched, names: n(event) >= n(first),
    "properties.n != first.properties.n": lambda event, first, matched, names: n(event) != n(first),
    "len(matched) < 2": lambda event, first, matched, names: len(matched) < 2,
    "properties.n >= one.properties.n": lambda event, first, matched, names: before(
        n(event), n(names.get("one")), lambda a, b: a >= b
    ),
    "len(some) == 2": lambda event, first, matched, names: len(names.get("some") or []) == 2,
}
ENTERS = {
    "properties.n > 0": lambda event, first, matched, names: n(event) > 0,
    "entry.properties.n > first.properties.n": lambda event, first, matched, names: n(matched[-1]) > n(first),
    "len(matched) != 3": lambda event, first, matched, names: len(matched) != 3,
    "one.properties.n > 0": lambda event, first, matched, names: before(n(names.get("one")), 0, lambda a, b: a > b),
}
NAMES = (("A",), ("B",), ("C",), ("A", "B"), ("B", "C"))


def a_thing(pick, written, names, *, by, known=(), plain=False):
    """An event of some names, written and meant."""
    written["event"] = list(names)
    where = None
    if not plain and pick(range(4)) == 0:
        text = pick(
            [
                text
                for text in WHERES
                if ("one." not in text or "one" in known) and ("some" not in text or "some" in known)
            ]
        )
        written["where"], where = text, WHERES[text]
    path = pick(by)
    if path:
        written["by"] = path
    return Thing(tuple(names), where, PATHS.get(path))


def a_pattern(
    pick,
    *,
    sizes=(1, 2, 2, 3, 3),
    absents=(False, False, True),
    stricts=(False,) * 5 + (True,),
    values=(True, False),
    plain=False,
):
    """A definition of `enter`, and the rule that it means; a plain one has nothing that makes matches rare."""
    size, valued = pick(sizes), pick(values)
    by = (None, *PATHS, "properties.c", "properties.c") if valued else (None,)
    elements, parts, known = [], [], []
    for index in range(size):
        element, last = {}, index == size - 1
        what = a_thing(pick, element, pick(NAMES), by=by, known=known, plain=plain)
        times = None if plain else pick([None, None, None, 2, 3, "least", "most", "both"])
        least = most = 1
        if type(times) is int:
            least = most = element["times"] = times
        elif times == "least":
            least, most = pick([1, 2]), 256
            element["times"] = {"at_least": least}
        elif times == "most" and not last:
            most = pick([2, 3])
            element["times"] = {"at_most": most}
        elif times == "both" and not last:
            least, most = 2, 3
            element["times"] = {"at_least": 2, "at_most": 3}
        optional = not last and pick([False, False, True])
        if optional:
            element["optional"] = True
        strict = pick(stricts) and (index > 0 or most > 1)
        if strict:
            element["strict"] = True
        distinct = None
        if most > 1 and pick(range(3)) == 0:
            element["distinct"], distinct = "properties.d", lambda event: event.properties.get("d")
        name = None
        if pick(range(3)) == 0:
            name = "one" if most == 1 else "some"
            if name in known:
                name = None
            else:
                element["as"] = name
                known.append(name)
        without, over = None, "span"
        if not plain and pick(range(3)) == 0:
            over = "span" if optional else pick(["span", "window"])
            written = {"over": over}
            without = a_thing(pick, written, pick([("X",), ("X",), ("X", "C"), ("B",)]), by=(None,), known=known)
            path = pick([None, None, "any", "properties.d"]) if valued else None
            if path:
                written["by"] = path
            element["without"] = written
            without = Thing(without.names, without.where, path if path == "any" else PATHS.get(path))
        elements.append(element)
        parts.append(Part(what, least, most, optional, strict, distinct, without, over, name))
    enter = {"pattern": elements, "within": f"{(within := pick([1, 4, 7, 12, 20]))}ms"}
    absent, for_, settle = None, 1, 60_000
    if pick(absents):
        element = {"absent": list(pick([("Z",), ("Z", "A"), ("C",)])), "for": f"{(for_ := pick([1, 3, 8]))}ms"}
        settle = pick([1, 2, 5])
        element["settle"] = f"{settle}ms"
        where = pick([None, None, *(text for text in WHERES if "some" not in text and "one." not in text)])
        if where:
            element["where"] = where
        path = pick([None, None, "any", "properties.d"]) if valued else None
        if path:
            element["by"] = path
        elements.append(element)
        absent = Thing(tuple(element["absent"]), WHERES.get(where), path if path == "any" else PATHS.get(path))
    where = None if plain else pick([None, None, *ENTERS])
    if where and ("one." not in where or "one" in known) and (absent is None or where != "properties.n > 0"):
        enter["where"] = where
    max_age = pick([5, 20])
    enter["max_age"] = f"{max_age}ms"
    if pick(range(5)) == 0:
        enter["skip"] = "none"
    parts = tuple(_nearest(parts, index) for index in range(size))
    if absent is not None:
        absent = Thing(absent.names, absent.where, _path_of(absent.by, [part.what.by for part in parts], size))
    rule = Rule(
        parts,
        within,
        max_age,
        absent,
        for_,
        settle,
        ENTERS[enter["where"]] if "where" in enter else None,
        skips=enter.get("skip") != "none",
    )
    return enter, rule


def _nearest(parts, index):
    """A part whose `without` agrees in what it says, or in what the nearest element agrees in."""
    part = parts[index]
    if part.without is None:
        return part
    by = _path_of(part.without.by, [one.what.by for one in parts], index)
    without = Thing(part.without.names, part.without.where, by)
    return Part(
        part.what, part.least, part.most, part.optional, part.strict, part.distinct, without, part.over, part.name
    )


def _path_of(said, paths, index):
    if said == "any":
        return None
    if said is not None:
        return said
    near = sorted(range(len(paths)), key=lambda other: (abs(other - index), other > index))
    return next((paths[other] for other in near if paths[other] is not None), None)


def a_log(pick, length=9):
    """Events with the clock of each, and whether a match is accepted: out of order, ties, values missing and many."""
    now, log = 1_000, []
    for number in range(pick(range(1, length))):
        now += pick([0, 0, 1, 1, 2, 3, 6])
        properties = {name: value for name in "cd" if (value := pick("aaabb-")) != "-"}
        properties["items"] = [{"c": pick("aab")} for _ in range(pick(range(3)))]
        properties["n"] = pick(range(4))
        time = now - pick([0, 0, 0, 0, *range(8), 12, 25, -3])
        event = an_event(pick("AAABBBCCXZY"), f"m{number}", time, **properties)
        log.append((event, now, pick([True, True, False])))
    return log


def compare(enter, rule, log):
    """Feed both; they must say the same after every event and at every deadline. How many matches there were."""
    watcher, oracle, count = Watcher(enter), Oracle(rule), 0
    for event, now, accepts in log:
        count += compare_due(watcher, oracle, now)
        found = watcher.see(event, now, accepts)
        expected = oracle.read(event, now)
        in_ids = [(value, [known.event.message_id for known, _ in match]) for value, match in expected]
        assert sorted(found, key=repr) == sorted(in_ids, key=repr), (enter, event)
        if accepts:
            for value, match in expected:
                oracle.use_up(value, match)
        count += len(found)
    return count + compare_due(watcher, oracle, log[-1][1] + 100)


def compare_due(watcher, oracle, now):
    deadlines = sorted(watcher.pattern.deadlines(watcher.memory).values())
    assert deadlines == sorted(one.due for one in oracle.waiting)
    found, expected = watcher.due(now), oracle.due(now)
    in_ids = [(due, value, [known.event.message_id for known, _ in match]) for due, value, match in expected]
    assert sorted(found, key=repr) == sorted(in_ids, key=repr)
    for _, value, match in expected:
        oracle.use_up(value, match)
    return len(found)


def is_possible(enter):
    return not list(pattern_mistakes(enter))


KINDS = {
    "of every kind": {},
    "one element": {"sizes": (1,)},
    "strict": {"stricts": (False, True)},
    "absent": {"absents": (True,)},
    "used up and still between": {"stricts": (False, True), "plain": True, "absents": (False,), "sizes": (2,)},
    "of every value": {"values": (True,), "plain": True, "absents": (False,), "sizes": (2, 3)},
}


@settings(max_examples=examples(300), deadline=None)
@given(chosen(a_pattern), chosen(a_log))
def test_the_engine_finds_what_the_oracle_finds(pattern, log):
    """Sequences, repeats, values, absences; out of order, ties, late events, some matches used up and some not."""
    enter, rule = pattern
    assume(is_possible(enter))
    compare(enter, rule, log)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_engine_finds_what_the_oracle_finds_in_many_more_logs(kind):
    """The same of a seeded generator; and there are matches among them, so that there is something to find."""
    random = Random(2026)
    count = 0
    for _ in range(150):
        enter, rule = a_pattern(random.choice, **kind)
        if is_possible(enter):
            count += sum(compare(enter, rule, a_log(random.choice)) for _ in range(10))
    assert count > 100
