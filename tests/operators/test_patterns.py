"""Patterns: each sentence of the design about them, then the engine against the oracle over random small logs."""

import doctest
import json
from dataclasses import replace
from functools import lru_cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import pattern_repeats
from operators.customer_step import CustomerStep
from operators.events import Event
from operators.pattern_repeats import (
    BUCKETS_MAX,
    ELEMENT,
    EVENTS_MAX,
    FORBIDDEN,
    VALUE_CHARACTERS_MAX,
    Repeats,
    token_of,
)
from operators.plan import compile_plan
from operators.workspace import read_workspace
from state.codec import encode_customer
from state.customer import Customer, JourneyMemory
from tests.examples import examples
from tests.oracle import ANY, Known, Oracle, Rule, best_match, same

BOTH = ELEMENT | FORBIDDEN
LATE = 1_000_000
"""A clock far after all events, for tests in which age plays no part."""


class Shop:
    """One pattern and what it remembers of one customer; events have names, matches are told in them."""

    def __init__(self, times=1, within=10, without=None, max_age=LATE):
        self.pattern = Repeats(times=times, within=within, max_age=max_age, without=without, keeps_contents=True)
        self.memory = JourneyMemory()

    def see(self, name, when, roles=ELEMENT, value="", now=LATE):
        """The names of the match that the event completes, or None."""
        self.places = self.pattern.see(self.memory, value, when, roles, now, {"name": name})
        self.value = value
        if self.places is None:
            return None
        return "".join(self.memory.contents[value][place]["name"] for place in self.places)

    def forbid(self, name, when, value="", now=LATE):
        assert self.see(name, when, FORBIDDEN, value, now) is None

    def forbid_any(self, when, now=LATE):
        self.pattern.see_anywhere(self.memory, when, now)

    def use_up(self):
        self.pattern.use_up(self.memory, self.value, self.places)


# --- windows and order


def test_the_nth_event_inside_the_window_matches():
    """Three in ten milliseconds, and not one before."""
    shop = Shop(times=3)
    assert [shop.see("a", 100), shop.see("b", 104), shop.see("c", 109)] == [None, None, "abc"]


def test_a_single_event_matches_at_once():
    """A pattern of one needs no window."""
    assert Shop(times=1, within=0).see("a", 100) == "a"


def test_of_two_events_exactly_the_window_apart_the_older_is_outside():
    """Half-open, (t - D, t], as in Flink; one millisecond less is inside."""
    shop = Shop(times=2, within=10)
    shop.see("a", 100)
    assert shop.see("b", 110) is None
    shop = Shop(times=2, within=10)
    shop.see("a", 100)
    assert shop.see("b", 109) == "ab"


def test_the_window_slides_with_the_event_just_read():
    """What has left it counts no more, what is still in it does."""
    shop = Shop(times=3, within=10)
    for name, when in ("a", 100), ("b", 105):
        shop.see(name, when)
    assert shop.see("c", 112) is None
    assert shop.see("d", 114) == "bcd"


def test_events_are_seen_by_event_time_in_whatever_order_they_come():
    """The second of three is read last and completes the match."""
    shop = Shop(times=3)
    assert [shop.see("c", 108), shop.see("a", 100), shop.see("b", 104)] == [None, None, "abc"]


def test_an_old_event_can_be_the_first_of_a_match_that_it_completes():
    """The match contains the event just read, here at its beginning."""
    shop = Shop(times=2)
    shop.see("b", 108)
    assert shop.see("a", 100) == "ab"


def test_events_at_one_time_are_taken_in_the_order_in_which_they_were_read():
    """Ties are no set: the first read comes first, and the match of three takes the first two."""
    shop = Shop(times=3)
    assert [shop.see(name, 100) for name in "ab"] == [None, None]
    assert shop.see("c", 100) == "abc"
    shop = Shop(times=3)
    shop.see("a", 100)
    shop.see("z", 105)
    assert shop.see("b", 100) == "abz"


