"""Patterns of several elements: each sentence of the design about them, as a story of letters.

In `life("a b c")` each letter is an event of that name, a millisecond after the one before; `b:x` has the value x as `properties.c`.
"""

import pytest

from operators.pattern_repeats import BUCKETS_MAX, EVENTS_MAX
from operators.pattern_search import STEPS_MAX
from operators.pattern_sequence import Elements
from tests.operators.pattern_watcher import Watcher, an_event

MINUTE, HOUR = 60_000, 3_600_000


def pattern(*elements, within="1h", **more):
    return {"pattern": [{"event": one} if isinstance(one, str) else one for one in elements], "within": within, **more}


def life(enter, story, accepts=True):
    """The matches of a story, each as the letters of its events with their places from 1: `a1 b3`."""
    watcher, told = Watcher(enter), []
    for place, word in enumerate(story.split(), 1):
        name, _, value = word.partition(":")
        event = an_event(name, f"{name}{place}", place, **({"c": value} if value else {}))
        told += [" ".join(ids) for _, ids in watcher.see(event, place, accepts)]
    return told


# --- sequences and repeats


@pytest.mark.parametrize(
    ("elements", "story", "matches"),
    [
        (["a", "b"], "b a x b b", ["a2 b4"]),
        (["a", {"event": "b", "times": 2}, "c"], "a b c b c", ["a1 b2 b4 c5"]),
        (["a", {"event": "b", "times": {"at_least": 1}}, "c"], "a b b c", ["a1 b2 b3 c4"]),
        (["a", {"event": "b", "times": {"at_least": 3}}, "c"], "a b b c b c", ["a1 b2 b3 b5 c6"]),
        (["a", {"event": "b", "times": {"at_most": 2}}, "c"], "a b b b c", ["a1 b2 b3 c5"]),
        (["a", {"event": "b", "times": {"at_most": 2}}, "c"], "a c", []),
        (["a", {"event": "b", "optional": True}, "c"], "a c a b c", ["a1 c2", "a3 b4 c5"]),
        (["a", {"event": "b", "times": {"at_most": 2}, "optional": True}, "c"], "a c", ["a1 c2"]),
        (["a", {"event": "b", "times": {"at_least": 2}}], "a b b b", ["a1 b2 b3"]),
        ([{"event": ["a", "b"], "times": 2}, "c"], "b x a c", ["b1 a3 c4"]),
    ],
)
def test_elements_are_matched_in_order_with_others_between(elements, story, matches):
    """Repeats are greedy; a final `at_least: n` matches at the nth."""
    assert life(pattern(*elements), story) == matches


def test_of_several_matches_the_one_with_the_earliest_first_event_wins():
    """Also where another would be shorter."""
    assert life(pattern("a", "b"), "a a b b") == ["a1 b3", "a2 b4"]


def test_events_at_one_time_are_taken_in_read_order():
    """b read before a is no a then b."""
    watcher = Watcher(pattern("a", "b"))
    assert watcher.see(an_event("b", "b1", 5), 5) == []
    assert watcher.see(an_event("a", "a2", 5), 5) == []
    assert watcher.see(an_event("b", "b3", 5), 5) == [("", ["a2", "b3"])]


def test_an_event_that_comes_late_takes_its_place_by_event_time():
    """a is read last, and completes the match that begins with it."""
    watcher = Watcher(pattern("a", "b"))
    assert watcher.see(an_event("b", "b1", 50), 60) == []
    assert watcher.see(an_event("a", "a2", 40), 61) == [("", ["a2", "b1"])]


def test_the_window_is_half_open():
    """Of two events exactly `within` apart the older is outside."""
    for apart, found in (10, []), (9, [("", ["a", "b"])]):
        watcher = Watcher(pattern("a", "b", within="10ms"))
        watcher.see(an_event("a", "a", 100), 100)
        assert watcher.see(an_event("b", "b", 100 + apart), 100 + apart) == found


def test_an_event_older_than_max_age_is_told_as_late_and_seen_by_nobody():
    """It is younger by a millisecond, or it is not."""
    watcher = Watcher(pattern("a", "b", max_age="10ms"))
    watcher.see(an_event("b", "b", 100), 100)
    assert watcher.see(an_event("a", "a", 89), 100) == []
    assert [(topic, record["fact"], record["message_id"]) for topic, record in watcher.records] == [
        ("journeys.facts", "late", "a")
    ]
    assert watcher.see(an_event("a", "a", 90), 100) == [("", ["a", "b"])]


