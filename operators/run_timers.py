"""The name of a run's timer, by which a customer's record knows it."""

from state.runs import Run


def timer_of(journey: str, run: Run) -> str:
    """The name of a run's timer; a space sorts before all that names are made of, so names sort part by part."""
    return f"{journey} {run.instance} {run.step}"
