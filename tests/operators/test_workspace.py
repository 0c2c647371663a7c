"""Definitions with mistakes in them: each is told with file, line, path, value and what to write instead; all at once.

And the language that is not there yet: refused by name, never ignored.
"""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.definitions import load_plan, read_directory
from operators.plan import compile_plan
from operators.workspace import Complaint, read_workspace
from state.errors import DefinitionsError, InputError

EXAMPLES = Path(__file__).parents[2] / "examples" / "journeys"
ORCHESTRATION = "timezone: UTC\nchannels: {email: {}, push: {}}\n"


def journey(top="", enter="event: A", step="id: s, send: email, template: t", name="j"):
    """A journey in five lines: name, `top`, enter, steps, the step."""
    return f"journey: {name}\n{top}\nenter: {{{enter}}}\nsteps:\n  - {{{step}}}\n"


def complaints(text=None, orchestration=ORCHESTRATION, **files):
    """What is said of a workspace of this journey."""
    texts = {"orchestration.yaml": orchestration, "j.yaml": journey() if text is None else text}
    texts |= {name.replace("__", "."): content for name, content in files.items()}
    return read_workspace({name: text for name, text in texts.items() if text is not None}).complaints


def only(text=None, **more):
    """The one complaint that there is."""
    found = complaints(text, **more)
    assert len(found) == 1, [str(complaint) for complaint in found]
    return found[0]


def readable(value):
    """Texts of files make no names for tests."""
    return "" if "\n" in str(value) else str(value)


# --- what is right


def test_the_examples_that_ship_have_no_mistake():
    """Whoever copies them begins with something that works."""
    workspace = read_directory(EXAMPLES)
    assert workspace.complaints == []
    assert "category-interest" in [one.journey for one in workspace.journeys]


def test_a_journey_of_five_lines_is_enough():
    """All the rest has defaults."""
    assert complaints() == []


def test_journeys_are_in_the_order_of_their_names_and_scenarios_are_no_journeys():
    """Whatever the files are called, in whatever order they are read."""
    workspace = read_workspace(
        {
            "z.yaml": journey(name="a"),
            "sub/b.yml": journey(name="c"),
            "a.yaml": journey(name="b"),
            "a.test.yaml": "journey: a\nscenarios: [{name: it, events: [{at: 2026-01-05T10:00:00Z, event: page}]}]",
            "orchestration.yaml": ORCHESTRATION,
        }
    )
    assert workspace.complaints == []
    assert [one.journey for one in workspace.journeys] == ["a", "b", "c"]
    assert list(workspace.scenarios) == ["a.test.yaml"]


def test_a_channel_without_settings_needs_no_braces():
    """`email:` alone."""
    assert complaints(orchestration="timezone: UTC\nchannels:\n  email:\n  push: {}\n") == []


def test_without_channels_there_are_those_that_ship():
    """Seven of them."""
    for channel in "email", "push", "sms", "in_app", "ads", "web", "call_center":
        assert complaints(journey(step=f"id: s, send: {channel}, template: t"), orchestration="timezone: UTC") == []


# --- how a mistake is told


def test_a_complaint_names_file_line_path_value_and_what_to_write():
    """One line for a person."""
    text = "journey: j\nenter:\n  pattern:\n    - event: A\n      times: 0\n  within: 5 d\nsteps:\n  - {send: email, template: t}\n"
    told = [str(complaint) for complaint in complaints(text)]
    assert len(told) == 2
    assert told[0].startswith("j.yaml:5: enter.pattern[0].times: ")
    assert told[0].endswith("(it is 0)")
    assert told[1] == "j.yaml:6: enter.within: '5 d' is not a duration: write 5d"


def test_complaints_come_in_the_order_of_files_and_lines():
    """As an editor would walk them."""
    found = complaints(journey("foo: 1\nbar: 2", "event: A, baz: 3"), a__yaml=journey("qux: 1", name="k"))
    assert [(one.file, one.line) for one in found] == [("a.yaml", 2), ("j.yaml", 2), ("j.yaml", 3), ("j.yaml", 4)]


