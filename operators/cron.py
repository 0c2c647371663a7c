"""Schedules as cron writes them, `0 10 * * mon`, in a time zone: when do they come next?

For `enter: {schedule: {cron: ...}}`. Pure: an instant in, the next one out. Five fields: minute, hour, day of the month,
month, weekday; each `*`, a number, a name (`jan`, `mon`), a range `1-5`, a step `*/15`, or a list of these. As in every
cron, where both days are given either is enough, and weekday 7 is Sunday, too.

Of its own and not of a library, because each of those treats daylight saving in its own way, and a schedule has to agree
with the waits beside it: what is skipped comes at the next valid instant (and once, if several times are skipped
together), what is repeated comes the first time only.

>>> from datetime import timezone
>>> from state.instants import format_instant, parse_instant
>>> format_instant(parse_cron("0 10 * * mon").next_after(parse_instant("2026-01-01T00:00:00Z"), timezone.utc))
'2026-01-05T10:00:00.000Z'
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Final

from operators.calendar import exists, instant_on, local_time

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("", *_MONTHS)),
    ("weekday", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([0-9]{1,4}))?", re.ASCII)
_HOW: Final = "write minute, hour, day of the month, month and weekday, as in: 0 10 * * mon"
_LEAP_YEAR: Final = 2024


@dataclass(frozen=True)
class Cron:
    """A schedule, read."""

    text: str
    minutes: tuple[int, ...]
    """Of the day, rising."""
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Monday, as for `date.weekday()`."""
    either: bool
    """Whether a day of the month or a weekday is enough."""

    def next_after(self, at: int, zone: tzinfo) -> int:
        """The first instant (ms) after `at` that the schedule names in the zone."""
        day = local_time(at, zone).date()
        while True:  # ends: `parse_cron` refuses what never comes
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
                continue
            # Local times rise with their instants, so the last one tells whether the day is over.
            if self._names(day) and exists(day, zone) and instant_on(day, self.minutes[-1], zone) > at:
                return next(instant for minute in self.minutes if (instant := instant_on(day, minute, zone)) > at)
            day += timedelta(days=1)

    def _names(self, day: date) -> bool:
        in_month, in_week = day.day in self.days, day.weekday() in self.weekdays
        return (in_month or in_week) if self.either else (in_month and in_week)


def parse_cron(text: object) -> Cron:
    """Read five fields of cron.

    Raises:
        ValueError: it is no schedule, or one that never comes; the message shows the value and says what to write.
    """
    written = text.split() if isinstance(text, str) else []
    if not isinstance(text, str) or len(written) != len(_FIELDS):
        raise ValueError(f"{text!r} is not a schedule of five fields: {_HOW}")
    minutes, hours, days, months, weekdays = (
        _field(part, *field) for part, field in zip(written, _FIELDS, strict=True)
    )
    either = not written[2].startswith("*") and not written[4].startswith("*")
    longest = max(monthrange(_LEAP_YEAR, month)[1] for month in months)
    if not either and min(days) > longest:
        raise ValueError(f"{text!r} never comes: no such month has a day {min(days)}; write a day up to {longest}")
    return Cron(
        text,
        tuple(hour * 60 + minute for hour in sorted(hours) for minute in sorted(minutes)),
        frozenset(days),
        frozenset(months),
        frozenset((number - 1) % 7 for number in weekdays),
        either,
    )


def _field(text: str, name: str, least: int, most: int, names: tuple[str, ...]) -> set[int]:
    """The numbers that one field names."""
    numbers: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part)
        first = last = None
        if found is not None:
            first = _number(found[1], names) if found[1] else least
            last = _number(found[2], names) if found[2] else first
            if not found[1] or (found[3] and not found[2]):
                last = most - (not found[1] and most == 7)  # 5/15 is from 5 on; every weekday is 0 to 6
            if found[2] and names is _DAYS and last == 0 and first:
                last = 7  # fri-sun
        if found is None or first is None or last is None or not least <= first <= last <= most or found[3] == "0":
            allowed = f"{least}-{most}" + (f" or {', '.join(filter(None, dict.fromkeys(names)))}" if names else "")
            raise ValueError(f"{part!r} is no {name}: write {allowed}, a range such as {least}-{least + 1}, */2 or *")
        numbers.update(range(first, last + 1, int(found[3] or 1)))
    return numbers


def _number(word: str, names: tuple[str, ...]) -> int | None:
    if word.isdigit():
        return int(word)
    return names.index(word.lower()) if word.lower() in names else None