# --- used up


def test_after_a_match_its_events_are_used_up_and_others_are_not():
    """`past_last`: a4 was not in the match."""
    assert life(pattern("a", "b"), "a a b b b") == ["a1 b3", "a2 b4"]


def test_skip_none_uses_up_nothing():
    """The same first event again, with each further last."""
    assert life(pattern("a", "b", skip="none"), "a b b") == ["a1 b2", "a1 b3"]


def test_a_match_that_is_refused_uses_up_nothing():
    """As if it had not been."""
    assert life(pattern("a", "b"), "a b b", accepts=False) == ["a1 b2", "a1 b3"]


# --- strict


@pytest.mark.parametrize(
    ("story", "matches"),
    [("a b", ["a1 b2"]), ("a x b", []), ("a a b", ["a2 b3"]), ("a b:v", ["a1 b2"])],
)
def test_strict_lets_no_other_event_of_the_customer_come_between(story, matches):
    """Whatever its name."""
    assert life(pattern("a", {"event": "b", "strict": True}), story) == matches


def test_strict_holds_between_repeats_too():
    """Three in a row."""
    three = pattern({"event": "a", "times": 3, "strict": True})
    assert life(three, "a a x a a a") == ["a4 a5 a6"]


def test_a_used_up_event_still_lies_between():
    """It happened."""
    assert life(pattern("a", {"event": "b", "strict": True}), "a a b b") == ["a2 b3"]


# --- without


@pytest.mark.parametrize(
    ("over", "story", "matches"),
    [
        ("span", "x a b", ["a2 b3"]),
        ("span", "a x b", []),
        ("span", "a x a b", ["a3 b4"]),
        ("window", "x a b", []),
        ("window", "a b x a b", ["a1 b2"]),
    ],
)
def test_without_looks_at_the_span_or_at_the_whole_window(over, story, matches):
    """Between the event before and this one, or anywhere in `within` up to the match."""
    assert life(pattern("a", {"event": "b", "without": {"event": "x", "over": over}}), story) == matches


def test_without_of_repeats_looks_from_the_event_before_to_the_last_of_them():
    """And not beyond."""
    enter = pattern("a", {"event": "b", "times": 2, "without": {"event": "x"}}, "c")
    assert life(enter, "a b b x c") == ["a1 b2 b3 c5"]
    assert life(enter, "a b x b c") == []
    assert life(enter, "a x b b c") == []


def test_without_may_look_at_what_was_matched():
    """A cheaper offer in between forbids; a dearer one does not."""
    without = {"event": "x", "where": "properties.n < first.properties.n"}
    enter = pattern("a", {"event": "b", "without": without})
    for price, found in (5, 0), (15, 1):
        watcher = Watcher(enter)
        watcher.see(an_event("a", "a", 1, n=10), 1)
        watcher.see(an_event("x", "x", 2, n=price), 2)
        assert len(watcher.see(an_event("b", "b", 3, n=0), 3)) == found


# --- by


def test_events_of_elements_with_by_agree_in_the_value():
    """Two carts do not complete each other's."""
    enter = pattern({"event": "a", "by": "properties.c"}, {"event": "b", "by": "properties.c"})
    assert life(enter, "a:x b:y a:y b:x b:y") == ["a1 b4", "a3 b5"]


def test_paths_may_differ_between_elements_and_any_item_will_do():
    """Viewed one category, ordered several products."""
    enter = pattern({"event": "a", "by": "properties.c"}, {"event": "b", "by": "properties.products[].category"})
    watcher = Watcher(enter)
    watcher.see(an_event("a", "a", 1, c="tents"), 1)
    event = an_event("b", "b", 2, products=[{"category": "boots"}, {"category": "tents"}])
    assert watcher.see(event, 2) == [("tents", ["a", "b"])]


def test_an_element_without_by_takes_events_of_any_value_once_for_each():
    """The login is part of the match of each category."""
    enter = pattern({"event": "a", "by": "properties.c"}, "b")
    assert life(enter, "a:x a:y b b") == ["a1 b3", "a2 b3"]
    assert life(pattern("b", {"event": "a", "by": "properties.c"}), "b a:x a:y a:x") == ["b1 a2", "b1 a3"]


