"""Segments by hand: changes at their event and at their millisecond, where a customer starts from, and what is refused."""

from datetime import timezone
from zoneinfo import ZoneInfo

import pytest

from operators.events import Event
from operators.expression_uses import Uses
from operators.segment_clock import changes_by_clock
from operators.trait_compiler import CHAIN_MAX, Definitions
from operators.trait_definitions import Trait
from operators.trait_plan import LOOKS_MAX, MANY
from state.instants import parse_instant

UTC = timezone.utc
DAY = 86_400_000
NOW = 1_767_225_600_000  # 2026-01-01
ALL = Uses(frozenset(), frozenset(), all_segments=True)

TRAITS = {
    "orders": {"count": "Bought"},
    "orders_90d": {"count": "Bought", "within": "90d"},
    "worth": {"mean": "properties.revenue", "of": "Bought", "within": "365d"},
    "last_order_at": {"last": "time", "of": "Bought"},
    "entries": {"entries": "welcome"},
    "idle": {"expr": "days_since(traits.last_order_at)"},
}


def defined(traits=None, **segments):
    return Definitions({name: Trait.model_validate(spec) for name, spec in (TRAITS | (traits or {})).items()}, segments)


class Customer:
    """A customer of whom only segments are known, with every change and its time."""

    def __init__(self, zone=UTC, profile=None, traits=None, **segments):
        self.plan = defined(traits, **segments).plan(ALL)
        self.profile = profile or {}
        self.zone = zone
        self.now = NOW
        self.memory = self.plan.ready(None, self.profile, NOW, zone)
        self.changes = []
        self.ticks = 0

    def until(self, now):
        """Let time pass, as the key group does."""
        while (due := self.plan.due(self.memory)) is not None and due <= now:
            self.ticks += 1
            self.note(self.plan.tick(self.memory, self.profile, due, self.zone), due)
        self.now = now
        return self

    def does(self, name, after=0, **properties):
        self.until(self.now + after)
        event = Event("track", name, "c", "m", self.now, properties, {})
        self.note(self.plan.see(self.memory, event, self.profile, self.now, self.zone, False), self.now)
        return self

    def becomes(self, **profile):
        self.profile = {**self.profile, **profile}
        event = Event("identify", "identify", "c", "m", self.now, profile, {})
        self.note(self.plan.see(self.memory, event, self.profile, self.now, self.zone, True), self.now)
        return self

    def note(self, changes, at):
        self.changes += [(at - NOW, f"{'+' if change.entered else '-'}{change.segment}") for change in changes]

    @property
    def segments(self):
        return set(self.plan.segments_of(self.memory))


def test_a_count_enters_at_its_event_and_leaves_at_its_millisecond():
    """Three orders in 90 days, half-open."""
    vip = Customer(vip="traits.worth > 200 and traits.orders_90d >= 3")
    vip.does("Bought", revenue=300).does("Bought", after=DAY, revenue=300).does("Bought", after=DAY, revenue=100)
    vip.until(NOW + 400 * DAY)
    assert vip.changes == [(2 * DAY, "+vip"), (90 * DAY, "-vip")]


