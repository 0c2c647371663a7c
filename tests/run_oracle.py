"""The oracle of runs: steps as the design's words have them, told by coroutines that walk the nested lists as written.

Nothing of the engine: no table of steps, no stored record, no timers by name. A run is a generator that walks its lists and
yields whenever it has to wait; what it yields says until when, and for which events. Where the two differ, one is wrong.

Definitions are plain: lists of ("send", id), ("wait", id, ms), ("branch", id, limit, yes, no), ("exit", id, reason),
("wait_for", id, [(event, limit, steps, most), ...], ms, from_entry, rank, otherwise, most), where a limit is compared with the
event's `n` (of the entry for a branch), and `most` is how often a way leads back (0: never; None: always).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Happened(NamedTuple):
    """An event: its name, event time, key and number."""

    name: str
    time: int
    key: str | None
    n: int
    message_id: str


@dataclass(frozen=True)
class Journey:
    """What one journey says."""

    enters: str
    keyed: bool
    again: str | int
    steps: list[Any]
    goal: str | None = None
    within: int = 0
    exits: tuple[str, ...] = ()
    """Event names; `goal` is the goal."""
    max_age: int = 72 * 3_600_000


class Waiting(NamedTuple):
    """What a run waits for."""

    due: int
    replies: list[tuple[str, int, Any]]
    """(event, limit, what is sent into the generator)."""
    step: str


class Over(Exception):  # noqa: N818 - no error: the way out
    """The run is over, with a reason."""


@dataclass(eq=False)
class Run:
    """One run."""

    key: str | None
    instance: str
    entered_at: int
    entry_time: int
    entry: Happened
    walk: Iterator[Any] | None = None
    waiting: Waiting | None = None
    ranked: int | None = None
    converted: bool = False
    is_over: bool = False


@dataclass
class Oracle:
    """One customer and one journey."""

    journey: Journey
    instance_of: Callable[[str | None, str], str]
    told: list[tuple[int, str, Any]] = field(default_factory=list)
    now: int = 0
    _runs: list[Run] = field(default_factory=list)
    _entries: dict[str | None, list[Any]] = field(default_factory=dict)
    """Key -> [entered at, refusal told]."""
    _refused: set[Run] = field(default_factory=set)

    def tell(self, fact: str, what: Any = None) -> None:
        self.told.append((self.now, fact, what))

    # --- a run

    def _walk(self, run: Run) -> Iterator[Any]:
        try:
            yield from self._list(run, self.journey.steps)
            reason = "completed"
        except Over as over:
            reason = str(over)
        self._end(run, reason)

    def _list(self, run: Run, steps: list[Any]) -> Iterator[Any]:
        for step in steps:
            yield from self._step(run, step)

    def _step(self, run: Run, step: Any) -> Iterator[Any]:
        kind, name, *rest = step
        if kind == "wait_for":
            yield from self._wait_for(run, name, *rest)
            return
        self.tell("step", name)
        if kind == "send":
            self.tell("sent", name)
        elif kind == "wait":
            self.tell("waiting", name)
            yield Waiting(self.now + rest[0], [], name)
            self.tell("timed_out", name)
        elif kind == "branch":
            yield from self._list(run, rest[1] if run.entry.n > rest[0] else rest[2])
        elif kind == "exit":
            raise Over(rest[0])

    def _wait_for(
        self, run: Run, name: str, replies: Any, ms: int, from_entry: bool, rank: bool, otherwise: Any, most: Any
    ) -> Iterator[Any]:
        backs: dict[Any, int] = {}
        while True:
            self.tell("step", name)
            due = (run.entered_at if from_entry else self.now) + ms
            answer: int | None = None
            if due > self.now:
                self.tell("waiting", name)
                wanted = [(event, limit, place) for place, (event, limit, *_) in enumerate(replies)]
                answer = yield Waiting(due, wanted, name)
                self.tell("timed_out" if answer is None else "resumed", name)
            steps, allowed = (otherwise, most) if answer is None else replies[answer][2:]
            yield from self._list(run, steps)
            has_time = (run.entered_at if from_entry else self.now) + ms > self.now
            if not has_time or (allowed is not None and backs.get(answer, 0) >= allowed):
                return
            backs[answer] = backs.get(answer, 0) + 1

    def _end(self, run: Run, reason: str) -> None:
        self.tell("exited", reason)
        run.is_over, run.waiting = True, None

    def _go(self, run: Run, answer: Any) -> None:
        assert run.walk is not None
        run.ranked = None
        try:
            run.waiting = run.walk.send(answer)
        except StopIteration:
            run.waiting = None

    # --- what happens

    def until(self, now: int) -> None:
        """Time passes."""
        while True:
            due = [(run.waiting.due, run.instance, run.waiting.step, run) for run in self._runs if run.waiting]
            due = sorted((one for one in due if one[0] <= now), key=lambda one: one[:3])
            if not due:
                break
            self.now, _, _, run = due[0]
            self._go(run, run.ranked)
        self.now = now

    def read(self, event: Happened, now: int) -> None:
        """An event, after the time until then."""
        self.until(now)
        journey, inside = self.journey, list(self._runs)
        when = min(event.time, now)
        met = set()
        for run in inside:
            is_in = run.entry_time < when <= run.entry_time + journey.within and event.time >= now - journey.max_age
            if event.name == journey.goal and not run.converted and is_in and self._concerns(event, run):
                run.converted = True
                met.add(run)
                self.tell("converted", run.key)
        for run in inside:
            for rule in journey.exits if not run.is_over else ():
                if run in met if rule == "goal" else event.name == rule and self._concerns(event, run):
                    self._end(run, rule)
                    break
        for run in inside:
            if run.waiting and self._concerns(event, run):
                ranked = self._is_ranked(run.waiting.step, self.journey.steps)
                for name, limit, place in run.waiting.replies:
                    if event.name == name and event.n > limit:
                        if not ranked:
                            self._go(run, place)
                        elif run.ranked is None or place < run.ranked:
                            run.ranked = place
                        break
        if event.name == journey.enters:
            self._enter(event)

    def _is_ranked(self, name: str, steps: list[Any]) -> bool:
        for step in steps:
            if step[0] == "wait_for":
                if step[1] == name:
                    return bool(step[5])
                inner = [*(reply[2] for reply in step[2]), step[6]]
            else:
                inner = [step[3], step[4]] if step[0] == "branch" else []
            if any(self._is_ranked(name, one) for one in inner):
                return True
        return False

    def _concerns(self, event: Happened, run: Run) -> bool:
        return not self.journey.keyed or event.key is None or event.key == run.key

    def _enter(self, event: Happened) -> None:
        journey = self.journey
        if event.time < self.now - journey.max_age:
            self.tell("not_entered", "late")
            return
        key = event.key if journey.keyed else None
        if journey.keyed and key is None:
            self.tell("not_entered", "no_key")
            return
        running = [run for run in self._runs if not run.is_over and run.key == key]
        entry = self._entries.get(key)
        if journey.again == "after_exit":
            if running:
                if running[0] not in self._refused:
                    self._refused.add(running[0])
                    self.tell("not_entered", "reentry")
                return
        elif entry is not None and self._is_closed(entry[0]):
            if not entry[1]:
                self.tell("not_entered", "reentry")
            entry[1] = True
            return
        for run in running:
            self._end(run, "replaced")
        self._entries[key] = [self.now, False]
        instance = self.instance_of(key, event.message_id)
        run = Run(key, instance, self.now, min(event.time, self.now), event)
        self._runs.append(run)
        self.tell("entered", key)
        run.walk = self._walk(run)
        self._go(run, None)

    def _is_closed(self, entered_at: int) -> bool:
        again = self.journey.again
        return again == "never" or (again != "always" and self.now < entered_at + int(again))
