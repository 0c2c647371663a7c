"""Inputs in the order of arrival; the low watermark never falls, and never lies beyond what an input still holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from operators.alignment import Alignment

HOUR = 3_600_000
NOON = 1_767_614_400_000
MINUTE = 60_000


def lows(inputs: Alignment[int]) -> list[int]:
    return [low for _, _, low in inputs.ready()]


def add(inputs: Alignment[int], source: str, stamps: list[int], wall: int = NOON + HOUR) -> None:
    inputs.add(source, [(stamp, number) for number, stamp in enumerate(stamps)], wall)


def test_one_input_goes_with_its_records() -> None:
    """The next record of an input is not older than the last one; nothing is held."""
    inputs: Alignment[int] = Alignment({"a": NOON})
    assert inputs.value == NOON
    add(inputs, "a", [NOON, NOON + 5, NOON + 5, NOON + 9])
    assert lows(inputs) == [NOON, NOON + 5, NOON + 5, NOON + 9]
    assert inputs.value == NOON + 9
    assert (inputs.holds("a"), inputs.waits_for()) == (0, [])


def test_one_of_two_inputs_behind_holds_the_other() -> None:
    """Until it has come as far; then both are one sequence, and the time at each record is its own."""
    inputs: Alignment[str] = Alignment({"fast": NOON, "slow": NOON})
    inputs.add("fast", [(NOON + 7 * MINUTE, "cart"), (NOON + 20 * MINUTE, "later")], NOON + HOUR)
    inputs.caught_up("fast", NOON + HOUR)
    assert list(inputs.ready()) == []
    assert (inputs.value, inputs.waits_for(), inputs.holds("fast")) == (NOON, ["slow"], 3)
    inputs.add("slow", [(NOON + MINUTE, "x"), (NOON + 12 * MINUTE, "order")], NOON + HOUR)
    assert list(inputs.ready()) == [
        ("slow", "x", NOON + MINUTE),
        ("fast", "cart", NOON + 7 * MINUTE),
        ("slow", "order", NOON + 12 * MINUTE),
    ]
    assert inputs.value == NOON + 12 * MINUTE
    inputs.caught_up("slow", NOON + 30 * MINUTE)
    assert list(inputs.ready()) == [("fast", "later", NOON + 20 * MINUTE)]
    assert inputs.value == NOON + 30 * MINUTE


def test_ingest_an_hour_behind_gives_the_time_of_what_it_reads() -> None:
    """Not the wall's: the events of the hour are still to come."""
    inputs: Alignment[int] = Alignment({"a": NOON})
    add(inputs, "a", [NOON + minute * MINUTE for minute in range(60)])
    assert lows(inputs)[-1] == inputs.value == NOON + 59 * MINUTE


def test_a_stamp_of_2106_moves_nothing() -> None:
    """Nor does one that is a little beyond the wall time; the records after it are read as ever."""
    inputs: Alignment[int] = Alignment({"a": NOON, "b": NOON})
    wall = NOON + HOUR
    inputs.caught_up("b", wall)
    add(inputs, "a", [NOON + 1, 4_294_967_295_000, NOON + 2, wall + 1], wall)
    assert lows(inputs) == [NOON + 1, NOON + 1, NOON + 2, NOON + 2]
    inputs.caught_up("a", wall)
    assert lows(inputs) == []
    assert inputs.value == wall


def test_records_without_a_stamp_and_old_ones_leave_it_where_it_is() -> None:
    """A producer may send what happened a year ago, or no time at all: it arrives now."""
    inputs: Alignment[int] = Alignment({"a": NOON})
    add(inputs, "a", [-1, 0, NOON - 365 * 24 * HOUR], NOON + 1)
    assert lows(inputs) == [NOON] * 3


def test_a_wall_clock_that_jumps_back_does_not_take_the_watermark_along() -> None:
    """Times that were given stay given."""
    inputs: Alignment[int] = Alignment({"a": NOON})
    inputs.caught_up("a", NOON + HOUR)
    inputs.caught_up("a", NOON)
    add(inputs, "a", [NOON + 1], NOON + 2)
    assert lows(inputs) == [NOON + HOUR]
    assert inputs.value == NOON + HOUR


def test_a_restart_goes_on_from_where_it_was() -> None:
    """Even where an input begins with something older: one that is new, or was far behind."""
    inputs: Alignment[int] = Alignment({"a": NOON, "new": NOON - 24 * HOUR}, at=NOON + 5)
    assert inputs.value == NOON + 5
    add(inputs, "new", [NOON - HOUR], NOON + 10)
    assert lows(inputs) == [NOON + 5]
    inputs.caught_up("new", NOON + 10)
    assert lows(inputs) == []
    assert inputs.value == NOON + 5  # "a" may still hold what came after NOON
    inputs.caught_up("a", NOON + 11)
    assert lows(inputs) == []
    assert inputs.value == NOON + 10


def test_an_input_that_is_given_up_holds_the_time_alone() -> None:
    """The others go on without it, at the time that it stands at; with its first sign it is one of them again."""
    inputs: Alignment[int] = Alignment({"a": NOON, "silent": NOON - HOUR})
    add(inputs, "a", [NOON + 1, NOON + 2])
    assert lows(inputs) == []
    assert inputs.waits_for() == ["silent"]
    inputs.give_up("silent")
    assert inputs.waits_for() == []
    assert lows(inputs) == [NOON - HOUR] * 2
    add(inputs, "silent", [NOON - HOUR + 5])
    add(inputs, "a", [NOON + 3])
    assert lows(inputs) == [NOON - HOUR + 5]
    assert inputs.waits_for() == ["silent"]
    inputs.caught_up("silent", NOON + HOUR)
    assert lows(inputs) == [NOON + 3]


