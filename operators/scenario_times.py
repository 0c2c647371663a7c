"""Times as scenarios write them: absolute, `+3d` after the first event, or the next `monday 09:00` of the customer's clock.

>>> from zoneinfo import ZoneInfo
>>> from state.instants import format_instant
>>> first = parse_time("2026-01-05T10:00:00Z").resolve(0, 0, ZoneInfo("Europe/Berlin"))
>>> format_instant(parse_time("+3d").resolve(first, first, ZoneInfo("Europe/Berlin")))
'2026-01-08T10:00:00.000Z'
>>> format_instant(parse_time("monday 09:00").resolve(first, first, ZoneInfo("Europe/Berlin")))
'2026-01-12T08:00:00.000Z'
"""

from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from operators.calendar import ClockTime, parse_clock
from operators.durations import format_duration, parse_duration
from operators.expression_functions import moment
from operators.step_definitions import is_clock, is_date
from state.instants import INSTANT_MS_MAX, INSTANT_MS_MIN

_HOW = "write one as in: 2026-01-05T10:00:00Z, 2026-01-05 10:00, +3d, '09:00' or monday 09:00"


@dataclass(frozen=True)
class ScenarioTime:
    """One of: a text with date and time, an offset, a clock time."""

    text: str = ""
    """With an offset an instant; without, the customer's local time."""
    offset: int | None = None
    """After the first event (ms)."""
    clock: ClockTime | None = None
    """Of the first such time after what is before it in the list."""

    def resolve(self, first: int, before: int, zone: tzinfo) -> int:
        """When it is (ms).

        Args:
            first: The time of the scenario's first event (ms).
            before: The time of what is before it in its list (ms).
            zone: Where the customer is.
        """
        if self.offset is not None:
            return first + self.offset
        if self.clock is not None:
            return self.clock.next_after(before, zone)
        instant = moment(self.text, zone)
        assert instant is not None  # noqa: S101 - `parse_time` looked
        return int(instant)

    @property
    def is_absolute(self) -> bool:
        """Whether it can be the first."""
        return bool(self.text)


def parse_time(value: object) -> ScenarioTime:
    """Read what stands in a file; YAML makes dates of some texts.

    Raises:
        ValueError: It is no time; the message shows the value and says what to write.
    """
    if isinstance(value, datetime):
        text = value.isoformat(timespec="milliseconds")
    elif isinstance(value, date):
        text = value.isoformat()
    else:
        text = value.strip() if isinstance(value, str) else repr(value)
    if text.startswith("+"):
        parts = text[1:].split() or [""]
        return ScenarioTime(offset=sum(parse_duration(part, allow_zero=True) for part in parts))
    if is_clock(text):
        return ScenarioTime(clock=parse_clock(text))
    instant = moment(text, None) if is_date(text) else None
    if instant is None:
        raise ValueError(f"{text!r} is no time; {_HOW}")
    if not INSTANT_MS_MIN <= instant < INSTANT_MS_MAX:
        raise ValueError(f"{text!r} is not between 1970 and 2100; write a time at which a customer may live")
    return ScenarioTime(text=text)


def since(first: int, at: int) -> str:
    """How long after the first event: `+2d`, `+3d 4h`; what was before it has a minus."""
    left, parts = abs(at - first), []
    for unit in (86_400_000, 3_600_000, 60_000, 1_000, 1):
        whole = left // unit
        if whole:
            parts.append(format_duration(whole * unit))
            left -= whole * unit
    return f"{'-' if at < first else '+'}{' '.join(parts) or '0s'}"