@pytest.mark.parametrize(
    ("text", "line", "path", "says"),
    [
        # names
        (journey(name="two words"), 1, "journey", "a name is made of letters, digits, `-` and `_`"),
        (journey(name="-x"), 1, "journey", "begins with a letter or digit"),
        (journey(name="x" * 101), 1, "journey", "at most 100"),
        (journey(name="5"), 1, "journey", "put it in quotes"),
        (journey(name="yes"), 1, "journey", "put it in quotes"),
        (journey(name="2026-01-01"), 1, "journey", "put it in quotes"),
        (journey(name=""), 1, "journey", "put it in quotes"),
        (journey("tags: [a b]"), 2, "tags[0]", "a name is made of letters"),
        (journey("tags: [ok, 5]"), 2, "tags[1]", "put it in quotes"),
        (journey("tags: marketing"), 2, "tags", "list"),
        (journey(step="id: a b, send: email, template: t"), 5, "steps[0].id", "a name is made of letters"),
        (journey(step="id: 5, send: email, template: t"), 5, "steps[0].id", "put it in quotes"),
        # numbers
        (journey("version: 0"), 2, "version", "(it is 0)"),
        (journey("version: '1'"), 2, "version", "(it is '1')"),
        (journey("version: 1.5"), 2, "version", "(it is 1.5)"),
        (journey("version: true"), 2, "version", "(it is True)"),
        (journey("priority: 101"), 2, "priority", "(it is 101)"),
        (journey("priority: -1"), 2, "priority", "(it is -1)"),
        (journey("priority: high"), 2, "priority", "(it is 'high')"),
        # texts
        (journey("description: 5"), 2, "description", "put it in quotes"),
        (journey(step="id: s, send: email, template: ''"), 5, "steps[0].template", "at least 1"),
        (journey(step="id: s, send: email, template: yes"), 5, "steps[0].template", "put it in quotes"),
        (journey(step="id: s, send: email, template: 404"), 5, "steps[0].template", "put it in quotes"),
        (journey(step="id: s, send: email, template: [t]"), 5, "steps[0].template", "(it is ['t'])"),
        # what enters
        (journey(enter="event: 404"), 3, "enter.event", "put it in quotes"),
        (journey(enter="event: yes"), 3, "enter.event", "put it in quotes"),
        (journey(enter="event: [A, 404]"), 3, "enter.event[1]", "put it in quotes"),
        (journey(enter="event: []"), 3, "enter.event", "at least 1"),
        (journey(enter="event: {name: A}"), 3, "enter.event", "list"),
        (journey(enter="pattern: [{event: 404}]"), 3, "enter.pattern[0].event", "put it in quotes"),
        (journey(enter="pattern: []"), 3, "enter.pattern", "at least 1"),
        (journey(enter="pattern: {event: A}"), 3, "enter.pattern", "list"),
        (journey(enter="pattern: [A]"), 3, "enter.pattern[0]", "(it is 'A')"),
        (journey(enter="event: A, pattern: [{event: A}]"), 3, "enter", "say what enters: one of event, pattern, segment, schedule"),
        (journey(enter="key: properties.x"), 3, "enter", "say what enters: one of event, pattern, segment, schedule"),
        (journey(enter=""), 3, "enter", "say what enters: one of event, pattern, segment, schedule"),
        (journey(enter="pattern: [{event: A, times: 3}]"), 3, "enter", "as in: within: 5d"),
        (journey(enter="pattern: [{event: A, without: {event: B}}]"), 3, "enter", "`without` needs `within`"),
        (journey(enter="pattern: [{event: A, times: 0}], within: 1d"), 3, "enter.pattern[0].times", "(it is 0)"),
        (journey(enter="pattern: [{event: A, times: 129}], within: 1d"), 3, "enter.pattern[0].times", "128 (it is 129)"),
        (journey(enter="pattern: [{event: A, times: '3'}], within: 1d"), 3, "enter.pattern[0].times", "(it is '3')"),
        (journey(enter="pattern: [{event: A, times: 2.0}], within: 1d"), 3, "enter.pattern[0].times", "(it is 2.0)"),
        (journey(enter="pattern: [{event: A, times: true}], within: 1d"), 3, "enter.pattern[0].times", "(it is True)"),
        (journey(enter="pattern: [{event: A, times: {at_least: 0}}], within: 1d"), 3, "enter.pattern[0].times.at_least", "(it is 0)"),
        # durations
        (journey(enter="event: A, within: 5"), 3, "enter.within", "no unit"),
        (journey(enter="event: A, within: 5 days"), 3, "enter.within", "write 5d"),
        (journey(enter="event: A, within: 0d"), 3, "enter.within", "above zero"),
        (journey(enter="event: A, max_age: 3M"), 3, "enter.max_age", "'M' is not a unit"),
        (journey(enter="event: A, max_age: yes"), 3, "enter.max_age", "not a duration"),
        (journey(step="id: s, send: email, template: t, expires: 2 hours"), 5, "steps[0].expires", "write 2h"),
        (journey(step="id: s, send: email, template: t, expires: 48"), 5, "steps[0].expires", "no unit"),
        # re-entry
        (journey(enter="event: A, again: sometimes"), 3, "enter.again", "'sometimes' is no re-entry rule; write never, always"),
        (journey(enter="event: A, again: after"), 3, "enter.again", "as in: after 5d"),
        (journey(enter="event: A, again: after 5"), 3, "enter.again", "no unit"),
        (journey(enter="event: A, again: 5d"), 3, "enter.again", "as in: after 5d"),
        # paths
        (journey(enter="event: A, key: category"), 3, "enter.key", "write properties.category"),
        (journey(enter="event: A, key: event.properties.x"), 3, "enter.key", "write properties.x"),
        (journey(enter="event: A, key: propertis.x"), 3, "enter.key", "write properties.x"),
        (journey(enter="event: A, key: 5"), 3, "enter.key", "put it in quotes"),
        (journey(enter="pattern: [{event: A, by: a b}]"), 3, "enter.pattern[0].by", "path"),
        (
            journey(enter="pattern: [{event: A, by: properties.x, without: {event: B, by: x}}], within: 1d"),
            3, "enter.pattern[0].without.by", "write properties.x",
        ),
        # without
        (
            journey(enter="pattern: [{event: A, without: {event: B, over: windw}}], within: 1d"),
            3, "enter.pattern[0].without.over", "'span' or 'window' (it is 'windw')",
        ),
        (
            journey(enter="pattern: [{event: A, without: {over: window}}], within: 1d"),
            3, "enter.pattern[0].without", "`event` is missing",
        ),
        (journey(enter="pattern: [{event: A, without: B}], within: 1d"), 3, "enter.pattern[0].without", "(it is 'B')"),
        # expressions
        (journey(enter="event: A, where: 'propertis.x == 1'"), 3, "enter.where", "write 'properties'"),
        (journey(enter="event: A, where: 'properties.x = 1'"), 3, "enter.where", "write == to compare"),
        (journey(enter="event: A, where: ''"), 3, "enter.where", "write"),
        (journey(enter="event: A, where: yes"), 3, "enter.where", "put it in quotes"),
        (
            journey(enter="pattern: [{event: A, where: 'x('}]"),
            3, "enter.pattern[0].where", "column 2",
        ),
        # templates
        (journey(step="id: s, send: email, template: t, with: {a: '{{ x'}"), 5, "steps[0].with.a", "is no Jinja2"),
        (journey(step="id: s, send: email, template: t, with: {a: '{{ entri.x }}'}"), 5, "steps[0].with.a", "did you mean 'entry'?"),
        (journey(step="id: s, send: email, template: t, with: {a: [1, '{{ x }}']}"), 5, "steps[0].with.a", "'x'"),
        (journey(step="id: s, send: email, template: t, with: {a: 2026-01-01}"), 5, "steps[0].with.a", "date"),
        (journey(step="id: s, send: email, template: t, with: {a: .nan}"), 5, "steps[0].with.a", "infinite, or none"),
        (journey(step="id: s, send: email, template: t, with: [a]"), 5, "steps[0].with", "(it is ['a'])"),
        # steps
        ("journey: j\nenter: {event: A}\nsteps: []\n", 3, "steps", "at least 1"),
        ("journey: j\nenter: {event: A}\nsteps: {send: email}\n", 3, "steps", "list"),
        ("journey: j\nenter: {event: A}\nsteps:\n  - email\n", 4, "steps[0]", "as in: send: email"),
        ("journey: j\nenter: {event: A}\nsteps:\n  - {mail: x}\n", 4, "steps[0]", "it has 'mail'; a step has one of send"),
        (journey(step="id: s, send: email"), 5, "steps[0]", "`template` is missing"),
        (journey(step="id: s, template: t"), 5, "steps[0]", "`send` is missing"),
        (journey(step="id: s, send: yes, template: t"), 5, "steps[0].send", "put it in quotes"),
        (journey(step="id: s, send: 5, template: t"), 5, "steps[0].send", "put it in quotes"),
        (journey(step="id: s, send: emial, template: t"), 5, "steps[0].send", "there is no channel 'emial'; did you mean 'email'?"),
        (journey(step="id: s, send: fax, template: t"), 5, "steps[0].send", "there are: email, push"),
        # what is missing
        ("enter: {event: A}\nsteps: [{send: email, template: t}]\n", 1, "", "`journey` is missing"),
        ("journey: j\nsteps: [{send: email, template: t}]\n", 1, "", "`enter` is missing"),
        ("journey: j\nenter: {event: A}\n", 1, "", "`steps` is missing"),
        ("journey: j\nenter:\nsteps: [{send: email, template: t}]\n", 2, "enter", ""),
        # a file that is none
        ("", 1, "", "it begins with `journey:`"),
        ("# nothing\n", 1, "", "it begins with `journey:`"),
        ("- journey: j\n", 1, "", "it begins with `journey:`"),
        ("journey j\n", 1, "", "it begins with `journey:`"),
        ("5\n", 1, "", "it begins with `journey:`"),
    ],
    ids=readable,
)  # fmt: skip
def test_a_mistake_in_a_journey_has_its_message(text, line, path, says):
    """File, line, path, and what is wrong or what would be right."""
    complaint = only(text)
    assert (complaint.file, complaint.line, complaint.path) == ("j.yaml", line, path)
    assert says in str(complaint)