def test_no_inputs_no_time() -> None:
    """Without an input nothing moves."""
    inputs: Alignment[int] = Alignment({}, at=7)
    assert lows(inputs) == []
    assert inputs.value == 7


# --- a little world: inputs that are appended to while they are read, at a pace that has nothing to do with it ----------


@dataclass
class World:
    """Inputs with the broker's stamps, a wall clock, a reader of them, and the log that it writes."""

    inputs: dict[str, list[int]]
    wall: int = NOON
    at: dict[str, int] = field(default_factory=dict)
    """How far each is read."""
    asked: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Input -> (wall time, end) as it was when the broker was asked last."""
    log: list[tuple[str, int, int]] = field(default_factory=list)
    """(input, number of the record, watermark)."""

    def written(self, name: str) -> int:
        return sum(source == name for source, _, _ in self.log)

    def start(self, at: int = 0) -> Alignment[int]:
        """A reader that begins, or begins again after a crash, from what is in the log."""
        marks = {}
        for name, stamps in self.inputs.items():
            self.at[name] = self.written(name)
            unread = stamps[self.at[name] :]
            marks[name] = unread[0] if unread else self.wall
        self.asked.clear()
        return Alignment(marks, at)

    def oldest_unwritten(self) -> int:
        """The time that the watermark may not pass; what is not there yet comes at the wall time or later."""
        waiting = [
            stamps[self.written(name)] for name, stamps in self.inputs.items() if self.written(name) < len(stamps)
        ]
        return min([*waiting, self.wall])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from("abc"), st.integers(1, 4)),
        st.tuples(st.just("read"), st.sampled_from("abc"), st.integers(1, 6)),
        st.tuples(st.just("ask"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("look"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("pass"), st.just("a"), st.integers(1, 10_000)),
        st.tuples(st.just("restart"), st.just("a"), st.just(0)),
        st.tuples(st.just("give up"), st.sampled_from("abc"), st.just(0)),
    ),
    max_size=60,
)


@given(steps=STEPS, behind=st.lists(st.integers(0, HOUR), min_size=3, max_size=3), gives_up=st.booleans())
def test_it_never_falls_never_passes_what_is_unwritten_and_gives_one_sequence(
    steps: list[tuple[str, str, int]], behind: list[int], gives_up: bool
) -> None:
    """Whatever the order of appends, reads, questions for the end, and restarts."""
    world = World({name: [NOON - ms] for name, ms in zip("abc", behind, strict=True)})
    inputs = world.start()
    was = inputs.value

    def write() -> None:
        nonlocal was
        for name, number, low in inputs.ready():
            assert number == world.written(name), "each input in its order, nothing left out"
            assert was <= low <= world.oldest_unwritten(), "no record is stamped later than what is still to be written"
            was = low
            world.log.append((name, number, low))
        assert was <= inputs.value <= world.oldest_unwritten()
        was = inputs.value

    for step, name, count in steps:
        stamps = world.inputs[name]
        if step == "append":
            stamps += [world.wall] * count
        elif step == "read":
            numbers = range(world.at[name], min(world.at[name] + count, len(stamps)))
            inputs.add(name, [(stamps[number], number) for number in numbers], world.wall)
            world.at[name] += len(numbers)
        elif step == "ask":
            world.asked[name] = (world.wall, len(stamps))
        elif step == "look" and name in world.asked and world.at[name] >= world.asked[name][1]:
            inputs.caught_up(name, world.asked[name][0])
        elif step == "pass":
            world.wall += count
        elif step == "restart":
            inputs = world.start(inputs.value)
        elif step == "give up" and gives_up:
            inputs.give_up(name)
        write()
    if not gives_up:
        arrived = [world.inputs[name][number] for name, number, _ in world.log]
        assert arrived == sorted(arrived), "in the order of arrival"
        assert [low for _, _, low in world.log] == arrived, "each at its own time"
    for name, stamps in world.inputs.items():
        numbers = range(world.at[name], len(stamps))
        inputs.add(name, [(stamps[number], number) for number in numbers], world.wall)
        inputs.caught_up(name, world.wall)
    write()
    assert len(world.log) == sum(map(len, world.inputs.values())), "and in the end all is there"
    assert inputs.value == world.wall


@given(
    wild=st.lists(st.tuples(st.sampled_from("ab"), st.integers(-(2**63), 2**63), st.integers(0, 2**42)), max_size=30),
    at=st.integers(0, 2**42),
)
def test_whatever_the_stamps_it_never_falls_and_never_passes_the_wall(
    wild: list[tuple[str, int, int]], at: int
) -> None:
    """Producers' stamps may be anything; the wall clock may jump."""
    inputs: Alignment[int] = Alignment({"a": 0, "b": 0}, at)
    latest = was = at
    for number, (name, stamp, wall) in enumerate(wild):
        latest = max(latest, wall)
        if number % 3:
            inputs.add(name, [(stamp, number)], wall)
        else:
            inputs.caught_up(name, wall)
        for low in [*lows(inputs), inputs.value]:
            assert was <= low <= latest
            was = low
