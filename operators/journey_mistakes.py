"""What no field of a journey sees alone, from the values as they are written: (place, sentence) for each mistake.

Channels that there are, steps of one name, steps that nobody reaches, waits without an end, feedback on steps that send
nothing, goals that are spoken of and not there. `operators.workspace` calls it beside the models and gathers both.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from operators.definitions import EXIT_FORMS
from operators.send_definitions import BEST
from operators.steps_written import StepList, Written, lists_in, lists_of, steps_in
from operators.yaml_lines import Document, Location

Mistake = tuple[Location, str]

EXIT = "exit"
"""In `migrate`: out of the journey."""


def nearest(word: str, names: Sequence[str]) -> str:
    """What to write instead of a word that is none of the names."""
    near = get_close_matches(word, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"


def journey_mistakes(
    document: Document, channels: Sequence[str] | None, reachable: Collection[str] = ()
) -> Iterator[Mistake]:
    """All mistakes of one journey that its models do not see.

    Args:
        document: The file; it holds a mapping.
        channels: The channels that there are; None where that is not known.
        reachable: Those with an address.
    """
    journey = document.value
    steps = list(steps_in(lists_of(journey)))
    yield from _names(steps, document)
    for written in steps:
        if channels is not None:
            yield from _channels(written, channels, reachable)
        if written.kind == "wait_for":
            yield from _wait_for(written, steps, journey)
        elif written.kind == "branch":
            yield from _branch(written)
        elif written.kind == "split":
            yield from _split(written)
    for one in lists_of(journey):
        yield from _unreachable(one)
    yield from _goal(journey)
    yield from _exits(journey)
    yield from _migrate(journey, [written.id for written in steps if written.location[0] == "steps"])


def _names(steps: Sequence[Written], document: Document) -> Iterator[Mistake]:
    lines: dict[str, int] = {}
    for written in steps:
        if written.id in lines:
            message = f"the step {written.id!r} stands in line {lines[written.id]} already; choose another id"
            yield (*written.location, "id"), message
        elif written.id == EXIT:
            yield (*written.location, "id"), f"a step cannot be called {EXIT!r}: `migrate` means the way out by it"
        lines.setdefault(written.id, document.line_of(written.location))


def _channels(written: Written, channels: Sequence[str], reachable: Collection[str]) -> Iterator[Mistake]:
    if written.kind not in ("send", "suppress", "release"):
        return
    named = written.step.get(written.kind)
    place: Location = (*written.location, written.kind)
    if isinstance(named, dict):
        named, place = named.get(BEST), (*place, BEST)
    several = isinstance(named, list)
    for index, channel in enumerate(named if isinstance(named, list) else [named]):
        if channel == "all" and written.kind != "send":
            continue
        message = channel_mistake(channel, channels, reachable, is_alone=written.kind == "send" and not several)
        if message is not None:
            yield ((*place, index) if several else place), message


def channel_mistake(
    channel: Any, channels: Sequence[str] | None, reachable: Collection[str], is_alone: bool
) -> str | None:
    """What is wrong with the channel of a message; None where it is right, or wrong in another way, or nobody knows."""
    if channels is None or not isinstance(channel, str) or channel in channels:
        return None
    if channel == BEST and is_alone:
        if reachable:
            return None
        return (
            "no channel has an `address`, so there is none to choose from; write it in orchestration.yaml, as in: email: {address: "
            "profile.email}, or name the channels, as in: {best: [email, push]}"
        )
    return f"there is no channel {channel!r}; {nearest(channel, channels)}"


def _wait_for(written: Written, steps: Sequence[Written], journey: Mapping[str, Any]) -> Iterator[Mistake]:
    replies = written.step.get("wait_for")
    for index, reply in enumerate(replies if isinstance(replies, list) else ()):
        if not isinstance(reply, dict):
            continue
        place = (*written.location, "wait_for", index)
        if ("event" in reply) == ("outcome" in reply):
            yield place, "say what is waited for: either `event` or `outcome`, one of the two"
        of = reply.get("of")
        if of is None:
            continue
        if "outcome" not in reply:
            yield (*place, "of"), "`of` belongs to `outcome`: the step whose message is answered"
        sends = [one.id for one in steps if one.kind in ("send", "choose")]
        if isinstance(of, str) and of not in sends:
            known = [one.id for one in steps]
            what = f"the step {of!r} sends nothing" if of in known else f"there is no step {of!r}"
            yield (*place, "of"), f"{what}; {nearest(of, sends) if sends else 'no step of this journey sends'}"
    ways = [way for way in replies if isinstance(way, dict)] if isinstance(replies, list) else []
    otherwise = written.step.get("else")
    again = otherwise.get("again") if isinstance(otherwise, dict) else None
    if again is True and not journey.get("exit") and all(way.get("again") is True for way in ways):
        yield (
            (*written.location, "else", "again"),
            "a wait without an end: every way leads back to it; write again: {max: n}, or an `exit` that ends the run",
        )


def _branch(written: Written) -> Iterator[Mistake]:
    ways = written.step.get("branch")
    for index, way in enumerate(ways[:-1] if isinstance(ways, list) else ()):
        if isinstance(way, dict) and way.get("when") is None:
            place = (*written.location, "branch", index)
            yield place, "only the last way may do without `when`: nobody reaches those after it"


def _split(written: Written) -> Iterator[Mistake]:
    split = written.step["split"]
    arms = split.get("arms") if isinstance(split, dict) else None
    if not isinstance(arms, dict) or not arms:
        return
    weights = [arm.get("weight", 1) if isinstance(arm, dict) else 1 for arm in arms.values()]
    if all(isinstance(weight, (int, float)) and weight == 0 for weight in weights):
        yield (*written.location, "split", "arms"), "every arm has the weight 0, so nobody gets one; write weights"
    outside = split.get("else")
    if isinstance(outside, str) and outside not in arms:
        names = [str(name) for name in arms]
        yield (*written.location, "split", "else"), f"there is no arm {outside!r}; {nearest(outside, names)}"


def _unreachable(one: StepList) -> Iterator[Mistake]:
    """Steps after one that no way leads on from."""
    over = False
    for index, step in enumerate(one.steps):
        if not isinstance(step, dict):
            continue
        location = (*one.location, index)
        if over:
            yield (
                location,
                "nobody reaches this step: every way before it ends the run; take it out, or the exit before it",
            )
            over = False  # once for each list
        inside = list(lists_in(step, location, ""))
        for inner in inside:
            yield from _unreachable(inner)
        over = over or _ends(step)


def _ends(step: Any) -> bool:
    """Whether every way through a step ends the run, or leads back and never on."""
    if not isinstance(step, dict):
        return False
    if "exit" in step:
        return True
    ways: list[Any]
    if isinstance(step.get("wait_for"), list):
        otherwise = step.get("else")
        ways = [*step["wait_for"], otherwise if isinstance(otherwise, dict) else {"do": otherwise or []}]
    elif isinstance(step.get("branch"), list) and step["branch"]:
        ways = step["branch"]
        if not isinstance(ways[-1], dict) or ways[-1].get("when") is not None:
            return False
    elif isinstance(step.get("split"), dict) and isinstance(step["split"].get("arms"), dict):
        ways = list(step["split"]["arms"].values())
    else:
        return False
    return bool(ways) and all(isinstance(way, dict) and _leads_nowhere(way) for way in ways)


def _leads_nowhere(way: Mapping[str, Any]) -> bool:
    steps = way.get("do")
    return way.get("again") is True or (isinstance(steps, list) and any(map(_ends, steps)))


def _goal(journey: Mapping[str, Any]) -> Iterator[Mistake]:
    goal, control, rules = journey.get("goal"), journey.get("control"), journey.get("exit")
    if goal is not None:
        return
    if isinstance(control, str) and control.strip(" 0.%"):
        yield (
            ("control",),
            "a control group without a goal measures nothing; write `goal`, as in: {event: Order Completed}",
        )
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if rule == "goal":
            yield ("exit", index), "the journey has no goal; write `goal`, as in: goal: {event: Order Completed}"


def _exits(journey: Mapping[str, Any]) -> Iterator[Mistake]:
    rules = journey.get("exit")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if not isinstance(rule, dict):
            continue
        forms = [form for form in EXIT_FORMS if form in rule]
        if len(forms) != 1:
            yield ("exit", index), f"say what ends the run: one of {', '.join(EXIT_FORMS)}"
        elif forms != ["event"]:
            for key in ("where", "by"):
                if key in rule:
                    yield ("exit", index, key), f"`{key}` looks at an event; it goes with `event` only"


def _migrate(journey: Mapping[str, Any], ids: Sequence[str]) -> Iterator[Mistake]:
    migrate = journey.get("migrate")
    for old, new in migrate.items() if isinstance(migrate, dict) else ():
        if isinstance(new, str) and new != EXIT and new not in ids:
            yield ("migrate", old), f"there is no step {new!r} in this version; {nearest(new, [*ids, EXIT])}"
        if old in ids:
            yield ("migrate", old), f"the step {old!r} is still here; name steps that this version has no more"
