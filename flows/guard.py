"""How an error inside a dataflow ends the process: one line, and nothing half-done.

An exception that passes through Bytewax's engine comes out behind pages of Rust's backtrace, and other workers go on
for a moment. So what Sojourn raises on purpose ends the process where it is raised. Nothing is lost by that: state and
output are committed by epoch, and the process could as well have been killed there.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar

from state.errors import SojournError

P = ParamSpec("P")
R = TypeVar("R")

_cleanups: list[Callable[[], None]] = []
_interrupted = ["interrupted"]
_status_of: list[Callable[[SojournError], int]] = [lambda error: error.exit_status]


def use_statuses(of: Callable[[SojournError], int]) -> None:
    """From now on, in this process, an error ends it with this status: a supervisor reads more from it than a shell."""
    _status_of[:] = [of]


def end_process(line: str, status: int) -> NoReturn:
    """Clean up, say the last line, and be gone."""
    for clean in reversed(_cleanups):
        clean()
    sys.stdout.flush()
    print(f"sojourn: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the last words of the process
    os._exit(status)


def ends_process(call: Callable[P, R]) -> Callable[P, R]:
    """Wrap what the engine calls: an error of ours, or of the disk, is one line and ends the process."""

    @wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except SojournError as error:
            end_process(str(error), _status_of[0](error))
        except OSError as error:
            end_process(f"{error}; make room on the disk, or name another directory, and start again", 1)

    return guarded


@contextmanager
def cleaned_up(clean: Callable[[], None], interrupted: str | None = None) -> Iterator[None]:
    """Call `clean` however the block ends: by its end, by an exception, by `end_process`, or by Ctrl-C.

    `interrupted` is what Ctrl-C then says, also inside of blocks that say nothing of their own.
    """
    _cleanups.append(clean)
    _interrupted.append(interrupted or _interrupted[-1])
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, lambda *_: end_process(_interrupted[-1], 130)) if in_main_thread else None
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, before)
        _cleanups.remove(clean)
        _interrupted.pop()
        clean()