@pytest.mark.parametrize(
    ("orchestration", "line", "path", "says"),
    [
        ("channels: {email: {}}\n", 1, "", "`timezone` is missing"),
        ("timezone: Berlin\n", 1, "timezone", "'Berlin' is no time zone; write one of the IANA database"),
        ("timezone: ../../etc/passwd\n", 1, "timezone", "is no time zone"),
        ("timezone: ''\n", 1, "timezone", "is no time zone"),
        ("timezone: Europe\n", 1, "timezone", "is no time zone"),
        ("timezone: 1\n", 1, "timezone", "put it in quotes"),
        ("\ntimezone: UTC\nchannels: [email]\n", 3, "channels", "(it is ['email'])"),
        ("timezone: UTC\nchannels:\n  email: on\n", 3, "channels.email", "(it is True)"),
        ("timezone: UTC\nchannels:\n  'e mail': {}\n  email: {}\n", 3, "channels.e mail", "a name is made of letters"),
        ("[]\n", 1, "", "it begins with `timezone:`"),
        ("", 1, "", "it begins with `timezone:`"),
    ],
    ids=readable,
)
def test_a_mistake_in_the_orchestration_has_its_message(orchestration, line, path, says):
    """The same for what holds for all."""
    complaint = only(orchestration=orchestration)
    assert (complaint.file, complaint.line, complaint.path) == ("orchestration.yaml", line, path)
    assert says in str(complaint)


