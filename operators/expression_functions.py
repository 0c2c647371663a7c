"""The functions of expressions, such as `contains(x, y)` and `days_since(time)`, and how they read a time.

Called by the code that `operators.expression_code` writes; none raises, whatever it is given. A time is milliseconds, or
a text: RFC 3339 or an ISO date.
"""

import re
from collections.abc import Callable, Mapping, Set
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final, NamedTuple

from operators.calendar import WEEKDAYS, first_instant
from operators.expression_values import LISTS, NUMBERS, bounded, contains, divide, subtract

DAY_MS: Final = 86_400_000
_UTC: Final = timezone.utc
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=_UTC)
_SECOND: Final = timedelta(seconds=1)
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?\s?(?:([Zz])|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)


def moment(value: Any, zone: object) -> int | float | None:
    """A time in milliseconds: a number is one, a text is read, anything else is none.

    A text without an offset is the customer's local time, a date its midnight. Of a local time that daylight saving skips
    the next valid instant is taken, of one that it repeats the first.
    """
    if type(value) is not str:
        return bounded(value)
    found = _TIME.fullmatch(value)
    if found is None:
        return None
    year, month, day, hour, minute, second, hours, minutes = (int(found[n] or 0) for n in (1, 2, 3, 4, 5, 6, 10, 11))
    if hours > 23 or minutes > 59:
        return None
    leap_second = second == 60  # RFC 3339 allows it; counted as the second after
    try:
        local = datetime(year, month, day, hour, minute, second - leap_second, tzinfo=_UTC)
        if found[8] or found[9]:
            ahead = timedelta(hours=hours, minutes=minutes)
            instant = local + ahead if found[9] == "-" else local - ahead
        else:
            instant = first_instant(local, _zone(zone))
    except (TypeError, ValueError, OverflowError):  # 30 February, 25:00, outside the years 1 to 9999; a broken zone
        return None
    return ((instant - _EPOCH) // _SECOND + leap_second) * 1_000 + int((found[7] or "0").ljust(3, "0")[:3])


def _zone(zone: object) -> tzinfo:
    return zone if isinstance(zone, tzinfo) else _UTC


def _local(time: Any, zone: object) -> datetime | None:
    time_ms = moment(time, zone)
    if time_ms is None:
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(_zone(zone))
    except (ValueError, OverflowError):  # outside the years 1 to 9999
        return None


def _hour(time: Any, zone: object) -> int | None:
    local = _local(time, zone)
    return None if local is None else local.hour


def _weekday(time: Any, zone: object) -> str | None:
    local = _local(time, zone)
    return None if local is None else WEEKDAYS[local.weekday()]


def _days_since(time: Any, now: Any, zone: object) -> int | float | None:
    return divide(subtract(now, moment(time, zone)), DAY_MS)


def _days_until(time: Any, now: Any, zone: object) -> int | float | None:
    return divide(subtract(moment(time, zone), now), DAY_MS)


def _len(value: Any) -> int | None:
    return len(value) if type(value) is str or type(value) in LISTS or isinstance(value, (Set, Mapping)) else None


def _extreme(pick: Callable[[Any], Any], values: Any) -> object:
    if len(values) == 1:
        values = values[0]
        if not (type(values) in LISTS or isinstance(values, Set)):
            return None
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return pick(values)
    if not kinds or not kinds <= NUMBERS or any(value != value for value in values):  # noqa: PLR0124 - NaN
        return None
    return bounded(pick(values))


def _round(value: Any, digits: Any = None) -> int | float | None:
    if bounded(value) is None:
        return None
    if digits is None:
        return bounded(round(value))
    return round(value, digits) if type(digits) is int and 0 <= digits <= 15 else None  # a double has 15 digits


class Function(NamedTuple):
    """A function as the code calls it and as the documentation tells of it."""

    call: Callable[..., object]
    least: int
    """Arguments."""
    most: int
    usage: str
    meaning: str
    reads: tuple[str, ...] = ()
    """Keys of the scope, handed over after the arguments."""


_ANY: Final = 1_000  # arguments; the length of the text bounds it
_CLOCK: Final = ("now", "zone")
_ALL: Final = (
    Function(_len, 1, 1, "len(x)", "how many items a list, keys a dictionary or characters a text has"),
    Function(lambda x: x.lower() if type(x) is str else None, 1, 1, "lower(text)", "in small letters"),
    Function(lambda x: x.upper() if type(x) is str else None, 1, 1, "upper(text)", "in capital letters"),
    Function(lambda x: bounded(abs(x)) if type(x) in NUMBERS else None, 1, 1, "abs(number)", "without its sign"),
    Function(
        lambda *x: _extreme(min, x), 1, _ANY, "min(a, b)", "the least of numbers or texts, or of one list of them"
    ),
    Function(
        lambda *x: _extreme(max, x), 1, _ANY, "max(a, b)", "the greatest of numbers or texts, or of one list of them"
    ),
    Function(
        _round, 1, 2, "round(number, digits)", "to 0-15 digits after the point (none: an integer), halves to even"
    ),
    Function(contains, 2, 2, "contains(x, y)", "whether y is part of the text x, an item of the list x or a key of it"),
    Function(
        lambda x, y: type(x) is type(y) is str and x.startswith(y), 2, 2, "starts_with(text, start)", "if it begins so"
    ),
    Function(lambda x, y: type(x) is type(y) is str and x.endswith(y), 2, 2, "ends_with(text, end)", "if it ends so"),
    Function(_days_since, 1, 1, "days_since(time)", "24-hour days from time to now, with fractions", _CLOCK),
    Function(_days_until, 1, 1, "days_until(time)", "24-hour days from now to time, with fractions", _CLOCK),
    Function(_hour, 1, 1, "hour(time)", "0 to 23, in the customer's time zone", ("zone",)),
    Function(_weekday, 1, 1, "weekday(time)", "'monday' to 'sunday', in the customer's time zone", ("zone",)),
)
BY_NAME: Final[Mapping[str, Function]] = {function.usage.partition("(")[0]: function for function in _ALL}
