"""What no field of `orchestration.yaml` sees alone: names that are none, rules that contradict each other, hours that never come.

(place, sentence) for each, from the model, which is right field by field. `operators.workspace` calls it.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import timezone

from operators.calendar import parse_hours
from operators.durations import parse_duration
from operators.expression_tree import parse
from operators.expression_uses import uses_of
from operators.journey_mistakes import nearest
from operators.orchestration import CALENDAR, Cap, Channel, Orchestration, parse_range
from operators.quiet_hours import ChannelHours
from operators.trait_compiler import Definitions
from operators.yaml_lines import Location

Mistake = tuple[Location, str]


def orchestration_mistakes(
    orchestration: Orchestration, journeys: Sequence[str], experiments: Collection[str], traits: Definitions
) -> Iterator[Mistake]:
    """All mistakes of an orchestration whose fields are right.

    Args:
        orchestration: It.
        journeys: Names of all journeys, those with mistakes too.
        experiments: Names of all experiments.
        traits: Those that there are, and segments.
    """
    for name, channel in orchestration.channels.items():
        yield from _hours(("channels", name), channel)
    channels = sorted(orchestration.channels)
    for number, cap in enumerate(orchestration.caps):
        place: Location = ("caps", number)
        yield from _unknown("channel", cap.channel, channels, (*place, "channel"))
        yield from _unknown("journey", cap.journey, journeys, (*place, "journey"))
        yield from _cap(cap, place, orchestration)
    yield from _contradicting(orchestration.caps)
    for number, rule in enumerate(orchestration.suppress):
        place = ("suppress", number)
        yield from _unknown("channel", rule.channel, channels, (*place, "channel"))
        tree = parse(rule.when)
        for message in traits.mistakes_in(uses_of(tree), tree):
            yield (*place, "when"), message
    yield from _layers(orchestration, experiments)


def _unknown(kind: str, names: Sequence[str], there: Sequence[str], place: Location) -> Iterator[Mistake]:
    for name in names:
        if name not in there:
            yield place, f"there is no {kind} {name!r}; {nearest(name, there)}"


def _cap(cap: Cap, place: Location, orchestration: Orchestration) -> Iterator[Mistake]:
    if cap.window == "calendar" and cap.per not in CALENDAR:
        message = f"{cap.per!r} is no part of the calendar; write day, week or month, or leave `window: calendar` out"
        yield (*place, "per"), message
    if cap.window == "rolling" and cap.per in ("day", "week", "month"):
        message = f"{cap.per!r} is a part of the calendar; add window: calendar, or write a duration, as in 24h or 7d"
        yield (*place, "per"), message
    if cap.tag and set(cap.tag) <= set(orchestration.bypass):
        message = f"this cap never holds: `bypass` exempts {' and '.join(cap.tag)}; take it out of one of the two"
        yield (*place, "tag"), message


def _contradicting(caps: Sequence[Cap]) -> Iterator[Mistake]:
    """Two caps on the same messages in the same time, of which one would never be reached."""
    known: dict[object, int] = {}
    for number, cap in enumerate(caps):
        per: object = CALENDAR.get(cap.per, cap.per) if cap.window == "calendar" else _ms(cap.per)
        of = (*(frozenset(names) for names in (cap.channel, cap.tag, cap.journey)), cap.window, per)
        other = known.setdefault(of, number)
        if other != number:
            yield (
                ("caps", number),
                f"it contradicts caps[{other}], {caps[other]}, which counts the same messages in the same time; keep one of the two",
            )


def _ms(per: str) -> object:
    try:
        return parse_duration(per)
    except ValueError:  # told already
        return per


def _hours(place: Location, channel: Channel) -> Iterator[Mistake]:
    quiet = parse_hours(channel.quiet) if channel.quiet else None
    opened = parse_hours(channel.open) if channel.open else None
    if channel.zone != "customer" and quiet is None and opened is None:
        yield (*place, "zone"), "it says whose clock `quiet` and `open` go by, and there is neither; leave it out"
    if ChannelHours(quiet, opened).next_time(0, timezone.utc) is None:
        written = ", ".join(
            f"{key} {value!r}" for key, value in (("quiet", channel.quiet), ("open", channel.open)) if value
        )
        yield (*place, "quiet"), f"nothing can ever go out on this channel ({written}); write hours that leave some"


def _layers(orchestration: Orchestration, experiments: Collection[str]) -> Iterator[Mistake]:
    layer_of: dict[str, str] = {}
    for layer, parts in orchestration.layers.items():
        taken: list[tuple[int, int, str]] = []
        for name, text in parts.items():
            place = ("layers", layer, name)
            if name not in experiments:
                yield (
                    place,
                    f"there is no experiment {name!r}: no `split` has this name; {nearest(name, sorted(experiments))}",
                )
            if name in layer_of:
                yield place, f"the experiment {name!r} is in the layer {layer_of[name]!r} already; take it out of one"
            layer_of.setdefault(name, layer)
            start, end = parse_range(text)
            for other_start, other_end, other in taken:
                if start < other_end and other_start < end:
                    yield place, f"its part overlaps with that of {other!r}, {parts[other]}; write parts that lie apart"
            taken.append((start, end, name))
