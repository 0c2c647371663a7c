"""Mistakes in `orchestration.yaml`: each is told, with its line, its path, and what to write instead."""

import pytest

from operators.plan import plan_of
from operators.workspace import read_workspace
from tests.operators.test_arbitration import journey, send

SPLIT = "{split: {name: colour, arms: {a: {}, b: {}}}}"


def complaints(text, *journeys, segments=""):
    files = {f"{number}.yaml": one for number, one in enumerate(journeys or (journey("j", send("s")),))}
    head = "timezone: Europe/Berlin\nchannels: {email: {}, sms: {}}\n"
    texts = {"orchestration.yaml": (head if "channels" not in text else "timezone: UTC\n") + text, **files}
    if segments:
        texts["segments.yaml"] = segments
    return read_workspace(texts).complaints


CAP = "caps: [{channel: email, max: 2, per: 24h%s}]"


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("caps: [{max: 0, per: 24h}]", "caps[0].max", "a cap of 0 lets nothing out, ever; write at least 1"),
        ("caps: [{max: -1, per: 24h}]", "caps[0].max", "a cap of -1 lets nothing out"),
        ("caps: [{max: 1001, per: 24h}]", "caps[0].max", "less than or equal to 1000"),
        ("caps: [{max: true, per: 24h}]", "caps[0].max", "valid integer"),
        ("caps: [{max: 1}]", "caps[0]", "`per` is missing"),
        ("caps: [{per: 1d}]", "caps[0]", "`max` is missing"),
        ("caps: [{max: 1, per: 24}]", "caps[0].per", "it has no unit"),
        ("caps: [{max: 1, per: soon}]", "caps[0].per", "'soon' is not a duration"),
        ("caps: [{max: 1, per: day}]", "caps[0].per", "add window: calendar"),
        ("caps: [{max: 1, per: 3d, window: calendar}]", "caps[0].per", "write day, week or month"),
        ("caps: [{max: 1, per: 3d, window: sliding}]", "caps[0].window", "'rolling' or 'calendar'"),
        ("caps: [{channel: emial, max: 1, per: 1d}]", "caps[0].channel", "no channel 'emial'; did you mean 'email'?"),
        ("caps: [{journey: k, max: 1, per: 1d}]", "caps[0].journey", "there is no journey 'k'; there are: j"),
        (CAP % ", then: later", "caps[0].then", "none of drop, next_channel, or `defer` and how long"),
        (CAP % ", then: defer", "caps[0].then", "does not say how long"),
        (CAP % ", then: defer soon", "caps[0].then", "'soon' is not a duration"),
        (CAP % ", limit: 3", "caps[0].limit", "there is no key 'limit' here"),
        ("caps: [{max: 2, per: 1d}, {max: 3, per: 24h}]", "caps[1]", "it contradicts caps[0], at most 2 per 1d"),
        ("caps: [{tag: t, max: 1, per: 1d}]\nbypass: [t, u]", "caps[0].tag", "never holds: `bypass` exempts t"),
        ("bypass: transactional", "bypass", "valid list"),
        ("suppress: [{tag: marketing}]", "suppress[0]", "`when` is missing"),
        ("suppress: [{when: profil.x}]", "suppress[0].when", "'profil' is not a name here"),
        ("suppress: [{when: event.name == 'x'}]", "suppress[0].when", "'event' is not a name here"),
        ("suppress: [{when: '\"vip\" in segments'}]", "suppress[0].when", "there is no segment 'vip'"),
        ("suppress: [{when: traits.orders > 1}]", "suppress[0].when", "there is no trait 'orders'"),
        ("suppress: [{when: profile.x, channel: fax}]", "suppress[0].channel", "there is no channel 'fax'"),
        ("control: 2", "control", "write it in percent"),
        ("control: 200%", "control", "from 0% to 100%"),
        ("conflicts: {keep: 0}", "conflicts.keep", "greater than or equal to 1"),
        ("conflicts: {within: soon}", "conflicts.within", "'soon' is not a duration"),
        ("conflicts: {then: next_channel}", "conflicts.then", "loses on every channel"),
        ("channels: {email: {address: event.x}}", "channels.email.address", "'event' is not a name here"),
        ("channels: {email: {consent: a b}}", "channels.email.consent", "a name is made of letters"),
        ("channels: {email: {quiet: 21-8}}", "channels.email.quiet", "are no hours"),
        ("channels: {email: {quiet: '08:00-08:00'}}", "channels.email.quiet", "begins when it ends"),
        ("channels: {email: {quiet: '00:00-24:00'}}", "channels.email.quiet", "nothing can ever go out on this channel"),
        ("channels: {email: {open: 'mon 09:00-12:00', quiet: '08:00-13:00'}}", "channels.email.quiet", "(quiet '08:00-13:00', open"),
        ("channels: {email: {open: 'moonday 09:00-12:00'}}", "channels.email.open", "is no weekday"),
        ("channels: {email: {quiet: '21:00-08:00', zone: Mars/Phobos}}", "channels.email.zone", "write customer, workspace"),
        ("channels: {email: {zone: workspace}}", "channels.email.zone", "leave it out"),
        ("layers: {l: {colour: 0-50%}}", "layers.l.colour", "there is no experiment 'colour'"),
        ("layers: {l: {colour: 50%}}", "layers.l.colour", "write from where to where in percent"),
        ("layers: {l: {colour: 50-20%}}", "layers.l.colour", "no part of a layer"),
        ("layers: {l: {colour: 0-120%}}", "layers.l.colour", "no part of a layer"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_to_write(text, path, said):
    """One sentence, at its line."""
    found = complaints(text)
    assert [one.path for one in found] == [path], [str(one) for one in found]
    assert said in found[0].message
    assert found[0].line >= 2
    assert found[0].file == "orchestration.yaml"


def test_layers_whose_parts_overlap_and_experiments_in_two_are_refused():
    """Exclusive is exclusive."""
    other = SPLIT.replace("colour", "size").replace("arms:", "else: a, arms:")
    mine = SPLIT.replace("arms:", "else: a, arms:")
    found = complaints("layers: {l: {colour: 0-50%, size: 40-60%}, m: {colour: 0-10%}}", journey("j", mine, other))
    assert [(one.path, one.message.split(";")[0]) for one in found] == [
        ("layers.l.size", "its part overlaps with that of 'colour', 0-50%"),
        ("layers.m.colour", "the experiment 'colour' is in the layer 'l' already"),
    ]


def test_an_experiment_in_a_layer_says_what_those_do_who_are_outside():
    """And only then."""
    (found,) = complaints("layers: {l: {colour: 0-50%}}", journey("j", SPLIT))
    assert (found.path, "else: a" in found.message) == ("steps[0].split.else", True)
    (found,) = complaints("", journey("j", SPLIT.replace("arms:", "else: a, arms:")))
    assert "leave `else` out" in found.message
    (found,) = complaints("layers: {l: {colour: 0-50%}}", journey("j", SPLIT.replace("arms:", "else: c, arms:")))
    assert "there is no arm 'c'" in found.message


def test_weights_that_sum_to_nothing_are_refused():
    """Nobody would get an arm."""
    (found,) = complaints("", journey("j", "{split: {name: n, arms: {a: {weight: 0}, b: {weight: 0}}}}"))
    assert found.message.startswith("every arm has the weight 0")


def warnings(text, *journeys):
    files = {f"{number}.yaml": one for number, one in enumerate(journeys)}
    head = "timezone: Europe/Berlin\nchannels: {email: {}}\n"
    return plan_of(read_workspace({"orchestration.yaml": head + text, **files})).warnings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "caps: [{tag: nws, max: 1, per: 1d}]",
            "caps[0] speaks of the tag 'nws', and no message has it; did you mean 'news'?",
        ),
        ("suppress: [{when: profile.x, tag: [news, x]}]", "suppress[0] speaks of the tag 'x', and no message has it"),
        ("bypass: [transactional]", "bypass speaks of the tag 'transactional', and no message has it"),
        (
            "conflicts: {tag: ofers}",
            "conflicts speaks of the tag 'ofers', and no message has it; did you mean 'offers'?",
        ),
        ("control: 2%", "control speaks of the tag 'marketing', and no message has it"),
    ],
)
def test_a_tag_that_no_message_has_is_warned_of(text, said):
    """Allowed, since a journey may be on its way; and probably a slip."""
    assert warnings(text, journey("j", send("s", more=", tags: [offers]"))) == (f"orchestration.yaml: {said}",)


def test_tags_of_steps_and_of_journeys_are_known():
    """Nothing is said of them."""
    text = "caps: [{tag: [news, offers], max: 1, per: 1d}]\nconflicts: {}\ncontrol: 0%"
    assert warnings(text, journey("j", send("s", more=", tags: [offers]"))) == ()


def test_all_that_the_design_writes_is_right():
    """The page's own example."""
    text = """
channels:
  email: {address: profile.email, consent: email_marketing, quiet: "21:00-08:00"}
  ads: {}
  call_center: {open: "mon-fri 09:00-18:00", zone: workspace}
caps:
  - {channel: email, max: 2, per: 24h, window: rolling, then: defer 24h}
  - {tag: marketing, max: 3, per: 7d, window: calendar, then: drop}
bypass: [transactional]
suppress:
  - {when: '"open_ticket" in segments', tag: marketing}
control: 2%
conflicts: {tag: marketing, within: 0s, keep: 1, then: drop}
"""
    assert complaints(text, segments="open_ticket: profile.open") == []