def test_lapsing_becomes_true_on_the_day():
    """At the first millisecond after 60 times 24 hours; an order ends it, and the next one is waited for anew."""
    customer = Customer(lapsing="days_since(traits.last_order_at) > 60").does("Bought")
    customer.until(NOW + 100 * DAY).does("Bought").until(NOW + 200 * DAY)
    assert customer.changes == [
        (60 * DAY + 1, "+lapsing"),
        (100 * DAY, "-lapsing"),
        (160 * DAY + 1, "+lapsing"),
    ]
    assert customer.ticks == 2


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("days_since(traits.last_order_at) >= 60", 60 * DAY),
        ("60 < days_since(traits.last_order_at)", 60 * DAY + 1),
        ("traits.idle > 60", 60 * DAY + 1),
        ("traits.idle * 24 >= 36", 3 * DAY // 2),
        ("traits.idle / 7 > 1", 7 * DAY + 1),
        ("round(traits.idle) >= 2", 3 * DAY // 2),  # halves to even
        ("now - traits.last_order_at > 14d", 14 * DAY + 1),
        ("now >= traits.last_order_at + 14d", 14 * DAY),
        ("days_until(traits.last_order_at + 14d) <= 0", 14 * DAY),
        ("traits.orders > 0 and not days_until(traits.last_order_at + 14d) > 1", 13 * DAY),
        ("-traits.idle < -3", 3 * DAY + 1),
        ("traits.orders > 0 if traits.idle > 5 else False", 5 * DAY + 1),
        ("days_since(profile.born or traits.last_order_at) > 0.1", DAY // 10 + 1),
    ],
)
def test_clocks_are_scheduled_to_the_millisecond(text, change):
    """Whatever arithmetic is around them."""
    customer = Customer(s=text).does("Bought").until(NOW + 99 * DAY)
    assert customer.changes == [(change, "+s")]


def test_a_span_of_time_begins_and_ends():
    """A chain of comparisons is two moments."""
    customer = Customer(s="7d <= now - traits.last_order_at < 14d").does("Bought").until(NOW + 99 * DAY)
    assert customer.changes == [(7 * DAY, "+s"), (14 * DAY, "-s")]


def test_dates_are_the_customers_midnight():
    """A renewal date without a time, in the zone of the customer; another zone is another midnight."""
    berlin = ZoneInfo("Europe/Berlin")
    customer = Customer(zone=berlin, renewing="now >= profile.renewal_date - 14d")
    customer.becomes(renewal_date="2026-03-01").until(NOW + 99 * DAY)
    fourteen_before = parse_instant("2026-02-15T00:00:00+01:00")
    assert customer.changes == [(fourteen_before - NOW, "+renewing")]

    moved = Customer(zone=berlin, renewing="now >= profile.renewal_date - 14d").becomes(renewal_date="2026-03-01")
    moved.zone = UTC
    event = Event("page", "page", "c", "m", NOW, {}, {})
    assert moved.plan.see(moved.memory, event, moved.profile, NOW, UTC, False, True) == []
    moved.until(NOW + 99 * DAY)
    assert moved.changes == [(fourteen_before + 3_600_000 - NOW, "+renewing")]


def test_attributes_change_segments_at_their_event():
    """And only those that read attributes are looked at."""
    customer = Customer(pro="profile.plan == 'pro'", buyer="traits.orders > 0")
    customer.becomes(plan="pro").becomes(plan="free").does("Bought")
    assert [change for _, change in customer.changes] == ["+pro", "-pro", "+buyer"]


def test_segments_of_segments_change_in_one_event():
    """One that reads another changes with it, whatever their names."""
    customer = Customer(
        a="'b' in segments and not ('c' in segments)",
        b="contains(segments, 'z')",
        c="traits.orders > 1",
        z="traits.orders > 0",
    )
    customer.does("Bought").does("Bought", after=5)
    assert customer.changes == [(0, "+z"), (0, "+b"), (0, "+a"), (5, "+c"), (5, "-a")]


def test_an_entry_counts_for_segments_a_millisecond_later():
    """Not within the event that entered, so that entries cannot chase each other for ever."""
    customer = Customer(s="traits.entries >= 1").does("Viewed")
    event = Event("track", "Viewed", "c", "m", NOW, {}, {})
    customer.plan.entered("welcome", customer.memory, event, {}, NOW, UTC)
    assert customer.plan.view(customer.memory, {}, NOW, UTC)["entries"] == 1
    assert customer.segments == set()
    assert customer.until(NOW + 1).changes == [(1, "+s")]


def test_attributes_set_by_a_step_count_a_millisecond_later():
    """The same, for the same reason."""
    customer = Customer(pro="profile.plan == 'pro'")
    customer.profile = {"plan": "pro"}
    customer.plan.profile_changed(customer.memory, NOW)
    assert customer.until(NOW + 1).changes == [(1, "+pro")]


def test_who_is_a_member_at_deployment_does_not_enter():
    """A segment that is new starts from what holds before the next event; what that event changes is a change."""
    traits = {"big": {"count": "Bought", "within": "90d"}}
    old = Customer(traits=traits, buyer="traits.big >= 1").does("Bought").does("Bought")
    new = Customer(traits=traits, buyer="traits.big >= 1", regular="traits.big >= 2", fan="traits.big >= 3")
    new.memory, new.now = new.plan.ready(old.memory, {}, NOW + 5, UTC), NOW + 5
    assert new.segments == {"buyer", "regular"}
    new.does("Bought").until(NOW + 100 * DAY)
    assert new.changes == [(5, "+fan"), (90 * DAY, "-fan"), (90 * DAY, "-regular"), (90 * DAY + 5, "-buyer")]


def test_a_changed_segment_starts_anew():
    """Of the same name and another meaning, or over a trait of another meaning: no change was seen."""
    old = Customer(s="traits.orders > 5").does("Bought")
    new = Customer(s="traits.orders > 0")
    new.memory = new.plan.ready(old.memory, {}, NOW, UTC)
    assert new.segments == {"s"}
    other = Customer(traits={"orders": {"count": ["Bought", "Rented"]}}, s="traits.orders > 0")
    other.memory = other.plan.ready(new.memory, {}, NOW, UTC)
    assert other.segments == set()


def test_what_was_true_of_nobody_known_is_no_entry():
    """`no orders yet` holds for everyone who was never seen."""
    customer = Customer(fresh="traits.orders == 0").does("Viewed")
    assert customer.segments == {"fresh"}
    assert customer.changes == []


def test_what_was_worked_out_of_one_customer_holds_for_no_earlier_one():
    """Of customers of whom nothing is known, each is as if it were the only one, in whatever order they come."""
    segments = {"late": "days_since('2026-03-01') > 0", "other": "traits.n > 0"}
    april, march, january = (parse_instant(f"2026-{month}-10T00:00:00Z") for month in ("04", "03", "01"))
    shared = Definitions({"n": Trait(count=["A"])}, segments).plan(Uses(frozenset(), frozenset(segments)))
    for at in (april, march, january, april, january, march):
        alone = Definitions({"n": Trait(count=["A"])}, segments).plan(Uses(frozenset(), frozenset(segments)))
        assert shared.ready(None, {}, at, timezone.utc) == alone.ready(None, {}, at, timezone.utc)
    assert shared.ready(None, {}, january, timezone.utc).due
    assert not shared.ready(None, {}, april, timezone.utc).due
    one = shared.ready(None, {}, april, timezone.utc)
    one.segments.clear()
    assert shared.ready(None, {}, april, timezone.utc).segments


def test_many_events_need_few_timers():
    """Moments that change nothing are tried beforehand, eight at a time, and two for the busiest customers."""
    customer = Customer(some="traits.orders_90d >= 5", busy="traits.orders_90d >= 50")
    for _ in range(100):
        customer.does("Bought", after=1_000)
    customer.until(NOW + 100 * DAY)
    assert [change for _, change in customer.changes] == ["+some", "+busy", "-busy", "-some"]
    assert customer.ticks <= 2 * ((100 - MANY) // 2 + MANY // LOOKS_MAX + 3)  # two segments


# --- what is in use


def test_only_what_is_in_use_is_compiled():
    """A segment brings what it reads, through others, too."""
    definitions = defined(a="'b' in segments", b="traits.idle > 3", c="traits.orders > 1")
    plan = definitions.plan(Uses(frozenset(), frozenset({"a"})))
    assert plan.names == ("idle", "last_order_at")
    assert [segment.name for segment in plan.segments] == ["b", "a"]
    assert definitions.plan(Uses(frozenset({"orders"}), frozenset())).names == ("orders",)
    assert definitions.plan(Uses(frozenset(), frozenset())) is None


# --- what is refused


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("days_since(traits.last_order_at) == 60", "holds for an instant only, if at all.*write < <= > or >="),
        ("now in [1, 2]", "holds for an instant only"),
        ("hour(now) >= 9", r"'hour\(now\)' changes all the time"),
        ("weekday(now) == 'monday'", "changes all the time"),
        ("now", "is a number, not a condition"),
        ("traits.idle", "is a number, not a condition"),
        ("traits.idle and traits.orders > 1", "changes all the time"),
        ("not now", "changes all the time"),
        ("days_since(now) > 3", "the time in .* changes by the clock itself"),
        ("now > traits.last_order_at + (now - 3d)", "the time on both sides"),
        ("now - days_since(traits.last_order_at) > 3", "has the time in it twice"),
        ("traits.orders / traits.idle > 3", "divides by a time"),
        ("abs(traits.idle) > 3", r"'abs\(traits.idle\)' changes all the time"),
        ("days_since(3 if traits.idle > 3 else 4) > 5", "changes by the clock itself"),
        ("(now if traits.idle > 3 else 5) > 7", "mixes a time with a condition"),
        ("now * (1 if traits.idle > 3 else 2) > 7", "mixes a time with a condition"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(text, complaint):
    """With what it is and what to write."""
    (mistake,) = defined(s=text).mistakes()
    assert mistake.name == "s"
    with pytest.raises(AssertionError, match=complaint):
        raise AssertionError(mistake.message)


def test_a_trait_that_cannot_be_scheduled_is_told_where_a_segment_reads_it():
    """In a branch the same trait is of use."""
    traits = {"hour": {"expr": "hour(now)"}}
    assert list(defined(traits).mistakes()) == []
    (mistake,) = defined(traits, s="traits.hour > 9").mistakes()
    assert mistake.message.startswith("the trait 'hour' changes by the clock: it cannot be known beforehand")


@pytest.mark.parametrize(
    ("traits", "segments", "name", "complaint"),
    [
        ({}, {"s": "traits.order > 1"}, "s", "there is no trait 'order'; did you mean 'orders'?"),
        ({}, {"s": "'vop' in segments", "vip": "traits.orders > 1"}, "s", "no segment 'vop'; did you mean 'vip'?"),
        ({}, {"s": "'s' in segments"}, "s", "made of itself: segments.s reads segments.s"),
        ({"a": {"expr": "traits.b"}, "b": {"expr": "traits.a"}}, {}, "a", "traits.a reads traits.b reads traits.a"),
        ({}, {"s": "len(segments) > 1"}, "s", '`segments` as a whole cannot be read here.*write "NAME" in segments'),
        ({}, {"s": "traits[profile.x] > 1"}, "s", "`traits` as a whole cannot be read here"),
        ({"a": {"expr": "traits.nothing"}}, {}, "a", "there is no trait 'nothing'"),
        ({}, {"s": "traits.orders == '3'"}, "s", "traits.orders is a number and '3' is a text: they are never equal"),
        ({"a": {"expr": "traits.idle > 'x'"}}, {}, "a", "traits.idle is a number and 'x' is a text"),
        ({"a": {"count": "A", "where": "event.name == 3"}}, {}, "a", "event.name is a text and 3 is a number"),
        ({"by": {"count": "A", "by": "properties.k"}}, {"s": "traits.by >= 3"}, "s", r"write traits.by\[VALUE\]"),
        ({"a": {"entries": "welcom"}}, {}, "a", "no journey 'welcom'; did you mean 'welcome'?"),
    ],
)
def test_what_is_not_there_or_made_of_itself_is_a_mistake(traits, segments, name, complaint):
    """With the nearest name, or the way round."""
    mistakes = [one for one in defined(traits, **segments).mistakes(["welcome"]) if one.name == name]
    assert len(mistakes) == 1
    with pytest.raises(AssertionError, match=complaint):
        raise AssertionError(mistakes[0].message)


def test_a_chain_of_traits_has_an_end():
    """Reading one recurses; twenty are more than anyone follows."""
    chain = {f"c{n}": {"expr": f"traits.c{n + 1}" if n < 30 else "traits.orders"} for n in range(31)}
    told = {mistake.name for mistake in defined(chain).mistakes()}
    assert told == {f"c{n}" for n in range(31) if 32 - n > CHAIN_MAX}


def test_what_time_cannot_change_has_no_timer():
    """Sorts of expressions, as the analysis has them."""
    sorts = {"idle": "running", "quiet": "switching"}
    assert changes_by_clock("traits.orders > 3 and profile.x in ['a']", sorts)[0] == "still"
    assert changes_by_clock("hour(traits.last_order_at) > 3", sorts)[0] == "still"
    assert changes_by_clock("traits.idle is None", sorts) == ("still", ())
    assert changes_by_clock("traits.idle + 1", sorts)[0] == "running"
    assert changes_by_clock("traits.quiet or traits.orders > 1", sorts) == ("switching", ())
    assert len(changes_by_clock("1 < traits.idle < 2 or now > profile.x", sorts)[1]) == 3
