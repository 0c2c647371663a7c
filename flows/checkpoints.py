"""Checkpoints of the key groups: kept beside the state, copied off the machine if asked, and fetched where state is lost.

    DATA/checkpoints/group-00003/00000000000000000017/    RocksDB's own checkpoint, as the group stood at position 17

A checkpoint is made right after a commit, so it stands at the end of an epoch; its files are hard links, so it costs next to
nothing until the state moves on. Groups need not stand at one epoch: each is led on through the log from where its own
checkpoint is. A checkpoint holds what a group knows, not what was sent: that is in the recovery store and in the markers
beside the output, from which `sojourn state rebuild` makes the recovery store anew.
"""

import os
import shutil
from pathlib import Path
from typing import Protocol

from flows.kafka import tell
from flows.settings import Settings
from state.clock import monotonic_s
from state.codec import Token
from state.store import KeyGroupStore

DIRECTORY = "checkpoints"


class Copies(Protocol):
    """Where checkpoints are copied to, off the machine."""

    def copy(self, group: int, checkpoint: Path) -> None:
        """Have a checkpoint copied, in the background."""

    def positions(self, group: int) -> list[int]:
        """Of the copies that are there and whole."""

    def fetch(self, group: int, position: int, to: Path) -> None:
        """Write a copy into the empty directory `to`."""

    def close(self) -> None:
        """Finish what is under way."""


class NoCopies:
    """Nowhere."""

    def copy(self, group: int, checkpoint: Path) -> None:
        """Nothing is copied."""

    def positions(self, group: int) -> list[int]:
        """None."""
        return []

    def fetch(self, group: int, position: int, to: Path) -> None:
        """Never called: there are no positions."""

    def close(self) -> None:
        """Nothing is under way."""


def copies_of(settings: Settings) -> Copies:
    """Where a job's checkpoints are copied to."""
    if not settings.checkpoint_copies:
        return NoCopies()
    from flows.checkpoint_copies import StoreCopies  # noqa: PLC0415 - the client of object stores, where one is wanted

    return StoreCopies(settings.checkpoint_copies, settings.checkpoints_kept)


class Checkpoints:
    """The checkpoints of a job's key groups."""

    def __init__(self, data: Path, groups: int, interval_s: float, keep: int, copies: Copies) -> None:
        """Make one of each group every `interval_s` seconds (0: never), and keep the last `keep` of each.

        The groups take turns, so that not all of them write out their memory in one epoch.
        """
        self.directory = data / DIRECTORY
        self._interval_s = interval_s
        self._keep = keep
        self._copies = copies
        now = monotonic_s()
        self._due_s = {group: now + interval_s * (group + 1) / groups for group in range(groups)}

    def committed(self, store: KeyGroupStore) -> None:
        """A group has ended an epoch: make a checkpoint if it is this group's turn."""
        group = store.meta.group
        if not self._interval_s or monotonic_s() < self._due_s[group] or store.behind is not None:
            return
        self._due_s[group] = monotonic_s() + self._interval_s
        checkpoint = self._of(group) / f"{store.meta.position:020}"
        if store.meta.position < 0 or checkpoint.exists():
            return  # nothing has happened since
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        store.checkpoint(checkpoint)
        self._copies.copy(group, checkpoint)
        for position in self.positions(group)[: -self._keep]:
            shutil.rmtree(self._of(group) / f"{position:020}", ignore_errors=True)

    def positions(self, group: int) -> list[int]:
        """Of the checkpoints on this machine, oldest first."""
        directory = self._of(group)
        return (
            sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit()) if directory.exists() else []
        )

    def restore(self, group: int, at: Token | None, to: Path) -> int | None:
        """Bring back a group whose directory is not there, from the newest checkpoint that is not beyond where the job is.

        Args:
            group: Which.
            at: Where the dataflow goes on from; None at its beginning, when there is nothing to bring back.
            to: The directory of the group.

        Returns:
            The position of the checkpoint, from which the log leads on; None if the group is there or there is none.
        """
        if at is None or (to / "CURRENT").exists():
            return None
        here, copied = self.positions(group), self._copies.positions(group)
        position = max((each for each in {*here, *copied} if each <= at.position), default=None)
        if position is None:
            return None
        half_done = to.with_name(f"{to.name}.restoring")
        shutil.rmtree(half_done, ignore_errors=True)
        if position in here:
            tell(f"{to.name} is not there: going on from the checkpoint at position {position:,}")
            shutil.copytree(self._of(group) / f"{position:020}", half_done, copy_function=_link_or_copy)
        else:
            tell(f"{to.name} is not there: fetching the copy of the checkpoint at position {position:,}")
            half_done.mkdir(parents=True)
            self._copies.fetch(group, position, half_done)
        shutil.rmtree(to, ignore_errors=True)  # empty, or it would have been there
        half_done.rename(to)
        return position

    def close(self) -> None:
        """Finish copying."""
        self._copies.close()

    def _of(self, group: int) -> Path:
        return self.directory / f"group-{group:05}"


def _link_or_copy(source: str, target: str) -> None:
    """RocksDB never changes a table file, so a link will do; all others it goes on writing."""
    if source.endswith(".sst"):
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another disk
    shutil.copy2(source, target)
