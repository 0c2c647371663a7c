"""Steps that decide and act: branch, split, set, send, suppress and release, exit; nested as deep as one likes."""

import json
from collections import Counter
from hashlib import blake2b

import pytest

from operators.chance import arm_of, is_control
from tests.operators.life import DAY, HOUR, T0, Life, iso, plan_of


def journey(steps, top="", enter="event: A, again: always", name="j"):
    return f"journey: {name}\nenter: {{{enter}}}\n{top}\nsteps:\n{steps}"


# --- branch


def test_the_first_way_that_holds_is_taken_and_the_walk_goes_on_after_it():
    """The last may do without a condition; the fact says which."""
    steps = """
  - branch:
      - {when: event.properties.n > 5, do: [{id: big, send: email, template: t}]}
      - {when: event.properties.n > 1, do: [{id: mid, send: email, template: t}]}
      - {do: [{id: small, send: email, template: t}]}
  - {id: after, send: push, template: t}
"""
    for n, way, number in ((9, "big", 1), (3, "mid", 2), (0, "small", 3)):
        life = Life(journey(steps))
        life.does("A", n=n)
        assert life.sent == [way, "after"]
        assert next(fact["branch"] for fact in life.facts if fact.get("step") == "1") == number


def test_where_no_way_holds_the_walk_goes_on():
    """The fact says that none was taken."""
    life = Life(
        journey("  - branch: [{when: properties.n > 5, do: [{exit: big}]}]\n  - {id: s, send: email, template: t}\n")
    )
    life.does("A", n=1)
    assert life.sent == ["s"]
    assert next(fact["branch"] for fact in life.facts if fact.get("step") == "1") is None


def test_steps_nest_as_deep_as_one_likes():
    """Ids are paths from 1; each list leads on to what comes after it."""
    text = "[{send: email, template: deep}]"
    path = ""
    for _ in range(12):
        text = f"[{{branch: [{{when: properties.n == 1, do: [{{exit: gone}}]}}, {{do: {text}}}]}}, {{send: push, template: t}}]"
        path += "1.2."
    life = Life(f"journey: j\nenter: {{event: A}}\nsteps: {text}\n")
    life.does("A")
    assert life.sent[0] == f"{path}1"
    assert life.sent[1:] == [f"{'1.2.' * depth}2" for depth in range(11, -1, -1)]


def test_default_ids_are_paths():
    """Through waits, branches, experiments and exits."""
    steps = """
  - {wait: 1d}
  - wait_for: [{event: B, do: [{exit: x}]}]
    timeout: 1d
    else: [{send: email, template: t}]
  - split: {name: x, arms: {a: {do: [{send: email, template: t}]}, b: {}}}
  - branch: [{when: profile.x, do: [{exit: x}]}, {do: [{send: email, template: t}]}]
"""
    plan = plan_of(journey(steps, "exit: [{event: C}, {event: D, do: [{send: sms, template: t}]}]"))
    assert sorted(plan.journeys[0].steps) == [
        "1", "2", "2.1.1", "2.else.1", "3", "3.arms.a.1", "4", "4.1.1", "4.2.1", "exit.2.1",
    ]  # fmt: skip
    assert [warning.split()[2] for warning in plan.warnings] == [
        "1", "2", "2.else.1", "3.arms.a.1", "4.2.1", "exit.2.1",
    ]  # fmt: skip


def test_an_exit_step_ends_the_run_with_its_reason():
    """Also deep inside."""
    life = Life(journey("  - branch: [{do: [{exit: no need}]}]\n"))
    life.does("A")
    assert life.story == ["entered", "step 1", "step 1.1.1", "exited no need"]


# --- split

SPLIT = "  - split: {name: subject, arms: {a: {weight: 50, do: [{id: a, send: email, template: a}]}, b: {weight: 50, do: []}}}\n"


