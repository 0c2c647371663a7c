"""Offers and `choose`: who may get one, what it is worth, and that nothing may be the best."""

import pytest

from operators.workspace import read_workspace
from operators.workspace_json import read_workspace_json, workspace_json
from tests.operators.life import DAY, HOUR, MINUTE, T0, Life, at, iso, plan_of

OFFERS = """
shipping: {channel: email, template: ship, tags: [offers], value: 8}
discount: {channel: push, template: cut, with: {percent: 5}, tags: [offers], value: 5}
reminder: {channel: [email, push], template: remind, value: 1}
"""


def journey(choose="from: [shipping, discount, reminder]", more="", top="", name="j", enter="event: A, again: always"):
    return f"journey: {name}\nenter: {{{enter}}}\n{top}\nsteps: [{{id: c, choose: {{{choose}}}{more}}}]"


def life_of(text=None, offers=OFFERS, **more):
    return Life(text or journey(), offers=offers, **more)


def chosen(life):
    return [one["chosen"] for one in life.facts if one["fact"] == "decided"]


def gates(life):
    return {one["name"]: one["gate"] for one in life.fact("decided")["candidates"]}


def mistakes(offers, text=None, **more):
    texts = {
        "j.yaml": text or journey("from: [o]"),
        "orchestration.yaml": "timezone: UTC",
        "offers.yaml": offers,
        **more,
    }
    return [str(one) for one in read_workspace(texts).complaints]


# --- which one


def test_the_offer_of_the_highest_score_is_made():
    """All candidates are told, with what their scores are made of."""
    life = life_of()
    life.does("A")
    action = life.actions[0]
    assert (action["offer"], action["channel"], action["template"], action["step"]) == (
        "shipping",
        "email",
        "ship",
        "c",
    )
    decided = life.fact("decided")
    assert (decided["chosen"], decided["nothing"]) == ("shipping", 0)
    assert {one["name"]: one["score"] for one in decided["candidates"]} == {"shipping": 8, "discount": 5, "reminder": 1}
    assert decided["candidates"][0]["parts"] == {"propensity": 1, "value": 5, "weight": 1, "context": 1}
    assert life.fact("sent")["offer"] == "shipping"


def test_the_score_is_propensity_times_value_times_weight_times_context():
    """Each a number, or of what is known of the customer."""
    life = life_of(
        offers="""
shipping: {channel: email, template: t, value: 8, propensity: profile.scores.shipping, weight: 1.5}
discount: {channel: push, template: t, value: 5, context: "3 if profile.vip else 1"}
reminder: {channel: email, template: t, value: 10, propensity: 0.1}
"""
    )
    life.identify(scores={"shipping": 0.25}, vip=True)
    life.does("A")
    assert {one["name"]: one["score"] for one in life.fact("decided")["candidates"]} == {
        "shipping": 3.0,
        "discount": 15,
        "reminder": 1.0,
    }
    assert life.actions[0]["offer"] == "discount"


@pytest.mark.parametrize(
    ("score", "counts"),
    [(None, 1), ("high", 1), (True, 1), ({}, 1), (0.5, 0.5), (7, 1), (-1, 0), (1e300, 1), (0, 0)],
)
def test_a_propensity_that_nobody_knows_is_one(score, counts):
    """And a model's that is out of its range counts as the end of it."""
    life = life_of(journey("from: [o]"), "o: {channel: email, template: t, propensity: profile.score}")
    life.identify(score=score)
    life.does("A")
    assert life.fact("decided")["candidates"][0]["score"] == counts


def test_nothing_has_a_score_and_wins_ties():
    """Silence is a choice."""
    for nothing, sent in ((4.9, ["discount"]), (5, []), (9, [])):
        life = life_of(journey(f"from: [discount, reminder], nothing: {nothing}"))
        life.does("A")
        assert [action["offer"] for action in life.actions] == sent
    assert chosen(life) == ["nothing"]
    assert life.fact("decided")["nothing"] == 9
    assert {(one["gate"], one["offer"]) for one in life.facts if one["fact"] == "withheld"} == {
        ("nothing", "discount"),
        ("nothing", "reminder"),
    }
    assert life.story[-1] == "exited completed"


