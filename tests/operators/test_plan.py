"""The compiled plan: what looks at which event, what of a definition arrives where, and the hash of definitions."""

from zoneinfo import ZoneInfo

import pytest

from operators.pattern_repeats import ELEMENT, FORBIDDEN
from operators.plan import compile_plan
from operators.workspace import read_workspace

DAY = 86_400_000
ORCHESTRATION = "timezone: Europe/Berlin\nchannels: {push: {}, email: {}}\n"
STEPS = "steps:\n  - {id: s, send: email, template: t}\n"


def plan_of(*journeys, orchestration=ORCHESTRATION):
    """The plan of a workspace without mistakes."""
    texts = {f"{number}.yaml": text for number, text in enumerate(journeys)}
    workspace = read_workspace({"orchestration.yaml": orchestration, **texts})
    assert not workspace.complaints, workspace.complaints
    return compile_plan(workspace.orchestration, workspace.journeys)


def the_journey(text):
    (journey,) = plan_of(text).journeys
    return journey


def named(name, enter="event: A"):
    return f"journey: {name}\nenter: {{{enter}}}\n{STEPS}"


# --- what looks at an event


def test_only_journeys_that_mention_an_event_look_at_it():
    """A journey costs nothing for events that it does not mention."""
    plan = plan_of(
        named("a", "event: [A, B]"), named("b", "pattern: [{event: B, without: {event: [C, D]}}], within: 1d")
    )
    looks = {name: [journey.name for journey in journeys] for name, journeys in plan.watches.items()}
    assert looks == {"A": ["a"], "B": ["a", "b"], "C": ["b"], "D": ["b"]}
    assert plan.watches_all == ()
    assert [plan.journeys[0].pattern.looks[name].roles for name in "AB"] == [ELEMENT, ELEMENT]
    assert [plan.journeys[1].pattern.looks[name].roles for name in "BCD"] == [ELEMENT, FORBIDDEN, FORBIDDEN]


def test_a_strict_journey_looks_at_events_of_every_name():
    """Whatever comes between matters; it stands among the others by name, for known names and unknown ones."""
    strict = "pattern: [{event: B}, {event: C, strict: true}], within: 1d"
    plan = plan_of(named("b", strict), named("a", "event: A"), named("c", "event: A"))
    assert {name: [journey.name for journey in journeys] for name, journeys in plan.watches.items()} == {
        "A": ["a", "b", "c"]
    }
    assert [journey.name for journey in plan.watches_all] == ["b"]


def test_an_event_that_is_wanted_and_forbidden_is_looked_at_once():
    """With both roles: seen twice, it would lie between the first match and itself."""
    both = "pattern: [{event: A, without: {event: [A, B], where: 'now > 1', over: window}}], within: 1d"
    looks = the_journey(named("a", both)).pattern.looks
    assert {name: look.roles for name, look in looks.items()} == {"A": ELEMENT, "B": FORBIDDEN}
    assert (looks["A"].also, looks["B"].also) == (looks["B"], None)


def test_names_of_events_are_taken_as_they_are():
    """Nothing is lowered, stripped or split; page and identify are names like others."""
    plan = plan_of(named("a", "event: [page, ' Order  Completed', 'äöü']"))
    assert set(plan.watches) == {"page", " Order  Completed", "äöü"}


@pytest.mark.parametrize(
    ("by", "path", "anywhere"),
    [("", "properties.c", False), ("by: any,", None, True), ("by: properties.d,", "properties.d", False)],
)
def test_a_without_agrees_in_the_value_of_its_element_unless_it_says_otherwise(by, path, anywhere):
    """By default that of the nearest element; `by: any` drops the test."""
    enter = f"pattern: [{{event: A, by: properties.c, without: {{event: B, {by} over: window}}}}], within: 1d"
    look = the_journey(named("a", enter)).pattern.looks["B"]
    assert (look.by.text if look.by else None, look.anywhere) == (path, anywhere)


def test_where_is_compiled_for_its_own_element():
    """That of `without` does not hold for what enters."""
    enter = "pattern: [{event: A, where: 'now > 1', without: {event: A, where: 'now > 2'}}], within: 1d"
    look = the_journey(named("a", enter)).pattern.looks["A"]
    assert (look.also.where.text, look.where.text) == ("now > 2", "now > 1")
    look = the_journey(named("a", "event: A, where: 'now > 3'")).pattern.looks["A"]
    assert look.where.text == "now > 3"


