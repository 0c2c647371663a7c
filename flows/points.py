"""Named points of the protocols that must survive anything: where a test may stop, kill or delay the process.

A point costs a call of a function that does nothing. Tests put their own in its place (`tests/faults.py`); nothing else
does, and no setting or variable of the environment can.
"""

from collections.abc import Callable


def _pass(_point: str) -> None:
    """Go on."""


_hook: Callable[[str], None] = _pass


def reached(point: str) -> None:
    """Say that the process is at a point, by its name."""
    _hook(point)


def at_points(hook: Callable[[str], None]) -> None:
    """Call `hook` with the name of every point from now on."""
    global _hook  # noqa: PLW0603 - one process, one hook
    _hook = hook
