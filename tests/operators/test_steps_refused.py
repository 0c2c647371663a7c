"""Mistakes in steps, goals, exits, params and `use`: each is told with file, line, path, and what to write instead."""

import pytest

from operators.plan import plan_of
from operators.workspace import read_workspace

ORCHESTRATION = "timezone: UTC\nchannels: {email: {}, push: {}}\n"
STEP = "{id: s, send: email, template: t}"


def journey(*steps, top=""):
    lines = "".join(f"  - {step}\n" for step in steps or (STEP,))
    return f"journey: j\nenter: {{event: A}}\n{top}\nsteps:\n{lines}"


def complaints(*texts):
    files = {f"{number}.yaml": text for number, text in enumerate(texts)}
    return read_workspace({"orchestration.yaml": ORCHESTRATION, **files}).complaints


def readable(value):
    return "" if "\n" in str(value) else str(value)


WAIT_FOR = "{id: w, wait_for: [{event: B}], timeout: 1d}"


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        # what a step is
        (journey("{mail: x}"), "steps[0]", "it has 'mail'; a step has one of send, choose, wait, wait_for, branch, split"),
        (journey("{}"), "steps[0]", "it has nothing"),
        (journey("wait"), "steps[0]", "a step is a mapping"),
        (journey("{wait: 1d, exit: x}"), "steps[0]", "one step does one thing, and this does `wait` and `exit`; write two steps"),
        (journey("{id: s, wiat: 3d}"), "steps[0]", "it has 'id', 'wiat'"),
        (journey("{use: other}"), "steps[0]", "it has 'use'"),
        (journey("{timeout: 3d}"), "steps[0]", "`wait_for` is missing"),
        (journey("{id: x y, wait: 3d}"), "steps[0].id", "a name is made of letters"),
        (journey("{id: exit, wait: 3d}"), "steps[0].id", "`migrate` means the way out by it"),
        (journey(STEP, STEP), "steps[1].id", "the step 's' stands in line 5 already; choose another id"),
        (journey(STEP, "{branch: [{do: [{id: s, exit: x}]}]}"), "steps[1].branch[0].do[0].id", "stands in line 5 already"),
        # waits
        (journey("{id: w, wait: 0d}"), "steps[0].wait", "'0d' is no time at all"),
        (journey("{id: w, wait: 5}"), "steps[0].wait", "5 is not a duration: it has no unit"),
        (journey("{id: w, wait: 5 days}"), "steps[0].wait", "write 5d"),
        (journey("{id: w, wait: '09:00'}"), "steps[0].wait", "is a time, not a duration; write {until: '09:00'}"),
        (journey("{id: w, wait: '2026-03-01'}"), "steps[0].wait", "is a time, not a duration"),
        (journey("{id: w, wait: {}}"), "steps[0].wait", "either `for` or `until`"),
        (journey("{id: w, wait: {for: 1d, until: '09:00'}}"), "steps[0].wait", "either `for` or `until`"),
        (journey("{id: w, wait: {until: '09:00', from: entry}}"), "steps[0].wait", "leave it out"),
        (journey("{id: w, wait: {for: 1d, from: exit}}"), "steps[0].wait.from", "'step' or 'entry'"),
        (journey("{id: w, wait: {until: '25:00'}}"), "steps[0].wait.until", "is not a clock time"),
        (journey("{id: w, wait: {until: mayday 09:00}}"), "steps[0].wait.until", "is no weekday"),
        (journey("{id: w, wait: {until: '2026-02-30'}}"), "steps[0].wait.until", "is no date"),
        (journey("{id: w, wait: {until: profil.day}}"), "steps[0].wait.until", "write 'profile'"),
        (journey("{id: w, wait: {until: 2026-03-01}}"), "steps[0].wait.until", "put it in quotes"),
        (journey("{id: w, wait: {until: 18:30}}"), "", 'put it in quotes: "18:30"'),
        # waiting for events
        (journey("{id: w, wait_for: [{event: B}]}"), "steps[0]", "a wait without an end: `timeout` is missing"),
        (journey("{id: w, wait_for: [], timeout: 1d}"), "steps[0].wait_for", "at least 1"),
        (journey("{id: w, wait_for: [{}], timeout: 1d}"), "steps[0].wait_for[0]", "either `event` or `outcome`"),
        (
            journey("{id: w, wait_for: [{event: B, outcome: opened}], timeout: 1d}"),
            "steps[0].wait_for[0]",
            "either `event` or `outcome`",
        ),
        (journey("{id: w, wait_for: [{event: B, of: s}], timeout: 1d}", STEP), "steps[0].wait_for[0].of", "belongs to `outcome`"),
        (
            journey(STEP, "{id: w, wait_for: [{outcome: opened, of: ss}], timeout: 1d}"),
            "steps[1].wait_for[0].of",
            "there is no step 'ss'; did you mean 's'?",
        ),
        (
            journey(STEP, "{id: w, wait_for: [{outcome: opened, of: w}], timeout: 1d}"),
            "steps[1].wait_for[0].of",
            "the step 'w' sends nothing; there are: s",
        ),
        (
            journey(STEP, "{id: w, wait_for: [{outcome: licked}], timeout: 1d}"),
            "steps[1].wait_for[0].outcome",
            "'clicked'",
        ),
        (
            journey("{id: w, wait_for: [{event: B, where: propertys.x > 1}], timeout: 1d}"),
            "steps[0].wait_for[0].where",
            "write 'properties'",
        ),
        (journey("{id: w, wait_for: [{event: B, again: 3}], timeout: 1d}"), "steps[0].wait_for[0].again", "again: {max: 3}"),
        (journey("{id: w, wait_for: [{event: B, again: {max: 0}}], timeout: 1d}"), "steps[0].wait_for[0].again.max", ""),
        (
            journey("{id: w, wait_for: [{event: B, again: true}], timeout: 1d, else: {again: true}}"),
            "steps[0].else.again",
            "a wait without an end: every way leads back to it",
        ),
        (journey("{id: w, wait_for: [{event: B}], timeout: 1d, else: {dew: []}}"), "steps[0].else.dew", "there are: do, again"),
        # branches and experiments
        (journey("{branch: []}"), "steps[0].branch", "at least 1"),
        (
            journey("{branch: [{do: []}, {when: profile.x, do: []}]}"),
            "steps[0].branch[0]",
            "only the last way may do without `when`",
        ),
        (journey("{branch: [{when: x == 1}]}"), "steps[0].branch[0].when", "'x' is not a name here"),
        (journey("{split: {arms: {a: {}}}}"), "steps[0].split", "`name` is missing"),
        (journey("{split: {name: x, arms: {}}}"), "steps[0].split.arms", "at least 1"),
        (journey("{split: {name: x, arms: {a: {weight: 0}, b: {weight: 0}}}}"), "steps[0].split.arms", "write weights"),
        (journey("{split: {name: x, arms: {a: {weight: -1}, b: {}}}}"), "steps[0].split.arms.a.weight", "a number of 0 or more"),
        (journey("{split: {name: x, arms: {a: {wait: 1d}}}}"), "steps[0].split.arms.a.wait", "there is no key 'wait' here"),
        # who is reached
        (journey("{exit: x}", STEP), "steps[1]", "nobody reaches this step"),
        (journey("{branch: [{when: profile.x, do: [{exit: x}]}, {do: [{exit: y}]}]}", STEP), "steps[1]", "nobody reaches"),
        (journey("{split: {name: x, arms: {a: {do: [{exit: x}]}, b: {do: [{exit: y}]}}}}", STEP), "steps[1]", "nobody"),
        (
            journey("{id: w, wait_for: [{event: B, do: [{exit: b}]}], timeout: 1d, else: [{exit: e}]}", STEP),
            "steps[1]",
            "nobody reaches this step",
        ),
        (
            journey("{branch: [{when: profile.x, do: [{exit: x}, {wait: 1d}]}]}"),
            "steps[0].branch[0].do[1]",
            "nobody reaches this step",
        ),
        # channels
        (journey("{id: s, send: emial, template: t}"), "steps[0].send", "did you mean 'email'?"),
        (journey("{id: s, send: [push, emial], template: t}"), "steps[0].send[1]", "did you mean 'email'?"),
        (journey("{id: s, send: {best: [push, emial]}, template: t}"), "steps[0].send.best[1]", "did you mean 'email'?"),
        (journey("{id: s, send: [], template: t}"), "steps[0].send", "at least 1"),
        (journey("{suppress: emial}"), "steps[0].suppress", "there is no channel 'emial'"),
        (journey("{release: [emial]}"), "steps[0].release[0]", "there is no channel 'emial'"),
        (journey("{id: s, send: all, template: t}"), "steps[0].send", "there is no channel 'all'"),
        # the rest of steps
        (journey("{id: s, send: email, template: t, at: '9'}"), "steps[0].at", "is not a clock time"),
        (journey("{id: s, send: email, template: t, value: -1}"), "steps[0].value", "a number of 0 or more"),
        (journey("{id: s, send: email, template: t, attach: all}"), "steps[0].attach", "'profile'"),
        (journey("{suppress: email, for: 0d}"), "steps[0].for", "no time at all"),
        (journey("{set: {}}"), "steps[0].set", "at least 1"),
        (journey("{set: {a: {expr: x}}}"), "steps[0].set.a.expr", "'x' is not a name here"),
        (journey("{set: {a: 2026-01-01}}"), "steps[0].set.a", "put it in quotes"),
        (journey("{set: {a: .inf}}"), "steps[0].set.a", "JSON"),
        (journey("{exit: 5}"), "steps[0].exit", "put it in quotes"),
        (journey("{exit: no}"), "steps[0].exit", "put it in quotes"),
        # goals, control, exits
        (journey(top="control: 10%"), "control", "a control group without a goal measures nothing; write `goal`"),
        (journey(top="control: 10\ngoal: {event: B}"), "control", "as in: control: 10%"),
        (journey(top="control: 101%\ngoal: {event: B}"), "control", "from 0% to 100%"),
        (journey(top="goal: {}"), "goal", "`event` is missing"),
        (journey(top="goal: {event: B, within: 0d}"), "goal.within", "no time at all"),
        (journey(top="goal: {event: B, value: revenue}"), "goal.value", "a property of the event is properties.revenue"),
        (journey(top="goal: {event: B, by: category}"), "goal.by", "write properties.category"),
        (journey(top="exit: [goal]"), "exit[0]", "the journey has no goal; write `goal`"),
        (journey(top="exit: [gaol]"), "exit[0]", "write goal, or what ends the run"),
        (journey(top="exit: [{}]"), "exit[0]", "one of event, entered, left, when"),
        (journey(top="exit: [{event: B, when: profile.x}]"), "exit[0]", "one of event, entered, left, when"),
        (journey(top="exit: [{when: profile.x, where: properties.y}]"), "exit[0].where", "goes with `event` only"),
        (journey(top="exit: [{when: days_since(profile.x) > 3}]"), "exit[0].when", "make a segment of it"),
        (journey(top="exit: [{event: B, reason: ''}]"), "exit[0].reason", "at least 1"),
        (journey(top="exit: [{event: B, do: [{wait: 1d}]}]"), "exit[0].do[0]", "may only send, set, release"),
        (
            journey(top="exit: [{event: B, do: [{id: x, send: email, template: t, at: '09:00'}]}]"),
            "exit[0].do[0]",
            "leave `at` out",
        ),
        (journey(top="migrate: {old: nowhere}"), "migrate.old", "there is no step 'nowhere' in this version; there are: s, exit"),
        (journey(top="migrate: {s: exit}"), "migrate.s", "the step 's' is still here"),
        # params
        (journey(top="description: ${widow}\nparams: {window: 5d}"), "description", "there is no param 'widow'; did you mean 'window'?"),
        (journey(top="description: ${x}"), "description", "there is no param 'x'; write it, as in: params: {x: ...}"),
        (journey(top="params: [a]"), "params", "a mapping of names and values"),
    ],
    ids=readable,
)  # fmt: skip
def test_a_mistake_has_its_message(text, path, says):
    """One mistake, one complaint."""
    found = complaints(text)
    assert len(found) == 1, [str(one) for one in found]
    assert (found[0].file, found[0].path) == ("0.yaml", path)
    assert says in str(found[0])


