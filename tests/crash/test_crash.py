"""Exactly once, wherever it dies: some rounds of the crash harness, and the controls that show that it can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.harness import CONTROLS, Round
from tests.kafka.broker import Broker, missing

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"needs a Kafka of its own to kill: {missing()}"),
]


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def test_killed_twenty_times_nothing_is_wrong(broker: Broker, tmp_path: Path) -> None:
    """State, timers, output and its order are those of the oracle after every death, and at the end all is there."""
    report = Round(broker, tmp_path, seed=12, cycles=20).run()
    print(report)
    assert report.wrong == []
    assert report.cycles == 20
    for what in ("SIGKILL", "undo", "forward", "resent"):
        assert report.notes[what], f"{what} never happened, so nothing is shown: {report}"


@pytest.mark.parametrize("control", CONTROLS)
def test_without_one_of_its_parts_the_harness_finds_it(broker: Broker, tmp_path: Path, control: str) -> None:
    """No undo, no leading on, no marker, what was pending dropped: each must be seen in what comes out or stays."""
    report = Round(broker, tmp_path, seed=4, cycles=3, control=control).run()
    print(report)
    assert any("at the end" in each for each in report.wrong), report
