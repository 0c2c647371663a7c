"""The clock of a partition: from the log alone, for both kinds of logs, and not to be carried away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from operators.log_clock import LogClock
from state.instants import INSTANT_MS_MAX

HOUR = 3_600_000
NOON = 1_767_614_400_000
FAR = 4_294_967_295_000  # 2106

LOWS = st.one_of(st.none(), st.integers(0, 2**43))
RECORDS = st.lists(st.tuples(LOWS, st.integers(-1, 2**43)), max_size=30)


def test_ingests_time_is_the_time_and_not_when_it_wrote() -> None:
    """Ingest an hour behind: its records are stamped now and are of an hour ago."""
    clock = LogClock()
    assert clock.see(NOON - HOUR, NOON) == NOON - HOUR
    assert clock.see(NOON - HOUR + 5, NOON + 1) == NOON - HOUR + 5
    assert clock.see(NOON - HOUR + 2, NOON + 2) == NOON - HOUR + 5


def test_a_record_past_ingest_does_not_move_it() -> None:
    """Someone who writes into a log that is ingest's knows nothing of what ingest has not read."""
    clock = LogClock()
    clock.see(NOON - HOUR, NOON)
    assert clock.see(None, NOON + 1) == NOON - HOUR
    assert clock.see(NOON - HOUR + 1, NOON + 2) == NOON - HOUR + 1


def test_a_time_of_zero_is_one() -> None:
    """It is not the same as none."""
    assert LogClock().see(0, NOON) == 0


def test_a_log_of_producers_goes_by_the_brokers_stamp() -> None:
    """And a broker whose clock is set back does not set this one back."""
    clock = LogClock()
    assert [clock.see(None, stamp) for stamp in (NOON, NOON + 1, NOON - HOUR, NOON + 2)] == [
        NOON, NOON + 1, NOON + 1, NOON + 2,
    ]  # fmt: skip


def test_a_writer_in_2106_gets_no_further_than_the_broker() -> None:
    """A broker in 2106 gets nowhere, nor does a record without a stamp."""
    clock = LogClock(NOON)
    assert clock.see(FAR, NOON + 1) == NOON + 1
    assert clock.see(FAR, FAR) == clock.see(None, FAR) == clock.see(NOON + 9, -1) == NOON + 1
    assert clock.see(NOON + 2, NOON + 3) == NOON + 2


@given(records=RECORDS)
def test_it_never_falls_and_never_leaves_the_years_that_count(records: list[tuple[int | None, int]]) -> None:
    """Whatever stands in a log."""
    clock = LogClock()
    was = 0
    for low, stamp in records:
        now = clock.see(low, stamp)
        assert was <= now < INSTANT_MS_MAX
        assert now == clock.now
        was = now


@given(records=RECORDS, cut=st.integers(0, 30))
def test_a_restart_anywhere_changes_nothing(records: list[tuple[int | None, int]], cut: int) -> None:
    """The clock and whether it is stamped are all that there is to know."""
    whole, before = LogClock(), LogClock()
    times = [whole.see(*record) for record in records]
    first = [before.see(*record) for record in records[:cut]]
    after = LogClock(before.now, before.is_stamped)
    assert first + [after.see(*record) for record in records[cut:]] == times