def test_of_several_matches_the_one_with_the_earliest_first_event_wins():
    """Then the earliest second, and so on; the event just read is in it wherever it stands."""
    shop = Shop(times=2)
    assert [shop.see("a", 100), shop.see("b", 103), shop.see("c", 106)] == [None, "ab", "ac"]
    shop = Shop(times=3)
    for name, when in ("a", 100), ("b", 101), ("c", 102), ("e", 104):
        shop.see(name, when)
    assert shop.see("d", 103) == "abd"


def test_a_match_does_not_begin_so_early_that_the_event_just_read_is_outside_its_window():
    """The earliest first event is the earliest one that reaches to the end."""
    shop = Shop(times=2, within=10)
    for name, when in ("a", 100), ("b", 105), ("z", 112):
        shop.see(name, when)
    assert shop.see("c", 111) == "bc"


def test_an_event_never_counts_twice_in_one_match():
    """One event is not two, whatever the window."""
    shop = Shop(times=2, within=LATE)
    assert shop.see("a", 100) is None


def test_the_window_reaches_over_the_time_of_the_event_just_read_into_what_is_newer():
    """A late event in the middle, too far from the first, matches with those after it."""
    shop = Shop(times=3, within=10)
    for name, when in ("a", 100), ("d", 115), ("e", 118):
        shop.see(name, when)
    assert shop.see("c", 112) == "cde"


# --- values


def test_events_of_different_values_do_not_match_together():
    """Three looks, at two things."""
    shop = Shop(times=2)
    assert [shop.see("a", 100, value="tents"), shop.see("b", 101, value="boots")] == [None, None]
    assert shop.see("c", 102, value="tents") == "ac"


# --- used up


def test_used_up_events_are_not_matched_again():
    """A new match needs new events."""
    shop = Shop(times=2)
    shop.see("a", 100)
    assert shop.see("b", 101) == "ab"
    shop.use_up()
    assert shop.see("c", 102) is None
    assert shop.see("d", 103) == "cd"


def test_events_of_a_refused_match_stay():
    """Nobody called `use_up`: they match again with the next event."""
    shop = Shop(times=2)
    shop.see("a", 100)
    assert shop.see("b", 101) == "ab"
    assert shop.see("c", 102) == "ac"


def test_what_was_in_the_window_and_not_in_the_match_stays():
    """An event that was read before, but is not among the first of the match, can match later."""
    shop = Shop(times=2)
    shop.see("a", 100)
    shop.see("b", 101)
    assert shop.see("c", 102) == "ac"
    shop.use_up()
    assert shop.see("d", 103) == "bd"


def test_using_up_the_last_event_of_a_value_forgets_the_value():
    """Nothing is kept of what is over."""
    shop = Shop(times=2)
    shop.see("a", 100, value="tents")
    shop.see("b", 101, value="tents")
    shop.use_up()
    assert shop.memory == JourneyMemory()


# --- without, over the span


def test_a_forbidden_event_between_the_first_and_the_last_breaks_the_match():
    """Over the span."""
    shop = Shop(times=2, without="span")
    shop.see("a", 100)
    shop.forbid("x", 101)
    assert shop.see("b", 102) is None


def test_a_sequence_that_begins_after_the_forbidden_event_matches():
    """The next candidate is tried."""
    shop = Shop(times=2, without="span")
    shop.see("a", 100)
    shop.forbid("x", 101)
    shop.see("b", 102)
    assert shop.see("c", 103) == "bc"


def test_a_forbidden_event_before_the_first_or_after_the_last_is_nothing_to_the_span():
    """The span is from the first match to the last."""
    shop = Shop(times=2, without="span")
    shop.forbid("x", 99)
    shop.forbid("y", 105)
    shop.see("a", 100)
    assert shop.see("b", 102) == "ab"


def test_a_span_of_one_event_has_nothing_between():
    """`times: 1` over the span is never forbidden, not even at the same time."""
    shop = Shop(times=1, without="span")
    shop.forbid("x", 100)
    assert shop.see("a", 100) == "a"


