"""Sorting out what comes from topics of any key: whose it is, when it arrived, and what is no event."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.decode import REASONS, RECORD_BYTES_MAX
from operators.ingest import InputBatch, Sorted, sort_out

WALL = 1_767_614_400_000
VIEW = {
    "type": "track",
    "event": "Product Viewed",
    "userId": "c-1",
    "messageId": "m",
    "timestamp": "2026-01-05T11:00:00Z",
}


def one(
    value: bytes | None, stamp: int = WALL - 5, key: bytes | None = None, bytes_max: int = RECORD_BYTES_MAX
) -> Sorted:
    batch = InputBatch("clicks [00000]", 7, 8, [(7, stamp, key, value)], WALL)
    given_back, [found] = sort_out(batch, bytes_max)
    assert given_back is batch
    return found


def reason(found: Sorted) -> str:
    assert found.rejected is not None
    assert found.customer_id == ""
    assert found.rejected.reason in REASONS
    return found.rejected.reason


@pytest.mark.parametrize("key", [None, b"", b"another", b"\xff"])
def test_the_customer_is_the_events_and_not_the_keys(key: bytes | None) -> None:
    """Topics may have any key; the bytes stay what they are."""
    value = b' {"x":1, ' + orjson.dumps(VIEW)[1:] + b"\n"
    assert one(value, key=key) == Sorted("c-1", WALL - 5, value, None)
    anonymous = orjson.dumps({**VIEW, "userId": None, "anonymousId": 12})
    assert one(anonymous, key=key).customer_id == "anon:12"


@pytest.mark.parametrize("stamp", [-1, WALL + 1, 4_294_967_295_000, 2**62, -(2**63)])
def test_a_timestamp_that_cannot_be_is_the_time_of_reading(stamp: int) -> None:
    """None at all, or one that is still to come: it arrives now."""
    assert one(orjson.dumps(VIEW), stamp) == Sorted("c-1", WALL, orjson.dumps(VIEW), None)


def test_event_times_are_held_against_the_arrival() -> None:
    """An hour of lag does not make an event of the future a good one."""
    ahead = orjson.dumps({**VIEW, "timestamp": "2026-01-06T12:00:00.001Z"})
    assert one(ahead, WALL).rejected is not None
    assert reason(one(ahead, WALL - 3_600_000)) == "future"
    assert one(orjson.dumps({**VIEW, "timestamp": "2026-01-06T12:00:00.000Z"}), WALL).rejected is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "not_json"),
        (b"", "not_json"),
        (b"[]", "not_an_object"),
        (b"\xff\xfe", "not_json"),
        (orjson.dumps({**VIEW, "userId": None}), "no_id"),
        (orjson.dumps({**VIEW, "timestamp": "2106-01-01T00:00:00Z"}), "bad_time"),
        (b"x" * (RECORD_BYTES_MAX + 1), "too_large"),
    ],
)
def test_what_is_no_event_is_kept_with_its_reason(value: bytes | None, why: str) -> None:
    """Byte for byte."""
    found = one(value)
    assert reason(found) == why
    assert found.value == (value or b"")


def test_an_event_that_the_log_does_not_take_is_rejected() -> None:
    """A topic may be set to less than a million bytes; the others must not wait for this one."""
    value = orjson.dumps({**VIEW, "properties": {"text": "x" * 1_000}})
    assert one(value, bytes_max=len(value)).rejected is None
    found = one(value, bytes_max=len(value) - 1)
    assert reason(found) == "too_large"
    assert found.value == value


@given(st.lists(st.tuples(st.integers(-1, 2**42), st.one_of(st.none(), st.binary(max_size=40))), max_size=20))
def test_nothing_is_lost_whatever_comes(records: list[tuple[int, bytes | None]]) -> None:
    """One for one, in order."""
    read = [(number, stamp, None, value) for number, (stamp, value) in enumerate(records)]
    _, found = sort_out(InputBatch("a", 0, len(read), read, WALL), RECORD_BYTES_MAX)
    assert [record.value for record in found] == [value or b"" for _, value in records]
    assert all((record.customer_id == "") == (record.rejected is not None) for record in found)
