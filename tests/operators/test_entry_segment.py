"""Entry and exit by segments and by the calendar: at the event, and at the millisecond by the clock."""

from operators.plan import plan_of
from operators.workspace import read_workspace
from tests.operators.life import DAY, HOUR, T0, Life, at, iso, when

TRAITS = """
orders: {count: Order Completed}
orders_90d: {count: Order Completed, within: 90d}
last_order_at: {last: time, of: Order Completed}
entries: {entries: j}
"""
SEGMENTS = """
vip: traits.orders_90d >= 2
lapsing: days_since(traits.last_order_at) > 60
german: profile.country == "DE"
often: traits.entries >= 2
"""
STEPS = "steps:\n  - {id: s, send: email, template: t}\n"


def life(enter, more="", steps=STEPS):
    return Life(f"journey: j\nenter: {{{enter}}}\n{more}\n{steps}", traits=TRAITS, segments=SEGMENTS)


def test_who_enters_a_segment_by_an_event_enters_the_journey_with_it():
    """The event is the entry."""
    one = life(
        "segment: {entered: vip}",
        steps="steps:\n  - {id: s, send: email, template: t, with: {n: '{{ entry.properties.n }}'}}\n",
    )
    one.does("Order Completed", n=1)
    assert one.facts == []
    one.does("Order Completed", HOUR, n=2)
    assert one.fact("entered")["caused_by"] == "m2"
    assert one.actions[0]["with"] == {"n": 2}


def test_who_leaves_a_segment_by_the_clock_enters_at_that_millisecond():
    """Without an event; the entry says of which segment."""
    one = life(
        "segment: {left: vip}",
        steps="steps:\n  - {id: s, send: email, template: t, with: {n: '{{ entry.properties.segment }}'}}\n",
    )
    one.does("Order Completed")
    one.does("Order Completed", HOUR)
    one.later(100 * DAY)
    assert [when(action) for action in one.actions] == [T0 + 90 * DAY]
    assert one.actions[0]["with"] == {"n": "vip"}
    assert one.fact("entered")["caused_by"] == f"timer:segments@{iso(T0 + 90 * DAY)}"


def test_what_becomes_true_by_the_clock_enters_on_the_day():
    """Lapsing: after more than 60 days; and again after the next order, where the journey says so."""
    one = life("segment: {entered: lapsing}, again: always")
    one.does("Order Completed")
    one.later(70 * DAY)
    one.does("Order Completed")
    one.later(70 * DAY)
    assert [when(action) for action in one.actions] == [T0 + 60 * DAY + 1, T0 + 130 * DAY + 1]


def test_members_at_deployment_do_not_enter():
    """A change has to be seen."""
    one = life("event: Nothing")
    one.identify(country="DE")
    one.renew(f"journey: j\nenter: {{segment: {{entered: german}}}}\n{STEPS}", traits=TRAITS, segments=SEGMENTS)
    one.identify(HOUR, first_name="Bo")
    assert one.facts == []
    one.identify(HOUR, country="FR")
    one.identify(HOUR, country="DE")
    assert one.count("entered") == 1


def test_an_entry_by_segment_has_a_condition():
    """Over traits and the profile."""
    one = life("segment: {entered: vip}, where: profile.country == 'DE'")
    one.does("Order Completed")
    one.does("Order Completed")
    assert one.facts == []
    one = life("segment: {entered: vip}, where: profile.country == 'DE'")
    one.identify(country="DE")
    one.does("Order Completed")
    one.does("Order Completed")
    assert one.sent == ["s"]


def test_a_segment_ends_a_run_at_the_event_and_by_the_clock():
    """With the reason."""
    wait = "steps:\n  - {id: w, wait: 200d}\n"
    one = life("event: A", "exit: [{entered: vip}, {left: vip, reason: late}]", wait)
    one.does("A")
    one.does("Order Completed")
    assert one.story[-1] == "waiting w"
    one.does("Order Completed", HOUR)
    assert one.story[-1] == "exited entered vip"
    one = life("event: A", "exit: [{left: vip, reason: late}]", wait)
    one.does("Order Completed")
    one.does("Order Completed", HOUR)
    one.does("A")
    one.later(100 * DAY)
    assert one.story[-1] == "exited late"
    assert when(one.fact("exited")) == T0 + 90 * DAY


def test_steps_read_traits_and_segments_as_they_are_then():
    """At a timer, too: who leaves a segment at an instant is out of it for the steps of that instant."""
    steps = """steps:
  - {id: w, wait: WAIT}
  - {id: b, branch: [{when: '"vip" in segments', do: [{id: v, send: push, template: t, with: {n: "{{ traits.orders_90d }}"}}]}]}
"""
    for wait, sent in (("90d", []), ("2159h", ["v"])):
        one = life("event: Order Completed", steps=steps.replace("WAIT", wait))
        one.does("Order Completed")
        one.does("Order Completed")
        one.later(100 * DAY)
        assert one.sent == sent
    assert one.actions[0]["with"] == {"n": 2}