def test_read_order_tells_what_is_between_at_one_time():
    """Read before the first it is outside; read after it, inside; read after the last, outside."""
    shop = Shop(times=2, without="span")
    shop.forbid("x", 100)
    shop.see("a", 100)
    assert shop.see("b", 102) == "ab"
    shop = Shop(times=2, without="span")
    shop.see("a", 100)
    shop.forbid("x", 100)
    assert shop.see("b", 102) is None
    shop = Shop(times=2, without="span")
    shop.see("b", 102)
    shop.forbid("x", 102)
    assert shop.see("a", 100) == "ab"


def test_an_older_event_tries_what_comes_after_a_forbidden_one():
    """Out of order: the first candidate has the forbidden event inside, the second does not."""
    shop = Shop(times=2, without="span")
    shop.see("a", 100)
    shop.forbid("x", 102)
    shop.see("z", 108)
    assert shop.see("c", 105) == "cz"


def test_an_event_that_is_wanted_and_forbidden_is_not_between_itself():
    """First and last of a match are not between the two; the one in the middle is."""
    shop = Shop(times=2, without="span")
    shop.see("a", 100, BOTH)
    assert shop.see("b", 101, BOTH) == "ab"
    shop = Shop(times=3, without="span")
    shop.see("a", 100)
    shop.see("b", 101, BOTH)
    assert shop.see("c", 102) is None


def test_a_forbidden_event_of_another_value_forbids_nothing():
    """`without` has the same `by` value."""
    shop = Shop(times=2, without="span")
    shop.see("a", 100, value="tents")
    shop.forbid("x", 101, value="boots")
    assert shop.see("b", 102, value="tents") == "ab"


# --- without, over the window


def test_a_forbidden_event_anywhere_in_the_window_breaks_the_match():
    """Over the window: also before the first."""
    shop = Shop(times=2, without="window")
    shop.forbid("x", 99)
    shop.see("a", 100)
    assert shop.see("b", 102) is None


def test_a_forbidden_event_exactly_the_window_before_the_moment_is_outside():
    """(t - D, t] for what is forbidden, too."""
    shop = Shop(times=2, within=10, without="window")
    shop.forbid("x", 92)
    shop.see("a", 100)
    assert shop.see("b", 102) == "ab"
    shop = Shop(times=2, within=10, without="window")
    shop.forbid("x", 93)
    shop.see("a", 100)
    assert shop.see("b", 102) is None


def test_the_window_reaches_up_to_and_including_the_moment_of_the_match():
    """At the moment it forbids, whatever was read first; a millisecond later it does not."""
    shop = Shop(times=2, without="window")
    shop.see("b", 102)
    shop.forbid("x", 102)
    assert shop.see("a", 100) is None
    shop = Shop(times=2, without="window")
    shop.see("b", 102)
    shop.forbid("x", 103)
    assert shop.see("a", 100) == "ab"


def test_the_moment_of_a_match_is_its_greatest_event_time():
    """Not the time of the event just read: the window ends at the newest matched event."""
    shop = Shop(times=2, within=10, without="window")
    shop.forbid("x", 97)
    shop.see("b", 108)
    assert shop.see("a", 100) == "ab"


def test_a_single_event_is_forbidden_by_what_came_before_it_in_the_window():
    """`times: 1` over the window looks back."""
    shop = Shop(times=1, within=10, without="window")
    shop.forbid("x", 95)
    assert shop.see("a", 100) is None
    assert shop.see("b", 105) == "b"


def test_what_is_read_after_a_match_cannot_undo_it():
    """A forbidden event that comes later, from before the match, is too late; it forbids the next one."""
    shop = Shop(times=2, without="window")
    shop.see("a", 100)
    assert shop.see("b", 102) == "ab"
    shop.use_up()
    shop.forbid("x", 101)
    shop.see("c", 103)
    assert shop.see("d", 104) is None


# --- by: any


@pytest.mark.parametrize("over", ["span", "window"])
def test_an_event_that_forbids_whatever_its_value_forbids_every_value(over):
    """`by: any` drops the test."""
    shop = Shop(times=2, without=over)
    for value in "tents", "boots":
        shop.see("a", 100, value=value)
    shop.forbid_any(101)
    assert shop.see("b", 102, value="tents") is None
    assert shop.see("b", 102, value="boots") is None
    assert shop.see("c", 103, value="boots") == (None if over == "window" else "bc")