def test_expressions_that_are_allowed_and_probably_not_meant_are_warned_of():
    """With the journey's name, once for each expression."""
    (warning,) = plan_of(named("a", "event: [A, B], where: \"properties.x == 'a' or 'b'\"")).warnings
    assert warning.startswith("a: where ")
    assert plan_of(named("a", "event: A, where: 'now > 3'")).warnings == ()


# --- patterns


def test_a_bare_event_is_a_pattern_of_one():
    """Nothing is remembered for it; defaults are the design's."""
    journey = the_journey(named("a"))
    pattern = journey.pattern.repeats
    assert (pattern.times, pattern.within, pattern.max_age, pattern.without) == (1, 0, 3 * DAY, None)
    assert not pattern.remembers
    assert not pattern.keeps_contents
    assert (journey.version, journey.key, journey.again.rule) == (1, None, "never")


def test_durations_arrive_in_milliseconds():
    """`within`, `max_age`, `again`, `expires`."""
    enter = "pattern: [{event: A, times: 3}], within: 5d, max_age: 12h, again: after 90m"
    steps = "steps:\n  - {id: s, send: email, template: t, expires: 48h}\n"
    journey = the_journey(named("a", enter).replace(STEPS, steps))
    assert (journey.pattern.repeats.within, journey.pattern.repeats.max_age) == (5 * DAY, DAY // 2)
    assert (journey.again.rule, journey.again.period) == ("after", 5_400_000)
    assert journey.steps["s"].expires == 2 * DAY


def test_times_at_least_is_times_for_the_last_element():
    """A final `at_least: n` matches at the nth."""
    for times in "3", "{at_least: 3}":
        assert (
            the_journey(named("a", f"pattern: [{{event: A, times: {times}}}], within: 5d")).pattern.repeats.times == 3
        )


@pytest.mark.parametrize(
    ("value", "times", "ids", "whole"),
    [
        ("{{ entry.properties.x }}", 2, True, True),
        ("{{ entry.properties.c }}", 2, True, False),
        ("{% set e = entry %}{{ e.properties.c }}", 2, True, True),
        ("{{ first.properties.x }}", 2, True, True),
        ("{{ matched|length }}", 2, True, True),
        ("{{ first.properties.x }}", 1, False, True),
        ("first and matched", 2, True, False),
        ("{{ properties.x }}", 2, True, False),
    ],
)
def test_what_events_held_is_kept_only_where_it_is_read(value, times, ids, whole):
    """Of a match of several events the ids are kept; the rest where a template reads what they have not all alike."""
    enter = f"pattern: [{{event: A, times: {times}, by: properties.c}}], within: 5d"
    steps = f"steps:\n  - {{id: s, send: email, template: t, with: {{a: [{{b: '{value}'}}]}}}}\n"
    journey = the_journey(named("a", enter).replace(STEPS, steps))
    assert (journey.pattern.repeats.keeps_contents, journey.pattern.keeps_whole_events) == (ids, whole)


@pytest.mark.parametrize(
    ("rule", "open_at"),
    [("never", []), ("always", [0, 9, 10, 11]), ("after_exit", [0, 9, 10, 11]), ("after 10ms", [10, 11])],
)
def test_re_entry_opens_at_exactly_the_period_after_entry(rule, open_at):
    """`after D`: at entry + D it is open; of `after_exit` the runs under way decide, not the time."""
    again = the_journey(named("a", f"event: A, again: {rule}")).again
    assert [ms for ms in (0, 9, 10, 11) if again.is_open(100, 100 + ms)] == open_at


# --- steps


def test_steps_are_named_by_their_place_from_1_without_an_id():
    """Default ids are paths."""
    steps = (
        "steps:\n  - {send: email, template: a}\n  - {id: x, send: push, template: b}\n  - {send: email, template: c}\n"
    )
    journey = the_journey(named("a").replace(STEPS, steps))
    assert [(step.step, step.channels, step.template, step.next) for step in journey.steps.values()] == [
        ("1", ("email",), "a", "x"), ("x", ("push",), "b", "3"), ("3", ("email",), "c", None),
    ]  # fmt: skip


def test_tags_of_a_step_are_added_to_those_of_the_journey_once():
    """In the order in which they are written."""
    text = "journey: a\ntags: [m, o]\nenter: {event: A}\nsteps:\n  - {send: email, template: t, tags: [o, x]}\n"
    journey = the_journey(text)
    assert journey.steps["1"].tags == ("m", "o", "x")
    assert journey.description["tags"] == ["m", "o"]


def test_expressions_know_the_journey():
    """Its name, version, tags and priority."""
    journey = the_journey(f"journey: a\nversion: 4\npriority: 7\ntags: [m]\nenter: {{event: A}}\n{STEPS}")
    assert journey.description == {"name": "a", "version": 4, "tags": ["m"], "priority": 7}


def test_the_plan_knows_channels_and_zone():
    """Channels in order, so that equal plans are equal."""
    plan = plan_of(named("a"))
    assert plan.channels == ("email", "push")
    assert plan.zone == ZoneInfo("Europe/Berlin")


# --- constants of every kind


@pytest.mark.parametrize(
    "value", ["99999999999999999999", "-99999999999999999999", "18446744073709551615", "0xFFFFFFFFFFFFFFFFFFFF"]
)
def test_a_number_beyond_64_bits_in_a_definition_can_be_compiled(value):
    """`check` finds no mistake in it, so a run must not either."""
    steps = f"steps:\n  - {{id: s, send: email, template: t, with: {{n: {value}}}}}\n"
    assert plan_of(named("a").replace(STEPS, steps)).hash


@pytest.mark.parametrize("depth", [60, 200, 300])
def test_what_is_nested_deeply_in_a_definition_is_refused_or_compiled(depth):
    """`check` and a run agree."""
    steps = f"steps:\n  - {{id: s, send: email, template: t, with: {{n: {'[' * depth}{']' * depth}}}}}\n"
    workspace = read_workspace({"orchestration.yaml": ORCHESTRATION, "a.yaml": named("a").replace(STEPS, steps)})
    if not workspace.complaints:
        assert compile_plan(workspace.orchestration, workspace.journeys).hash


# --- the hash of definitions

FULL = """\
journey: a
version: 1
description: d
priority: 60
tags: [m]
enter:
  pattern:
    - event: A
      where: now > 1
      times: 3
      by: properties.c
      without: {event: B, where: now > 2, by: any, over: window}
  within: 5d
  key: properties.c
  again: after 5d
  max_age: 72h
steps:
  - id: s
    send: email
    template: t
    with: {x: "{{ now }}", n: 1}
    expires: 48h
    tags: [o]
"""


def test_the_hash_does_not_depend_on_how_definitions_are_written():
    """Order of files and keys, comments, quotes, styles and defaults are no part of what they say."""
    same = [
        plan_of(named("a"), named("b")),
        plan_of(named("b"), named("a")),
        plan_of(
            "# x\nsteps:\n  - template: 't'\n    send: \"email\"\n    id: s\nenter: {event: [A]}\njourney: a\n",
            named("b"),
        ),
        plan_of(named("a", "event: A, again: never, max_age: 72h"), named("b")),
        plan_of(named("a"), named("b"), orchestration="channels:\n  push:\n  email:\ntimezone: Europe/Berlin"),
    ]
    assert len({plan.hash for plan in same}) == 1
    assert len(same[0].hash) == 32


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("journey: a", "journey: b"),
        ("version: 1", "version: 2"),
        ("description: d", "description: e"),
        ("priority: 60", "priority: 61"),
        ("tags: [m]", "tags: [n]"),
        ("event: A", "event: C"),
        ("where: now > 1", "where: now > 3"),
        ("times: 3", "times: 4"),
        ("by: properties.c", "by: properties.d"),
        ("event: B", "event: C"),
        ("now > 2", "now > 4"),
        ("by: any", "by: properties.c"),
        ("over: window", "over: span"),
        ("within: 5d", "within: 6d"),
        ("key: properties.c", "key: properties.d"),
        ("again: after 5d", "again: always"),
        ("max_age: 72h", "max_age: 71h"),
        ("id: s", "id: r"),
        ("send: email", "send: push"),
        ("template: t", "template: u"),
        ("{{ now }}", "{{ now + 1 }}"),
        (", n: 1", ", n: 2"),
        (", n: 1", ", m: 1"),
        ("expires: 48h", "expires: 49h"),
        ("tags: [o]", "tags: [p]"),
    ],
)
def test_the_hash_changes_with_whatever_definitions_say(before, after):
    """Each field of a journey."""
    assert before in FULL
    assert plan_of(FULL).hash != plan_of(FULL.replace(before, after, 1)).hash


def test_the_hash_changes_with_the_orchestration():
    """Zone and channels are part of the definitions."""
    others = [
        ORCHESTRATION,
        ORCHESTRATION.replace("Berlin", "Paris"),
        ORCHESTRATION.replace("{push", "{sms: {}, push"),
    ]
    assert len({plan_of(FULL, orchestration=text).hash for text in others}) == 3
