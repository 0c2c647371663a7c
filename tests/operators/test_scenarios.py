"""Scenarios: an invented customer lives, and what came of it is held against what was expected."""

import pytest

from operators.scenario_coverage import coverage_of
from operators.scenario_match import judge
from operators.scenario_run import ScenarioRunner
from operators.scenario_times import parse_time, since
from operators.workspace import read_workspace
from operators.zones import zone_named

ORCHESTRATION = "timezone: Europe/Berlin\nchannels: {email: {}, push: {}}"
JOURNEY = """
journey: welcome
control: 10%
goal: {event: Order Completed, within: 7d, value: properties.revenue}
exit: [goal]
enter: {event: Signed Up, again: always}
steps:
  - {id: hello, send: email, template: hello, with: {name: "{{ profile.name | default('you') }}", lines: 2}}
  - id: answer
    wait_for:
      - {outcome: clicked, of: hello, do: [{id: thanks, send: push, template: thanks}]}
      - {event: page, do: [{exit: looks around}]}
    timeout: 3d
    else:
      - split:
          name: subject
          arms:
            a: {do: [{id: short, send: email, template: short}]}
            b: {do: [{id: long, send: email, template: long, expires: 1d}]}
  - id: who
    branch:
      - when: profile.vip
        do: [{id: gift, send: email, template: gift}]
"""
SIGNED_UP = "{at: 2026-01-05T10:00:00Z, event: Signed Up}"


def workspace_of(scenarios, journey=JOURNEY, **more):
    """A workspace without mistakes, with the scenarios of one journey."""
    name = journey.split("journey: ")[1].split("\n")[0]
    texts = {"orchestration.yaml": ORCHESTRATION, "j.yaml": journey, **more}
    workspace = read_workspace({**texts, "j.test.yaml": f"journey: {name}\nscenarios:\n{scenarios}"})
    assert workspace.complaints == []
    return workspace


def run(scenario, journey=JOURNEY, **more):
    """One scenario: its life and the verdict."""
    workspace = workspace_of(f"  - {{name: it, {scenario}}}", journey, **more)
    found = workspace.scenarios["j.test.yaml"]
    life = ScenarioRunner(workspace).run(found.journey, found.scenarios[0])
    return life, judge(found.scenarios[0], life)


def verdict(scenario, journey=JOURNEY, **more):
    """How one scenario went."""
    return run(scenario, journey, **more)[1]


HELLO = "{at: +0s, kind: send, channel: email, step: hello}"


def test_the_clock_jumps_to_what_is_due_until_nothing_is_left():
    """Without `until`, all that the journey still does is seen."""
    life, how = run(
        f"arms: {{subject: b}}, events: [{SIGNED_UP}], expect: [{HELLO}, {{at: +3d, step: long, arm: b, expires_at: +4d}}]"
    )
    assert how.is_passed
    assert [one["fact"] for one in life.facts][-1] == "exited"


def test_until_ends_the_watch():
    """What comes later is not seen."""
    assert verdict(f"until: +2d, arms: {{subject: a}}, events: [{SIGNED_UP}], expect: [{HELLO}]").is_passed


def test_fields_that_are_not_named_are_free_inside_of_with_too():
    """But a named one must be equal, and of the same kind: 2 is not true."""
    start = f"until: +1d, profile: {{name: Zoe}}, events: [{SIGNED_UP}]"
    assert verdict(f"{start}, expect: [{{with: {{name: Zoe}}}}]").is_passed
    assert verdict(f"{start}, expect: [{{}}]").is_passed
    how = verdict(f"{start}, expect: [{{step: hello, with: {{lines: 3}}}}]")
    assert [row.differing for row in how.rows] == [("with",)]
    assert not verdict(f"{start}, expect: [{{with: {{lines: true}}}}]").is_passed


def test_an_action_that_nobody_expected_fails_the_scenario():
    """All actions, in order: nothing else."""
    how = verdict(f"until: +1d, events: [{SIGNED_UP}]")
    assert not how.is_passed
    assert [(row.expected, row.got["step"]) for row in how.rows] == [(None, "hello")]