def test_by_any_over_the_window_has_the_same_bounds():
    """(t - D, t], whatever the value."""
    for forbidden, match in (92, "ab"), (93, None), (102, None), (103, "ab"):
        shop = Shop(times=2, within=10, without="window")
        shop.forbid_any(forbidden)
        shop.see("a", 100, value="tents")
        assert shop.see("b", 102, value="tents") == match, forbidden


def test_by_any_keeps_the_read_order_at_one_time():
    """Events at one time are taken as they were read, also where one forbids whatever its value."""
    shop = Shop(times=2, without="span")
    shop.forbid_any(100)
    shop.see("a", 100, value="tents")
    assert shop.see("b", 102, value="tents") == "ab"


def test_by_any_over_a_span_of_one_event_has_nothing_between():
    """As for one value."""
    shop = Shop(times=1, without="span")
    shop.forbid_any(100)
    assert shop.see("a", 100, value="tents") == "a"


# --- what is forgotten


def test_an_event_counts_as_long_as_an_accepted_event_can_still_complete_its_match():
    """Younger than `within` + `max_age` it is needed, and there."""
    shop = Shop(times=2, within=10, max_age=20)
    shop.see("a", 100, now=100)
    shop.see("y", 129, now=129)
    assert shop.see("b", 109, now=129) == "ab"


def test_what_no_accepted_event_can_complete_any_more_is_forgotten():
    """Memory does not grow with the log."""
    pattern = Repeats(times=2, within=10, max_age=20)
    memory = JourneyMemory()
    for now in range(0, 100_000, 50):
        pattern.see(memory, "tents", now, ELEMENT, now)
    assert len(memory.buckets["tents"]) <= 2


def test_events_of_one_value_are_bounded_and_the_oldest_goes_first():
    """`EVENTS_MAX` of them; the newest still match, and contents keep step."""
    shop = Shop(times=EVENTS_MAX // 2, within=LATE, without="span")
    for when in range(3 * EVENTS_MAX):
        shop.forbid("x", 2 * when)
    assert len(shop.memory.buckets[""]) == len(shop.memory.contents[""]) == EVENTS_MAX
    found = [shop.see("abcdefgh"[when % 8], 6 * EVENTS_MAX + when) for when in range(EVENTS_MAX // 2)]
    assert found == [None] * (EVENTS_MAX // 2 - 1) + ["abcdefgh" * (EVENTS_MAX // 16)]
    assert len(shop.memory.buckets[""]) == len(shop.memory.contents[""]) == EVENTS_MAX


def test_an_event_older_than_all_at_the_bound_is_let_go():
    """It is the oldest, so it is the one that goes; nothing else is lost."""
    shop = Shop(times=2, within=5, without="span")
    for when in range(EVENTS_MAX):
        shop.forbid("x", 1_000 + when)
    before = list(shop.memory.buckets[""])
    assert shop.see("a", 10) is None
    assert shop.memory.buckets[""] == before


def test_values_are_bounded_and_the_one_longest_unused_goes():
    """`BUCKETS_MAX` values of one customer and journey."""
    shop = Shop(times=2, within=LATE)
    for number in range(BUCKETS_MAX + 500):
        shop.see("a", number, value=f"v{number}")
    assert len(shop.memory.buckets) <= BUCKETS_MAX
    assert len(shop.memory.contents) <= BUCKETS_MAX
    assert shop.see("b", BUCKETS_MAX + 500, value=f"v{BUCKETS_MAX + 499}") == "ab"
    assert "v0" not in shop.memory.buckets


def test_what_forbids_every_value_is_not_the_value_that_goes_at_the_bound():
    """A purchase forbids the next category, too, however many categories came between."""
    shop = Shop(times=2, within=LATE, without="window")
    shop.forbid_any(0)
    for number in range(BUCKETS_MAX + 10):
        shop.see("a", 1 + number, value=f"v{number}")
    shop.see("a", BUCKETS_MAX + 20, value="new")
    assert shop.see("b", BUCKETS_MAX + 21, value="new") is None


def test_values_that_are_over_are_forgotten_before_the_bound():
    """A customer who looks at something else every day keeps a window full of values, not years of them."""
    pattern = Repeats(times=2, within=10, max_age=20)
    memory = JourneyMemory()
    for now in range(0, 200_000, 10):
        pattern.see(memory, f"v{now}", now, ELEMENT, now)
    assert len(memory.buckets) <= 16


@pytest.mark.parametrize("value", [None, "cart"])
def test_values_that_are_over_are_forgotten_also_where_something_forbids_all_the_time(value):
    """An event that forbids does not keep alive what it forbids: nothing is left there that could match."""
    shop = Shop(times=2, within=10, without="window", max_age=20)
    for now in range(0, 10_000, 10):
        shop.see("a", now, value=f"v{now}", now=now)
        if value is None:
            shop.forbid_any(now + 5, now=now + 5)
        else:
            shop.forbid("x", now + 5, value=value, now=now + 5)
    assert len(shop.memory.buckets) <= 16


# --- names of values

scalars = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 2.0**53, 1e300, 2.0**70]),
    st.text(max_size=4),
    st.sampled_from(["", "1", "true", "\x00any", "\x001", "\x00#", "x" * VALUE_CHARACTERS_MAX]),
)


@given(scalars, scalars)
def test_equal_values_have_one_name_and_different_ones_never_share_it(one, other):
    """7 is 7.0, true is not 1, a text is never a number, and no text takes the name of anything else."""
    assert (token_of(one) == token_of(other)) == (type(one) is type(other) is str and one == other) or (
        not isinstance(one, str)
        and not isinstance(other, str)
        and same(one, other) == (token_of(one) == token_of(other))
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([7], [7.0]),
        ({"a": 7}, {"a": 7.0}),
        ({"a": 2**70, "b": 1}, {"b": 1, "a": 2**70}),
        (1e300, int(1e300)),
        ([1e300], [int(1e300)]),
    ],
    ids=["list", "object", "order", "large", "large in a list"],
)
def test_equal_values_have_one_name_however_they_are_written(one, other):
    """Equal as expressions compare: inside lists and objects, too, and whatever the order of the keys."""
    assert one == other
    assert token_of(one) == token_of(other)