def test_an_arm_is_a_hash_of_the_experiment_and_the_customer():
    """As the module says it, recomputed here; the same in every journey and at every entry."""
    for number in range(50):
        customer = f"c-{number}"
        text = json.dumps(["split", "subject", customer], separators=(",", ":"))
        lot = int(blake2b(text.encode(), digest_size=16).hexdigest()[:16], 16)
        expected = "a" if lot < 2**63 else "b"
        life = Life(journey(SPLIT), journey(SPLIT, name="k"), customer_id=customer)
        life.does("A")
        life.does("A", HOUR)
        assert {fact["arm"] for fact in life.facts if fact["fact"] == "assigned"} == {expected}


def test_weights_are_shares():
    """Relative to each other; one of 0 gets nobody."""
    arms = [("a", 1), ("b", 3), ("none", 0)]
    counts = Counter(arm_of("x", f"c-{number}", arms) for number in range(20_000))
    assert counts["none"] == 0
    assert 0.23 < counts["a"] / 20_000 < 0.27
    assert arm_of("x", "c", [("a", 0), ("b", 2)]) == "b"


def test_exposure_is_told_where_the_first_message_goes_out():
    """Once for each experiment and run; with the arm on the action."""
    steps = SPLIT + "  - {id: s, send: push, template: t}\n  - {id: n, send: push, template: t}\n"
    for customer in "c-1", "c-2", "c-3", "c-4":
        life = Life(journey(steps), customer_id=customer)
        life.does("A")
        arm = life.fact("assigned")["arm"]
        assert life.count("exposed") == 1
        assert (life.fact("exposed")["name"], life.fact("exposed")["arm"]) == ("subject", arm)
        assert life.fact("exposed")["step"] == ("a" if arm == "a" else "s")
        assert {action["arm"] for action in life.actions} == {arm}


# --- control

CONTROLLED = "control: CONTROL\ngoal: {event: B}\nexit: [goal]"


def test_a_control_customer_walks_the_journey_and_is_sent_nothing():
    """The exposure and the conversion are told all the same."""
    steps = "  - {id: s, send: email, template: t}\n  - {id: w, wait: 1d}\n  - {suppress: ads}\n  - {set: {x: 1}}\n"
    life = Life(journey(steps, CONTROLLED.replace("CONTROL", "100%")))
    life.does("A")
    life.later(DAY)
    life.does("B", HOUR)
    assert life.actions == []
    assert life.story == [
        "entered", "held_out", "step s", "exposed s", "withheld s", "step w", "waiting w", "timed_out w", "step 3",
        "withheld 3", "step 4", "exited completed", "converted",
    ]  # fmt: skip
    assert [fact["gate"] for fact in life.facts if fact["fact"] == "withheld"] == ["control", "control"]
    assert (life.fact("exposed")["name"], life.fact("exposed")["arm"]) == ("j", "control")
    assert life.customer.contacts == {}
    assert life.customer.holds == {}


def test_the_rest_is_told_as_treated():
    """So that both can be compared."""
    life = Life(journey("  - {id: s, send: email, template: t}\n", CONTROLLED.replace("CONTROL", "0.01%")))
    life.does("A")
    assert life.sent == ["s"]
    assert life.fact("exposed")["arm"] == "treatment"
    life = Life(journey("  - {id: s, send: email, template: t}\n", CONTROLLED.replace("CONTROL", "0%")))
    life.does("A")
    assert life.count("exposed") == 0


def test_the_share_of_the_control_group_is_what_was_asked_for():
    """By a hash of the journey and the customer."""
    share = sum(is_control("j", f"c-{number}", 1_000) for number in range(20_000)) / 20_000
    assert 0.09 < share < 0.11
    assert not any(is_control("j", f"c-{number}", 0) for number in range(1_000))
    assert all(is_control("j", f"c-{number}", 10_000) for number in range(1_000))


# --- send


def test_a_ranked_list_takes_the_first_channel_that_passes():
    """The others are told."""
    holds = journey("  - {suppress: [push, email], tag: news}\n  - {id: w, wait: 9d}\n", enter="event: H", name="h")
    send = "  - {id: s, send: [push, email, sms], template: t, tags: [news]}\n"
    life = Life(journey(send), holds)
    life.does("A")
    assert [action["channel"] for action in life.actions] == ["push"]
    life.does("H", HOUR)
    life.does("A", HOUR)
    assert [action["channel"] for action in life.actions if action["kind"] == "send"] == ["push", "sms"]
    withheld = [(one["channel"], one["gate"], one["then"]) for one in life.facts if one["fact"] == "withheld"]
    assert withheld == [("push", "suppressed", "next_channel"), ("email", "suppressed", "next_channel")]