def test_an_action_that_did_not_come_fails_the_scenario():
    """And those around it stay side by side."""
    how = verdict(
        f"arms: {{subject: a}}, events: [{SIGNED_UP}], expect: [{{step: thanks}}, {{step: hello}}, {{step: short}}]"
    )
    assert [row.is_equal for row in how.rows] == [False, True, True]
    assert how.rows[0].got is None


def test_actions_come_in_the_order_in_which_they_are_expected():
    """The same two the other way round fail."""
    how = verdict(f"arms: {{subject: a}}, events: [{SIGNED_UP}], expect: [{{step: short}}, {{step: hello}}]")
    assert not how.is_passed


def test_the_time_of_an_action_is_held_to_the_millisecond():
    """One off is wrong, and said to be."""
    how = verdict(f"until: +1d, events: [{SIGNED_UP}], expect: [{{at: +1ms, step: hello}}]")
    assert [row.differing for row in how.rows] == [("decided_at",)]


def test_feedback_finds_the_message_that_it_is_about():
    """`of` puts in the action's id, which no author knows."""
    how = verdict(
        f"events: [{SIGNED_UP}, {{at: +1h, event: Email Link Clicked, of: hello}}], "
        "expect: [{step: hello}, {at: +1h, channel: push, step: thanks}], facts: [{fact: resumed, branch: 1}]"
    )
    assert how.is_passed
    unrelated = verdict(f"until: +1h, events: [{SIGNED_UP}, {{at: +1h, event: SMS Clicked}}], expect: [{HELLO}]")
    assert unrelated.is_passed


def test_feedback_on_what_was_never_sent_is_no_scenario():
    """It is told, not passed over."""
    how = verdict(
        f"until: +1h, events: [{SIGNED_UP}, {{at: +1h, event: Email Link Clicked, of: thanks}}], expect: [{HELLO}]"
    )
    assert how.problems == ["the event 2 is about a message of thanks, which has sent none by then"]


def test_nobody_is_control_unless_the_scenario_says_so():
    """A control customer walks the journey and is sent nothing."""
    how = verdict(
        f"control: true, until: +1d, events: [{SIGNED_UP}], "
        "facts: [{fact: held_out}, {fact: withheld, gate: control, step: hello}], never: [{fact: sent}]"
    )
    assert how.is_passed
    everybody = JOURNEY.replace("10%", "100%")
    assert verdict(f"until: +1d, events: [{SIGNED_UP}], expect: [{HELLO}]", everybody).is_passed


def test_an_arm_left_to_chance_is_no_scenario():
    """Hashes must not decide tests."""
    how = verdict(f"events: [{SIGNED_UP}], expect: [{HELLO}, {{}}]")
    assert how.problems == [
        "which arm of subject the customer gets is left open; write it, as in: arms: {subject: ...}"
    ]


def test_facts_are_among_others_and_each_needs_one_of_its_own():
    """Two expected entries need two entries; the less exact one does not take the record of the other."""
    twice = f"until: +1d, events: [{SIGNED_UP}, {{at: +1h, event: Signed Up}}], expect: [{{}}, {{}}]"
    assert verdict(f"{twice}, facts: [{{fact: entered}}, {{fact: entered, at: +0s}}]").is_passed
    how = verdict(f"{twice}, facts: [{{fact: entered}}, {{fact: entered}}, {{fact: entered}}]")
    assert how.missing == [{"fact": "entered"}]


def test_what_must_never_happen_is_shown_where_it_does():
    """With the fact that did."""
    how = verdict(f"until: +1h, events: [{SIGNED_UP}], expect: [{{}}], never: [{{fact: sent, step: hello}}]")
    assert [(one, fact["at"]) for one, fact in how.unwanted] == [
        ({"fact": "sent", "step": "hello"}, "2026-01-05T10:00:00.000Z")
    ]


