"""Instants: every form of RFC 3339 against datetime as oracle, numbers, the usable range, and that nothing raises."""

import doctest
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from state import instants
from state.instants import INSTANT_MS_MAX, INSTANT_MS_MIN, as_datetime, format_instant, parse_instant

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)
TEN = 1_767_607_200_000  # 2026-01-05T10:00:00Z

usable = st.integers(INSTANT_MS_MIN, INSTANT_MS_MAX - 1)
moments = st.datetimes(datetime(1969, 12, 30), datetime(2100, 1, 3), timezones=st.just(timezone.utc))  # noqa: DTZ001
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def expected(moment: datetime) -> int | None:
    """By datetime: whole milliseconds, cut off; None outside of the usable range."""
    ms = (moment - EPOCH) // MILLISECOND
    return ms if INSTANT_MS_MIN <= ms < INSTANT_MS_MAX else None


def offset_text(minutes: int, form: str) -> str:
    """An offset as +01:00, +0100 or, for whole hours, +01."""
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    if form == "short" and not rest:
        return f"{sign}{hours:02}"
    return f"{sign}{hours:02}{rest:02}" if form == "packed" else f"{sign}{hours:02}:{rest:02}"


@given(moments, st.sampled_from(("T", "t", " ")), st.integers(0, 9), st.sampled_from((".", ",")))
@settings(deadline=None)
def test_text_in_utc_is_what_datetime_makes_of_it(moment: datetime, separator: str, digits: int, mark: str) -> None:
    """Each separator, no fraction or one of 1 to 9 digits: cut off after the millisecond, never rounded up."""
    fraction = f"{moment.microsecond * 1000:09}"[:digits]
    text = moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S") + (mark + fraction if fraction else "")
    cut = moment.replace(microsecond=int(fraction.ljust(9, "0")[:6]))
    for zone in ("Z", "z", "", "+00:00", "-00:00"):
        assert parse_instant(text + zone) == expected(cut)


@given(moments, offsets, st.sampled_from(("colon", "packed", "short")))
@settings(deadline=None)
def test_text_with_an_offset_is_the_same_instant(moment: datetime, minutes: int, form: str) -> None:
    """The wall time of any zone, its offset behind it."""
    local = moment.replace(microsecond=0) + timedelta(minutes=minutes)
    text = local.strftime("%Y-%m-%dT%H:%M:%S") + offset_text(minutes, form)
    assert parse_instant(text) == expected(moment.replace(microsecond=0))


@given(usable)
@settings(deadline=None)
def test_what_is_written_is_read_back(ms: int) -> None:
    """Writing and reading are opposites over the whole range, and datetime reads the same."""
    text = format_instant(ms)
    assert parse_instant(text) == ms
    assert text == as_datetime(ms).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    assert as_datetime(ms) == EPOCH + ms * MILLISECOND


@given(st.lists(usable, min_size=2))
@settings(deadline=None)
def test_texts_sort_as_instants_do(several: list[int]) -> None:
    """So that whoever compares the texts compares the times."""
    assert sorted(map(format_instant, several)) == list(map(format_instant, sorted(several)))


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-01-05T10:00:00.000Z", TEN),
        ("2026-01-05T11:00:00+01:00", TEN),
        ("2026-01-05T04:15:00.5-05:45", TEN + 500),
        ("2026-01-05T10:00Z", TEN),
        ("2026-01-05", TEN - 36_000_000),
        ("2026-01-05T10:00:00.123456789Z", TEN + 123),
        ("2026-01-05T10:00:00.999999999999Z", TEN + 999),
        ("2026-01-05T10:00:00 Z", TEN),
        (" 2026-01-05T10:00:00Z\n", TEN),
        ("1970-01-01T00:00:00.000Z", 0),
        ("2099-12-31T23:59:59.999Z", INSTANT_MS_MAX - 1),
        ("2016-12-31T23:59:60Z", 1_483_228_799_999),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
    ],
)
def test_forms_that_are_met_are_read(text: str, ms: int) -> None:
    """Dates alone, minutes alone, nanoseconds, leap seconds, blanks around."""
    assert parse_instant(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "now",
        "1767607200000",
        "2026-1-5T10:00:00Z",
        "2026-01-05T10:0:30.123Z",
        "2026-01-05T10",
        "2026-01-05T",
        "2026-01-05Z",
        "2026-01-05T10:00:00.Z",
        "2026-01-05T10:00:00.0000000000000Z",
        "2026-01-05T10:00:00ZZ",
        "2026-01-05T10:00:00+1:00",
        "2026-01-05T10+00:00.000Z",
        "2026-01-05T1000Z:00.000Z",
        "2026-01-05T10-01:00.000Z",
        "2026-W02-1T10:00:00.000Z",
        "2026-01-05T 1:00:00.000Z",
        "2026-01-05T10:00:00 Europe/Berlin",
        "20260105T100000Z",
        "05.01.2026 10:00:00",
        "2025-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-05T24:00:00Z",
        "2026-01-05T10:60:00Z",
        "2026-01-05T10:00:61Z",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:30:00+01:00",
        "2100-01-01T00:00:00.000Z",
        "2106-02-07T06:28:15Z",
        "9999-12-31T23:59:59Z",
        "\u0662\u0660\u0662\u0666-01-05T10:00:00Z",
        "2026-01-05T10:00:00Z\x00",
        "2026-01-05T10:00:00Z" + " " * 100,
    ],
)
def test_other_texts_are_no_instant(text: str) -> None:
    """Half a date, a date there is not, a time outside of the range, digits of another script."""
    assert parse_instant(text) is None


