"""Clock times, opening hours and calendar windows, against a definition that walks through time minute by minute."""

import doctest
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import calendar
from operators.calendar import (
    ClockTime,
    Hours,
    calendar_window,
    exists,
    instant_of,
    instant_on,
    local_day,
    local_time,
    parse_clock,
    parse_hours,
)
from state.instants import format_instant, parse_instant

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
UTC = timezone.utc


def at(text: str) -> int:
    ms = parse_instant(text)
    assert ms is not None
    return ms


# Zones and days on which something happens to the clock; (zone, a UTC day near it).
CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("America/Sao_Paulo", "2018-11-04"),  # 00:00 does not exist
    ("America/Sao_Paulo", "2018-02-18"),  # at midnight back to 23:00
    ("America/St_Johns", "2010-03-14"),  # 00:01 -> 01:01
    ("America/St_Johns", "2010-11-07"),  # 00:01 -> 23:01: midnight comes twice
    ("Australia/Lord_Howe", "2026-10-03"),  # half an hour
    ("Australia/Lord_Howe", "2026-04-04"),
    ("America/Nuuk", "2023-03-26"),  # 22:00 -> 23:00
    ("Africa/Casablanca", "2026-02-15"),
    ("Pacific/Apia", "2011-12-30"),  # left out whole
    ("Asia/Kolkata", "2026-01-01"),  # nothing
    ("UTC", "2028-02-29"),
]
zones_and_times = st.sampled_from(CHANGES).flatmap(
    lambda change: st.tuples(
        st.just(ZoneInfo(change[0])),
        st.integers(-2 * 24 * 60, 2 * 24 * 60).map(lambda minutes: at(change[1]) + minutes * MINUTE),
    )
)
minutes_of_day = st.integers(0, 1439)


def shows(ms: int, zone: ZoneInfo) -> datetime:
    return local_time(ms, zone).replace(tzinfo=UTC)


def first_time(local: datetime, zone: ZoneInfo) -> int:
    """The definition: the first instant at which the clock shows this or later."""
    start = int((local - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1000 - 26 * HOUR
    return next(ms for ms in range(start, start + 52 * HOUR, MINUTE) if shows(ms, zone) >= local)


def midnights(day: date, zone: ZoneInfo) -> int:
    return first_time(datetime(day.year, day.month, day.day, tzinfo=UTC), zone)


@settings(deadline=None, max_examples=60)
@given(zones_and_times)
def test_a_local_time_is_the_first_instant_that_shows_it_or_more(zone_and_time):
    """Skipped times are the next valid instant, repeated ones their first, in whole and half hours, at midnight, too."""
    zone, ms = zone_and_time
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)) + timedelta(hours=1)
    assert instant_of(local, zone) == first_time(local, zone)


@settings(deadline=None, max_examples=60)
@given(zones_and_times, minutes_of_day, st.none() | st.integers(0, 6))
def test_the_next_clock_time_is_the_earliest_later_one_of_any_day(zone_and_time, minute, weekday):
    """Of all days that exist, the first whose clock time comes later than now."""
    zone, ms = zone_and_time
    today = local_time(ms, zone).date()
    days = [today + timedelta(days=n) for n in range(-2, 12)]
    expected = min(
        instant
        for day in days
        if (weekday is None or day.weekday() == weekday)
        and midnights(day, zone) < midnights(day + timedelta(days=1), zone)
        and (
            instant := first_time(datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute), zone)
        )
        > ms
    )
    assert ClockTime(minute, weekday).next_after(ms, zone) == expected


