"""What holds messages back: `suppress` and `release`, each with its holders.

Messages of a tag are held back on a channel as long as anyone holds them: a `suppress` action tells the channel when a
step begins to, a `release` action when the last holder ends - by a `release` step, with its run, or by its timer where the
step said `for`. A holder with `for` outlives its run. It is one for each journey, step and key, however often it is reached.

Bound: `HOLDS_MAX` holders for one customer; beyond it, none is added, and that is said.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from operators.actions import new_action
from operators.moment import Moment
from operators.plan_steps import ReleasePlan, SuppressPlan
from operators.records import ACTIONS
from operators.run_bounds import HOLDS_MAX
from state.customer import Customer
from state.runs import Hold

if TYPE_CHECKING:
    from operators.run_steps import Walk

ALL_TAGS = ""
"""The tag of what is held back whatever its tags."""

TIMER = "!hold"
"""How the names of these timers begin: before those of all journeys, for what is free at an instant is free for its messages."""


def is_held(customer: Customer, channel: str, tags: Sequence[str]) -> bool:
    """Whether a message with these tags is held back on a channel."""
    held = customer.holds.get(channel)
    return held is not None and (ALL_TAGS in held or any(tag in held for tag in tags))


def suppress(walk: "Walk", step: SuppressPlan) -> None:
    """Hold back, and tell the channels; of a control customer nothing."""
    moment, run = walk.moment, walk.run
    customer = moment.customer
    attempt = run.visits.get(step.step, 0) + 1
    run.visits[step.step] = attempt
    until = moment.now + step.duration if step.duration is not None else None
    owner = f"{walk.journey.name} {step.step} {run.instance if until is None else run.value}"
    for channel in step.channels:
        why = "control" if run.is_control else "cap" if sum(1 for _ in _owners(customer)) >= HOLDS_MAX else None
        if why is not None:
            walk.tell("withheld", step=step.step, channel=channel, gate=why, then="dropped", kind="suppress")
            continue
        hold = Hold(walk.journey.name, run.version, run.instance, step.step, attempt, moment.now, until)
        tags = customer.holds.setdefault(channel, {})
        for tag in step.tags or (ALL_TAGS,):
            tags.setdefault(tag, {})[owner] = hold
        if until is not None:
            customer.timers[_timer_of(channel, owner)] = until
        _act(moment, hold, "suppress", channel, step.tags, attempt, until)


def release(walk: "Walk", step: ReleasePlan) -> None:
    """End what this run holds back, and what outlives the runs of its journey and key."""
    run, moment = walk.run, walk.moment
    attempt = run.visits.get(step.step, 0) + 1
    run.visits[step.step] = attempt
    by = Hold(walk.journey.name, run.version, run.instance, step.step, attempt, moment.now)
    for channel in step.channels:
        freed = []
        for tag, owner, hold in _held_on(moment.customer, channel):
            is_own = hold.instance == run.instance or (hold.until is not None and owner.endswith(f" {run.value}"))
            if hold.journey == by.journey and is_own and (step.tags is None or tag in step.tags):
                freed += _end(moment.customer, channel, tag, owner)
        if freed:
            _act(moment, by, "release", channel, freed, attempt, None)


def release_run(moment: Moment, instance: str) -> None:
    """A run is over: what it held back without `for` is free."""
    for channel in list(moment.customer.holds):
        freed: dict[str, tuple[Hold, list[str]]] = {}
        for tag, owner, hold in _held_on(moment.customer, channel):
            if hold.instance == instance and hold.until is None:
                _, tags = freed.setdefault(hold.step, (hold, []))
                tags += _end(moment.customer, channel, tag, owner)
        for hold, tags in freed.values():
            if tags:
                _act(moment, hold, "release", channel, tags, -hold.visit, None)


def hold_is_over(moment: Moment, timer: str) -> None:
    """The timer of a holder with `for` rings."""
    _, channel, owner = timer.split(" ", 2)
    freed = []
    last = None
    for tag, one, hold in _held_on(moment.customer, channel):
        if one == owner:
            last = hold
            freed += _end(moment.customer, channel, tag, owner)
    if last is not None and freed:
        moment.timer = last.step
        _act(moment, last, "release", channel, freed, -last.visit, None)


def _owners(customer: Customer) -> Iterator[str]:
    for tags in customer.holds.values():
        for holders in tags.values():
            yield from holders


def _held_on(customer: Customer, channel: str) -> list[tuple[str, str, Hold]]:
    """(tag, holder, hold) of all that is held back on a channel."""
    tags = customer.holds.get(channel, {})
    return [(tag, owner, hold) for tag, holders in tags.items() for owner, hold in holders.items()]


def _timer_of(channel: str, owner: str) -> str:
    return f"{TIMER} {channel} {owner}"


def _end(customer: Customer, channel: str, tag: str, owner: str) -> list[str]:
    """Take a holder away; the tag, if that was the last one."""
    tags = customer.holds[channel]
    holders = tags[tag]
    del holders[owner]
    if not any(owner in others for others in tags.values()):
        customer.timers.pop(_timer_of(channel, owner), None)
    if holders:
        return []
    del tags[tag]
    if not tags:
        del customer.holds[channel]
    return [tag]


def _act(
    moment: Moment, by: Hold, kind: str, channel: str, tags: Sequence[str], attempt: int, until: int | None
) -> None:
    """Emit the action and tell it.

    `attempt` is that of the action's id: a release of its own step counts visits, one by the end of a run or by a timer is
    minus the visit that began it.
    """
    named = tuple(tag for tag in tags if tag != ALL_TAGS)
    action = new_action(moment, (by.journey, by.version, by.instance, by.step), channel, kind, attempt, until)
    action["tags"] = named
    moment.records.append((ACTIONS + channel, action))
    moment.tell(
        "sent",
        journey=by.journey,
        version=by.version,
        instance=by.instance,
        step=by.step,
        action_id=action["action_id"],
        channel=channel,
        kind=kind,
        tags=named,
    )