def test_best_is_the_customers_preferred_channel_then_as_listed():
    """A preference that is none of them is none."""
    for preferred, channel in (("push", "push"), ("fax", "email"), (None, "email"), (7, "email")):
        life = Life(journey("  - {id: s, send: {best: [email, push]}, template: t}\n"))
        life.identify(preferred_channel=preferred)
        life.does("A")
        assert [action["channel"] for action in life.actions] == [channel]


def test_an_action_can_carry_all_that_is_known():
    """For the call centre."""
    life = Life(
        journey("  - {id: s, send: push, template: t, attach: profile}\n  - {id: n, send: push, template: t}\n")
    )
    life.identify(plan="gold")
    life.does("A")
    assert life.actions[0]["profile"]["attributes"] == {"plan": "gold"}
    assert "profile" not in life.actions[1]


def test_a_template_that_fails_withholds_its_message_and_nothing_else():
    """With the error; the walk goes on, for control too."""
    steps = "  - {id: s, send: email, template: t, with: {n: '{{ event.properties.n }}'}}\n  - {id: n, send: push, template: t}\n"
    life = Life(journey(steps))
    life.does("A")
    assert life.sent == ["n"]
    assert life.fact("withheld")["gate"] == "template"
    assert "n" in life.fact("withheld")["error"]


def test_each_visit_of_a_step_has_an_action_id_of_its_own():
    """`attempt` counts them."""
    steps = "  - {id: w, wait_for: [{event: B, do: [{id: s, send: email, template: t}], again: true}], timeout: 9d}\n"
    life = Life(journey(steps))
    life.does("A")
    life.does("B")
    life.does("B", HOUR)
    for attempt, action in enumerate(life.actions, 1):
        parts = ["c-42", "j", 1, action["instance"], "s", "email", attempt]
        text = json.dumps(parts, separators=(",", ":"))
        assert action["action_id"] == blake2b(text.encode(), digest_size=16).hexdigest()


# --- set


def test_attributes_are_set_from_literals_and_expressions():
    """And read by the steps after; the profile is told."""
    steps = """
  - set: {vip: true, n: {expr: properties.n + 1}, list: [1, {a: null}], gone: {expr: properties.missing}}
  - {id: s, send: email, template: t, with: {n: "{{ profile.n }}", vip: "{{ profile.vip }}"}}
"""
    life = Life(journey(steps))
    life.does("A", n=1)
    assert life.customer.profile == {"vip": True, "n": 2, "list": [1, {"a": None}], "gone": None}
    assert life.actions[0]["with"] == {"n": 2, "vip": True}
    assert next(record for topic, record in life.told if topic == "profiles")["attributes"]["n"] == 2


def test_what_cannot_be_stored_is_not_and_says_so():
    """The rest is."""
    steps = "  - set: {a: 1, big: {expr: properties.n}}\n"
    life = Life(journey(steps))
    life.does("A", n="x" * 200_000)
    assert life.customer.profile == {"a": 1}
    assert life.fact("not_stored")["attributes"] == ["big"]
    assert life.fact("not_stored")["journey"] == "j"


# --- suppress and release


def kinds(life):
    return [(action["kind"], action["channel"], action["tags"], action["expires_at"]) for action in life.actions]


def test_what_a_run_holds_back_is_free_when_it_ends():
    """Each channel is told, both times."""
    life = Life(journey("  - {id: h, suppress: [email, ads], tag: [news, offers]}\n  - {id: w, wait: 3d}\n"))
    life.does("A")
    assert kinds(life) == [
        ("suppress", "email", ["news", "offers"], None),
        ("suppress", "ads", ["news", "offers"], None),
    ]
    life.later(3 * DAY)
    assert sorted(kinds(life)[2:]) == [
        ("release", "ads", ["news", "offers"], None),
        ("release", "email", ["news", "offers"], None),
    ]
    assert life.customer.holds == {}
    assert len({action["action_id"] for action in life.actions}) == 4