@pytest.mark.parametrize(
    ("clock", "now", "zone", "then"),
    [
        ("09:00", "2026-01-05T07:59:59.999Z", "Europe/Berlin", "2026-01-05T08:00:00.000Z"),
        ("09:00", "2026-01-05T08:00:00Z", "Europe/Berlin", "2026-01-06T08:00:00.000Z"),  # exactly at it: tomorrow
        ("02:30", "2026-03-29T00:00:00Z", "Europe/Berlin", "2026-03-29T01:00:00.000Z"),  # skipped: 03:00
        ("02:30", "2026-03-29T01:00:00Z", "Europe/Berlin", "2026-03-30T00:30:00.000Z"),
        ("02:30", "2026-10-25T00:00:00Z", "Europe/Berlin", "2026-10-25T00:30:00.000Z"),  # twice: the first
        ("02:30", "2026-10-25T00:30:00Z", "Europe/Berlin", "2026-10-26T01:30:00.000Z"),
        ("monday 09:00", "2026-01-05T08:00:00Z", "Europe/Berlin", "2026-01-12T08:00:00.000Z"),
        ("sunday 00:00", "2018-11-01T00:00:00Z", "America/Sao_Paulo", "2018-11-04T03:00:00.000Z"),  # 01:00
        ("09:00", "2011-12-29T20:00:00Z", "Pacific/Apia", "2011-12-30T19:00:00.000Z"),  # the 30th never was
        ("friday 09:00", "2011-12-29T20:00:00Z", "Pacific/Apia", "2012-01-05T19:00:00.000Z"),
        ("23:59", "2028-02-29T23:59:00Z", "UTC", "2028-03-01T23:59:00.000Z"),
    ],
)
def test_clock_times(clock, now, zone, then):
    """The cases that the language speaks of, by hand."""
    assert format_instant(parse_clock(clock).next_after(at(now), ZoneInfo(zone))) == then


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("09:00", ClockTime(540)),
        ("9:05", ClockTime(545)),
        (" 23:59 ", ClockTime(1439)),
        ("monday 09:00", ClockTime(540, 0)),
        ("Sun 0:00", ClockTime(0, 6)),
    ],
)
def test_clock_times_are_read(text, clock):
    """With or without a weekday, whole or in three letters."""
    assert parse_clock(text) == clock


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("24:00", "write 00:00, which is midnight"),
        ("9", "write hours and minutes"),
        ("25:00", "write hours and minutes"),
        ("09:60", "write hours and minutes"),
        ("", "write hours and minutes"),
        (1110, "1110 is not a clock time"),
        (None, "None is not a clock time"),
        ("noday 09:00", "'noday' in 'noday 09:00' is no weekday"),
        ("monday tuesday 09:00", "write hours and minutes"),
        ("\u0661\u0662:00", "write hours and minutes"),
    ],
)
def test_what_is_no_clock_time_is_refused_with_advice(text, advice):
    """The value and what to write."""
    with pytest.raises(ValueError, match=advice):
        parse_clock(text)


# --- hours


def test_quiet_hours_over_midnight_belong_to_the_day_they_begin_on():
    """Their start is inside, their end is not."""
    quiet, berlin = parse_hours("21:00-08:00"), ZoneInfo("Europe/Berlin")
    end = at("2026-01-06T07:00:00Z")
    assert quiet.end_within(at("2026-01-05T20:00:00Z"), berlin) == end
    assert quiet.end_within(at("2026-01-06T06:59:59.999Z"), berlin) == end
    assert quiet.end_within(end, berlin) is None
    assert quiet.end_within(at("2026-01-05T19:59:59.999Z"), berlin) is None


def test_opening_hours_begin_again_on_the_next_open_day():
    """Friday evening waits for Monday; within the hours nothing waits."""
    opening, berlin = parse_hours("mon-fri 09:00-18:00"), ZoneInfo("Europe/Berlin")
    assert opening.start_from(at("2026-01-09T17:00:00Z"), berlin) == at("2026-01-12T08:00:00Z")
    assert opening.start_from(at("2026-01-09T16:59:00Z"), berlin) == at("2026-01-09T16:59:00Z")
    assert opening.start_from(at("2026-01-09T07:00:00Z"), berlin) == at("2026-01-09T08:00:00Z")


