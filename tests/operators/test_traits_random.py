"""Random traits and segments on random logs: the engine equals an oracle that recounts everything at every millisecond."""

from datetime import timezone

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.events import Event
from operators.expression_uses import Uses
from operators.trait_compiler import Definitions
from operators.trait_definitions import Trait
from operators.trait_plan import Change
from state.traits import TraitMemory
from tests.examples import examples
from tests.trait_oracle import ByKey, SegmentOracle, TraitOracle

START = 1_700_000_000_000
UTC = timezone.utc

names = st.sampled_from(["Viewed", "Bought", "Left"])
values = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, 2.0, 2**53 + 1, True, False, "a", "b", "1", None, [1], {"x": 1}]),
)
events = st.builds(
    dict,
    name=names,
    after=st.integers(0, 6),
    late=st.sampled_from([0, 0, 0, 1, 2, 5, 9, 30, -3]),
    properties=st.fixed_dictionaries(
        {}, optional={"x": values, "k": values, "items": st.lists(st.fixed_dictionaries({"p": values}), max_size=3)}
    ),
)
paths = st.sampled_from(["properties.x", "properties.k", "properties.items[].p", "time"])
of = st.lists(names, min_size=1, max_size=2, unique=True)
withins = st.none() | st.integers(1, 25)
wheres = st.none() | st.sampled_from(["properties.x > 0", "event.properties.k is not None", "profile.plan == 'pro'"])


@st.composite
def trait_specs(draw):
    kind = draw(st.sampled_from(["count", "sum", "mean", "min", "max", "first", "last", "top", "unique", "entries"]))
    spec = {kind: draw({"count": of, "entries": st.just("a-journey")}.get(kind, paths))}
    if kind not in ("count", "entries"):
        spec["of"] = draw(of)
    if kind in ("count", "sum", "mean", "min", "max", "entries"):
        spec["by"] = draw(st.none() | st.sampled_from(["properties.k", "properties.x"]))
    return spec | {"within": draw(withins), "where": draw(wheres)}


def written(spec):
    """The trait as a file has it."""
    spec = {key: value for key, value in spec.items() if value is not None}
    if "within" in spec:
        spec["within"] = f"{spec['within']}ms"
    return Trait.model_validate(spec)


def event_of(number, drawn, now):
    return Event("track", drawn["name"], "c", f"m{number}", now - drawn["late"], drawn["properties"], {})


def plain(by_key):
    """In an order that does not matter."""
    return sorted((type(key) is bool, str(key if type(key) is str else float(key)), one) for key, one in by_key.items())


