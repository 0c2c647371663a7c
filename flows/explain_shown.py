"""A customer's story on a terminal."""

from collections.abc import Iterator
from pathlib import Path

from flows.explain import Moment, Point, Story
from flows.profile_shown import show_customer


def show_story(story: Story, journeys: Path | None) -> Iterator[str]:
    """The story as lines; what the state holds is printed first, as `sojourn profile` does."""
    if story.now is not None:
        show_customer(story.now)
        yield ""
    if story.moments:
        first, last = story.moments[0].at, story.moments[-1].at
        journeys_told = ", ".join(story.journeys)
        yield f"{story.customer_id}: {story.facts} facts, {first} to {last}; journeys: {journeys_told or 'none'}"
        for moment in story.moments:
            yield from _moment_lines(moment, journeys)
    if story.waits:
        yield ""
        yield "Now"
        for point in story.waits:
            yield from _point_lines(point, journeys)
    for line in story.other_versions:
        yield f"note: {line}"
    if journeys is None and story.moments:
        yield "The words that decided: --journeys DIR"


def _moment_lines(moment: Moment, journeys: Path | None) -> Iterator[str]:
    yield ""
    yield f"{moment.at}  {moment.cause}".rstrip()
    for point in moment.points:
        yield from _point_lines(point, journeys)


def _point_lines(point: Point, journeys: Path | None) -> Iterator[str]:
    journey = f"{point.journey}: " if point.journey else ""
    places = f"   [{', '.join(point.places)}]" if point.places else ""
    yield f"  {journey}{point.said}{places}"
    width = max((len(one.name) for one in point.candidates), default=0)
    for one in point.candidates:
        verdict = "<- chosen" if one.is_chosen else f"stopped by {one.gate}" if one.gate else ""
        yield f"      {one.name:{width}}  score {one.score:>6}  {verdict}".rstrip()
    for excerpt in point.excerpts:
        yield f"      {journeys}/{excerpt.file}:{excerpt.line}"
        for line in excerpt.text.splitlines():
            yield f"        | {line}"
