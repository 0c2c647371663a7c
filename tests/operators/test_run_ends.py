"""Goals, exits and re-entry: what ends a run, what is measured, and who may come again."""

import pytest

from tests.operators.life import DAY, HOUR, MINUTE, T0, Life, iso

WAITING = "steps:\n  - {id: w, wait: 5d}\n  - {id: s, send: email, template: t}\n"


def journey(top="", enter="event: A, again: always", steps=WAITING):
    return f"journey: j\nenter: {{{enter}}}\n{top}\n{steps}"


# --- the goal


def test_a_goal_is_told_with_its_value_and_the_time_since_entry():
    """And does not end the run by itself."""
    life = Life(journey("goal: {event: B, value: properties.revenue}"))
    life.does("A")
    life.does("B", HOUR, revenue=99.5)
    assert life.fact("converted") == {
        "fact": "converted", "at": iso(T0 + HOUR), "customer_id": "c-42", "seq": life.fact("converted")["seq"],
        "journey": "j", "version": 1, "instance": life.facts[0]["instance"], "key": None, "value": 99.5,
        "since_entry_ms": HOUR, "caused_by": "m2",
    }  # fmt: skip
    life.later(10 * DAY)
    assert life.sent == ["s"]


def test_a_goal_counts_once_for_each_entry():
    """Not for each order; a new entry has a goal of its own."""
    life = Life(journey("goal: {event: B}", "event: A, again: always"))
    life.does("A")
    life.does("B", HOUR)
    life.does("B", HOUR)
    assert life.count("converted") == 1
    life.later(6 * DAY)
    life.does("A")
    life.does("B", HOUR)
    assert life.count("converted") == 2


def test_a_goal_is_watched_after_the_run_has_ended():
    """Until its window is over, and then nothing is kept."""
    steps = "steps:\n  - {id: s, send: email, template: t}\n"
    for after, converted in ((HOUR, 1), (7 * DAY, 1), (7 * DAY + 1, 0)):
        life = Life(journey("goal: {event: B, within: 7d}", steps=steps))
        life.does("A")
        assert life.story[-1] == "exited completed"
        life.does("B", after)
        assert life.count("converted") == converted
    assert life.customer.runs["j"]  # events may yet come that happened inside of it
    life.does("B", 3 * DAY)
    assert life.customer.runs == {}


def test_goals_of_several_runs_are_told_in_the_order_of_entry():
    """Whichever run was over first."""
    steps = "steps: [{id: w, wait_for: [{event: N}], timeout: 2d}]"
    life = Life(journey("goal: {event: B}", "event: A, key: properties.k, again: always", steps))
    life.does("A", k="x")
    life.does("A", 1, k="y")
    life.does("A", 1, k="z")
    life.does("N", HOUR, k="y")
    life.later(3 * DAY)
    life.does("B", HOUR)
    assert [one["key"] for one in life.facts if one["fact"] == "converted"] == ["x", "y", "z"]


def test_the_window_of_a_goal_is_in_event_time_after_the_entry():
    """Not before it, not with it; an order that is told late still counts, one that is too old does not."""
    steps = "steps:\n  - {id: s, send: email, template: t}\n"
    for happened, told, converted in (
        (0, HOUR, 0),
        (-HOUR, HOUR, 0),
        (1, HOUR, 1),
        (7 * DAY, 9 * DAY, 1),
        (7 * DAY + 1, 9 * DAY, 0),
        (5 * DAY, 9 * DAY, 0),  # older than `max_age` when it is read
    ):
        life = Life(journey("goal: {event: B, within: 7d}", steps=steps))
        life.does("A")
        life.does("B", told, time=T0 + happened)
        assert life.count("converted") == converted, (happened, told)


def test_a_goal_without_a_window_has_30_days():
    """From the entry."""
    for after, converted in ((30 * DAY, 1), (30 * DAY + 1, 0)):
        life = Life(journey("goal: {event: B}"))
        life.does("A")
        life.does("B", after)
        assert life.count("converted") == converted


def test_a_goal_has_conditions_over_the_event_and_the_entry():
    """After the run has ended, too."""
    steps = "steps:\n  - {id: s, send: email, template: t}\n"
    life = Life(journey("goal: {event: B, where: properties.n == entry.properties.n}", steps=steps))
    life.does("A", n=1)
    life.does("B", HOUR, n=2)
    assert life.count("converted") == 0
    life.does("B", HOUR, n=1)
    assert life.count("converted") == 1


