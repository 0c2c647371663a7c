"""Experiments and control groups: dealt by hash, once and for good; exposed where the message would have gone out."""

from math import sqrt

import pytest

from operators.chance import arm_of, is_control, is_in_layer, lot
from tests.operators.life import HOUR, ORCHESTRATION, Life
from tests.operators.test_arbitration import decided, journey, send

GOAL = "goal: {event: G}"
PEOPLE = 4_000


def split(*arms, name="colour", more=""):
    written = ", ".join(f"{arm}: {{weight: {weight}, do: [{send(arm)}]}}" for arm, weight in arms)
    return f"{{split: {{name: {name}, {more}arms: {{{written}}}}}}}"


def people():
    return [f"c-{number}" for number in range(PEOPLE)]


def is_within_bounds(count, share, of=PEOPLE):
    """Within five standard deviations of a binomial: once in two million runs it is not, and the hash is always the same."""
    return abs(count - share * of) <= 5 * sqrt(of * share * (1 - share))


def test_shares_are_those_of_the_weights():
    """Within binomial bounds, for arms, control groups and parts of layers."""
    arms = [arm_of("colour", one, [("a", 1), ("b", 2), ("c", 7)]) for one in people()]
    assert all(is_within_bounds(arms.count(arm), share) for arm, share in (("a", 0.1), ("b", 0.2), ("c", 0.7)))
    assert is_within_bounds(sum(is_control("j", one, 1_000) for one in people()), 0.1)
    assert is_within_bounds(sum(is_in_layer("l", one, 2_500, 5_500) for one in people()), 0.3)


def test_lots_of_other_names_have_nothing_to_do_with_each_other():
    """Who is control here is so there as often as anybody."""
    both = sum(is_control("j", one, 5_000) and is_control("k", one, 5_000) for one in people())
    assert is_within_bounds(both, 0.25)
    assert lot("control", "j", "c-1") != lot("split", "j", "c-1")


def test_new_weights_reshuffle_nobody_who_has_an_arm():
    """Also where the hash says otherwise now; who comes later is dealt by the new weights."""
    before, after = (journey("j", split(("a", one), ("b", 100 - one))) for one in (90, 10))
    moved = 0
    for one in people()[:60]:
        life = Life(before, customer_id=one)
        life.does("A")
        life.renew(after.replace("journey: j", "journey: j\nversion: 2"))
        life.does("A", HOUR)
        assert len(set(life.sent)) == 1
        moved += arm_of("colour", one, [("a", 10), ("b", 90)]) != life.sent[0]
        later = Life(after, customer_id=one)
        later.does("A")
        assert later.sent == [arm_of("colour", one, [("a", 10), ("b", 90)])]
    assert moved > 20  # the test would see them


def test_an_arm_that_is_gone_is_dealt_anew():
    """And told."""
    life = Life(journey("j", split(("b", 1))))
    life.does("A")
    life.renew(journey("j", split(("c", 1))).replace("journey: j", "journey: j\nversion: 2"))
    life.does("A", HOUR)
    assert life.sent == ["b", "c"]
    assert [one["arm"] for one in life.facts if one["fact"] == "assigned"] == ["b", "c"]


def test_another_share_of_control_concerns_who_comes_later():
    """Who was treated stays treated, who was held out stays held out."""

    def text(share):
        return journey("j", send("s"), more=f"control: {share}\n{GOAL}")

    for first, second, sent in (("0.01%", "100%", ["s", "s"]), ("100%", "0.01%", [])):
        life = Life(text(first))
        life.does("A")
        life.renew(text(second).replace("journey: j", "journey: j\nversion: 2"))
        life.does("A", HOUR)
        assert life.sent == sent
        newcomer = Life(text(second))
        newcomer.does("A")
        assert newcomer.sent == (["s"] if second == "0.01%" else [])


