"""What becomes of definitions when others take their place: who is inside of a journey finishes on their version.

The text that goes into the log has all of it, the versions that nobody enters any more, too; so a change is a function of
the log alone. Ingest makes it, and a job whose log has no definitions makes it for itself.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b

from operators.definitions import Journey
from operators.plan import plan_of
from operators.workspace import Workspace
from operators.workspace_json import read_workspace_json, workspace_json
from state.errors import DefinitionsError

OLDER_MAX = 8
"""Older versions that are kept of one journey. Whoever is still inside of one before that leaves it, with the next event
or timer: eight changes to a journey while one customer is in it are more than anybody has an overview of."""


@dataclass(frozen=True)
class Change:
    """Definitions that take the place of others."""

    text: bytes
    """Canonical JSON of all of them."""
    hash: str
    """Of the text."""
    same_version: tuple[str, ...] = ()
    """Journeys that say something else than before, under the number that they had: who is inside goes on with the new."""


def change(before: bytes | None, wanted: Workspace) -> Change | None:
    """The definitions that follow when `wanted` is wanted; None where they are in use already.

    Args:
        before: Canonical JSON of those in use; None where there are none.
        wanted: Definitions without mistakes.

    Raises:
        DefinitionsError: Those in use cannot be read by this version, or what customers inside finish on does not fit
            what is wanted.
    """
    if before is None:
        return _made(wanted)
    known = read_workspace_json(before)
    if _say_the_same(known, wanted):
        return None
    newest = {journey.journey: journey for journey in wanted.journeys}
    older: dict[tuple[str, int], Journey] = {(one.journey, one.version): one for one in (*known.older, *wanted.older)}
    same = []
    for journey in known.journeys:
        now = newest.get(journey.journey)
        if now is None or now.version != journey.version:
            older[journey.journey, journey.version] = journey
        elif now != journey:
            same.append(journey.journey)
    for journey in wanted.journeys:  # a version that is back is not an older one
        older.pop((journey.journey, journey.version), None)
    made = _made(replace(wanted, older=_latest(older)), tuple(sorted(same)))
    try:
        plan_of(read_workspace_json(made.text))
    except DefinitionsError as error:
        versions = ", ".join(f"{name} (version {version})" for name, version in sorted(older))
        raise DefinitionsError(
            f"{error}; versions that customers may still be inside of must fit, too: {versions}; leave what they read where it is"
        ) from error
    return made


def _say_the_same(one: Workspace, other: Workspace) -> bool:
    """Whether what customers enter is the same in both; older versions aside."""
    return workspace_json(replace(one, older=[])) == workspace_json(replace(other, older=[]))


def say_the_same(one: bytes, other: bytes) -> bool:
    """Whether what customers enter is the same in two texts of canonical JSON; older versions aside."""
    return _say_the_same(read_workspace_json(one), read_workspace_json(other))


def _latest(older: dict[tuple[str, int], Journey]) -> list[Journey]:
    """The last `OLDER_MAX` versions of each journey."""
    by_journey: dict[str, list[int]] = {}
    for name, version in sorted(older, reverse=True):
        by_journey.setdefault(name, []).append(version)
    return [older[name, version] for name in sorted(by_journey) for version in sorted(by_journey[name][:OLDER_MAX])]


def _made(wanted: Workspace, same: tuple[str, ...] = ()) -> Change:
    text = workspace_json(wanted)
    return Change(text, blake2b(text, digest_size=16).hexdigest(), same)
