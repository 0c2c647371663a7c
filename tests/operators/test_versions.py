"""Versions: customers inside finish on theirs, entries take the newest; what a change may not do; and what is kept."""

import pytest

from operators.plan import compile_plan, plan_of
from operators.versions import VERSIONS_MAX, change_mistakes, succeed
from operators.workspace import read_workspace
from operators.workspace_json import read_workspace_json, workspace_json
from state.errors import DefinitionsError
from tests.operators.life import DAY, HOUR, T0, Life, iso, when

ORCHESTRATION = "timezone: UTC\nchannels: {email: {}, push: {}}\n"


def version(number, steps, more="", again="always"):
    return f"journey: j\nversion: {number}\nenter: {{event: A, again: {again}}}\n{more}\nsteps:\n{steps}"


ONE = version(1, "  - {id: w, wait: 5d}\n  - {id: old, send: email, template: t}\n")
TWO = version(2, "  - {id: v, wait: 1d}\n  - {id: new, send: email, template: t}\n")


def workspace(*texts, **more):
    """One that may have mistakes."""
    files = {f"{number}.yaml": text for number, text in enumerate(texts)}
    return read_workspace({"orchestration.yaml": ORCHESTRATION, **files, **more})


# --- customers inside


def test_a_customer_inside_finishes_on_the_version_that_they_entered():
    """Whoever enters after it takes the newest."""
    life = Life(ONE)
    life.does("A")
    life.renew(TWO, older=[ONE])
    life.later(5 * DAY)
    assert life.sent == ["old"]
    assert life.actions[0]["version"] == 1
    life.does("A", HOUR)
    life.later(5 * DAY)
    assert life.sent == ["old", "new"]
    assert life.actions[1]["version"] == 2


def test_exits_and_goals_of_the_own_version_hold():
    """Those of the newest are for those who enter it."""
    old, new = (ONE + "", TWO + "")
    old = old.replace("\n\nsteps", "\nexit: [{event: X, reason: x}]\nsteps")
    new = new.replace("\n\nsteps", "\nexit: [{event: Y, reason: y}]\nsteps")
    life = Life(old)
    life.does("A")
    life.renew(new, older=[old])
    life.does("Y", HOUR)
    assert life.story[-1] == "waiting w"
    life.does("X", HOUR)
    assert life.story[-1] == "exited x"


def test_again_counts_over_all_versions():
    """Whoever entered version 1 enters version 2 no more, where it says never."""
    life = Life(ONE.replace("always", "never"))
    life.does("A")
    life.renew(TWO.replace("always", "never"), older=[ONE])
    life.does("A", 30 * DAY)
    assert life.count("entered") == 1


def test_migrate_puts_customers_at_a_step_into_the_new_version():
    """A wait counts from when it was reached; with the next event or timer of the customer."""
    life = Life(ONE)
    life.does("A")
    new = TWO.replace("\n\nsteps", "\nmigrate: {w: v}\nsteps").replace("wait: 1d", "wait: 3d")
    life.renew(new)
    life.does("A thing", HOUR)
    assert life.story[-1] == "waiting w"
    life.renew(new.replace("wait: 3d", "wait_for: [{event: B, do: [{exit: b}]}], timeout: 9d"))
    life.does("B", HOUR)
    assert life.story[-4:] == ["migrated v", "resumed v", "step 1.1.1", "exited b"]
    assert life.fact("exited")["version"] == 2


def test_a_migrated_wait_that_is_over_already_ends_at_once():
    """At the timer of the old one."""
    life = Life(ONE)
    life.does("A")
    life.renew(TWO.replace("\n\nsteps", "\nmigrate: {w: v}\nsteps"))
    life.later(9 * DAY)
    assert life.sent == ["new"]
    assert when(life.actions[0]) == T0 + 5 * DAY


def test_migrate_can_show_the_way_out():
    """And to a step that does not wait."""
    life = Life(ONE)
    life.does("A")
    life.renew(TWO.replace("\n\nsteps", "\nmigrate: {w: exit}\nsteps"))
    life.later(9 * DAY)
    assert life.story[-2:] == ["migrated exit", "exited migrated"]
    assert life.customer.runs == {}
    life = Life(ONE)
    life.does("A")
    life.renew(TWO.replace("\n\nsteps", "\nmigrate: {w: new}\nsteps"))
    life.later(9 * DAY)
    assert life.sent == ["new"]