def test_the_profile_is_known_before_the_first_event():
    """It is no event itself: nobody enters a segment by it."""
    journey = "journey: seg\nenter: {segment: {entered: old}}\nsteps: [{id: it, send: email, template: t}]"
    more = {"segments.yaml": 'old: "profile.age > 60"'}
    start = "until: +1d, profile: {age: 70}"
    assert verdict(f"{start}, events: [{{at: 2026-01-05T10:00:00Z, event: page}}]", journey, **more).is_passed
    turned = "events: [{at: 2026-01-05T10:00:00Z, event: page}, {at: +1h, event: identify, properties: {age: 61}}]"
    assert verdict(f"until: +1d, {turned}, expect: [{{at: +1h}}]", journey, **more).is_passed


def test_who_enters_a_segment_by_the_clock_is_watched_until_then():
    """The journey has nothing to do before that, and still something to come."""
    journey = "journey: seg\nenter: {segment: {entered: away}}\nsteps: [{id: it, send: email, template: t}]"
    more = {
        "traits.yaml": "seen_at: {last: time, of: page}",
        "segments.yaml": 'away: "days_since(traits.seen_at) >= 60"',
    }
    start = "events: [{at: 2026-01-05T10:00:00Z, event: page}]"
    assert verdict(f"{start}, expect: [{{at: +60d, step: it}}]", journey, **more).is_passed


def test_an_event_with_an_earlier_time_arrives_late():
    """It is read after those before it in the list, and has its own event time."""
    journey = (
        "journey: three\nenter: {pattern: [{event: page, times: 3}], within: 2d}\n"
        "steps: [{id: it, send: email, template: t}]"
    )
    events = "{at: 2026-01-05T10:00:00Z, event: page}, {at: +3d, event: page}, {at: +2d, event: page}"
    life, how = run(f"events: [{events}]", journey)
    assert how.is_passed
    assert [(told.is_late, told.at - life.first) for told in life.told if told.event] == [
        (False, 0),
        (False, 3 * 86_400_000),
        (True, 3 * 86_400_000),
    ]
    inside = events.replace("+2d", "+36h").replace("at: 2026-01-05T10:00:00Z", "at: 2026-01-06T12:00:00Z")
    assert verdict(f"events: [{inside}], expect: []", journey).is_passed


def test_other_journeys_run_beside_and_their_actions_do_not_count():
    """But what they hold back is held back."""
    other = "journey: hold\nenter: {event: Ticket Opened}\nsteps: [{suppress: all, for: 30d}]"
    ticket = "{at: 2026-01-05T09:00:00Z, event: Ticket Opened}"
    how = verdict(
        f"until: +2h, events: [{ticket}, {{at: +1h, event: Signed Up}}], facts: [{{fact: withheld, gate: suppressed}}]",
        **{"other.yaml": other},
    )
    assert how.is_passed


def test_what_is_held_back_for_a_time_is_watched_to_its_end():
    """The release is an action, too."""
    journey = "journey: hold\nenter: {event: Upgraded}\nsteps: [{id: stop, suppress: [email], tag: up, for: 365d}]"
    how = verdict(
        "events: [{at: 2026-01-05T10:00:00Z, event: Upgraded}], "
        "expect: [{kind: suppress, channel: email, tags: [up]}, {kind: release, at: +365d}]",
        journey,
    )
    assert how.is_passed


def test_waits_in_a_circle_are_told():
    """A scenario ends."""
    journey = (
        "journey: circle\nenter: {event: page}\nexit: [{event: Left}]\nsteps:\n"
        "  - {id: w, wait_for: [{event: x, again: true}], timeout: 1m, else: {do: [], again: true}}"
    )
    how = verdict("until: +30d, events: [{at: 2026-01-05T10:00:00Z, event: page}]", journey)
    assert how.problems[0].startswith("more than 10,000 timers fired")
    assert not how.is_passed


def test_coverage_names_what_no_scenario_reached():
    """Steps, ways of branches and waits, arms; a step that is not reached is not told twice by its ways."""
    journey = workspace_of(f"  - {{name: it, events: [{SIGNED_UP}]}}")
    runner = ScenarioRunner(journey)
    coverage = coverage_of(runner.plan.newest["welcome"])
    assert coverage.missed == [
        "hello",
        "answer",
        "thanks",
        "2.2.1",
        "2.else.1",
        "short",
        "long",
        "who",
        "gift",
        "exit: rule 1 (goal)",
    ]
    scenario = journey.scenarios["j.test.yaml"].scenarios[0]
    coverage.see(runner.run("welcome", scenario.model_copy(update={"arms": {"subject": "a"}})).facts)
    assert coverage.missed == [
        "thanks",
        "2.2.1",
        "long",
        "gift",
        "answer: way 1 (clicked)",
        "answer: way 2 (page)",
        "2.else.1: arm b",
        "who: way 1",
        "exit: rule 1 (goal)",
    ]


