"""How a job is asked to stop."""

import signal

from flows.kafka import tell


class Stop:
    """Whether the job was asked to stop (SIGTERM, Ctrl-C)."""

    def __init__(self) -> None:
        """Not yet; listens from now on."""
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: object) -> None:
        if not self.asked:
            self.asked = True
            tell("stopping: finishing the epoch")

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.asked