def test_long_values_are_remembered_as_hashes():
    """A value of a megabyte costs no megabyte in the state, and is still told from others."""
    long, longer = "x" * 1_000_000, "x" * 1_000_001
    assert len(token_of(long)) <= VALUE_CHARACTERS_MAX
    assert token_of(long) != token_of(longer)
    assert token_of(["x" * 1_000]) != token_of(["x" * 1_001])


# --- the pattern engine against the oracle

# Cases are made of choices alone: Hypothesis makes them (and makes failures small), a seeded `Random` makes many more.


@st.composite
def chosen(draw, make, *args, **kwargs):
    """What `make` builds of choices that Hypothesis takes."""
    return make(lambda options: draw(st.sampled_from(options)), *args, **kwargs)


def pattern_case(pick, roles=(ELEMENT, FORBIDDEN)):
    """Settings, and (now, when, roles, value, accepted) in the order of reading."""
    times, within, max_age = pick(range(1, 5)), pick(range(1, 13)), pick(range(1, 21))
    without = pick([None, "span", "window"])
    now, log = 100, []
    for _ in range(pick(range(1, 15))):
        now += pick(range(7))
        when = now - min(pick(range(15)), max_age)
        role = pick(roles) if without else ELEMENT
        log.append((now, when, role, pick("aab"), pick([True, False])))
    return times, within, max_age, without, log


