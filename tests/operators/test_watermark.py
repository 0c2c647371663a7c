"""The low watermark: never falls, never lies beyond what an input still holds, however the inputs are read."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from operators.watermark import Watermark

HOUR = 3_600_000
NOON = 1_767_614_400_000


def test_one_input_goes_with_its_records() -> None:
    """The next record of an input is not older than the last one."""
    low = Watermark({"a": NOON})
    assert low.value == NOON
    assert low.read("a", [NOON, NOON + 5, NOON + 5, NOON + 9], NOON + HOUR) == [NOON, NOON + 5, NOON + 5, NOON + 9]
    assert low.value == NOON + 9


def test_one_of_two_inputs_behind_holds_the_watermark() -> None:
    """The slow one may still hold events of an hour ago: nobody's time may pass them."""
    low = Watermark({"fast": NOON, "slow": NOON - HOUR})
    low.caught_up("fast", NOON)
    assert low.read("fast", [NOON + 1, NOON + 2], NOON + 10) == [NOON - HOUR, NOON - HOUR]
    low.caught_up("fast", NOON + 20)
    assert low.read("slow", [NOON - HOUR + 7], NOON + 30) == [NOON - HOUR + 7]
    low.caught_up("slow", NOON + 40)  # in one go
    assert low.value == NOON + 20


def test_ingest_an_hour_behind_gives_the_time_of_what_it_reads() -> None:
    """Not the wall's: the events of the hour are still to come."""
    low = Watermark({"a": NOON})
    assert low.read("a", [NOON + minute * 60_000 for minute in range(60)], wall=NOON + HOUR)[-1] == NOON + 59 * 60_000


def test_a_stamp_of_2106_moves_nothing() -> None:
    """Nor does one that is a little beyond the wall time; the records after it are read as ever."""
    low = Watermark({"a": NOON, "b": NOON})
    low.caught_up("b", NOON + HOUR)
    poisoned = 4_294_967_295_000
    wall = NOON + HOUR
    assert low.read("a", [NOON + 1, poisoned, NOON + 2, wall + 1], wall) == [NOON + 1, NOON + 1, NOON + 2, NOON + 2]
    low.caught_up("a", wall)
    assert low.value == wall


def test_records_without_a_stamp_and_old_ones_leave_it_where_it_is() -> None:
    """A producer may send what happened a year ago, or no time at all: it arrives now."""
    low = Watermark({"a": NOON})
    assert low.read("a", [-1, 0, NOON - 365 * 24 * HOUR], NOON + 1) == [NOON] * 3


def test_a_wall_clock_that_jumps_back_does_not_take_the_watermark_along() -> None:
    """Times that were given stay given."""
    low = Watermark({"a": NOON})
    low.caught_up("a", NOON + HOUR)
    low.caught_up("a", NOON)
    assert low.read("a", [NOON + 1], NOON + 2) == [NOON + HOUR]
    assert low.value == NOON + HOUR


def test_a_restart_goes_on_from_where_it_was() -> None:
    """Even where an input begins with something older: one that is new, or was far behind."""
    low = Watermark({"a": NOON, "new": NOON - 24 * HOUR}, at=NOON + 5)
    assert low.value == NOON + 5
    assert low.read("new", [NOON - HOUR], NOON + 10) == [NOON + 5]
    low.caught_up("new", NOON + 10)
    assert low.value == NOON + 5  # "a" may still hold what came after NOON
    low.caught_up("a", NOON + 11)
    assert low.value == NOON + 10


def test_no_inputs_no_time() -> None:
    """Without an input nothing moves."""
    assert Watermark({}, at=7).value == 7


# --- a little world: inputs that are appended to while they are read, at a pace that has nothing to do with it ----------


@dataclass
class World:
    """Inputs with the broker's stamps, a wall clock, and a reader of them."""

    inputs: dict[str, list[int]]
    wall: int = NOON
    at: dict[str, int] = field(default_factory=dict)
    asked: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Input -> (wall time, end) as it was when the broker was asked last."""

    def start(self, at: int = 0) -> Watermark:
        """A reader that begins, or begins again after a crash."""
        marks = {}
        for name, stamps in self.inputs.items():
            unread = stamps[self.at.setdefault(name, 0) :]
            marks[name] = unread[0] if unread else self.wall
        self.asked.clear()
        return Watermark(marks, at)

    def oldest_unread(self) -> int:
        """The time that the watermark may not pass; what is not there yet comes at the wall time or later."""
        return min(
            [*(stamps[self.at[name]] for name, stamps in self.inputs.items() if self.at[name] < len(stamps)), self.wall]
        )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from("abc"), st.integers(1, 4)),
        st.tuples(st.just("read"), st.sampled_from("abc"), st.integers(1, 6)),
        st.tuples(st.just("ask"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("look"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("pass"), st.just("a"), st.integers(1, 10_000)),
        st.tuples(st.just("restart"), st.just("a"), st.just(0)),
    ),
    max_size=60,
)


@given(steps=STEPS, behind=st.lists(st.integers(0, HOUR), min_size=3, max_size=3))
def test_it_never_falls_and_never_passes_an_unread_record(steps: list[tuple[str, str, int]], behind: list[int]) -> None:
    """Whatever the order of appends, reads, questions for the end, and restarts; and each record's stamp alike."""
    world = World({name: [NOON - ms] for name, ms in zip("abc", behind, strict=True)})
    low = world.start()
    was = low.value
    for step, name, count in steps:
        stamps = world.inputs[name]
        if step == "append":
            stamps += [world.wall] * count
        elif step == "read":
            read = stamps[world.at[name] :][:count]
            for number, given_low in enumerate(low.read(name, read, world.wall)):
                assert was <= given_low <= min(read[number:]), "no record is stamped later than itself or the next ones"
                was = given_low
            world.at[name] += len(read)
        elif step == "ask":
            world.asked[name] = (world.wall, len(stamps))
        elif step == "look" and name in world.asked and world.at[name] >= world.asked[name][1]:
            low.caught_up(name, world.asked[name][0])
        elif step == "pass":
            world.wall += count
        elif step == "restart":
            low = world.start(low.value)
        assert was <= low.value <= world.oldest_unread()
        was = low.value


@given(
    wild=st.lists(st.tuples(st.sampled_from("ab"), st.integers(-(2**63), 2**63), st.integers(0, 2**42)), max_size=30),
    at=st.integers(0, 2**42),
)
def test_whatever_the_stamps_it_never_falls_and_never_passes_the_wall(
    wild: list[tuple[str, int, int]], at: int
) -> None:
    """Producers' stamps may be anything; the wall clock may jump."""
    low = Watermark({"a": 0, "b": 0}, at)
    latest = at
    was = low.value
    for number, (name, stamp, wall) in enumerate(wild):
        latest = max(latest, wall)
        if number % 3:
            assert low.read(name, [stamp], wall) == [low.value]
        else:
            low.caught_up(name, wall)
        assert was <= low.value <= latest
        was = low.value