@pytest.mark.parametrize("offset", ["+24:00", "-24:00", "+99:99", "+05:60", "+0560", "-99"])
def test_an_offset_that_there_is_not_is_refused(offset: str) -> None:
    """RFC 3339 has offsets of hours to 23 and minutes to 59; another one is a slip of which nobody knows the meaning."""
    assert parse_instant(f"2026-01-05T10:00:00{offset}") is None


@pytest.mark.parametrize(
    ("number", "ms"),
    [
        (0, 0),
        (1_767_607_200, TEN),
        (1_767_607_200.25, TEN + 250),
        (TEN, TEN),
        (TEN + 0.999, TEN),
        (99_999_999_999, None),  # seconds of the year 5138
        (100_000_000_000, 100_000_000_000),  # milliseconds of 1973
        (INSTANT_MS_MAX - 1, INSTANT_MS_MAX - 1),
        (INSTANT_MS_MAX, None),
        (float(INSTANT_MS_MAX), None),
        (4_102_444_799, INSTANT_MS_MAX - 1000),
        (4_102_444_800, None),
        (4_294_967_295, None),
        (-1, None),
        (-0.001, None),
        (-0.0, 0),
        (TEN * 1_000_000, None),
        (10**30, None),
        (float("nan"), None),
        (float("inf"), None),
        (float("-inf"), None),
        (1e300, None),
        (True, None),
        (False, None),
    ],
)
def test_a_number_is_seconds_or_milliseconds_by_its_size(number: float, ms: int | None) -> None:
    """Both units, fractions, both ends of the range, and what is no number for all that Python says."""
    assert parse_instant(number) == ms


@given(usable)
@settings(deadline=None)
def test_every_whole_second_is_read_as_such(ms: int) -> None:
    """Unix seconds of the whole range, as int and as float."""
    seconds = ms // 1000
    assert parse_instant(seconds) == parse_instant(float(seconds)) == seconds * 1000


@given(json_values)
@example("\ud800")
@example([])
@example(b"2026-01-05T10:00:00.000Z")
@settings(deadline=None)
def test_no_value_raises(value: object) -> None:
    """Whatever JSON can hold: an instant within the range, or None."""
    ms = parse_instant(value)
    assert ms is None or (type(ms) is int and INSTANT_MS_MIN <= ms < INSTANT_MS_MAX)


@given(st.text("0123456789-:.TZtz+, ", max_size=30))
@settings(deadline=None)
def test_no_text_that_looks_like_one_raises(text: str) -> None:
    """Close misses above all."""
    ms = parse_instant(text)
    assert ms is None or INSTANT_MS_MIN <= ms < INSTANT_MS_MAX


@given(usable, st.lists(st.tuples(st.integers(0, 23), st.sampled_from("0159-:.,TZWz+ ")), min_size=1, max_size=2))
@example(TEN, [(13, "+")])
@example(TEN, [(5, "W"), (8, "-")])
@settings(max_examples=300, deadline=None)
def test_a_slip_of_the_pen_is_read_alike_warm_and_cold(ms: int, slips: list[tuple[int, str]]) -> None:
    """The usual form with a character or two wrong: no exception, and the same answer whatever was read before."""
    text = format_instant(ms)
    for place, character in slips:
        text = text[:place] + character + text[place + 1 :]
    # given the answer with an empty table
    instants._MINUTES.clear()
    cold = parse_instant(text)
    # when the right text was read before, then it is the same
    parse_instant(format_instant(ms))
    assert parse_instant(text) == parse_instant(text) == cold


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (" 2026-01-05T10:05:00.12Z", " 2026-01-05T10:0:30.123Z"),
        ("   2026-01-05T10:00:00 Z", "   2026-01-05T10:30.123Z"),
        ("       2026-01-05T10:00Z", "       2026-01-0:30.123Z"),
    ],
)
def test_what_was_read_before_changes_nothing(before: str, text: str) -> None:
    """A text is read alike first and last: the table of minutes is for speed alone."""
    # given a text that is no instant
    instants._MINUTES.clear()
    assert parse_instant(text) is None
    # when one that begins alike was read
    assert parse_instant(before) is not None
    # then it still is none
    assert parse_instant(text) is None


def test_the_table_of_minutes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream over years does not fill the memory, and is read right past the bound."""
    monkeypatch.setattr(instants, "_MINUTES_MAX", 10)
    instants._MINUTES.clear()
    for minute in range(100):
        ms = TEN + minute * 60_000 + 1
        assert parse_instant(format_instant(ms)) == ms
        assert len(instants._MINUTES) <= 10


def test_the_examples_in_the_docstrings_hold() -> None:
    """What the documentation shows is what happens."""
    assert doctest.testmod(instants).failed == 0