def test_the_goal_can_end_the_run():
    """In the middle of the wait."""
    life = Life(journey("goal: {event: B}\nexit: [goal]"))
    life.does("A")
    life.does("B", HOUR)
    assert life.story[-2:] == ["converted", "exited goal"]
    assert life.customer.timers == {}
    assert life.customer.runs == {}
    life.later(10 * DAY)
    assert life.sent == []


def test_the_entering_event_satisfies_nothing_in_its_own_run():
    """Neither goal nor exit; the next one does."""
    life = Life(journey("goal: {event: A}\nexit: [goal, {event: A}]", "event: A, again: never"))
    life.does("A")
    assert life.story[-1] == "waiting w"
    life.does("A", HOUR)
    assert life.story[3:5] == ["converted", "exited goal"]


# --- exits


def test_an_exit_acts_in_the_middle_of_a_wait():
    """With its reason, or the event's name."""
    for rule, reason in (("{event: B}", "B"), ("{event: B, reason: bought}", "bought"), ("{event: [B, C]}", "exit")):
        life = Life(journey(f"exit: [{rule}]"))
        life.does("A")
        life.does("B", HOUR)
        assert life.story[-1] == f"exited {reason}"
        life.later(10 * DAY)
        assert life.sent == []


def test_an_exit_goes_before_a_wait_for_the_same_event():
    """Goals, exits, waits."""
    steps = "steps:\n  - {id: w, wait_for: [{event: B, do: [{id: b, send: push, template: b}]}], timeout: 5d}\n"
    life = Life(journey("goal: {event: B}\nexit: [{event: B, reason: bought}]", steps=steps))
    life.does("A")
    life.does("B", HOUR)
    assert life.story[-2:] == ["converted", "exited bought"]
    assert life.sent == []


def test_the_first_exit_that_fits_is_taken():
    """In the order of the list."""
    rules = "exit: [{event: B, where: properties.n > 5, reason: big}, {event: B, reason: small}]"
    for n, reason in ((9, "big"), (1, "small")):
        life = Life(journey(rules))
        life.does("A")
        life.does("B", HOUR, n=n)
        assert life.story[-1] == f"exited {reason}"


def test_on_the_way_out_something_may_be_done():
    """Messages, attributes, releases; told before the exit."""
    rule = (
        "exit: [{event: B, reason: bought, do: [{id: bye, send: sms, template: t, with: {n: '{{ event.properties.n }}'}},"
        " {set: {buyer: true}}]}]"
    )
    life = Life(journey(rule))
    life.does("A")
    life.does("B", HOUR, n=7)
    assert life.story[-4:] == ["step bye", "sent bye", "step exit.1.2", "exited bought"]
    assert life.actions[0]["with"] == {"n": 7}
    assert life.customer.profile == {"buyer": True}


def test_an_exit_by_condition_acts_when_the_customer_does_something():
    """Whatever it is."""
    life = Life(journey("exit: [{when: profile.vip, reason: vip}]"))
    life.identify(vip=False)
    life.does("A")
    life.does("Anything", HOUR)
    assert life.story[-1] == "waiting w"
    life.identify(HOUR, vip=True)
    assert life.story[-1] == "exited vip"


def test_an_exit_may_ask_for_the_same_value():
    """Of the entry, where the journey has no key; a missing value is not the same."""
    life = Life(journey("exit: [{event: B, by: properties.cart, reason: b}]"))
    life.does("A", cart=7)
    life.does("B", HOUR)
    life.does("B", HOUR, cart=8)
    assert life.story[-1] == "waiting w"
    life.does("B", HOUR, cart=7.0)
    assert life.story[-1] == "exited b"


def test_where_the_pattern_has_a_value_that_is_the_one():
    """Paths may differ."""
    enter = "pattern: [{event: A, times: 2, by: properties.category}], within: 5d"
    life = Life(journey("goal: {event: B, by: 'properties.products[].category'}", enter))
    life.does("A", category="tents")
    life.does("A", HOUR, category="tents")
    life.does("B", HOUR, products=[{"category": "stoves"}])
    assert life.count("converted") == 0
    life.does("B", HOUR, products=[{"category": "stoves"}, {"category": "tents"}])
    assert life.count("converted") == 1


# --- keys

KEYED = "event: A, key: properties.k, again: always"


def test_runs_of_other_keys_go_side_by_side():
    """Each has its own wait."""
    life = Life(journey(enter=KEYED))
    life.does("A", k="x")
    life.does("A", DAY, k="y")
    life.later(4 * DAY)
    assert [fact["key"] for fact in life.facts if fact["fact"] == "entered"] == ["x", "y"]
    assert life.sent == ["s"]
    life.later(DAY)
    assert life.sent == ["s", "s"]