@pytest.mark.parametrize(
    "text",
    [
        journey("{id: w, wait: {for: 1d, from: entry}}"),
        journey(
            "{id: w, wait_for: [{event: B, again: true}], timeout: 1d, else: {again: true}}", top="exit: [{event: C}]"
        ),
        journey("{id: w, wait_for: [{event: B, do: [{exit: b}]}], timeout: 1d, else: {again: true}}"),
        journey("{id: w, wait_for: [{event: B, do: [{exit: b}]}], timeout: 1d}", STEP),
        journey("{branch: [{when: profile.x, do: [{exit: x}]}]}", STEP),
        journey(top="control: 0%"),
        journey("{id: s, send: email, template: t, value: 0}"),
        journey("{set: {expr: {expr: profile.x}, b: {expr: 1, c: 2}}}"),
        journey(top="goal: {event: B}\nexit: [goal, {when: profile.x}]"),
        journey("{suppress: all, tag: [a, b]}", "{release: all}"),
    ],
    ids=readable,
)
def test_what_is_right_is_let_be(text):
    """No complaint where there is no mistake."""
    assert [str(one) for one in complaints(text)] == []


def test_mistakes_of_all_kinds_are_told_at_once():
    """None hides another."""
    text = journey(
        "{id: w, wait: 0d}", "{send: fax, template: t}", "{exit: x}", "{wiat: 3d}", top="control: 10%\nexit: [{}]"
    )
    paths = [one.path for one in complaints(text)]
    assert paths == ["control", "exit[0]", "steps[0].wait", "steps[1].send", "steps[3]", "steps[3]"]