def test_a_workspace_without_an_orchestration_says_what_to_write():
    """At the file that should be there."""
    complaint = only(orchestration=None)
    assert complaint.file == "orchestration.yaml"
    assert "timezone: Europe/Berlin" in complaint.message


def test_a_workspace_without_a_journey_says_what_one_is():
    """An empty directory is a mistake, too."""
    (complaint,) = read_workspace({"orchestration.yaml": ORCHESTRATION}).complaints
    assert "NAME.yaml" in complaint.message


def test_a_name_that_two_journeys_have_is_told_with_the_other_file():
    """In the second of them."""
    complaint = only(k__yaml=journey())
    assert complaint == Complaint("k.yaml", 1, "journey", "the journey 'j' is in j.yaml already; choose another name")


def test_a_step_id_that_stands_twice_is_told_with_the_other_line():
    """Also where one is the default of a place."""
    step = "  - {id: s, send: email, template: t}\n"
    complaint = only(journey() + step)
    assert (complaint.line, complaint.path) == (6, "steps[1].id")
    assert "the step 's' stands in line 5 already" in complaint.message
    complaint = only(journey(step="id: '2', send: email, template: t") + "  - {send: email, template: t}\n")
    assert "'2'" in complaint.message


# --- unknown keys


@pytest.mark.parametrize(
    ("text", "path", "near"),
    [
        (journey("prioriy: 5"), "prioriy", "priority"),
        (journey("Tags: [a]"), "Tags", "tags"),
        (journey("goals: {}"), "goals", "goal"),
        (journey(enter="event: A, agian: never"), "enter.agian", "again"),
        (journey(enter="event: A, max-age: 1d"), "enter.max-age", "max_age"),
        (journey(enter="pattern: [{event: A, time: 3}], within: 1d"), "enter.pattern[0].time", "times"),
        (
            journey(enter="pattern: [{event: A, times: {atleast: 2, at_least: 2}}], within: 1d"),
            "enter.pattern[0].times.atleast", "at_least",
        ),
        (
            journey(enter="pattern: [{event: A, without: {event: B, were: x}}], within: 1d"),
            "enter.pattern[0].without.were", "where",
        ),
        (journey(step="id: s, send: email, template: t, expire: 1h"), "steps[0].expire", "expires"),
        (journey(step="id: s, send: email, template: t, wiht: {}"), "steps[0].wiht", "with"),
        (journey(step="id: s, send: email, template: t, with_: {a: 1}"), "steps[0].with_", "with"),
    ],
    ids=readable,
)  # fmt: skip
def test_an_unknown_key_offers_the_nearest_right_name(text, path, near):
    """At any depth, and from among the names of that place."""
    complaint = only(text)
    assert (complaint.path, complaint.message.endswith(f"did you mean {near!r}?")) == (path, True), str(complaint)