def test_experiments_of_one_layer_exclude_each_other():
    """Nobody is in two; who is in none walks the arm of `else`, and is neither assigned nor exposed."""
    layers = f"{ORCHESTRATION}\nlayers: {{l: {{colour: 0-40%, size: 40-80%}}}}"
    texts = [
        journey("j", split(("a", 1), ("b", 1), more="else: a, ")),
        journey("k", split(("x", 1), ("y", 1), name="size", more="else: y, ")),
    ]
    count = {(): 0, ("colour",): 0, ("size",): 0}
    for one in people()[:400]:
        life = Life(*texts, customer_id=one, orchestration=layers)
        life.does("A")
        assigned = tuple(fact["name"] for fact in life.facts if fact["fact"] == "assigned")
        exposed = tuple(fact["name"] for fact in life.facts if fact["fact"] == "exposed")
        assert assigned == exposed
        count[assigned] += 1
        outside = [action for action in life.actions if action["arm"] is None]
        assert all(action["step"] in "ay" for action in outside)
        assert len(life.actions) == 2
    assert all(
        is_within_bounds(count[key], share, 400) for key, share in (((), 0.2), (("colour",), 0.4), (("size",), 0.4))
    )


def test_who_is_in_an_experiment_gets_into_no_other_of_its_layer_when_the_parts_change():
    """Exclusive is exclusive, whatever was changed."""
    texts = [
        journey("j", split(("a", 1), more="else: a, ")),
        journey("k", split(("x", 1), name="size", more="else: x, "), enter="event: B"),
    ]
    for one in people()[:20]:
        life = Life(
            *texts, customer_id=one, orchestration=f"{ORCHESTRATION}\nlayers: {{l: {{colour: 0-99%, size: 99-100%}}}}"
        )
        life.does("A")
        life.renew(*texts, orchestration=f"{ORCHESTRATION}\nlayers: {{l: {{size: 0-99%, colour: 99-100%}}}}")
        life.does("B", HOUR)
        life.does("A", HOUR)
        assigned = {fact["name"] for fact in life.facts if fact["fact"] == "assigned"}
        assert assigned in ({"colour"}, {"size"})


# --- the control group of the workspace


def test_the_global_control_group_is_sent_no_marketing_and_everything_else():
    """Exposure is told at the point where the message would have gone out; the journey's own groups are not."""
    life = Life(
        journey(
            "j", send("s"), send("t", more=", tags: [service]"), tags="[marketing]", more=f"control: 0.01%\n{GOAL}"
        ),
        journey("k", send("u"), tags="[service]"),
        orchestration=f"{ORCHESTRATION}\ncontrol: 100%",
    )
    life.does("A")
    assert life.sent == ["u"]
    assert [(one["step"], one["gate"], one["group"]) for one in life.facts if one["fact"] == "withheld"] == [
        ("s", "control", "global control"), ("t", "control", "global control"),
    ]  # fmt: skip
    assert [(one["name"], one["arm"]) for one in life.facts if one["fact"] == "exposed"] == [
        ("global control", "control")
    ]
    assert decided(life)[0] == ("nothing", [("s", "control")])


def test_the_others_are_told_as_treated():
    """Both groups are needed to compare."""
    life = Life(journey("j", send("s"), tags="[marketing]"), orchestration=f"{ORCHESTRATION}\ncontrol: 0.01%")
    life.does("A")
    assert life.sent == ["s"]
    assert (life.fact("exposed")["name"], life.fact("exposed")["arm"]) == ("global control", "treatment")


@pytest.mark.parametrize("share", ["0%", "2%"])
def test_the_journeys_own_control_customers_are_no_part_of_the_global_comparison(share):
    """They would be sent nothing anyway."""
    life = Life(
        journey("j", send("s"), tags="[marketing]", more=f"control: 100%\n{GOAL}"),
        orchestration=f"{ORCHESTRATION}\ncontrol: {share}",
    )
    life.does("A")
    assert [(one["name"], one["arm"]) for one in life.facts if one["fact"] == "exposed"] == [("j", "control")]


def test_a_message_that_another_gate_stops_exposes_nobody():
    """Exposure is after all gates."""
    life = Life(
        journey("j", send("s"), tags="[marketing]", more=f"control: 100%\n{GOAL}"),
        orchestration=f"{ORCHESTRATION}\nsuppress: [{{when: profile.stop}}]\ncontrol: 50%",
    )
    life.identify(stop=True)
    life.does("A")
    assert life.count("exposed") == 0
