"""Records of the log to what a key group takes in: kinds, times, and cuts where the definitions change."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from operators.log import LOG_FIELDS, Definitions, record_at
from operators.log_clock import LogClock
from operators.log_reading import KEYED, STAMPED, read_log

NOON = 1_767_614_400_000
HOUR = 3_600_000


def record(offset: int, stamp: int = NOON, kind: bytes | None = None, **more: Any) -> Any:
    headers = [] if kind is None else [("sojourn-kind", kind)]
    headers += [(f"sojourn-{name}", value) for name, value in more.items() if name not in ("key", "value")]
    return (offset, stamp, headers or None, more.get("key", b"c"), more.get("value", b"{}"))


def records_of(fields: list[Any]) -> list[Any]:
    return [record_at(fields, place) for place in range(0, len(fields), LOG_FIELDS)]


def test_a_plain_record_is_an_event_at_the_brokers_time() -> None:
    """As any producer writes it."""
    [batch] = read_log(3, [record(7), record(9, NOON + 1)], LogClock())
    assert batch == (3, 9, NOON + 1, ["c", 7, NOON, NOON, b"{}", 7, "c", 9, NOON + 1, NOON + 1, b"{}", 9], [], KEYED)


def test_a_record_of_ingest_has_its_time_and_its_arrival() -> None:
    """The clock goes by the low watermark, log time by the arrival, neither by when it was written."""
    low, arrived = str(NOON - HOUR).encode(), str(NOON - HOUR + 5).encode()
    [batch] = read_log(0, [record(7, NOON, b"event", time=low, arrived=arrived)], LogClock())
    assert batch == (0, 7, NOON - HOUR, ["c", 7, NOON - HOUR, NOON - HOUR + 5, b"{}", 7], [], STAMPED)


def test_a_heartbeat_is_nothing_but_time() -> None:
    """And a place in the log."""
    clock = LogClock()
    [batch] = read_log(0, [record(7, NOON, b"heartbeat", time=str(NOON - 3).encode(), value=b"")], clock)
    assert batch == (0, 7, NOON - 3, [], [], STAMPED)
    assert (clock.now, clock.is_stamped) == (NOON - 3, True)
    assert read_log(0, [], clock) == []


def test_what_is_no_event_is_told_with_its_reason() -> None:
    """A tombstone, another kind, no time, definitions that are none."""
    records = [
        record(1, value=None), record(2, kind=b"merge"), record(3, -1), record(4, kind=b"definitions"),
        record(5, kind=b"definitions", definitions=b"x", value=None), record(6, key=b"\xff"),
    ]  # fmt: skip
    [(_, last, _, events, unread, _)] = read_log(0, records, LogClock())  # type: ignore[misc]
    assert last == 6
    assert [(place[1], reason) for place, reason, _ in unread] == [
        (1, "not_json"), (2, "unknown_kind"), (3, "bad_time"), (4, "unknown_kind"), (5, "unknown_kind"),
    ]  # fmt: skip
    assert [record[0] for record in records_of(events)] == ["\ufffd"]


def test_a_header_that_is_no_time_is_none() -> None:
    """Text, too many digits, nothing: the broker's stamp is taken."""
    for time in (b"", b"-1", b"1e3", b"9" * 20, None):
        [batch] = read_log(0, [record(1, NOON, b"event", time=time, arrived=time)], LogClock())
        assert batch[2] == NOON
        assert batch[3][2:4] == [NOON, NOON]


def test_definitions_cut_a_batch_at_their_place() -> None:
    """What comes before is decided by the old ones, what comes after by the new ones."""
    time = str(NOON).encode()
    change = record(3, NOON + 9, b"definitions", definitions=b"0f", time=time, value=b'{"format":1}', key=None)
    before, definitions, after = read_log(2, [record(1), record(2, NOON - 1), change, record(5)], LogClock())
    assert (before[1], before[2], [place[1] for place in records_of(before[3])]) == (2, NOON, [1, 2])  # type: ignore[misc]
    assert definitions == Definitions(2, 3, NOON, True, "0f", b'{"format":1}')
    assert (after[1], [place[1] for place in records_of(after[3])]) == (5, [5])  # type: ignore[misc]
    assert read_log(2, [change], LogClock()) == [definitions]


KINDS = st.sampled_from([None, b"event", b"heartbeat", b"definitions", b"odd"])
LOGS = st.lists(
    st.tuples(KINDS, st.one_of(st.none(), st.integers(0, 50)), st.integers(0, 60), st.booleans()), max_size=25
)


@given(log=LOGS, cuts=st.sets(st.integers(1, 24)))
def test_however_the_reader_cuts_the_log_it_says_the_same(
    log: list[tuple[bytes | None, int | None, int, bool]], cuts: set[int]
) -> None:
    """Records, their times, and between which of them the definitions change."""
    records = []
    for offset, (kind, low, stamp, whole) in enumerate(log):
        more = {} if low is None else {"time": str(NOON + low).encode()}
        records.append(record(offset, NOON + stamp, kind, **more, **({"definitions": b"h"} if whole else {})))

    def told(groups: list[list[Any]]) -> list[Any]:
        clock = LogClock()
        found: list[Any] = []
        for group in groups:
            for piece in read_log(0, group, clock):
                if isinstance(piece, Definitions):
                    found.append(piece)
                else:
                    found += sorted(
                        [*records_of(piece[3]), *(unread[0] for unread in piece[4])], key=lambda record: record[1]
                    )
        return [*found, clock.now, clock.is_stamped]

    edges = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    assert told([records[a:b] for a, b in itertools.pairwise(edges)]) == told([records])