@pytest.mark.parametrize(
    ("orchestration", "path", "near"),
    [
        ("timezone: UTC\nchanels: {}\n", "chanels", "channels"),
        ("timezone: UTC\nzone: UTC\n", "zone", "timezone"),
        ("timezone: UTC\nchannels: {email: {adress: x}}\n", "channels.email.adress", "address"),
        ("timezone: UTC\ncap: []\n", "cap", "caps"),
    ],
    ids=readable,
)
def test_an_unknown_key_of_the_orchestration_offers_the_nearest_right_name(orchestration, path, near):
    """Names that the language has and this version has not are right names, too."""
    complaint = only(orchestration=orchestration)
    assert (complaint.path, complaint.message.endswith(f"did you mean {near!r}?")) == (path, True), str(complaint)


def test_an_unknown_key_like_no_other_lists_those_that_there_are():
    """Better than nothing."""
    assert "there are: event, where, as, times" in only(journey(enter="pattern: [{event: A, zzzz: 3}]")).message


# --- several at once


def test_all_mistakes_of_a_workspace_are_told_at_once():
    """In all files, of all kinds: YAML, keys, values."""
    found = complaints(
        "journey: j j\npriority: 200\nfoo: 1\nenter: {event: A, again: x, key: y, max_age: 1}\n"
        "steps:\n  - {send: email, template: t, expires: 1}\n  - {wait: 0d}\n  - {send: email}\n  - {send: email, template: 5}\n",
        orchestration="timezone: Mars\nbar: 1\n",
        k__yaml="journey: k\nat: 18:30\njourney: k\n",
        l__yaml="a: [",
        traits__yaml="a: {count: X, within: 0d}\n",
    )
    assert [(one.file, one.line, one.path) for one in found] == [
        ("j.yaml", 1, "journey"),
        ("j.yaml", 2, "priority"),
        ("j.yaml", 3, "foo"),
        ("j.yaml", 4, "enter.again"),
        ("j.yaml", 4, "enter.key"),
        ("j.yaml", 4, "enter.max_age"),
        ("j.yaml", 6, "steps[0].expires"),
        ("j.yaml", 7, "steps[1].wait"),
        ("j.yaml", 8, "steps[2]"),
        ("j.yaml", 9, "steps[3].template"),
        ("k.yaml", 1, ""),  # no `enter`
        ("k.yaml", 1, ""),  # no `steps`
        ("k.yaml", 2, ""),  # 18:30
        ("k.yaml", 2, "at"),
        ("k.yaml", 3, ""),  # `journey` twice
        ("l.yaml", 2, ""),
        ("orchestration.yaml", 1, "timezone"),
        ("orchestration.yaml", 2, "bar"),
        ("traits.yaml", 1, "a.within"),
    ]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        # what no single field can see, beside a mistake in a field
        (journey("foo: 1", "pattern: [{event: A, times: 3}]"), ["foo", "enter"]),
        (journey(enter="pattern: [{event: A, times: 3}], foo: 1"), ["enter.foo", "enter"]),
        (journey(enter="pattern: [{event: A, times: 3}], again: x"), ["enter.again", "enter"]),
        (journey("foo: 1", step="id: s, send: fax, template: t"), ["foo", "steps[0].send"]),
        (journey(step="id: s, send: fax, template: t, expires: 5 d"), ["steps[0].expires", "steps[0].send"]),
        (journey("foo: 1") + "  - {id: s, send: email, template: t}\n", ["foo", "steps[1].id"]),
        (journey(step="id: s, send: fax, template: t") + "  - {wait: 0d}\n", ["steps[0].send", "steps[1].wait"]),
        (journey(enter="where: 'x ='"), ["enter.where", "enter"]),
    ],
    ids=readable,
)
def test_a_mistake_does_not_hide_another(text, paths):
    """`check` names every mistake at once, not one per run."""
    assert sorted(complaint.path for complaint in complaints(text)) == sorted(paths)