def test_without_its_version_a_run_goes_on_where_its_step_still_is():
    """Nobody kept the old one: the newest has the step, or the run ends and says so."""
    life = Life(ONE)
    life.does("A")
    life.renew(version(3, "  - {id: w, wait: 9d}\n  - {id: third, send: push, template: t}\n"))
    life.later(20 * DAY)
    assert life.sent == ["third"]
    for gone in (TWO, "journey: k\nenter: {event: A}\nsteps: [{id: s, send: email, template: t}]\n"):
        life = Life(ONE)
        life.does("A")
        life.renew(gone)
        life.later(20 * DAY)
        assert life.story[-1] == "exited gone"
        assert (life.customer.runs, life.customer.timers) == ({}, {})


# --- what a change may not do


@pytest.mark.parametrize(
    ("after", "path", "says"),
    [
        (ONE.replace("5d", "6d"), "version", "write version: 2"),
        (version(0 + 1, "  - {id: w, wait: 5d}\n"), "version", "is not what version 1 was"),
        (TWO, "migrate", "may be waiting at the step 'w', which is gone; say where they go, as in: migrate: {w: exit}"),
        (
            TWO.replace("\n\nsteps", "\nmigrate: {w: exit, x: exit}\nsteps"),
            "migrate.x",
            "no version in use has a step 'x'",
        ),
    ],
)
def test_a_change_that_leaves_customers_standing_is_refused(after, path, says):
    """With what to write."""
    (complaint,) = change_mistakes(workspace(ONE), workspace(after))
    assert (complaint.file, complaint.path) == ("0.yaml", path)
    assert says in complaint.message


def test_an_older_version_does_not_take_the_place_of_a_newer_one():
    """The number counts up."""
    (complaint,) = change_mistakes(workspace(TWO), workspace(ONE))
    assert "write version: 3" in complaint.message


@pytest.mark.parametrize(
    "after",
    [
        ONE,
        ONE.replace("steps:", "description: Other words.\nsteps:"),
        TWO.replace("\n\nsteps", "\nmigrate: {w: v}\nsteps"),
        version(2, "  - {id: w, wait: 1d}\n"),
        "journey: k\nenter: {event: A}\nsteps: [{id: s, send: email, template: t}]\n",
    ],
)
def test_other_changes_are_all_right(after):
    """The same, other words for people, a way for all who wait; another journey."""
    assert list(change_mistakes(workspace(ONE), workspace(after))) == []


# --- what is kept


def test_the_versions_before_stay_among_the_definitions():
    """Those of journeys that are gone, too, for who is inside finishes them; each once."""
    other = "journey: k\nenter: {event: A}\nsteps: [{id: s, send: email, template: t}]\n"
    second = succeed(workspace(ONE, other), workspace(TWO))
    assert [(one.journey, one.version) for one in second.older] == [("j", 1), ("k", 1)]
    third = succeed(second, workspace(version(3, "  - {id: v, wait: 1d}\n")))
    assert [(one.journey, one.version) for one in third.older] == [("j", 1), ("j", 2), ("k", 1)]
    back = succeed(third, workspace(version(4, "  - {id: v, wait: 1d}\n"), other))
    assert [(one.journey, one.version) for one in back.older] == [("j", 1), ("j", 2), ("j", 3)]
    plan = plan_of(third)
    assert sorted(plan.versions) == [("j", 1), ("j", 2), ("j", 3), ("k", 1)]
    assert [one.version for one in plan.journeys] == [3]


def test_older_versions_are_bounded():
    """The newest of them stay."""
    before = workspace(version(1, "  - {id: v, wait: 1d}\n"))
    for number in range(2, VERSIONS_MAX + 10):
        before = succeed(before, workspace(version(number, "  - {id: v, wait: 1d}\n")))
    assert [one.version for one in before.older] == list(range(9, VERSIONS_MAX + 9))


# --- definitions as one text