def test_a_value_that_is_no_text_is_the_value_of_the_match():
    """A number stays one, also where the last event has none."""
    watcher = Watcher(pattern({"event": "a", "by": "properties.c"}, "b"))
    for number, value in enumerate([7, True, {"x": 1}, "x" * 500]):
        watcher.see(an_event("a", f"a{number}", 1, c=value), 1)
    assert [value for value, _ in watcher.see(an_event("b", "b", 2), 2)] == [7, True, {"x": 1}, "x" * 500]


# --- distinct


def test_distinct_values_differ_each_time():
    """A missing one does not count."""
    enter = pattern({"event": "a", "times": 3, "distinct": "properties.c"})
    assert life(enter, "a:x a:x a:y a a:x a:z") == ["a1 a3 a6"]


def test_distinct_days_are_those_of_the_customer():
    """23:30 and 00:30 in Berlin are two days, though one in UTC."""
    enter = pattern({"event": "a", "times": 2, "distinct": "day"}, within="2d")
    evening = 1_767_133_800_000  # 2025-12-30T22:30Z, 23:30 in Berlin
    for zone, found in (None, 1), ("UTC", 0):
        watcher = Watcher(enter)
        watcher.customer.profile = {"timezone": zone} if zone else {}
        watcher.see(an_event("a", "a1", evening), evening)
        assert len(watcher.see(an_event("a", "a2", evening + HOUR), evening + HOUR)) == found


# --- where


def test_where_may_look_at_first_matched_and_names():
    """Each view dearer than the one before, and the order as dear as the first."""
    rising = {
        "event": "a",
        "as": "views",
        "times": 3,
        "where": "len(matched) == 0 or properties.n > matched[-1].properties.n",
    }
    enter = pattern(rising, {"event": "b", "where": "properties.n == first.properties.n and len(views) == 3"})
    watcher, found = Watcher(enter), []
    for number, (name, n) in enumerate([("a", 1), ("a", 3), ("a", 2), ("a", 4), ("b", 2), ("b", 1)]):
        found += watcher.see(an_event(name, f"{name}{number}", number, n=n), number)
    assert found == [("", ["a0", "a1", "a3", "b5"])]


def test_where_of_enter_is_part_of_the_match():
    """The next candidate is tried."""
    enter = pattern("a", "b", where="entry.properties.n > first.properties.n")
    watcher = Watcher(enter)
    for number, n in enumerate([5, 1]):
        watcher.see(an_event("a", f"a{number}", number, n=n), number)
    assert watcher.see(an_event("b", "b", 2, n=3), 2) == [("", ["a1", "b"])]


def test_as_names_its_event_or_its_events():
    """None where an optional one did not come."""
    elements = [{"event": "a", "as": "one"}, {"event": "b", "as": "some", "times": {"at_least": 1}}]
    watcher = Watcher(pattern(*elements, {"event": "d", "as": "perhaps", "optional": True}, "c"))
    for number, name in enumerate("abb"):
        watcher.see(an_event(name, f"{name}{number}", number), number)
    event = an_event("c", "c", 9)
    (match,) = watcher.pattern.see(watcher.memory, event, watcher.moment(event, 9))
    assert match.names["one"].message_id == "a0"
    assert [one.message_id for one in match.names["some"]] == ["b1", "b2"]
    assert match.names["perhaps"] is None


# --- absent


def cart(**more):
    """A cart, and no order within the hour."""
    return {"pattern": [{"event": "cart", **more}, {"absent": "order", "for": "1h"}]}


def test_an_absence_matches_at_its_deadline():
    """And once."""
    watcher = Watcher(cart())
    assert watcher.see(an_event("cart", "a", 0), 0) == []
    assert watcher.due(HOUR - 1) == []
    assert watcher.due(HOUR) == [(HOUR, "", ["a"])]
    assert watcher.due(2 * HOUR) == []


def test_what_comes_before_the_deadline_ends_the_waiting():
    """At the deadline the timer was first."""
    watcher = Watcher(cart())
    watcher.see(an_event("cart", "a", 0), 0)
    watcher.see(an_event("order", "o", HOUR - 1), HOUR - 1)
    assert watcher.due(2 * HOUR) == []