def test_experiments_of_one_name_have_the_same_arms_everywhere():
    """Or the same customer would get other arms."""
    one = journey("{split: {name: x, arms: {a: {}, b: {}}}}")
    same = one.replace("journey: j", "journey: k")
    other = same.replace("b: {}", "b: {weight: 3}")
    assert complaints(one, same) == []
    (complaint,) = complaints(one, other)
    assert (complaint.file, complaint.path) == ("1.yaml", "steps[0].split.name")
    assert "has other arms or weights in 0.yaml:5; choose another name" in complaint.message


def test_channels_of_the_orchestration_are_those_there_are():
    """`all` is each of them."""
    text = journey("{suppress: all, for: 1d}")
    assert complaints(text) == []
    workspace = read_workspace({"orchestration.yaml": ORCHESTRATION, "j.yaml": text})
    assert plan_of(workspace).journeys[0].steps["1"].channels == ("email", "push")


# --- use

BASE = """
journey: base
params: {window: 5d, times: 3, channel: email, step: {id: s, send: email, template: t}}
priority: 60
tags: [marketing]
enter: {pattern: [{event: A, times: "${times}"}], within: "${window}"}
steps:
  - {id: w, wait: "${window}"}
  - "${step}"
  - {id: n, send: "${channel}", template: "${channel}-in-${window}"}
"""