def test_a_mistake_in_one_file_does_not_hide_those_between_files():
    """Unknown channels and names that stand twice, beside a journey or an orchestration with another mistake."""
    found = complaints(journey("foo: 1"), k__yaml=journey(name="j"))
    assert sorted((one.file, one.path) for one in found) == [("j.yaml", "foo"), ("k.yaml", "journey")]
    found = complaints(journey(step="id: s, send: fax, template: t"), orchestration=ORCHESTRATION + "bar: 1\n")
    assert sorted((one.file, one.path) for one in found) == [("j.yaml", "steps[0].send"), ("orchestration.yaml", "bar")]


def test_files_that_say_nothing_are_let_be():
    """They are kept for later."""
    for file in "traits__yaml", "segments__yaml", "offers__yaml":
        assert complaints(**{file: "# nothing yet\n"}) == []


# --- traits and segments

TRAITS = "orders: {count: Order Completed}\norders_90d: {count: Order Completed, within: 90d}\n"
SEGMENTS = "vip: traits.orders >= 3\n"


@pytest.mark.parametrize(
    "text",
    [
        journey(enter="segment: {entered: vip}, where: traits.orders > 5"),
        journey(enter="schedule: {cron: '0 10 * * mon', segment: vip}"),
        journey(enter="schedule: {cron: '0 10 * * mon'}"),
        journey("exit: [{left: vip}, {when: traits.orders > 3}]"),
        journey(enter="event: A, where: '\"vip\" not in segments and traits.orders_90d > 1'"),
        journey(
            step="id: s, send: email, template: t, with: {n: '{{ traits.orders }}', v: '{{ \"vip\" in segments }}'}"
        ),
        journey(step="id: w, wait: {until: now + 1d * traits.orders}"),
    ],
    ids=readable,
)
def test_traits_and_segments_may_be_read_wherever_there_is_an_expression(text):
    """And in templates; and enter, and end."""
    assert complaints(text, traits__yaml=TRAITS, segments__yaml=SEGMENTS) == []


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        (journey(enter="segment: {entered: vap}"), "enter.segment.entered", "did you mean 'vip'?"),
        (journey(enter="segment: {left: vap}"), "enter.segment.left", "there is no segment 'vap'"),
        (journey(enter="segment: {entered: vip, left: vip}"), "enter.segment", "either `entered` or `left`"),
        (journey(enter="segment: {}"), "enter.segment", "either `entered` or `left`"),
        (journey(enter="segment: {entered: vip}, key: properties.x"), "enter.key", "leave it out"),
        (journey(enter="schedule: {cron: '0 25 * * *'}"), "enter.schedule.cron", "'25' is no hour"),
        (journey(enter="schedule: {segment: vip}"), "enter.schedule", "`cron` is missing"),
        (journey(enter="schedule: {cron: '0 10 * * *', segment: vap}"), "enter.schedule.segment", "'vap'"),
        (journey(enter="event: A, where: traits.ordres > 1"), "enter.where", "did you mean 'orders'?"),
        (journey(enter="pattern: [{event: A, where: '\"vap\" in segments'}]"), "enter.pattern[0].where", "'vap'"),
        (journey("exit: [{entered: vap}]"), "exit[0].entered", "'vap'"),
        (journey("exit: [{when: traits.orders_90d < 1}]"), "exit[0].when", "make a segment of it"),
        (journey("goal: {event: B, value: traits.x}"), "goal.value", "there is no trait 'x'"),
        (journey(step="id: w, wait: {until: traits.x}"), "steps[0].wait.until", "there is no trait 'x'"),
        (journey(step="id: b, branch: [{when: traits.x > 1}]"), "steps[0].branch[0].when", "there is no trait 'x'"),
        (journey(step="set: {a: {expr: traits.x}}"), "steps[0].set.a.expr", "there is no trait 'x'"),
        (
            journey(step="id: s, send: email, template: t, with: {a: [{b: '{{ traits.x }}'}]}"),
            "steps[0].with.a",
            "there is no trait 'x'",
        ),
    ],
    ids=readable,
)
def test_a_mistake_with_traits_and_segments_has_its_message(text, path, says):
    """At the place that reads them."""
    complaint = only(text, traits__yaml=TRAITS, segments__yaml=SEGMENTS)
    assert complaint.path == path
    assert says in complaint.message


