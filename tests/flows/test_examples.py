"""The journeys that ship: each does what its story says, and no step of them is left untried."""

from pathlib import Path

import pytest

from flows.definitions import load_plan, read_directory
from flows.scenarios import run_scenarios
from flows.scenarios_shown import shown_failure

EXAMPLES = Path(__file__).parents[2] / "examples" / "journeys"
JOURNEYS = [
    "call-context",
    "cart-recovery",
    "category-interest",
    "home-loan",
    "missed-appointment",
    "onboarding",
    "reactivation",
    "retention",
    "retirement-interest",
    "search-rescue",
    "support-first",
    "upgrade-stop",
]


@pytest.fixture(scope="module")
def ran():
    """All scenarios, run once: (results, coverage)."""
    return run_scenarios(EXAMPLES, "", lambda _result: None)


def test_every_scenario_passes(ran):
    """With what is told where one does not."""
    results, _ = ran
    assert [shown_failure(result) for result in results if not result.verdict.is_passed] == []


def test_every_step_and_every_way_of_all_twelve_is_reached(ran):
    """And each journey has one in which nothing may happen, or in which somebody leaves."""
    results, coverage = ran
    assert [one.journey for one in coverage] == JOURNEYS
    assert {one.journey: one.missed for one in coverage if one.missed} == {}
    assert {result.journey for result in results} == set(JOURNEYS)


def test_all_steps_have_ids_and_all_that_is_written_is_read():
    """Authors copy them: nothing to warn of, no trait or segment that nobody uses."""
    assert read_directory(EXAMPLES).complaints == []
    plan = load_plan(EXAMPLES)
    assert plan.warnings == ()
    assert plan.unused == ()