def test_events_of_another_key_do_not_concern_a_keyed_run():
    """Waits, exits and goals; those without a key concern every run."""
    steps = "steps:\n  - {id: w, wait_for: [{event: B, do: [{id: b, send: push, template: b}]}], timeout: 5d}\n"
    life = Life(journey("exit: [{event: Unsubscribed}, {event: C}]\ngoal: {event: G}", KEYED, steps))
    for key in "x", "y", "z":
        life.does("A", k=key)
    life.does("G", HOUR, k="y")
    assert [fact["key"] for fact in life.facts if fact["fact"] == "converted"] == ["y"]
    life.does("B", HOUR, k="x")
    life.does("C", HOUR, k="y")
    assert len(life.sent) == 1
    assert life.count("exited") == 2
    life.does("A", HOUR, k="x")
    life.does("Unsubscribed", HOUR)
    assert life.count("exited") == 4
    assert life.fact("exited")["reason"] == "Unsubscribed"


def test_any_looks_at_no_value():
    """Of a keyed run, too."""
    life = Life(journey("goal: {event: G, by: any}", KEYED))
    life.does("A", k="x")
    life.does("G", HOUR, k="y")
    assert life.count("converted") == 1


def test_a_goal_by_the_key_needs_the_key():
    """`by` asks for the value: an event without it is not the goal."""
    life = Life(journey("goal: {event: G, by: properties.k}", KEYED))
    life.does("A", k="x")
    life.does("G", HOUR)
    assert life.count("converted") == 0
    life.does("G", HOUR, k="x")
    assert life.count("converted") == 1


def test_instances_are_bounded():
    """The 65th is refused, with the reason; and the goals of those that are over are, too."""
    life = Life(journey("goal: {event: G}", KEYED))
    for number in range(70):
        life.does("A", MINUTE, k=number)
    assert life.count("entered") == 64
    assert [fact["reason"] for fact in life.facts if fact["fact"] == "not_entered"] == ["instances"] * 6
    life.later(6 * DAY)
    for number in range(10):
        life.does("A", MINUTE, k=f"more {number}")
    life.later(6 * DAY)
    assert len(life.customer.runs["j"]) == 64


# --- again


def entered_at(life):
    return [(fact["at"]) for fact in life.facts if fact["fact"] == "entered"]


@pytest.mark.parametrize(
    ("again", "entries"),
    [
        ("never", [0]),
        ("always", [0, 1, 2, 6, 20]),
        ("after_exit", [0, 6, 20]),
        ("after 6d", [0, 6, 20]),
        ("after 2d", [0, 2, 6, 20]),
        ("after 12d", [0, 20]),
    ],
)
def test_re_entry_in_all_modes(again, entries):
    """A run of five days; it is tried on days 0, 1, 2, 6 and 20."""
    life = Life(journey(enter=f"event: A, again: {again}"))
    for day in 0, 1, 2, 6, 20:
        life.until(T0 + day * DAY)
        life.does("A")
    assert entered_at(life) == [iso(T0 + day * DAY) for day in entries]


@pytest.mark.parametrize("again", ["never", "after_exit", "after 9d"])
def test_a_refusal_is_told_once_for_each_closed_period(again):
    """And again in the next one."""
    life = Life(journey(enter=f"event: A, again: {again}"))
    life.does("A")
    life.does("A", HOUR)
    life.does("A", HOUR)
    assert [fact["reason"] for fact in life.facts if fact["fact"] == "not_entered"] == ["reentry"]
    if again != "never":
        life.does("A", 20 * DAY)
        life.does("A", HOUR)
        assert life.count("not_entered") == 2


def test_who_enters_again_while_inside_replaces_the_run_there():
    """One run per customer and key; its wait is off and its goal is still watched."""
    life = Life(journey("goal: {event: G}", "event: A, again: always"))
    life.does("A")
    life.does("A", DAY)
    assert life.story[3:] == ["exited replaced", "entered", "step w", "waiting w"]
    life.later(4 * DAY + HOUR)
    assert life.sent == []
    life.does("G", HOUR)
    assert life.count("converted") == 2
    life.later(DAY)
    assert life.sent == ["s"]


def test_again_is_per_key():
    """`never` is for ever, per key."""
    life = Life(journey(enter="event: A, key: properties.k"))
    life.does("A", k=1)
    life.does("A", HOUR, k=2)
    life.does("A", 300 * DAY, k=1)
    assert life.count("entered") == 2