def test_a_further_match_starts_the_waiting_anew():
    """The hour counts from the last of them, and that is the entry."""
    watcher = Watcher(cart())
    watcher.see(an_event("cart", "a", 0), 0)
    watcher.see(an_event("cart", "b", HOUR // 2), HOUR // 2)
    assert watcher.due(HOUR + HOUR // 2) == [(HOUR + HOUR // 2, "", ["b"])]


def test_a_burst_that_is_uploaded_late_is_read_first():
    """The cart is an hour old when it is read: a minute is left for the order behind it."""
    for order in None, 2 * HOUR + 30_000:
        watcher = Watcher(cart())
        watcher.see(an_event("cart", "a", 0), 2 * HOUR)
        if order:
            watcher.see(an_event("order", "o", HOUR // 2), order)
        assert watcher.due(3 * HOUR) == ([] if order else [(2 * HOUR + MINUTE, "", ["a"])])


def test_what_came_before_the_match_is_no_absence_broken():
    """An older order that is read late, too; one between the cart and its reading is."""
    for order, found in (0, 1), (2, 0):
        watcher = Watcher(cart())
        watcher.see(an_event("order", "o", order), 5)
        watcher.see(an_event("cart", "a", 1), 5)
        assert len(watcher.due(2 * HOUR)) == found
    watcher = Watcher(cart())
    watcher.see(an_event("cart", "a", 1), 5)
    watcher.see(an_event("order", "o", 0), 6)
    assert len(watcher.due(2 * HOUR)) == 1


def test_each_value_waits_by_itself():
    """An order of one cart says nothing of another; with `by: any` it does."""
    for by, found in (None, ["b"]), ("any", []):
        enter = cart(by="properties.c")
        if by:
            enter["pattern"][1]["by"] = by
        watcher = Watcher(enter)
        watcher.see(an_event("cart", "a", 0, c="x"), 0)
        watcher.see(an_event("cart", "b", 1, c="y"), 1)
        watcher.see(an_event("order", "o", 2, c="x"), 2)
        assert [ids for _, _, ids in watcher.due(2 * HOUR)] == ([found] if found else [])


# --- what is remembered


def test_memory_does_not_grow_with_the_log():
    """Neither events nor values nor absences."""
    by = {"by": "properties.c"}
    enter = {"pattern": [{"event": "a", **by}, {"event": "b", **by}, {"absent": "x", "for": "1h"}], "within": "1h"}
    watcher = Watcher({**enter, "max_age": "1h"})
    sizes = []
    for number in range(1_000):
        now = number * HOUR
        watcher.due(now)
        for name in "ab":
            event = an_event(name, f"{name}{number}", now, c=f"v{number}")
            watcher.pattern.see(watcher.memory, event, watcher.moment(event, now))
        sizes.append(len(watcher.memory.buckets))
    assert max(sizes) <= 16


def test_events_of_one_value_are_bounded_and_the_oldest_goes_first():
    """The newest still match."""
    watcher = Watcher(pattern("a", "b", within="30d"))
    memory = watcher.memory
    for number in range(3 * EVENTS_MAX):
        event = an_event("a", f"a{number}", number)
        watcher.pattern.see(memory, event, watcher.moment(event, number))
    assert len(memory.buckets[""]) == len(memory.contents[""]) == EVENTS_MAX
    event = an_event("b", "b", 10_000)
    (match,) = watcher.pattern.see(memory, event, watcher.moment(event, 10_000))
    assert match.events[0].message_id == f"a{2 * EVENTS_MAX + 1}"


def test_values_are_bounded_and_the_one_longest_unused_goes():
    """`BUCKETS_MAX` of them."""
    watcher = Watcher(pattern({"event": "a", "by": "properties.c"}, {"event": "b", "by": "properties.c"}, within="30d"))
    memory = watcher.memory
    for number in range(BUCKETS_MAX + 100):
        event = an_event("a", f"a{number}", number, c=f"v{number}")
        watcher.pattern.see(memory, event, watcher.moment(event, number))
    assert len(memory.buckets) <= BUCKETS_MAX
    assert "v0" not in memory.buckets
    assert f"v{BUCKETS_MAX + 99}" in memory.buckets


def changed(watcher, enter, **more):
    """The same customer under another version of the pattern."""
    other = Watcher(enter, **more)
    other.customer = watcher.customer
    return other


TWICE = pattern({"event": "a", "times": 2})


@pytest.mark.parametrize(
    ("enter", "reads_events"),
    [
        (pattern({"event": ["a", "b"], "times": 2}), False),
        (pattern({"event": "a", "times": 2, "where": "properties.n is None"}), False),
        (pattern({"event": "a", "times": 2, "by": "properties.c"}), False),
        (TWICE, True),
        (pattern("a", "a"), False),
        (pattern({"event": "a", "times": 2, "strict": True}), False),
    ],
)
def test_a_pattern_that_is_written_anew_begins_anew(enter, reads_events):
    """What another version remembered is no part of its matches, in whatever form it was kept; both ways."""
    for first, then in ((TWICE, False), (enter, reads_events)), ((enter, reads_events), (TWICE, False)):
        watcher = Watcher(first[0], reads_events=first[1])
        assert watcher.see(an_event("a", "a1", 1, c="x"), 1) == []
        watcher = changed(watcher, then[0], reads_events=then[1])
        assert watcher.see(an_event("a", "a2", 2, c="x"), 2) == []
        assert [len(ids) for _, ids in watcher.see(an_event("a", "a3", 3, c="x"), 3)] in ([1], [2])


@pytest.mark.parametrize("enter", [TWICE, pattern("a", "a")])
def test_a_pattern_of_which_only_times_change_goes_on(enter):
    """A longer window has what is remembered to begin with."""
    watcher = Watcher(enter)
    watcher.see(an_event("a", "a1", 1), 1)
    watcher = changed(watcher, {**enter, "within": "2h", "max_age": "2d"})
    assert watcher.see(an_event("a", "a2", 2), 2) == [("", ["a1", "a2"])]


def test_an_absence_of_another_version_is_waited_for_no_more():
    """Its deadline comes, and nothing is due; with another `for` it stays as it was set."""
    for enter, found in (
        (cart(where="properties.n is None"), 0),
        ({"pattern": [{"event": "cart"}, {"absent": "order", "for": "2h"}]}, 1),
    ):
        watcher = Watcher(cart())
        watcher.see(an_event("cart", "a", 0), 0)
        watcher = changed(watcher, enter)
        assert len(watcher.pattern.deadlines(watcher.memory)) == found
        event = an_event("timer", "t", HOUR)
        assert (watcher.pattern.due(watcher.memory, "", watcher.moment(event, HOUR)) is not None) == bool(found)


def test_a_search_ends_also_in_a_log_that_was_made_for_it():
    """A staircase of ten steps in a log that has none: the bound ends it, and nothing is found."""
    rising = "len(matched) == 0 or properties.n > matched[-1].properties.n"
    watcher = Watcher(pattern({"event": "a", "times": 10, "where": rising}))
    found = []
    for number in range(60):
        found += watcher.see(an_event("a", f"a{number}", number, n=number % 9), number)
    assert found == []


def test_the_bounds_are_stated():
    """What is kept, how long, how much of it, and what happens then."""
    by = {"by": "properties.c"}
    lines = Watcher({**cart(**by), "max_age": "1d"}, reads_events=False).pattern.bounds()
    assert lines == [
        "the time and the id of each event is kept for 1d (`within` and `max_age`)",
        "at most 256 events of one value of `by`; beyond it the oldest is forgotten",
        "at most 4,096 values of one customer; beyond it the one longest unused is forgotten",
        "at most 4,096 absences are waited for at once; further ones are not",
    ]
    strict = Watcher(pattern("a", {"event": "b", "strict": True})).pattern.bounds()
    assert strict[0] == "each event, whole, of every name (`strict`) is kept for 73h (`within` and `max_age`)"
    distinct = Watcher(pattern({"event": "a", "times": 2, "distinct": "properties.c"})).pattern.bounds()
    assert distinct[-1] == f"at most {STEPS_MAX:,} steps are taken to find one match; beyond it there is none"
    assert Watcher({"event": "a"}).pattern.bounds() == ["nothing is kept: each event is decided on its own"]


def test_the_machine_of_several_elements_is_for_what_needs_it():
    """The common pattern of one element keeps its short way."""
    assert isinstance(Watcher(pattern("a", "b")).pattern, Elements)
    assert not isinstance(Watcher(pattern({"event": "a", "times": 3, "by": "properties.c"})).pattern, Elements)