def read(*texts):
    files = {f"{number}.yaml": text for number, text in enumerate(texts)}
    workspace = read_workspace({"orchestration.yaml": ORCHESTRATION, **files})
    assert workspace.complaints == [], [str(one) for one in workspace.complaints]
    return {one.journey: one for one in workspace.journeys}


def test_params_are_filled_in_with_their_types():
    """A value that is nothing else is the param itself; within a text it is text."""
    base = read(BASE)["base"]
    assert base.enter.pattern[0].times.exactly == 3
    assert (base.enter.within, base.steps[0].wait.for_) == ("5d", "5d")
    assert base.steps[1].id == "s"
    assert base.steps[2].template == "email-in-5d"


def test_use_makes_another_journey_of_one():
    """With other params; it may say its own priority, tags, control, version; the used one is a journey, too."""
    used = "journey: fast\nuse: base\nparams: {window: 1d, times: 2}\npriority: 90\ntags: [fast]\nversion: 4\n"
    journeys = read(used, BASE)
    assert sorted(journeys) == ["base", "fast"]
    fast = journeys["fast"]
    assert (fast.version, fast.priority, fast.tags, fast.enter.within) == (4, 90, ["fast"], "1d")
    assert fast.enter.pattern[0].times.exactly == 2
    assert journeys["base"].enter.within == "5d"


