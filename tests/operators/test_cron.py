"""Cron schedules in a zone, against a definition that walks through the minutes of the days."""

import doctest
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import cron
from operators.calendar import local_time
from operators.cron import parse_cron
from state.instants import format_instant, parse_instant
from tests.operators.test_calendar import first_time, midnights, zones_and_times


def comes(text: str, now: str, zone: str, times: int = 1) -> str:
    ms = parse_instant(now)
    for _ in range(times):
        ms = parse_cron(text).next_after(ms, ZoneInfo(zone))
    return format_instant(ms)


@pytest.mark.parametrize(
    ("text", "now", "zone", "then"),
    [
        ("0 10 * * mon", "2026-01-05T08:59:59Z", "Europe/Berlin", "2026-01-05T09:00:00.000Z"),
        ("0 10 * * mon", "2026-01-05T09:00:00Z", "Europe/Berlin", "2026-01-12T09:00:00.000Z"),
        ("30 2 * * *", "2026-03-29T00:00:00Z", "Europe/Berlin", "2026-03-29T01:00:00.000Z"),
        ("*/15 2 * * *", "2026-03-29T00:59:00Z", "Europe/Berlin", "2026-03-29T01:00:00.000Z"),
        ("*/15 2 * * *", "2026-03-29T01:00:00Z", "Europe/Berlin", "2026-03-30T00:00:00.000Z"),  # all at one instant
        ("30 2 * * *", "2026-10-25T00:30:00Z", "Europe/Berlin", "2026-10-26T01:30:00.000Z"),  # not a second time
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "UTC", "2028-02-29T00:00:00.000Z"),
        ("0 0 29 2 *", "2096-03-01T00:00:00Z", "UTC", "2104-02-29T00:00:00.000Z"),  # 2100 has none
        ("0 0 31 * *", "2026-01-31T00:00:00Z", "UTC", "2026-03-31T00:00:00.000Z"),
        ("0 0 13 * fri", "2026-01-01T00:00:00Z", "UTC", "2026-01-02T00:00:00.000Z"),  # either is enough
        ("0 0 */2 * fri", "2026-01-01T00:00:00Z", "UTC", "2026-01-09T00:00:00.000Z"),  # with a star, both
        ("0 0 * * 7", "2026-01-01T00:00:00Z", "UTC", "2026-01-04T00:00:00.000Z"),
        ("0 0 * * fri-sun", "2026-01-03T00:00:00Z", "UTC", "2026-01-04T00:00:00.000Z"),
        ("0 0 1 jan,jul *", "2026-01-01T00:00:00Z", "UTC", "2026-07-01T00:00:00.000Z"),
        ("5/20 9-17/4 * * *", "2026-01-01T09:45:00Z", "UTC", "2026-01-01T13:05:00.000Z"),
    ],
)
def test_schedules_by_hand(text, now, zone, then):
    """Daylight saving, leap days, month ends, names, steps."""
    assert comes(text, now, zone) == then


numbers = {"minute": (0, 59), "hour": (0, 23), "day": (1, 28), "month": (1, 12), "weekday": (0, 6)}


@st.composite
def fields(draw):
    """Sets of numbers by field; None is `*`."""
    drawn = {}
    for name, (least, most) in numbers.items():
        some = st.frozensets(st.integers(least, most), min_size=1, max_size=6)
        drawn[name] = draw(some if name == "minute" else st.none() | some)
    return drawn


@settings(deadline=None, max_examples=40)
@given(zones_and_times, fields())
def test_the_next_time_is_the_earliest_that_the_fields_name(zone_and_time, field):
    """Of all minutes of all days that exist, the first later one whose numbers the fields hold."""
    zone, ms = zone_and_time
    field["month"] = None  # a year of minutes would be too many for the definition
    if field["day"] is not None:
        field["weekday"] = None
    text = " ".join("*" if f is None else ",".join(map(str, sorted(f))) for f in field.values())
    today = local_time(ms, zone).date()
    for n in range(40):
        day = today + timedelta(days=n)
        if field["day"] is not None and day.day not in field["day"]:
            continue
        if field["weekday"] is not None and day.isoweekday() % 7 not in field["weekday"]:
            continue
        if midnights(day, zone) == midnights(day + timedelta(days=1), zone):
            continue
        named = (
            datetime(day.year, day.month, day.day, hour, minute, tzinfo=timezone.utc)
            for hour in sorted(field["hour"] or range(24))
            for minute in sorted(field["minute"])
        )
        expected = next((instant for local in named if (instant := first_time(local, zone)) > ms), None)
        if expected is not None:
            break
    assert parse_cron(text).next_after(ms, zone) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 10 * *", "not a schedule of five fields: write minute, hour"),
        ("@daily", "not a schedule of five fields"),
        (5, "5 is not a schedule"),
        ("60 * * * *", "'60' is no minute: write 0-59"),
        ("* 24 * * *", "'24' is no hour: write 0-23"),
        ("* * 0 * *", "'0' is no day of the month: write 1-31"),
        ("* * * 13 *", "'13' is no month: write 1-12 or jan, feb"),
        ("* * * * 8", "'8' is no weekday: write 0-7 or sun, mon"),
        ("* * * * moo", "'moo' is no weekday"),
        ("5-1 * * * *", "'5-1' is no minute"),
        ("*/0 * * * *", r"'\*/0' is no minute"),
        (", * * * *", "'' is no minute"),
        ("* * L * *", "'L' is no day of the month"),
        ("0 0 30 2 *", "never comes: no such month has a day 30; write a day up to 29"),
        ("0 0 31 4,6 *", "never comes: no such month has a day 31; write a day up to 30"),
    ],
)
def test_what_is_no_schedule_is_refused_with_advice(text, message):
    """The value, what is wrong in it, and what to write."""
    with pytest.raises(ValueError, match=message):
        parse_cron(text)


def test_a_day_that_its_month_lacks_is_none_where_the_weekday_is_enough():
    """`30 2` with a weekday comes on the weekday."""
    assert parse_cron("0 0 30 2 mon").next_after(0, timezone.utc) == parse_instant("1970-02-02T00:00:00Z")


def test_the_examples_of_the_module_hold():
    """What the docstring shows."""
    assert doctest.testmod(cron).failed == 0
