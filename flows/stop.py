"""How a job is asked to stop."""

import signal
from collections.abc import Callable

from flows.kafka import tell


class Stop:
    """Whether the job was asked to stop (SIGTERM, Ctrl-C)."""

    def __init__(self, say: Callable[[str], None] = tell) -> None:
        """Not yet; listens from now on. `say` gets a line for the operator when it was asked."""
        self.asked = False
        self._say = say
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask())

    def ask(self) -> None:
        """Ask it to stop."""
        if not self.asked:
            self.asked = True
            self._say("stopping: finishing the epoch")

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.asked