def test_of_equal_ones_the_name_decides():
    """Never the order of the file."""
    offers = "b: {channel: email, template: t}\na: {channel: push, template: t}"
    life = life_of(journey("from: [b, a]"), offers)
    life.does("A")
    assert life.actions[0]["offer"] == "a"


def test_a_tag_stands_for_all_offers_that_have_it():
    """Also those that come later to the file."""
    life = life_of(journey("from: offers"))
    life.does("A")
    assert sorted(gates(life)) == ["discount", "shipping"]


def test_values_and_tags_of_step_and_offer_go_together():
    """The step's go before the offer's."""
    text = journey("from: [discount]", ", with: {percent: 9, of: '{{ event.properties.n }}'}, tags: [x]", "tags: [m]")
    life = life_of(text)
    life.does("A", n=3)
    assert life.actions[0]["with"] == {"percent": 9, "of": 3}
    assert life.actions[0]["tags"] == ["m", "offers", "x"]


# --- who may get it


def test_an_offer_is_for_those_for_whom_its_condition_holds():
    """The next best is made then; the fact says what stopped the other."""
    life = life_of(offers=OFFERS.replace("value: 8", "value: 8, when: profile.vip"))
    life.does("A")
    assert life.actions[0]["offer"] == "discount"
    assert gates(life)["shipping"] == "eligibility"
    assert [
        (one["offer"], one["reason"])
        for one in life.facts
        if one["fact"] == "withheld" and one["gate"] == "eligibility"
    ] == [("shipping", "when")]
    life.identify(vip=True)
    life.does("A")
    assert life.actions[1]["offer"] == "shipping"


def test_dates_are_the_customers_own_days():
    """From midnight of the first to the end of the last, in their zone; a time is a time."""
    text, offers = journey("from: [o]"), "o: {channel: email, template: t, from: 2026-01-06, until: 2026-01-07}"
    for zone, first, over in (
        ("Europe/Berlin", "2026-01-05T23:00:00Z", "2026-01-07T23:00:00Z"),
        ("America/New_York", "2026-01-06T05:00:00Z", "2026-01-08T05:00:00Z"),
    ):
        for instant, is_sent in ((at(first) - 1, False), (at(first), True), (at(over) - 1, True), (at(over), False)):
            life = life_of(text, offers)
            life.identify(timezone=zone)
            life.does("A", instant - T0)
            assert bool(life.actions) is is_sent, (zone, iso(instant))
    life = life_of(text, 'o: {channel: email, template: t, until: "2026-01-05 11:30"}')
    life.does("A", 30 * MINUTE - 1)
    life.does("A", 1)
    assert len(life.actions) == 1
    assert life.fact("withheld")["reason"] == "over"


def test_the_limit_counts_what_was_made():
    """In any so long a time, over all journeys; half-open."""
    offers = "o: {channel: email, template: t, limit: 2 per 30d}"
    life = life_of(journey("from: [o]"), offers)
    for after, sent in ((0, 1), (DAY, 2), (HOUR, 2), (29 * DAY - HOUR - 1, 2), (1, 3), (0, 3), (DAY, 4)):
        life.does("A", after)
        assert len(life.actions) == sent, iso(life.now)
    assert len(life.customer.feedback.offers["o"]) == 2


def test_the_limit_is_exact_among_journeys_of_one_instant():
    """Two that propose it at once, and one place: the one goes out."""
    conflicts = "timezone: UTC\ncaps: [{max: 9, per: 1d}]"
    life = Life(
        journey("from: [o]"), journey("from: [o]", name="k"), offers="o: {channel: email, template: t, limit: 1 per 1d}",
        orchestration=conflicts,
    )  # fmt: skip
    life.does("A")
    assert len(life.actions) == 1
    assert life.fact("withheld")["reason"] == "limit"


