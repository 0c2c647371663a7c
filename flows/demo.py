"""The demo: events made up, the example journeys over them, and what came of it.

The stories are told by `flows.demo_stories`, out of what the replay wrote.
"""

from pathlib import Path

from flows.demo_guests import add_guests
from flows.demo_stories import read_stories, sent_lines, stopped_lines
from flows.generate import to_file
from flows.replay import Request, replay, write_summary
from flows.show import show_lines, show_progress, show_summary, tell
from state.errors import UsageError

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "journeys"
_SEED = 7
_EVENTS_PER_CUSTOMER = 20


def run_demo(directory: Path, events: int) -> None:
    """Make events, replay, tell.

    Raises:
        UsageError: The example journeys are not there.
    """
    if not EXAMPLES.is_dir():
        raise UsageError(f"{EXAMPLES} is not there; run the demo from a checkout of the project")
    file = directory / "events.jsonl"
    tell(f"making {events:,} events")
    to_file(file, events, events // _EVENTS_PER_CUSTOMER, _SEED)
    add_guests(file, EXAMPLES)
    with show_progress() as watch:
        summary = replay(Request((file,), EXAMPLES, directory), watch, tell)
    write_summary(summary, directory)
    show_summary(summary, directory)
    stories = read_stories(directory, file, EXAMPLES)
    show_lines("Sent, and why", sent_lines(stories) or ["  nobody; try more --events"])
    show_lines("Not sent, and why", stopped_lines(stories) or ["  nothing was stopped; try more --events"])
    show_lines(
        "", [f"All of it is in {directory}: actions.CHANNEL, facts, profiles, rejected (.jsonl) and summary.json"]
    )
