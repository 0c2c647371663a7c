"""Instants: RFC 3339 text and numbers in, whole milliseconds since 1970 (UTC) inside, RFC 3339 with milliseconds out."""

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: both sides of the subtraction are UTC
_MILLISECOND = timedelta(milliseconds=1)

# Instants come one after the other, so their minute was mostly parsed before; the rest of the usual form are two small
# tables. Measured (python -m timeit, one warm minute): half the time of datetime.fromisoformat and its subtraction.
_MINUTES: dict[str, int] = {}
_MINUTES_MAX = 50_000  # a month of minutes, about 6 MB
_SECONDS = {f":{s:02}.": s * 1000 for s in range(60)}
_MILLISECONDS = {f"{ms:03}Z": ms for ms in range(1000)}

_TEXTS: dict[int, str] = {}  # what one event leads to is told with the same few times over and over
_TEXTS_MAX = 1_000

INSTANT_MS_MIN = 0
"""1970-01-01: what lies before it is a broken clock, not a customer."""

INSTANT_MS_MAX = 4_102_444_800_000
"""2100-01-01: a device whose clock overflowed says 2106; believed as log time, it would end every wait at once."""

_SECONDS_BELOW = 100_000_000_000
"""A smaller number is Unix seconds (until the year 5138), a larger one milliseconds (from March 1973)."""

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?\s?(?:[Zz]|([+-])([01]\d|2[0-3]):?([0-5]\d)?)?)?",
    re.ASCII,
)
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


def parse_instant(value: object) -> int | None:
    """Milliseconds since 1970 for RFC 3339 text or a Unix number; None where `value` is no instant in the usable range.

    Text without an offset is UTC; what is finer than a millisecond is cut off, never rounded up into the future.
    A number is Unix seconds or milliseconds, told apart by size.

    >>> parse_instant("2026-01-05T10:00:00.123456789+01:00")
    1767603600123
    >>> parse_instant(1767603600), parse_instant(1767603600123)
    (1767603600000, 1767603600123)
    >>> parse_instant("yesterday") is None
    True
    """
    if type(value) is str:
        try:  # the usual form, 2026-01-05T10:00:00.123Z
            return _MINUTES[value[:16]] + _SECONDS[value[16:20]] + _MILLISECONDS[value[20:]]
        except KeyError:
            ms = _parse_minute_anew(value)
    elif type(value) is int:
        ms = value * 1000 if -_SECONDS_BELOW < value < _SECONDS_BELOW else value
    elif type(value) is float:
        if not INSTANT_MS_MIN <= value <= INSTANT_MS_MAX:  # NaN and infinities, too
            return None
        ms = int(value * 1000) if value < _SECONDS_BELOW else int(value)
    else:
        return None
    return ms if INSTANT_MS_MIN <= ms < INSTANT_MS_MAX else None


def _parse_minute_anew(text: str) -> int:
    """The same for text whose minute is not at hand, or that is of another form; -1 (outside the range) for none."""
    minute, second, rest = text[:16], text[16:20], text[20:]
    if second in _SECONDS and rest in _MILLISECONDS and _MINUTE.fullmatch(minute):
        try:
            ms = (datetime.fromisoformat(minute) - _EPOCH) // _MILLISECOND
        except ValueError:
            return -1
        if INSTANT_MS_MIN <= ms < INSTANT_MS_MAX:
            if len(_MINUTES) >= _MINUTES_MAX:
                _MINUTES.clear()
            _MINUTES[minute] = ms
        return ms + _SECONDS[second] + _MILLISECONDS[rest]
    return _parse_slowly(text)


def _parse_slowly(text: str) -> int:
    """The same for every other form of RFC 3339; -1 (outside the range) where it is none."""
    found = _RFC3339.fullmatch(text.strip()) if len(text) <= 64 else None
    if not found:
        return -1
    year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = found.groups(default="0")
    leap = second == "60"  # a leap second is the last millisecond of its minute
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second))  # noqa: DTZ001
    except ValueError:
        return -1
    ms = (moment - _EPOCH) // _MILLISECOND + (999 if leap else int(fraction[:3].ljust(3, "0")))
    shift = (int(offset_hours) * 60 + int(offset_minutes)) * 60_000
    return ms + shift if sign == "-" else ms - shift


def format_instant(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds.

    >>> format_instant(1767603600123)
    '2026-01-05T09:00:00.123Z'
    """
    text = _TEXTS.get(ms)
    if text is None:
        text = (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") + "Z"
        if len(_TEXTS) >= _TEXTS_MAX:
            _TEXTS.clear()
        _TEXTS[ms] = text
    return text


def as_datetime(ms: int) -> datetime:
    """The instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(ms / 1000, tz=timezone.utc)