def test_what_is_withheld_counts_for_no_limit():
    """A control customer is made no offer, so nothing is used up."""
    text = journey("from: [o]", top="control: 100%\ngoal: {event: G}")
    life = life_of(text, "o: {channel: email, template: t, limit: 1 per 30d}")
    life.does("A")
    life.does("A", HOUR)
    assert [one["gate"] for one in life.facts if one["fact"] == "withheld"] == ["control", "control"]


def test_a_channel_that_is_closed_is_a_gate_like_any_other():
    """The best that may go out now goes."""
    life = life_of(orchestration="timezone: UTC\nchannels: {email: {address: profile.email}, push: {}}")
    life.does("A")
    assert life.actions[0]["offer"] == "discount"
    assert gates(life)["shipping"] == "unreachable"


# --- in a run


def test_a_choice_stays_in_its_run():
    """The step goes on making the offer that it made, though another is better by now; a new run chooses anew."""
    text = """
journey: j
enter: {event: A, again: always}
steps:
  - id: w
    wait_for: [{event: B, again: {max: 2}, do: [{id: c, choose: {from: [shipping, discount]}}]}]
    timeout: 9d
"""
    life = life_of(text, OFFERS.replace("value: 5", "value: 5, context: profile.more"))
    life.does("A")
    life.does("B", HOUR)
    life.identify(more=10)
    life.does("B", HOUR)
    assert [action["offer"] for action in life.actions] == ["shipping", "shipping"]
    life.does("A", HOUR)
    life.does("B", HOUR)
    assert life.actions[-1]["offer"] == "discount"


def test_a_choice_may_wait_for_its_time():
    """`at` and `expires`, as for a message; what is best is looked at then."""
    text = journey("from: [shipping, discount]", ", at: '18:00', expires: 1d")
    life = life_of(text, OFFERS.replace("value: 5", "value: 5, context: profile.more"))
    life.does("A")
    assert life.actions == []
    life.identify(more=10)
    life.later(DAY)
    action = life.actions[0]
    assert (action["offer"], action["decided_at"][11:16]) == ("discount", "17:00")
    assert action["expires_at"] == iso(T0 + DAY)


def test_feedback_on_a_choice_is_feedback_on_its_step():
    """Whatever was offered."""
    wait = "{id: w, wait_for: [{outcome: clicked, of: c, do: [{exit: taken}]}], timeout: 3d}"
    life = life_of(f"{journey().removesuffix(']')}, {wait}]")
    life.does("A")
    life.does("Email Link Clicked", HOUR, action_id=life.actions[0]["action_id"])
    assert life.story[-1] == "exited taken"


def test_offers_are_of_the_definitions_in_the_log():
    """They go there and come back; traits that only they read are kept."""
    texts = {
        "j.yaml": journey("from: [o]"),
        "orchestration.yaml": "timezone: UTC",
        "offers.yaml": "o: {channel: email, template: t, when: traits.n > 1, from: 2026-01-01, limit: 1 per 3d}\n"
        "other: {channel: email, template: t, when: traits.m > 1}",
        "traits.yaml": "n: {count: X}\nm: {count: X}",
    }
    workspace = read_workspace(texts)
    assert not workspace.complaints
    text = workspace_json(workspace)
    assert workspace_json(read_workspace_json(text)) == text
    plan = plan_of(texts["j.yaml"], offers=texts["offers.yaml"], traits=texts["traits.yaml"])
    assert plan.traits.names == ("n",)
    assert "offer other: no journey chooses from it" in plan.warnings


# --- mistakes