@pytest.mark.parametrize(
    ("file", "text", "path", "says"),
    [
        ("traits", "- a\n", "", "as in: orders_90d: {count"),
        ("traits", "a-b: {count: X}\n", "a-b", "write letters, digits and `_`"),
        ("traits", "a: 5\n", "a", "a trait says what it computes"),
        ("traits", "a: {count: X, wihtin: 5d}\n", "a.wihtin", "did you mean 'within'?"),
        ("traits", "a: {count: X, within: 5}\n", "a.within", "5 is not a duration"),
        ("traits", "a: {}\n", "a", "a trait is one of count"),
        ("traits", "a: {entries: x}\n", "a.entries", "there is no journey 'x'"),
        ("segments", "a: 5\n", "a", "put it in quotes"),
        ("segments", "a: traits.x > 1\n", "a", "there is no trait 'x'"),
        ("segments", "a: hour(now) == 5\n", "a", ""),
        ("segments", "a: '\"b\" in segments'\nb: '\"a\" in segments'\n", "a", "made of itself"),
    ],
)
def test_a_mistake_in_traits_and_segments_has_its_message(file, text, path, says):
    """File, line, path."""
    complaint = complaints(**{f"{file}__yaml": text})[0]
    assert (complaint.file, complaint.line, complaint.path) == (f"{file}.yaml", 1, path)
    assert says in complaint.message


def test_a_without_that_agrees_in_a_value_needs_events_that_have_one():
    """`without.by` beside an element without `by` would agree with nothing: it is refused, not ignored."""
    enter = "pattern: [{event: A, without: {event: B, by: properties.c}}], within: 1d"
    complaint = only(journey(enter=enter))
    assert complaint.path.startswith("enter")
    assert "by" in complaint.message


# --- YAML's traps, as a workspace tells them


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (journey("at: 18:30"), 2, '"18:30"'),
        (journey("tags: [a]\ntags: [b]"), 3, "stands here twice"),
        ("journey: j\n\tenter: x\n", 2, "this is no YAML"),
        ("journey: [\n", 2, "this is no YAML"),
        (journey("description: a\x00b"), 2, "this is no YAML"),
        (journey("5: x"), 2, "the key '5' is not read as text"),
        (journey("on: x"), 2, "the key 'on' is not read as text"),
        (journey("description: 2026-13-45"), 2, "this is no YAML"),
        (
            journey(step=f"id: s, send: email, template: t, with: {{a: {'[' * 2_000}{']' * 2_000}}}"),
            5,
            "this is no YAML",
        ),
    ],
    ids=readable,
)
def test_a_trap_of_yaml_is_told_where_it_is(text, line, says):
    """File and line; other mistakes of the file may be told beside it."""
    found = [complaint for complaint in complaints(text) if says in complaint.message]
    assert [(complaint.file, complaint.line) for complaint in found] == [("j.yaml", line)], complaints(text)


# --- files