def test_entries_count_the_present_run_and_move_segments_a_millisecond_later():
    """What a run sets does, too."""
    steps = (
        "steps:\n  - {id: s, send: email, template: t, with: {n: '{{ traits.entries }}'}}\n  - {set: {country: DE}}\n"
    )
    other = f"journey: k\nenter: {{segment: {{entered: often}}}}\n{STEPS}"
    german = f"journey: g\nenter: {{segment: {{entered: german}}}}\n{STEPS}"
    one = Life(
        f"journey: j\nenter: {{event: A, again: always}}\n{steps}", other, german, traits=TRAITS, segments=SEGMENTS
    )
    one.does("A")
    one.does("A", HOUR)
    one.later(HOUR)
    assert [action["with"].get("n") for action in one.actions if action["journey"] == "j"] == [1, 2]
    assert [(fact["journey"], when(fact) - T0) for fact in one.facts if fact["fact"] == "entered"] == [
        ("j", 0), ("g", 1), ("j", HOUR), ("k", HOUR + 1),
    ]  # fmt: skip


def test_the_profile_shows_traits_segments_and_running_journeys():
    """Those in use; told when a segment changes and when a run begins or ends."""
    one = life("segment: {entered: vip}", steps="steps:\n  - {id: w, wait: 1d}\n")
    one.does("Order Completed")
    one.does("Order Completed")
    profiles = [record for topic, record in one.told if topic == "profiles"]
    assert profiles[-1]["traits"] == {"orders_90d": 2}
    assert profiles[-1]["segments"] == ["vip"]
    assert [(run["journey"], run["version"]) for run in profiles[-1]["journeys"]] == [("j", 1)]
    one.later(2 * DAY)
    assert [record for topic, record in one.told if topic == "profiles"][-1]["journeys"] == []


# --- the calendar


def test_a_schedule_enters_at_its_times_in_the_customers_zone():
    """Every Monday at ten; daylight saving does not move it."""
    one = life("schedule: {cron: '0 10 * * mon'}, again: always")
    one.now = at("2026-03-20T12:00:00Z")
    one.does("Anything")
    one.until(at("2026-04-05T00:00:00Z"))
    assert [iso(when(action)) for action in one.actions] == ["2026-03-23T09:00:00.000Z", "2026-03-30T08:00:00.000Z"]
    assert one.actions[0]["caused_by"] == "timer:schedule@2026-03-23T09:00:00.000Z"
    one.identify(timezone="America/New_York")
    one.until(at("2026-04-07T00:00:00Z"))
    assert iso(when(one.actions[-1])) == "2026-04-06T14:00:00.000Z"


def test_a_schedule_is_for_the_members_of_its_segment_then():
    """Members at deployment, too: no change is asked for."""
    one = life("schedule: {cron: '0 10 * * *', segment: vip}, again: always")
    one.does("Order Completed")
    assert [name for name in one.customer.timers if name.startswith("j ")] == []
    one.does("Order Completed")
    one.until(T0 + 3 * DAY)
    assert one.sent == ["s"] * 3
    one.until(T0 + 120 * DAY)
    assert len(one.sent) == 90


def test_a_schedule_that_is_gone_rings_no_more():
    """Another one takes its place at the next event or timer."""
    one = life("schedule: {cron: '0 10 * * *'}, again: always")
    one.does("Anything")
    one.renew(f"journey: k\nenter: {{event: A}}\n{STEPS}")
    one.later(3 * DAY)
    assert one.actions == []
    assert one.customer.timers == {}


def test_only_what_is_in_use_is_kept():
    """Of traits and segments."""

    def plan(text):
        return plan_of(
            read_workspace(
                {
                    "orchestration.yaml": "timezone: UTC",
                    "j.yaml": text,
                    "traits.yaml": TRAITS,
                    "segments.yaml": SEGMENTS,
                }
            )
        )

    assert plan(f"journey: j\nenter: {{event: A}}\n{STEPS}").traits is None
    used = plan(f"journey: j\nenter: {{segment: {{entered: vip}}}}\n{STEPS}").traits
    assert (used.names, [one.name for one in used.segments]) == (("orders_90d",), ["vip"])
    whole = STEPS.replace("template: t", "template: t, attach: profile")
    assert len(plan(f"journey: j\nenter: {{event: A}}\n{whole}").traits.names) == 4