def run_both(case):
    """The engine's and the oracle's matches, in read-order numbers."""
    times, within, max_age, without, log = case
    shop = Shop(times, within, without, max_age)
    plain = Repeats(times=times, within=within, max_age=max_age, without=without)
    plain_memory = JourneyMemory()
    known: dict[str, list[Known]] = {}
    for number, (now, when, roles, value, accepted) in enumerate(log):
        shop.see(f"{number}.", when, roles, value, now)
        found = None
        if shop.places is not None:
            found = tuple(int(shop.memory.contents[value][place]["name"][:-1]) for place in shop.places)
        places = plain.see(plain_memory, value, when, roles, now)
        assert places == shop.places, "contents are kept beside the pattern, and change nothing in it"
        events = known.setdefault(value, [])
        events.append(Known(when, number, bool(roles & ELEMENT), bool(roles & FORBIDDEN)))
        expected = best_match(events, number, times, within, without)
        assert found == expected
        if found is not None and accepted:
            shop.use_up()
            plain.use_up(plain_memory, value, places)
            known[value] = [event._replace(is_element=False) if event.number in found else event for event in events]
        assert plain_memory.buckets == shop.memory.buckets


@settings(max_examples=examples(300), deadline=None)
@given(chosen(pattern_case))
def test_the_engine_finds_what_the_oracle_finds(case):
    """Out-of-order times, ties, several values, forbidden events over span or window, some matches used up."""
    run_both(case)


@settings(max_examples=examples(300), deadline=None)
@given(chosen(pattern_case, roles=(ELEMENT, FORBIDDEN, BOTH)))
def test_the_engine_finds_what_the_oracle_finds_where_an_event_is_wanted_and_forbidden(case):
    """The same with events of both roles: used up they match no more, and still forbid."""
    run_both(case)


@pytest.mark.parametrize("seed", range(4))
def test_the_engine_finds_what_the_oracle_finds_in_many_more_logs(seed):
    """The same again over logs of a seeded generator, longer than those that Hypothesis likes."""
    random = Random(seed)
    for _ in range(2_000):
        run_both(pattern_case(random.choice))
        run_both(pattern_case(random.choice, roles=(ELEMENT, FORBIDDEN, BOTH)))


# --- the customer step against the oracle


def single(event, name):
    value = event.properties.get(name)
    return [] if value is None else [value]


def first_value(event):
    return single(event, "c")


def other_value(event):
    return single(event, "d")


def all_values(event):
    found = []
    for item in event.properties.get("items") or ():
        if item.get("c") is not None and not any(same(item["c"], one) for one in found):
            found.append(item["c"])
    return found


PATHS = {first_value: "properties.c", other_value: "properties.d", all_values: "properties.items[].c"}


@lru_cache(1_000)
def step_of(rule):
    """The customer step of a journey of this rule, made of a definition as an author writes it."""
    element = {"event": list(rule.event), "times": rule.times}
    if rule.by:
        element["by"] = PATHS[rule.by]
    if rule.without:
        element["without"] = {"event": list(rule.without), "over": rule.over}
        if rule.without_by:
            element["without"]["by"] = "any" if rule.without_by == ANY else PATHS[rule.without_by]
    enter = {"pattern": [element], "max_age": f"{rule.max_age}ms"}
    enter["again"] = rule.again if isinstance(rule.again, str) else f"after {rule.again}ms"
    if rule.within:
        enter["within"] = f"{rule.within}ms"
    if rule.key:
        enter["key"] = PATHS[rule.key]
    ids = "{% for event in matched %}{{ event.message_id }} {% endfor %}"
    step = {"id": "s", "send": "email", "template": "t", "with": {"ids": ids}}
    journey = {"journey": "j", "enter": enter, "steps": [step]}
    workspace = read_workspace({"orchestration.yaml": "timezone: UTC", "j.yaml": json.dumps(journey)})
    assert not workspace.complaints, workspace.complaints
    return CustomerStep(compile_plan(workspace.orchestration, workspace.journeys))


def told_by(step, customer, event, now):
    """What the step says of one event, in the words of the oracle."""
    records = []
    step.take(customer, "c-1", [(event, now)], records)
    told = []
    matched = [record["with"]["ids"].split() for topic, record in records if topic == "actions.email"]
    for topic, record in records:
        if topic == "journeys.facts":
            match record["fact"]:
                case "entered":
                    told.append(("entered", record["key"], matched.pop(0)))
                case "late" | "duplicate" as fact:
                    told.append((fact,))
                case "not_entered":
                    told.append(("reentry", record["key"]) if record["reason"] == "reentry" else (record["reason"],))
    return told