def test_with_for_it_outlives_the_run_and_ends_by_the_clock():
    """At that millisecond a message goes out again."""
    send = journey("  - {id: s, send: email, template: t, tags: [news]}\n", enter="event: S, again: always", name="k")
    life = Life(journey("  - {id: h, suppress: email, tag: news, for: 3d}\n"), send)
    life.does("A")
    assert life.story[-1] == "exited completed"
    assert kinds(life) == [("suppress", "email", ["news"], iso(T0 + 3 * DAY))]
    life.does("S", DAY)
    assert life.sent == []
    assert life.fact("withheld")["gate"] == "suppressed"
    life.does("S", 2 * DAY)
    assert life.sent == ["s"]
    assert kinds(life)[1] == ("release", "email", ["news"], None)
    assert life.actions[1]["decided_at"] == iso(T0 + 3 * DAY)
    assert life.customer.timers == {}


def test_the_last_holder_frees_the_tag():
    """Two journeys hold it; each step's `for` counts from its last visit."""
    one = journey("  - {id: h, suppress: ads, tag: news, for: 3d}\n")
    other = journey("  - {id: h, suppress: ads, tag: news}\n  - {id: w, wait: 5d}\n", enter="event: B", name="k")
    life = Life(one, other)
    life.does("A")
    life.does("B", DAY)
    life.does("A", DAY)
    life.later(20 * DAY)
    assert [kind for kind, *_ in kinds(life)] == ["suppress", "suppress", "suppress", "release"]
    assert life.actions[-1]["decided_at"] == iso(T0 + 6 * DAY)


def test_a_release_ends_what_its_own_journey_holds():
    """Of another journey's holds none; and by tag where it says so."""
    other = journey("  - {id: h, suppress: email, tag: news}\n  - {id: w, wait: 9d}\n", enter="event: B", name="k")
    steps = """
  - {id: h, suppress: all, tag: [news, offers], for: 30d}
  - {id: w, wait: 1d}
  - {id: r, release: RELEASED}
"""
    life = Life(journey(steps.replace("RELEASED", "all")), other)
    life.does("B")
    life.does("A")
    life.later(2 * DAY)
    freed = {action["channel"]: action["tags"] for action in life.actions if action["kind"] == "release"}
    assert freed == {
        "ads": ["news", "offers"],
        "email": ["offers"],
        "push": ["news", "offers"],
        "sms": ["news", "offers"],
    }
    assert list(life.customer.holds) == ["email"]
    life = Life(journey(steps.replace("RELEASED", "email, tag: news")))
    life.does("A")
    life.later(2 * DAY)
    assert kinds(life)[-1] == ("release", "email", ["news"], None)
    assert life.actions[-1]["step"] == "r"


def test_without_a_tag_every_message_is_held_back():
    """Whatever its tags."""
    send = journey("  - {id: s, send: email, template: t}\n", enter="event: S", name="k")
    life = Life(journey("  - {id: h, suppress: email, for: 3d}\n"), send)
    life.does("A")
    life.does("S", HOUR)
    assert life.sent == []


def test_holders_are_bounded():
    """Further ones are refused, and that is said."""
    life = Life(
        journey(
            "  - {id: h, suppress: all, tag: [a, b, c, d], for: 30d}\n",
            enter="event: A, key: properties.k, again: always",
        )
    )
    for number in range(70):
        life.does("A", k=number)
    assert 1_000 <= sum(len(one) for tags in life.customer.holds.values() for one in tags.values()) < 1_000 + 4
    assert life.fact("withheld")["gate"] == "cap"


@pytest.mark.parametrize("steps", [SPLIT, "  - {set: {a: 1}}\n", "  - {wait: 1d}\n"])
def test_a_run_that_ends_leaves_nothing_behind(steps):
    """Neither runs, nor timers, nor holds."""
    life = Life(journey(steps + "  - {suppress: all, tag: x}\n"))
    life.does("A")
    life.later(9 * DAY)
    assert (life.customer.runs, life.customer.timers, life.customer.holds) == ({}, {}, {})
