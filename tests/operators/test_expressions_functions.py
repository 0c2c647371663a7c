"""The functions of the expression language, and how they and durations read a time."""

from datetime import datetime, timedelta, timezone, tzinfo
from math import nan
from zoneinfo import ZoneInfo

import pytest

from operators.expressions import FUNCTIONS, compile_expression
from tests.operators.expression_cases import BERLIN, DAY, value


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("len('abc')", 3),
        ("len([1, 2])", 2),
        ("len({'x'})", 1),
        ("len(a)", 2),
        ("len(5)", None),
        ("lower('ABC')", "abc"),
        ("upper('abc')", "ABC"),
        ("lower(5)", None),
        ("abs(-5)", 5),
        ("abs(-2.5)", 2.5),
        ("abs('x')", None),
        ("abs(True)", None),
        ("min(3, 1.5, 2)", 1.5),
        ("max(3, 1, 2)", 3),
        ("max('a', 'b')", "b"),
        ("min([3, 1, 2])", 1),
        ("max({3, 1})", 3),
        ("min([])", None),
        ("min(5)", None),
        ("min(1, 'a')", None),
        ("min(1, b)", None),
        ("max(1, True)", None),
        ("min([1, None])", None),
        ("round(2.5)", 2),
        ("round(3.5)", 4),
        ("round(2.345, 1)", 2.3),
        ("round(7, 2)", 7),
        ("round(2.5, -1)", None),
        ("round(2.5, 99)", None),
        ("round(2.5, 1.0)", None),
        ("round('x')", None),
        ("round(True)", None),
        ("round(1e300)", None),
        ("contains('abc', 'b')", True),
        ("contains([1, 2], 2)", True),
        ("contains(a, 'x')", True),
        ("contains('abc', 5)", False),
        ("contains(b, 'x')", False),
        ("contains('abc', b)", False),
        ("starts_with('abc', 'ab')", True),
        ("starts_with('abc', 'b')", False),
        ("starts_with(5, '5')", False),
        ("ends_with('abc', 'bc')", True),
        ("ends_with(b, 'x')", False),
        ("days_since(0)", 2.0),
        ("days_since(1d)", 1.0),
        ("days_since('1970-01-01T12:00:00Z')", 1.5),
        ("days_since('1970-01-05')", -2.0),
        ("days_until('1970-01-05')", 2.0),
        ("days_until(now)", 0.0),
        ("days_since(b)", None),
        ("days_since('soon')", None),
        ("days_since([1])", None),
        ("days_since(True)", None),
        ("hour(0)", 0),
        ("hour('1970-01-01T23:59:59Z')", 23),
        ("hour(b)", None),
        ("hour(1e300)", None),
        ("weekday(0)", "thursday"),
        ("weekday('2026-01-04')", "sunday"),
        ("weekday('x')", None),
        ("weekday(9223372036854775807)", None),
    ],
)
def test_functions(text, result):
    """Each one, with what fits and what does not."""
    found = value(text, a={"x": 1, "y": 2}, now=2 * DAY)
    assert found == result
    assert type(found) is type(result)


def test_the_least_of_numbers_with_nan_among_them_is_missing():
    """In any place: which of two is less, Python would let the order decide."""
    for a, b in ((nan, 1), (1, nan)):
        assert value("min(a, b)", a=a, b=b) is value("max(a, b)", a=a, b=b) is value("max(c)", c=[a, b]) is None


def test_every_function_is_described():
    """The usage is itself an expression that compiles."""
    for name, says in FUNCTIONS.items():
        usage, meaning = says.split(": ", 1)
        assert usage.startswith(f"{name}(")
        assert meaning
        arguments = {argument.strip() for argument in usage[len(name) + 1 : -1].split(",")}
        assert compile_expression(usage, {*arguments, "now"}).text.startswith(name)


def test_days_need_a_now():
    """Without it, or with one that is no number, they are missing."""
    assert value("days_since(0)") is value("days_since(0)", now="today") is value("days_until(0)", now=None) is None


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-03-28", BERLIN, "2026-03-27T23:00:00Z"),
        ("2026-07-01T12:30", BERLIN, "2026-07-01T10:30:00Z"),
        ("2026-07-01 12:30:15.25", BERLIN, "2026-07-01T10:30:15.250Z"),
        ("2026-03-29T02:30:00", BERLIN, "2026-03-29T01:00:00Z"),
        ("2026-03-29T02:00:00", BERLIN, "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30:00", BERLIN, "2026-10-25T00:30:00Z"),
        ("2018-11-04", ZoneInfo("America/Sao_Paulo"), "2018-11-04T03:00:00Z"),
        ("2011-12-30", ZoneInfo("Pacific/Apia"), "2011-12-30T10:00:00Z"),
        ("2026-07-01t12:30:00+02:00", None, "2026-07-01T10:30:00Z"),
        ("2026-07-01T12:30:00-0230", None, "2026-07-01T15:00:00Z"),
        ("2026-07-01T12:30:00 +02", "no zone", "2026-07-01T10:30:00Z"),
        ("2026-07-01T12:30:15.1239Z", None, "2026-07-01T12:30:15.123Z"),
        ("2026-12-31T23:59:60Z", None, "2027-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59.999999999Z", None, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_text_without_an_offset_is_the_customers_local_time(text, zone, instant):
    """One that is skipped becomes the next valid instant, one that is repeated the first."""
    expected = datetime.fromisoformat(instant.replace("Z", "+00:00"))
    expected_ms = (expected - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    assert value("a + 0d", a=text, zone=zone) == expected_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-1-1",
        "2026-02-30",
        "2026-01-01T25:00",
        "2026-01-01T10:00:61Z",
        "2026-01-01T10:00+24:00",
        "2026-01-01T10:00+01:60",
        "0000-01-01",
        "0001-01-01T00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "01/02/2026",
        "2026-01-01T10",
        "2026-01-01Z",
        "1" * 1_000_000,
    ],
)
def test_other_texts_are_no_time(text):
    """Missing, whatever is wrong."""
    assert value("a + 0d", a=text) is value("days_since(a)", a=text, now=0) is value("hour(a)", a=text) is None
    assert value("a + 0d", a="0001-01-01", zone=timezone(timedelta(hours=23))) is None


def test_hour_and_weekday_are_the_customers():
    """By the zone in scope; without one, UTC."""
    evening = "2026-01-04T23:30:00Z"
    assert value("hour(a)", a=evening) == 23
    assert value("weekday(a)", a=evening) == "sunday"
    assert value("hour(a)", a=evening, zone=BERLIN) == 0
    assert value("weekday(a)", a=evening, zone=BERLIN) == "monday"


class Lying(tzinfo):
    """A zone that knows nothing."""

    def utcoffset(self, _):
        return None

    def dst(self, _):
        return None


def test_a_zone_that_knows_nothing_gives_no_time():
    """Broken time zone data makes a value missing, not an error."""
    assert value("hour(a)", a="2026-01-01", zone=Lying()) is None
