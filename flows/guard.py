"""How an error inside a dataflow ends the process: one line, and nothing half-done.

An exception that passes through Bytewax's engine comes out behind pages of Rust's backtrace, and other workers go on
for a moment. So what Sojourn raises on purpose ends the process where it is raised. Nothing is lost by that: state and
output are committed by epoch, and the process could as well have been killed there.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from state.errors import SojournError

P = ParamSpec("P")
R = TypeVar("R")


def ends_process(call: Callable[P, R]) -> Callable[P, R]:
    """Wrap what the engine calls: an error of ours is printed as one line and ends the process with its exit status."""

    @wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except SojournError as error:
            print(f"sojourn: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the last words of the process
            sys.stdout.flush()
            os._exit(error.exit_status)

    return guarded