@pytest.mark.parametrize(
    ("offers", "says"),
    [
        ("o: {channel: fax, template: t}", "offers.yaml:1: o.channel: there is no channel 'fax'"),
        ("o: {channel: [email, fax], template: t}", "o.channel[1]: there is no channel 'fax'"),
        ("o: {channel: best, template: t}", "no channel has an `address`"),
        ("o: {channel: email}", "o: `template` is missing"),
        ("o: {template: t}", "o: `channel` is missing"),
        ("o: {channel: email, template: t, wieght: 2}", "did you mean 'weight'?"),
        ("o: {channel: email, template: t, value: -1}", "o.value: -1 is no value"),
        ("o: {channel: email, template: t, weight: .nan}", "is no value"),
        ("o: {channel: email, template: t, propensity: 1.5}", "o.propensity: 1.5 is no propensity"),
        ("o: {channel: email, template: t, propensity: yes}", "YAML reads True as yes or no"),
        ("o: {channel: email, template: t, propensity: profle.p}", "'profle' is not a name here"),
        ("o: {channel: email, template: t, context: -2}", "-2 is no measure of worth"),
        ("o: {channel: email, template: t, when: entry.x > 1}", "'entry' is not a name here"),
        ("o: {channel: email, template: t, when: traits.orders > 1}", "there is no trait 'orders'"),
        ("o: {channel: email, template: t, when: '\"vip\" in segments'}", "there is no segment 'vip'"),
        ("o: {channel: email, template: t, with: {a: '{{ nobody }}'}}", "'nobody', which there is not"),
        ("o: {channel: email, template: t, limit: 0 per 3d}", "a limit of 0 offers nothing, ever"),
        ("o: {channel: email, template: t, limit: 1 in 3d}", "'1 in 3d' is no limit"),
        ("o: {channel: email, template: t, limit: {max: 1}}", "`per` is missing"),
        ("o: {channel: email, template: t, limit: 1 per 3}", "duration"),
        ("o: {channel: email, template: t, until: soon}", "'soon' is no date"),
        (
            "o: {channel: email, template: t, from: 2026-02-01, until: 2026-01-01}",
            "o.until: '2026-01-01' is before `from`",
        ),
        ("o: 5", "o: an offer says what is sent"),
        ("[o]", "offers.yaml:1: the file is no mapping"),
        ("o: {channel: email, template: t}\nnothing: {channel: email, template: t}", "cannot be called 'nothing'"),
        (
            "o: {channel: email, template: t}\na b: {channel: email, template: t}",
            "'a b' cannot be the name of an offer",
        ),
    ],
)
def test_a_mistake_in_an_offer_has_its_message(offers, says):
    """Place, value, and what to write instead; the step that chooses it is not blamed, too."""
    found = mistakes(offers)
    assert [one for one in found if says in one], found
    assert len(found) == 1 or offers == "[o]"


@pytest.mark.parametrize(
    ("choose", "says"),
    [
        ("from: [p]", "j.yaml:4: steps[0].choose.from[0]: there is no offer 'p'; there are: o"),
        ("from: tags", "there is no offer with the tag 'tags'; did you mean 'tag'?"),
        ("from: o", "it is the name of an offer: write a list, as in: from: [o]"),
        ("from: []", "steps[0].choose.from"),
        ("by: value", "`from` is missing"),
        ("from: [o], by: luck", "by"),
        ("from: [o], nothing: -1", "-1 is no value"),
        ("from: [o], else: 1", "there is no key 'else' here"),
    ],
)
def test_a_mistake_in_a_choice_has_its_message(choose, says):
    """One mistake, one complaint."""
    found = mistakes("o: {channel: email, template: t, tags: [tag]}", journey(choose))
    assert len(found) == 1, found
    assert says in found[0]


def test_what_is_chosen_from_is_a_mapping():
    """As people write it first."""
    found = mistakes("o: {channel: email, template: t}", "journey: j\nenter: {event: A}\nsteps: [{id: c, choose: [o]}]")
    assert len(found) == 1
    assert "choose: {from: ['o']}" in found[0]


def test_without_offers_it_is_said_where_to_write_them():
    """The file may be missing."""
    found = mistakes("", journey("from: [o]"))
    assert len(found) == 1
    assert "write it into offers.yaml" in found[0]