def assert_equal_told(told, expected):
    assert len(told) == len(expected), (told, expected)
    for one, other in zip(told, expected, strict=True):
        assert one[0] == other[0]
        if len(one) > 1:
            assert same(one[1], other[1]) or one[1] is other[1] is None
        assert one[2:] == other[2:]


def compare(rule, log):
    """Feed both; they must say the same after every event."""
    step, oracle, customer = step_of(rule), Oracle(rule), Customer()
    for event, now in log:
        assert_equal_told(told_by(step, customer, event, now), oracle.read(event, now))


def an_event(name, message_id, time, **properties):
    return Event("track", name, "c-1", message_id, time, properties, {})


VALUES = (*"aaaaaabb", 1, 1.0, True, "1", "", "\x00any", None, "missing")  # mostly one, so that there are matches
NAMES = ("E", "E", "E", "E", "F", "X", "Y", "Z")


def customer_log(pick, names=NAMES):
    """Events with the clock of each: the clock never falls, event times jump around it, also into the future."""
    now, log = 1_000, []
    for number in range(pick(range(1, 19))):
        now += pick([0, 0, 1, 1, 2, 3, 6])
        properties = {name: value for name in "cd" if (value := pick(VALUES)) != "missing"}
        properties["items"] = [{"c": pick(VALUES)} for _ in range(pick(range(3)))]
        message_id = f"m{pick(range(number + 1)) if pick(range(10)) == 0 else number}"
        time = now - pick([0, 0, 0, 0, *range(8), 12, 17, 25, -3])
        log.append((an_event(pick(names), message_id, time, **properties), now))
    return log


def entry_rule(pick, by=(None, first_value, all_values), without_by=(None, other_value), over=("span", "window")):
    """A journey's rule, of every kind."""
    forbidden, by_value = pick([(), ("X",), ("X", "Y")]), pick(by)
    return Rule(
        event=pick([("E",), ("E", "F")]),
        times=pick(range(1, 5)),
        within=pick([1, 4, 7, 12, 20]),
        by=by_value,
        without=forbidden,
        over=pick(over),
        without_by=pick(without_by) if by_value and forbidden else None,
        key=pick([None, first_value, other_value, by_value]),
        again=pick(["never", "always", "after_exit", 1, 4, 9]),
        max_age=pick([5, 20]),
    )


def wants_and_forbids(pick):
    """A rule in which one of the wanted events is forbidden between them."""
    return replace(
        entry_rule(pick, by=(None, first_value)), event=("E", "F"), without=(pick("EF"), "X"), without_by=None
    )


def of_any_value(pick, over):
    return entry_rule(pick, by=(first_value, all_values), without_by=(ANY,), over=(over,))


KINDS = {
    "of every kind": entry_rule,
    "by any over window": lambda pick: of_any_value(pick, "window"),
    "by any over span": lambda pick: of_any_value(pick, "span"),
    "wanted and forbidden": wants_and_forbids,
}


@settings(max_examples=examples(200), deadline=None)
@given(chosen(entry_rule), chosen(customer_log))
def test_the_customer_step_enters_whom_the_oracle_enters(rule, log):
    """Whole journeys: values found, missing and many, late and future events, ties, duplicates, keys, re-entry."""
    compare(rule, log)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_customer_step_enters_whom_the_oracle_enters_in_many_more_logs(kind):
    """The same over rules and logs of a seeded generator, and over rules of which the hardest parts come often."""
    random = Random(2026)
    for _ in range(50):
        rule = kind(random.choice)
        for _ in range(50):
            compare(rule, customer_log(random.choice))


@pytest.mark.parametrize("where", ["", "where: properties.c == 'x',"])
def test_an_event_that_a_journey_wants_and_forbids_can_be_the_last_of_a_match(where):
    """Of one name in `event` and in `without`: the second look is not between the first and itself, whatever `where` says."""
    text = f"""
journey: j
enter:
  pattern: [{{event: [E, F], times: 2, without: {{event: F, {where} over: span}}}}]
  within: 10ms
steps: [{{id: s, send: email, template: t, with: {{ids: "{{% for e in matched %}}{{{{ e.message_id }}}} {{% endfor %}}"}}}}]
"""
    workspace = read_workspace({"orchestration.yaml": "timezone: UTC", "j.yaml": text})
    step, customer = CustomerStep(compile_plan(workspace.orchestration, workspace.journeys)), Customer()
    told_by(step, customer, an_event("E", "m1", 100), 100)
    assert told_by(step, customer, an_event("F", "m2", 101, c="x"), 101) == [("entered", None, ["m1", "m2"])]