RICH = """
journey: rich
version: 3
enter: {pattern: [{event: A, as: seen, times: 2}, {event: B, optional: true}, {event: C}], within: 5d, key: properties.k}
control: 12.5%
goal: {event: G, by: properties.k, value: "properties.v + 1"}
exit: [goal, {event: X, do: [{set: {gone: true}}]}, {left: vip}, {when: profile.dead}]
migrate: {old: w}
steps:
  - {id: w, wait: {until: monday 09:00}}
  - id: f
    wait_for:
      - {event: [B, C], where: seen is not None, do: [{send: {best: [email, push]}, template: t}], again: {max: 2}}
      - {outcome: opened}
    timeout: {for: 7d, from: entry}
    else: {do: [{suppress: all, tag: a, for: 3d}], again: true}
    rank: true
  - split: {name: x, arms: {a: {weight: 2.5}, b: {do: [{release: [email], tag: a}, {exit: b}]}}}
  - set: {a: {expr: "traits.orders + 1"}, b: {c: [1, 2.5, null, true]}}
  - {send: [push, email], template: t, with: {a: "{{ seen }}", b: [1]}, at: "09:00", value: 2.5, attach: profile, tags: [z]}
"""
FILES = {"traits.yaml": "orders: {count: Bought, within: 5d}\n", "segments.yaml": "vip: traits.orders > 2\n"}


def test_definitions_are_read_back_from_their_text():
    """All of them, the older versions too; and give the same hash."""
    before = succeed(workspace(ONE), workspace(TWO, RICH, **FILES))
    assert before.complaints == []
    text = workspace_json(before)
    again = read_workspace_json(text)
    assert again.journeys == before.journeys
    assert again.older == before.older
    assert (again.traits, again.segments) == (before.traits, before.segments)
    assert again.orchestration == before.orchestration
    assert workspace_json(again) == text
    assert plan_of(again).hash == plan_of(before).hash


def test_the_hash_is_of_what_definitions_say():
    """Not of comments, the order of files and keys, defaults written out, or params instead of values."""
    plain = "journey: j\nenter: {event: A}\nsteps:\n  - {id: w, wait: 5d}\n"
    same = [
        "# words\nsteps:\n- wait: {for: 5d}\n  id: w\nenter:\n  again: never\n  event: [A]\npriority: 50\njourney: j\nversion: 1\n",
        "journey: j\nparams: {long: 5d}\nenter: {event: A}\nsteps:\n  - {id: w, wait: '${long}'}\n",
    ]
    other = [plain.replace("5d", "6d"), plain.replace("A}", "B}"), plain.replace("id: w", "id: v")]
    hashes = [plan_of(workspace(text)).hash for text in (plain, *same, *other)]
    assert len(set(hashes[:3])) == 1
    assert len(set(hashes)) == 4
    assert plan_of(workspace(plain, **FILES)).hash != hashes[0]
    one = workspace(plain)
    assert compile_plan(one.orchestration, one.journeys).hash == hashes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "no JSON"),
        (b"[]", "format []"),
        (b'{"format": 2}', "format 2"),
        (b'{"format": 1}', "no mapping"),
        (b'{"format": 1, "orchestration": {"timezone": "UTC"}, "journeys": [{"journey": "j"}]}', "`enter` is missing"),
        (
            b'{"format": 1, "orchestration": {"timezone": "UTC", "cups": []}}',
            "there is no key 'cups' here",
        ),
    ],
)
def test_a_text_that_is_none_of_ours_is_refused(text, says):
    """In words."""
    with pytest.raises(DefinitionsError, match=says.replace("[", r"\[")):
        read_workspace_json(text)


def test_customers_inside_go_on_with_definitions_read_from_the_log():
    """The whole way: a newer version comes as text."""
    life = Life(ONE)
    life.does("A")
    before = workspace(ONE)
    after = read_workspace_json(workspace_json(succeed(before, workspace(TWO))))
    life.step = type(life.step)(plan_of(after))
    life.later(9 * DAY)
    assert [(action["step"], action["decided_at"]) for action in life.actions] == [("old", iso(T0 + 5 * DAY))]