def test_a_directory_is_read_with_its_subdirectories(tmp_path):
    """Files are named relative to it."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "orchestration.yaml").write_text(ORCHESTRATION)
    (tmp_path / "sub" / "j.yaml").write_text(journey("foo: 1"))
    (tmp_path / "notes.txt").write_text("{{{")
    assert [one.file for one in read_directory(tmp_path).complaints] == ["sub/j.yaml"]
    with pytest.raises(DefinitionsError, match=r"sub/j\.yaml:2: foo: there is no key 'foo'"):
        load_plan(tmp_path)


def test_a_directory_without_mistakes_becomes_a_plan():
    """The examples, as they are run."""
    assert "category-interest" in [one.name for one in load_plan(EXAMPLES).journeys]


def test_a_file_that_is_not_utf_8_is_told_by_name(tmp_path):
    """With the byte at which it ends to be."""
    (tmp_path / "orchestration.yaml").write_text(ORCHESTRATION)
    (tmp_path / "j.yaml").write_bytes(journey("description: Gr\u00fc\u00dfe").encode("latin-1"))
    with pytest.raises(InputError, match=r"j\.yaml: is not UTF-8 text \(byte 26\); save it as UTF-8"):
        read_directory(tmp_path)


def test_a_directory_that_is_none_is_told(tmp_path):
    """With what to name instead."""
    with pytest.raises(InputError, match=r"is no directory; name the directory that holds orchestration\.yaml"):
        read_directory(tmp_path / "nowhere")


# --- whatever is written

TOKENS = [
    "journey: ", "enter: ", "event: ", "pattern:", "times: ", "within: ", "steps:", "- ", "send: ", "with: ", "where: ", "\n", "\n  ",
    "\n    ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<: *a", "!!set ", "!!omap ", "null", "yes", "5", "5d", "18:30", "'", '"', ": ",
    "{{ x }}", "{{", "${a}", "email", "properties.x", "#", "\t", "|", ">", "?", "99999999999999999999", "-1", "1.5", ".inf", "2026-01-01",
    "\u2028", "\x85", "é", "\x00", "x" * 300,
]  # fmt: skip
EXAMPLE = (EXAMPLES / "category-interest.yaml").read_text(encoding="utf-8")


def told(texts):
    """Read it: nothing is raised, every complaint has a line of its file, and what has none can be compiled."""
    workspace = read_workspace(texts)
    for complaint in workspace.complaints:
        assert 1 <= complaint.line <= len(texts.get(complaint.file, "").splitlines()) + 1
        assert "\n" not in str(complaint)
    if not workspace.complaints:
        compile_plan(workspace.orchestration, workspace.journeys)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(TOKENS), max_size=20).map("".join),
    st.lists(st.sampled_from(TOKENS), max_size=8).map("".join),
)
def test_whatever_is_written_a_workspace_is_read_or_told(text, orchestration):
    """Random pieces of YAML and of the language."""
    told({"j.yaml": text, "orchestration.yaml": ORCHESTRATION + orchestration})


def mutated(random):
    """The example journey with some places cut out, doubled, or overwritten."""
    text = EXAMPLE
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(text) + 1)
        end = min(start + random.choice([0, 1, 1, 5, 30]), len(text))
        text = text[:start] + random.choice([*TOKENS, text[start:end] * 2, ""]) + text[end:]
    return text


def test_whatever_is_done_to_the_example_it_is_read_or_told():
    """Mutations of a journey that is right; many of them are still right."""
    random = Random(11)
    for _ in range(700):
        told({"j.yaml": mutated(random), "orchestration.yaml": ORCHESTRATION})


VALUES = ["1", "-1", "yes", "null", "''", "x", "5d", "[]", "[x]", "{}", "{x: 1}", "1.5", "99999999999999999999", "'{{ x }}'", "2026-01-01",
          "'{{ entry.properties.x }}'", "[[[[1]]]]", ".nan", "1_000", "0x1F", "'18:30'", "after 5d", "properties.x", "email"]  # fmt: skip


def test_whatever_value_stands_in_the_example_it_is_taken_or_told():
    """Each value of the file in turn replaced by each of some."""
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        name, colon, _ = line.partition(":")
        if not colon or name.strip().startswith("#"):
            continue
        for value in VALUES:
            changed = [*lines[:number], f"{name}: {value}", *lines[number + 1 :]]
            told({"j.yaml": "\n".join(changed), "orchestration.yaml": ORCHESTRATION})
