"""One worker process of the live job: `python -m flows.live_worker`, as `flows.supervisor` starts it."""

import sys

from flows.cluster import WILL_NOT_MEND, read_task
from flows.definitions import load_plan
from flows.guard import use_statuses
from flows.kafka import tell
from flows.run import Member, work
from flows.settings import settings_of
from flows.stop import Stop
from state.errors import OutsideError, SojournError


def main() -> int:
    """Work until the supervisor asks to stop; its exit status tells the supervisor whether to try again."""
    stop = Stop(say=lambda _: None)  # the supervisor has said it
    task = read_task(stop.ask)
    use_statuses(_status)
    settings = settings_of(task["settings"])
    try:
        plan = load_plan(settings.journeys)
        work(settings, plan, task["partitions"], stop, Member(task["number"], tuple(task["addresses"])))
    except SojournError as error:
        tell(str(error))
        return _status(error)
    return 0


def _status(error: SojournError) -> int:
    """What is outside may be there again in a moment; the other errors stay what they are."""
    return error.exit_status if isinstance(error, OutsideError) else WILL_NOT_MEND


if __name__ == "__main__":
    sys.exit(main())