def stored(memory):
    """What a restart makes of it."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=TraitMemory)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(trait_specs(), min_size=1, max_size=4), st.lists(events, max_size=25), st.booleans())
def test_traits_equal_a_recount_at_every_millisecond(specs, log, restarts):
    """All kinds, windows, values, late events and times that repeat; also when every event meets a restart."""
    specs = {f"t{number}": spec for number, spec in enumerate(specs)}
    definitions = Definitions({name: written(spec) for name, spec in specs.items()}, {})
    plan = definitions.plan(Uses(frozenset(), frozenset(), all_traits=True))
    oracle = {name: TraitOracle(name, spec) for name, spec in specs.items()}
    profile = {"plan": "pro"}
    memory = plan.ready(None, profile, START, UTC)
    now = START
    for number, drawn in enumerate(log):
        for at in range(now, now + drawn["after"] + 1):
            view = plan.view(memory, profile, at, UTC)
            for name, trait in oracle.items():
                want = trait.value(at)
                if isinstance(want, ByKey):
                    assert plain(view[name]) == plain(want)
                    for key in ["a", "no such", 1, 2.0, 7, True, *want]:
                        assert view[name][key] == want[key]
                else:
                    assert view[name] == want, (name, specs[name])
                    assert type(view[name]) is type(want) or trait.kind == "top"  # 2.0 is the value 2
        now += drawn["after"]
        event = event_of(number, drawn, now)
        plan.see(memory, event, profile, now, UTC, False)
        entries = number % 3 == 0
        if entries:
            plan.entered("a-journey", memory, event, profile, now, UTC)
        for trait in oracle.values():
            trait.read(event, number, now, profile)
            if entries:
                trait.read(event, number, now, profile, "a-journey")
        if restarts:
            memory = stored(memory)


SPECS = {
    "views": {"count": ["Viewed"], "within": 9},
    "buys": {"count": ["Bought"], "within": 14},
    "ever": {"count": ["Bought"]},
    "worth": {"sum": "properties.x", "of": ["Viewed", "Bought"], "within": 11},
    "mean": {"mean": "properties.x", "of": ["Bought"], "within": 20},
    "least": {"min": "properties.x", "of": ["Viewed"], "within": 7},
    "last_at": {"last": "time", "of": ["Viewed"]},
    "last_soon": {"last": "time", "of": ["Viewed"], "within": 17},
    "first_at": {"first": "time", "of": ["Left"], "within": 13},
    "by": {"count": ["Viewed"], "by": "properties.k", "within": 10},
    "entries": {"entries": "a-journey", "within": 12},
}
EXPRESSIONS = {
    "idle": "now - traits.last_at",
    "days": "days_since(traits.last_soon) * 86400000",
    "often": "traits.views > traits.buys",
    "quiet": "traits.idle > 5ms or traits.ever == 0",
}
conditions = st.sampled_from(
    [
        "traits.views >= 2",
        "traits.views > traits.buys",
        "traits.worth > 3",
        "traits.mean > 0 and traits.buys >= 2",
        "traits.least < 0",
        "traits.idle > 6ms",
        "7ms <= traits.idle < 15ms",
        "traits.days >= 4 and traits.views == 1",
        "now > traits.last_at + 8ms",
        "traits.idle * 2 - 3 > traits.views",
        "-traits.idle < -10",
        "round(traits.days / 4) >= 2",
        "days_until(traits.last_at + 9ms) <= 0",
        "traits.often if traits.quiet else traits.views == 0",
        "traits.first_at is not None",
        "now - traits.first_at > 10ms",
        "traits.by['a'] >= 2 or traits.by[1] == traits.by[True]",
        "traits.quiet",
        "not traits.quiet and profile.plan == 'pro'",
        "profile.until is not None and now > profile.until",
        "traits.entries >= 2",
        "len(traits.by) > 1",
        "traits.last_soon is None",
        "(traits.idle > 4ms) == traits.often",
    ]
)


@st.composite
def segment_sets(draw):
    drawn = draw(st.lists(conditions, min_size=1, max_size=3))
    segments = {f"s{number}": text for number, text in enumerate(drawn)}
    if draw(st.booleans()):
        segments["t"] = f"{'not ' if draw(st.booleans()) else ''}('s0' in segments) and traits.views < 3"
    return segments


@settings(max_examples=examples(300), deadline=None)
@given(segment_sets(), st.lists(events, max_size=20), st.booleans())
def test_segments_equal_a_recount_at_every_millisecond(segments, log, restarts):
    """Windows that lose events, clocks that run, attributes that change: each change at its millisecond, and no other."""
    traits = {name: written(spec) for name, spec in SPECS.items()}
    traits |= {name: Trait(expr=text) for name, text in EXPRESSIONS.items()}
    definitions = Definitions(traits, segments)
    assert list(definitions.mistakes(["a-journey"])) == []
    plan = definitions.plan(Uses(frozenset(), frozenset(), all_segments=True))
    oracle = SegmentOracle({name: TraitOracle(name, spec) for name, spec in SPECS.items()}, EXPRESSIONS, segments)
    profile = {}
    memory = plan.ready(None, profile, START, UTC)
    before = oracle.members(START)
    assert set(plan.segments_of(memory)) == before
    now = START
    for number, drawn in enumerate([*log, {"name": "End", "after": 40, "late": 0, "properties": {}}]):
        for at in range(now + 1, now + drawn["after"] + 1):
            due = plan.due(memory)
            assert due is None or due >= at, "a timer is never in the past"
            changes = plan.tick(memory, profile, at, UTC) if due == at else []
            before = settled(oracle, before, at, changes)
            assert set(plan.segments_of(memory)) == before
        now += drawn["after"]
        event = event_of(number, drawn, now)
        is_profile_new = number % 4 == 1
        if is_profile_new:
            profile = {"plan": "pro" if number % 8 == 1 else "free", "until": now + number % 11}
        oracle.profile = profile
        for trait in oracle.traits.values():
            trait.read(event, number, now, profile)
        changes = plan.see(memory, event, profile, now, UTC, is_profile_new)
        before = settled(oracle, before, now, changes)
        assert set(plan.segments_of(memory)) == before
        if number % 5 == 0 and drawn["name"] != "End":
            plan.entered("a-journey", memory, event, profile, now, UTC)
            for trait in oracle.traits.values():
                trait.read(event, number, now, profile, "a-journey")
            if log[number + 1 : number + 2] and log[number + 1]["after"] == 0:
                break  # an event at the same millisecond would show an entry that is not seen yet
        if restarts:
            memory = stored(memory)


def settled(oracle, before, at, changes):
    """The oracle's segments at an instant; the engine's changes are the way there."""
    after = oracle.members(at)
    assert sorted(changes) == sorted(
        [Change(name, True) for name in after - before] + [Change(name, False) for name in before - after]
    )
    return after
