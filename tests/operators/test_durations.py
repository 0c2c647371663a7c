"""Durations: what is read, what is refused and with which advice, and that writing and reading are opposites."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators import durations
from operators.durations import DURATION_MS_MAX, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("250ms", 250),
        ("30s", 30_000),
        ("1m", 60_000),
        ("48h", 172_800_000),
        ("5d", 432_000_000),
        ("2w", 1_209_600_000),
        ("007d", 604_800_000),
        ("36525d", DURATION_MS_MAX),
    ],
)
def test_a_whole_number_and_a_unit_is_a_duration(text, ms):
    """Each unit; a day is 24 hours."""
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("5 d", "write 5d"),
        (" 5d", "write 5d"),
        ("+5d", "write 5d"),
        ("5D", "write 5d"),
        ("14days", "write 14d"),
        ("2 Weeks", "write 2w"),
        ("1.5h", "write 90m"),
        ("0.25s", "write 250ms"),
        ("1.1s", "write 1100ms"),
        ("3 months", "'months' is not a unit"),
        ("3M", "'M' is not a unit"),
        ("5", "has no unit"),
        (5, "has no unit"),
        (5.5, "has no unit"),
        ("-5d", "cannot be negative"),
        ("-5", "cannot be negative"),
        ("0.1ms", "a whole number and a unit"),
        ("", "a whole number and a unit"),
        ("P5D", "a whole number and a unit"),
        ("1d12h", "a whole number and a unit"),
        ("\u0665d", "a whole number and a unit"),
        ("5d\n", "write 5d"),
        ("5\x00d", "a whole number and a unit"),
        (None, "a whole number and a unit"),
        (True, "a whole number and a unit"),
        (["5d"], "a whole number and a unit"),
        ("9" * 17 + "d", "a whole number and a unit"),
        ("36526d", "write 36525d or less"),
        ("9999999999999999w", "write 36525d or less"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text, advice):
    """The message shows the value and the next action."""
    with pytest.raises(ValueError, match="write") as refused:
        parse_duration(text)
    assert advice in str(refused.value)
    assert str(refused.value).startswith(repr(text)[:50])


def test_zero_is_refused_unless_allowed():
    """A wait of no time is a mistake; a literal of no time is not."""
    with pytest.raises(ValueError, match="'0d' is no time at all: write a duration above zero"):
        parse_duration("0d")
    assert parse_duration("0d", allow_zero=True) == 0


def test_negative_is_refused_even_where_zero_is_allowed():
    """There is no negative duration."""
    with pytest.raises(ValueError, match="cannot be negative"):
        parse_duration("-1d", allow_zero=True)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (1_000, "1s"),
        (90_000, "90s"),
        (5_400_000, "90m"),
        (172_800_000, "2d"),
        (1_209_600_000, "14d"),
        (86_400_001, "86400001ms"),
        (-60_000, "-1m"),
    ],
)
def test_durations_are_written_in_the_largest_unit_that_fits(ms, text):
    """Days are the largest: journeys speak of 14d."""
    assert format_duration(ms) == text


@given(st.integers(min_value=0, max_value=DURATION_MS_MAX))
def test_what_is_written_is_read_back(ms):
    """Nothing is rounded."""
    assert parse_duration(format_duration(ms), allow_zero=True) == ms


@given(
    st.one_of(
        st.text(), st.from_regex(r"[-+]?[0-9]*\.?[0-9]* ?[a-zA-Z]*"), st.floats(), st.integers(), st.none(), st.binary()
    )
)
def test_whatever_it_is_given_it_answers_or_says_what_to_write(value):
    """A ValueError with advice is the only error, and advice that names a duration names one that is read."""
    try:
        assert 0 < parse_duration(value) <= DURATION_MS_MAX
    except ValueError as error:
        assert "write " in str(error)  # noqa: PT017 - the other half of the sentence above
        advised = str(error).rpartition(": write ")[2]
        if advised and not advised.startswith("a ") and " " not in advised:
            assert 0 < parse_duration(advised) <= DURATION_MS_MAX


def test_the_examples_in_the_docstrings_are_true():
    """Prose that is not executed drifts."""
    assert doctest.testmod(durations).failed == 0
