"""A customer's story as a page."""

from collections.abc import Iterator
from pathlib import Path

from flows.explain import Story
from flows.facts_told import shown
from flows.html_page import write_page
from flows.profile_shown import KnownCustomer
from state.instants import format_instant

_Row = tuple[str, str, str]


def write_story(path: Path, story: Story) -> None:
    """Write the page.

    Raises:
        OutsideError: It cannot be written.
    """
    known = list(_known(story.now)) if story.now is not None else []
    write_page(path, "explain", story=story, known=known)


def _known(known: KnownCustomer) -> Iterator[_Row]:
    """What the state holds, as rows: what, of what, and the value."""
    customer, record = known.customer, known.record
    for name, value in sorted(customer.profile.items()):
        yield "attribute", name, shown(value)
    for name, value in sorted(record.get("traits", {}).items()):
        yield "trait", name, shown(value)
    for name in record.get("segments", ()):
        yield "segment", name, ""
    for channel, state in sorted(record.get("reachability", {}).items()):
        yield "reached by", channel, str(state)
    for channel, at in sorted(customer.contacts.items()):
        yield "last contact", channel, format_instant(at)
    for channel, tags in sorted(customer.holds.items()):
        for tag, holders in sorted(tags.items()):
            yield "held back", channel, f"{tag or 'every message'}, by {len(holders)}"