def test_coverage_counts_the_rules_that_ended_a_run():
    """Each by itself, whatever its reason; one that does something on the way out is taken where it begins to."""
    text = (
        "journey: welcome\nenter: {event: page}\nexit: [{event: [B, C], reason: x}, {event: D, reason: x}, "
        "{event: E, do: [{send: push, template: bye}]}]\nsteps: [{wait: 3d}]"
    )
    workspace = read_workspace(
        {
            "j.yaml": text,
            "orchestration.yaml": ORCHESTRATION,
            "j.test.yaml": "journey: welcome\nscenarios:\n"
            + "".join(
                f"  - {{name: {name}, events: [{{at: 2026-01-05T10:00:00Z, event: page}}, {{at: +1d, event: {name}}}]}}\n"
                for name in "BDE"
            ),
        }
    )
    assert not workspace.complaints, [str(one) for one in workspace.complaints]
    runner = ScenarioRunner(workspace)
    coverage = coverage_of(runner.plan.newest["welcome"])
    rules = ["exit: rule 1 (x)", "exit: rule 2 (x)", "exit: rule 3 (E)"]
    for scenario in workspace.scenarios["j.test.yaml"].scenarios:
        assert [one for one in coverage.missed if one.startswith("exit:")] == rules
        coverage.see(runner.run("welcome", scenario).facts)
        rules.pop(0)
    assert coverage.missed == []


def test_exits_of_a_journey_that_never_waits_are_not_counted():
    """It is over before they can act."""
    text = "journey: welcome\nenter: {event: page}\nexit: [{event: B}]\nsteps: [{id: s, send: push, template: t}]"
    runner = ScenarioRunner(read_workspace({"j.yaml": text, "orchestration.yaml": ORCHESTRATION}))
    assert coverage_of(runner.plan.newest["welcome"]).missed == ["s"]


def test_a_run_is_the_same_each_time_and_leaves_nothing_behind():
    """One runner, many scenarios: each customer is new."""
    workspace = workspace_of(f"  - {{name: it, arms: {{subject: a}}, events: [{SIGNED_UP}]}}")
    runner, scenario = ScenarioRunner(workspace), workspace.scenarios["j.test.yaml"].scenarios[0]
    assert runner.run("welcome", scenario).actions == runner.run("welcome", scenario).actions


# Times.

BERLIN = zone_named("Europe/Berlin")
START = 1_767_607_200_000
"""2026-01-05T10:00:00Z, a Monday; 11:00 in Berlin."""


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("+3d", 72),
        ("+0s", 0),
        ("+1d 2h", 26),
        ("2026-01-05T12:00:00Z", 2),
        ("2026-01-05 12:00", 1),
        ("2026-01-06", 13),
        ("12:00", 1),
        ("11:00", 24),
        ("monday 09:00", 7 * 24 - 2),
        ("tue 11:00", 24),
    ],
)
def test_times_are_absolute_or_after_the_first_event_or_by_the_clock(text, hours):
    """Without an offset they are the customer's local time."""
    assert parse_time(text).resolve(START, START, BERLIN) == START + hours * 3_600_000


@pytest.mark.parametrize(
    "text", ["tomorrow", "+3", "+", "25:00", "2026-02-30", "2026-13-01T00:00:00Z", "2150-01-01", 5, None]
)
def test_what_is_no_time_is_told(text):
    """With the value, and what to write."""
    with pytest.raises(ValueError, match=r"write|such as"):
        parse_time(text)


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "+0s"), (3 * 86_400_000, "+3d"), (90_061_001, "+1d 1h 1m 1s 1ms"), (-60_000, "-1m")]
)
def test_the_time_since_the_first_event_is_short(ms, text):
    """As people would write it."""
    assert since(START, START + ms) == text
