"""The calendar of a time zone: local days, clock times, opening hours, and the midnights, Mondays and 1sts of windows.

Pure arithmetic from instants (ms since 1970, UTC) to instants, for waits until a clock time, quiet hours, calendar windows
and `distinct: day`. Not for durations: a day of `operators.durations` is 24 hours. Schedules are in `operators.cron`.

Two rules hold everywhere. A local time that daylight saving skips is the next valid instant; one that it repeats is its
first. What comes next is later than the instant that was asked about: at 09:00 sharp, the next 09:00 is tomorrow's. A day
that a zone leaves out whole, as Samoa did with 30 December 2011, has no clock times.

>>> from zoneinfo import ZoneInfo
>>> from state.instants import format_instant, parse_instant
>>> berlin = ZoneInfo("Europe/Berlin")
>>> format_instant(parse_clock("09:00").next_after(parse_instant("2026-03-28T08:00:00Z"), berlin))
'2026-03-29T07:00:00.000Z'
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, Literal, cast

Unit = Literal["day", "week", "month"]
"""Of a calendar window: it begins at midnight, on Monday, on the 1st."""

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""In the order of `date.weekday()`."""

_UTC: Final = timezone.utc
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=_UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SECOND: Final = timedelta(seconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DAY: Final = timedelta(days=1)
_DAY_MINUTES: Final = 1_440

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_HOURS = re.compile(r"(?:(.+?)\s+)?([0-9]{1,2}:[0-9]{2})\s*-\s*([0-9]{1,2}:[0-9]{2})", re.ASCII)
_WEEKDAY_OF: Final = {form: number for number, day in enumerate(WEEKDAYS) for form in (day, day[:3])}


# --- between instants and local time


def local_time(at: int, zone: tzinfo) -> datetime:
    """What calendar and clock of the zone show at an instant (ms); to be read, not to be calculated with."""
    return (_EPOCH + at * _MILLISECOND).astimezone(zone)


def local_day(at: int, zone: tzinfo) -> int:
    """The zone's calendar day at an instant (ms), as days since 1970-01-01: equal for instants of one day.

    >>> local_day(0, timezone.utc), local_day(86_400_000, timezone.utc)
    (0, 1)
    """
    return local_time(at, zone).toordinal() - _EPOCH_DAY


def instant_of(local: datetime, zone: tzinfo) -> int:
    """When (ms) clock and calendar of the zone show `local`, whose own zone is not looked at.

    Skipped: the next valid instant. Repeated: the first. What is finer than a millisecond is cut off.
    """
    return (first_instant(local.replace(tzinfo=_UTC), zone) - _EPOCH) // _MILLISECOND


def first_instant(local: datetime, zone: tzinfo) -> datetime:
    """The same for a time that is marked as UTC, as a datetime in UTC.

    Raises:
        OverflowError, TypeError: outside the years 1 to 9999; a zone that does not know its offset.
    """
    before, after = (cast(timedelta, local.replace(tzinfo=zone, fold=fold).utcoffset()) for fold in (0, 1))
    if before >= after:  # a TypeError where the zone says None
        return local - before
    # Skipped, by a change of the clocks that lies between the two readings.
    early = local - after
    seconds = range((after - before) // _SECOND)
    changed = bisect_left(seconds, True, key=lambda s: (early + s * _SECOND).astimezone(zone).utcoffset() == after)
    return early + changed * _SECOND


def instant_on(day: date, minute: int, zone: tzinfo) -> int:
    """When (ms) it is `minute` minutes past midnight by the clock, on a day; 1440 is the next midnight."""
    return instant_of(datetime.combine(day, time(), _UTC) + timedelta(minutes=minute), zone)


def exists(day: date, zone: tzinfo) -> bool:
    """Whether the zone had or has this day."""
    return instant_on(day, 0, zone) < instant_on(day, _DAY_MINUTES, zone)


def _days_from(day: date) -> Iterator[date]:
    while True:
        yield day
        day += _DAY


# --- clock times


@dataclass(frozen=True)
class ClockTime:
    """A time of day, or of one weekday: `09:00`, `monday 09:00`."""

    minute: int
    """Past midnight, by the clock."""
    weekday: int | None = None
    """0 is Monday; None is every day."""

    def next_after(self, at: int, zone: tzinfo) -> int:
        """The first instant (ms) after `at` at which it is this time in the zone."""
        # From today on: the first occurrence of an earlier local time is never later than now.
        for day in _days_from(local_time(at, zone).date()):
            if self.weekday is None or day.weekday() == self.weekday:
                instant = instant_on(day, self.minute, zone)
                if instant > at and exists(day, zone):
                    return instant
        raise AssertionError  # the days do not end


def parse_clock(text: object) -> ClockTime:
    """Read `09:00` or `monday 09:00` (`mon 9:00`, too).

    Raises:
        ValueError: it is no clock time; the message shows the value and says what to write.
    """
    how = "write hours and minutes, as in: '09:00' or 'monday 09:00', in quotes"
    *before, clock = text.split() if isinstance(text, str) and text.split() else [""]
    minute = _minute(clock)
    if minute is None or len(before) > 1:
        instead = "write 00:00, which is midnight" if clock == "24:00" else how
        raise ValueError(f"{_shown(text)} is not a clock time: {instead}")
    if not before:
        return ClockTime(minute)
    return ClockTime(minute, _weekday(before[0], text))


# --- hours


@dataclass(frozen=True)
class Hours:
    """Hours that come again each day, or on some weekdays: `21:00-08:00`, `mon-fri 09:00-18:00`.

    The end is no part of them; hours that end before they begin end on the next day, and belong to the day they begin on.
    """

    start: int
    """Minutes past midnight, by the clock."""
    end: int
    """1440 is midnight, the end of the day."""
    weekdays: frozenset[int] = frozenset(range(7))

    def end_within(self, at: int, zone: tzinfo) -> int | None:
        """When (ms) the hours end that `at` lies in; None where it lies in none."""
        today = local_time(at, zone).date()
        # Tomorrow's, too: where the clock goes back over midnight, they can have begun while it shows today again.
        for day in (today - _DAY, today, today + _DAY):
            start, end = self._on(day, zone)
            if start <= at < end:
                return end
        return None

    def start_from(self, at: int, zone: tzinfo) -> int:
        """`at` itself (ms) where it lies in the hours, else when they begin next."""
        if self.end_within(at, zone) is not None:
            return at
        for day in _days_from(local_time(at, zone).date()):
            start, end = self._on(day, zone)
            if at < start < end:  # hours that lie wholly in what daylight saving skips are none
                return start
        raise AssertionError  # the days do not end

    def _on(self, day: date, zone: tzinfo) -> tuple[int, int]:
        """From when to when they are, counted from a day; of no length on other weekdays."""
        if day.weekday() not in self.weekdays or not exists(day, zone):
            return 0, 0
        end = self.end if self.end > self.start else self.end + _DAY_MINUTES
        return instant_on(day, self.start, zone), instant_on(day, end, zone)


def parse_hours(text: object) -> Hours:
    """Read `21:00-08:00`, `mon-fri 09:00-18:00`, `mon,wed,fri 09:00-12:00`.

    Raises:
        ValueError: these are no hours; the message shows the value and says what to write.
    """
    found = _HOURS.fullmatch(text.strip()) if isinstance(text, str) else None
    start = _minute(found[2]) if found else None
    end = (_DAY_MINUTES if found[3] == "24:00" else _minute(found[3])) if found else None
    if found is None or start is None or end is None:
        raise ValueError(f"{_shown(text)} are no hours: write from when to when, as in: '21:00-08:00', in quotes")
    if start == end:
        raise ValueError(f"{_shown(text)} begins when it ends: write 00:00-24:00 for the whole day")
    if found[1] is None:
        return Hours(start, end)
    days: set[int] = set()
    for part in found[1].split(","):
        first, dash, last = part.strip().partition("-")
        from_day = _weekday(first.strip(), text)
        to_day = _weekday(last.strip(), text) if dash else from_day
        days.update((from_day + n) % 7 for n in range((to_day - from_day) % 7 + 1))
    return Hours(start, end, frozenset(days))


# --- windows


def calendar_window(at: int, unit: Unit, zone: tzinfo) -> tuple[int, int]:
    """The day, week (from Monday) or month (from the 1st) that `at` lies in: its start and the next one's (ms).

    An instant belongs to the last one that has begun, so each belongs to one, also where midnight comes twice.
    """
    day = _begin(local_time(at, zone).date(), unit)
    start, end = instant_on(day, 0, zone), instant_on(_following(day, unit), 0, zone)
    while end <= at:  # the clock went back over midnight
        day = _following(day, unit)
        start, end = end, instant_on(_following(day, unit), 0, zone)
    return start, end


def _begin(day: date, unit: Unit) -> date:
    if unit == "day":
        return day
    return day.replace(day=1) if unit == "month" else day - day.weekday() * _DAY


def _following(day: date, unit: Unit) -> date:
    if unit == "month":
        return (day + 31 * _DAY).replace(day=1)
    return day + (_DAY if unit == "day" else 7 * _DAY)


# --- words


def _minute(clock: str) -> int | None:
    found = _CLOCK.fullmatch(clock)
    return int(found[1]) * 60 + int(found[2]) if found else None


def _weekday(name: str, text: object) -> int:
    number = _WEEKDAY_OF.get(name.lower())
    if number is None:
        raise ValueError(f"{name!r} in {_shown(text)} is no weekday: write {', '.join(day[:3] for day in WEEKDAYS)}")
    return number


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