@pytest.mark.parametrize("by", [None, first_value])
def test_a_missing_value_neither_matches_nor_forbids(by):
    """Not the events with a value, and not each other."""
    rule = Rule(event=("E",), times=2, within=10, by=by, without=("X",), over="window")
    step, customer = step_of(rule), Customer()
    told = [
        told_by(step, customer, an_event("X", "m0", 99), 100),
        told_by(step, customer, an_event("E", "m1", 100, c=None), 100),
        told_by(step, customer, an_event("E", "m2", 101), 101),
        told_by(step, customer, an_event("E", "m3", 102, c="a"), 102),
        told_by(step, customer, an_event("E", "m4", 103, c="a"), 103),
    ]
    assert told[4] == ([("entered", None, ["m3", "m4"])] if by else [])
    assert told[:4] == [[], [], [], []]


def test_a_missing_value_does_not_match_a_single_event_either():
    """`by` on a pattern of one: an event without the value enters nobody."""
    step, customer = step_of(Rule(event=("E",), by=first_value)), Customer()
    assert told_by(step, customer, an_event("E", "m1", 100), 100) == []
    assert told_by(step, customer, an_event("E", "m2", 101, c="a"), 101) == [("entered", None, ["m2"])]


def test_one_item_of_many_is_enough_and_one_event_counts_once_for_a_value():
    """`properties.items[].c`: two items of one value in one event are one look."""
    step, customer = step_of(Rule(event=("E",), times=2, within=10, by=all_values, again="always")), Customer()
    assert told_by(step, customer, an_event("E", "m1", 100, items=[{"c": "a"}, {"c": "a"}]), 100) == []
    told = told_by(step, customer, an_event("E", "m2", 101, items=[{"c": "b"}, {"c": "a"}]), 101)
    assert told == [("entered", None, ["m1", "m2"])]


def test_a_run_is_keyed_by_the_value_that_its_events_agree_in():
    """Where `key` is the path of `by`, the key is the value that matched, not whichever the event names first."""
    rule = Rule(event=("E",), times=2, within=10, by=all_values, key=all_values)
    step, customer = step_of(rule), Customer()
    told_by(step, customer, an_event("E", "m1", 100, items=[{"c": "a"}]), 100)
    told = told_by(step, customer, an_event("E", "m2", 101, items=[{"c": "b"}, {"c": "a"}]), 101)
    assert told == [("entered", "a", ["m1", "m2"])]


def test_an_event_of_the_future_is_seen_at_the_clock():
    """`when` is at most `now`: a device ahead of its time gains nothing by it."""
    rule = Rule(event=("E",), times=2, within=10, again="always")
    step, customer = step_of(rule), Customer()
    told_by(step, customer, an_event("E", "m1", 9_000, c="a"), 100)
    assert told_by(step, customer, an_event("E", "m2", 109, c="a"), 109) == [("entered", None, ["m1", "m2"])]


def test_what_is_remembered_of_a_customer_does_not_grow_with_the_log():
    """A year of looks in one category fits where a week of them does."""
    rule = Rule(event=("E",), times=3, within=10, by=first_value, key=first_value, again=10, max_age=20)
    step, customer, sizes = step_of(rule), Customer(), []
    day = 24 * 60 * 60 * 1000
    for number in range(2_000):
        told_by(step, customer, an_event("E", f"m{number}", number * day, c=f"v{number}"), number * day)
        sizes.append(len(encode_customer(customer)))
    assert max(sizes[1_000:]) < 1.1 * max(sizes[:1_000])  # later times are longer numbers


def test_the_examples_in_the_docstrings_are_true():
    """Prose that is not executed drifts."""
    assert doctest.testmod(pattern_repeats).failed == 0