@settings(deadline=None, max_examples=60)
@given(zones_and_times, minutes_of_day, st.integers(1, 1440), st.frozensets(st.integers(0, 6), min_size=1))
def test_hours_are_as_defined_and_agree_with_each_other(zone_and_time, start, end, weekdays):
    """Inside are the instants from a day's start to its end; what begins next is inside, and nothing before it is."""
    zone, ms = zone_and_time
    if start == end:
        end = end % 1440 + 1
    hours = Hours(start, end, weekdays)
    today = local_time(ms, zone).date()
    spans = []
    for n in range(-2, 12):
        day = today + timedelta(days=n)
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if day.weekday() in weekdays and midnights(day, zone) < midnights(day + timedelta(days=1), zone):
            until = end if end > start else end + 1440
            first, last = (first_time(midnight + timedelta(minutes=m), zone) for m in (start, until))
            if first < last:
                spans.append((first, last))
    inside = [last for first, last in spans if first <= ms < last]
    assert hours.end_within(ms, zone) == (inside[0] if inside else None)
    expected = ms if inside else min(first for first, _ in spans if first > ms)
    assert hours.start_from(ms, zone) == expected


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("21:00-08:00", Hours(1260, 480)),
        ("00:00-24:00", Hours(0, 1440)),
        ("mon-fri 09:00 - 18:00", Hours(540, 1080, frozenset({0, 1, 2, 3, 4}))),
        ("sat-mon 09:00-12:00", Hours(540, 720, frozenset({5, 6, 0}))),
        ("mon, wed 09:00-12:00", Hours(540, 720, frozenset({0, 2}))),
    ],
)
def test_hours_are_read(text, hours):
    """Days in ranges and lists, over the end of the week, too."""
    assert parse_hours(text) == hours


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("21:00", "write from when to when"),
        ("09:00-09:00", "write 00:00-24:00"),
        ("24:00-08:00", "write from when to when"),
        ("mon-someday 09:00-18:00", "'someday'.*is no weekday"),
        (None, "None are no hours"),
        ("25:00-08:00", "write from when to when"),
    ],
)
def test_what_are_no_hours_is_refused_with_advice(text, advice):
    """The value and what to write."""
    with pytest.raises(ValueError, match=advice):
        parse_hours(text)


# --- windows


@settings(deadline=None, max_examples=40)
@given(zones_and_times, st.sampled_from(["day", "week", "month"]))
def test_each_instant_is_in_the_window_that_began_last(zone_and_time, unit):
    """Windows follow on each other without gap or overlap, from first midnight to first midnight."""
    zone, ms = zone_and_time
    start, end = calendar_window(ms, unit, zone)
    assert start <= ms < end
    assert calendar_window(start, unit, zone) == (start, end)
    assert calendar_window(end - 1, unit, zone) == (start, end)
    assert calendar_window(end, unit, zone)[0] == end
    begins = [local_time(ms, zone).date() + timedelta(days=n) for n in range(-40, 3)]
    begins = [d for d in begins if unit == "day" or (d.weekday() == 0 if unit == "week" else d.day == 1)]
    assert start == max(first for d in begins[-4:] if (first := midnights(d, zone)) <= ms)


@pytest.mark.parametrize(
    ("unit", "now", "start", "end"),
    [
        ("day", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"),  # 23 hours
        ("week", "2026-01-04T22:59:59.999Z", "2025-12-28T23:00:00.000Z", "2026-01-04T23:00:00.000Z"),
        ("month", "2028-02-29T12:00:00Z", "2028-01-31T23:00:00.000Z", "2028-02-29T23:00:00.000Z"),
        ("month", "2026-12-31T12:00:00Z", "2026-11-30T23:00:00.000Z", "2026-12-31T23:00:00.000Z"),
    ],
)
def test_windows_by_hand(unit, now, start, end):
    """A short day, the turn of the week, a leap day, the turn of the year."""
    window = calendar_window(at(now), unit, ZoneInfo("Europe/Berlin"))
    assert tuple(map(format_instant, window)) == (start, end)


def test_the_local_day_is_the_zones():
    """23:30 UTC is the next day in Berlin."""
    late = at("2026-01-05T23:30:00Z")
    assert local_day(late, ZoneInfo("Europe/Berlin")) == local_day(late, UTC) + 1
    assert local_day(late + 24 * HOUR, UTC) == local_day(late, UTC) + 1


def test_a_day_that_a_zone_left_out_does_not_exist():
    """Samoa went from the 29th to the 31st; a day on which the clock changes is one all the same."""
    assert not exists(date(2011, 12, 30), ZoneInfo("Pacific/Apia"))
    assert exists(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo"))
    assert instant_on(date(2011, 12, 30), 540, ZoneInfo("Pacific/Apia")) == at("2011-12-30T10:00:00Z")


def test_the_examples_of_the_module_hold():
    """What the docstrings show."""
    assert doctest.testmod(calendar).failed == 0
