"""Durations as people write them: `5d`, `48h`, `30m`, `250ms`, `2w` - and whole milliseconds inside.

For journey files, settings and the duration literals of expressions. Not for calendar spans: a day is 24 hours
here, on the days when the clocks change too; midnights, Mondays and months are matters of a time zone, and of
another module.

>>> parse_duration("5d")
432000000
>>> format_duration(5_400_000)
'90m'
"""

import re
from typing import Final

# Largest first: format_duration takes the first that divides. Weeks are read but never written, because journeys
# speak of `7d` and `14d`.
_UNIT_MS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}

# 100 years: longer than any customer, and short enough that now + duration stays far inside 64 bits and inside the
# years that datetime can show (9999).
DURATION_MS_MAX: Final = 36_525 * _UNIT_MS["d"]

_DURATION = re.compile(r"([0-9]{1,16})(ms|[wdhms])")  # [0-9], not \d: no other alphabet's digits
_ALMOST = re.compile(r"\s*([-+]?)\s*([0-9]{1,16}(?:\.[0-9]{1,9})?)\s*([^\W\d_]*)\s*")
_UNIT_NAMES: Final = {
    "ms": "ms msec msecs millis millisecond milliseconds",
    "s": "s sec secs second seconds",
    "m": "m min mins minute minutes",
    "h": "h hr hrs hour hours",
    "d": "d day days",
    "w": "w week weeks",
}
_UNIT_OF: Final = {name: unit for unit, names in _UNIT_NAMES.items() for name in names.split()}
_HOW: Final = "write a whole number and a unit: w, d (24 hours), h, m (minutes), s or ms, such as 5d, 48h or 30m"


def parse_duration(text: object, *, allow_zero: bool = False) -> int:
    """The milliseconds of `text`, such as `5d`.

    `text` may be any object, since YAML hands over whatever it made of what was written (`within: 5` is a number).

    Raises:
        ValueError: it is not a duration, is zero (unless `allow_zero`), negative, or above `DURATION_MS_MAX`. The
            message shows the value and says what to write.
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{_shown(text)} is not a duration: {_advice(text)}")
    duration_ms = int(found[1]) * _UNIT_MS[found[2]]
    if duration_ms == 0 and not allow_zero:
        raise ValueError(f"{_shown(text)} is no time at all: write a duration above zero, such as 1m or 5d")
    if duration_ms > DURATION_MS_MAX:
        longest = format_duration(DURATION_MS_MAX)
        raise ValueError(f"{_shown(text)} is longer than 100 years: write {longest} or less")
    return duration_ms


def format_duration(duration_ms: int) -> str:
    """The shortest way to write `duration_ms` in one unit of days or below; `parse_duration` reads it back.

    A negative one, which only a difference can be, is written with its sign.
    """
    if duration_ms == 0:
        return "0s"
    sign, size_ms = ("-", -duration_ms) if duration_ms < 0 else ("", duration_ms)
    for unit, unit_ms in _UNIT_MS.items():
        if unit != "w" and size_ms % unit_ms == 0:
            return f"{sign}{size_ms // unit_ms}{unit}"
    raise TypeError(f"{duration_ms!r} is not whole milliseconds: round it first")


def _advice(text: object) -> str:
    """What to write instead of `text`: the very thing, where it can be guessed, else the rule."""
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        return _HOW
    almost = _ALMOST.fullmatch(str(text))
    if almost is None:
        return _HOW
    sign, number, name = almost.groups()
    if sign == "-":
        return f"a duration cannot be negative; {_HOW}"
    if not name:
        return f"it has no unit; {_HOW}"
    unit = None if name == "M" else _UNIT_OF.get(name.lower())  # M: minutes or months? Not ours to guess
    if unit is None:
        return f"{name!r} is not a unit; {_HOW}"
    whole, _, fraction = number.partition(".")
    # In integers, so that 1.1s is 1100ms and not 1100.0000000000001.
    scaled = int(whole + fraction) * _UNIT_MS[unit]
    duration_ms, rest = divmod(scaled, 10 ** len(fraction))
    if rest or not 0 < duration_ms <= DURATION_MS_MAX:
        return _HOW
    return f"write {format_duration(duration_ms) if fraction else f'{int(whole)}{unit}'}"


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."  # a line of a terminal, with the advice after it