def test_use_of_a_use_adds_its_params():
    """The nearest value holds."""
    one = "journey: one\nuse: base\nparams: {window: 1d}\ntags: [one]\n"
    two = "journey: two\nuse: one\nparams: {times: 2}\n"
    journeys = read(BASE, one, two)
    assert (journeys["two"].enter.within, journeys["two"].enter.pattern[0].times.exactly) == ("1d", 2)
    assert (journeys["two"].tags, journeys["two"].priority) == (["one"], 60)


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("journey: k\nuse: bass\n", "use", "there is no journey 'bass'; did you mean 'base'?"),
        ("journey: k\nuse: k\n", "use", "journeys use each other in a circle: k -> k"),
        ("journey: k\nuse: 5\n", "use", "`use` names a journey"),
        ("journey: k\nuse: base\nparams: {widow: 1d}\n", "params.widow", "has no param 'widow'; did you mean 'window'?"),
        ("journey: k\nuse: base\nsteps: []\n", "steps", "`steps` is that of the journey that is used"),
        ("journey: k\nuse: base\nparams: {window: 0d}\n", "params", "with these params, enter.within in 0.yaml: '0d' is no time"),
        ("journey: k\nuse: base\nparams: {channel: fax}\n", "params", "with these params, steps[2].send in 0.yaml: there is no channel"),
        ("journey: k\nuse: base\npriority: 200\n", "priority", "less than or equal to 100"),
        ("journey: base\nuse: base\n", "journey", "the journey 'base' is in 0.yaml already"),
    ],
    ids=readable,
)  # fmt: skip
def test_a_mistake_in_a_use_is_told_where_it_is_made(text, path, says):
    """In the file that chooses the params."""
    found = [one for one in complaints(BASE, text) if one.path == path]
    assert found, [str(one) for one in complaints(BASE, text)]
    assert found[0].file == "1.yaml"
    assert says in found[0].message


def test_a_circle_is_told_with_its_way():
    """At each of its files."""
    found = complaints("journey: a\nuse: b\n", "journey: b\nuse: c\n", "journey: c\nuse: a\n")
    assert [one.file for one in found] == ["0.yaml", "1.yaml", "2.yaml"]
    assert "a -> b -> c -> a; one of them has to say its steps itself" in found[0].message


def test_a_mistake_of_the_used_journey_is_told_once():
    """At its own file."""
    broken = BASE.replace("priority: 60", "priority: 600")
    found = complaints(broken, "journey: k\nuse: base\n", "journey: l\nuse: base\nparams: {times: 2}\n")
    assert [(one.file, one.path) for one in found] == [("0.yaml", "priority")]
