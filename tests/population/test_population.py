"""What must hold of everything that comes out, for some hundred people and the journeys that ship; `make population` has 100,000."""

import copy
import subprocess
import sys

import pytest
import yaml

from tests.invariants import Invariants
from tests.population.judge import EXAMPLES, by_customer, judge, open_ticket, write_events
from tests.population.people import Person, people

SEED, PEOPLE = 3, 400


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """All that came out."""
    directory = tmp_path_factory.mktemp("population")
    write_events(directory / "events.jsonl", SEED, PEOPLE)
    command = [sys.executable, "-m", "flows.cli", "replay", directory / "events.jsonl", "--journeys", EXAMPLES]
    subprocess.run([*command, "--out", directory / "out"], check=True, capture_output=True)
    return directory / "out"


def test_nothing_that_must_not_happen_happened(out):
    """No cap exceeded, nothing in quiet hours, none without consent, ...; and every rule had something to look at."""
    found = judge(out, SEED, PEOPLE)
    assert found.violations == []
    assert all(count >= 50 for count in found.counted.values()), found.counted
    assert set(found.counted) == {
        "address", "cap", "consent", "decided", "global control", "held", "keep", "open", "quiet", "sent",
    }  # fmt: skip


RULES = yaml.safe_load((EXAMPLES / "orchestration.yaml").read_text(encoding="utf-8"))


def stricter(change):
    rules = copy.deepcopy(RULES)
    change(rules)
    return rules


@pytest.mark.parametrize(
    ("rules", "broken"),
    [
        (stricter(lambda rules: rules["caps"][0].update(max=1)), "cap"),
        (stricter(lambda rules: rules["caps"][2].update(max=2)), "cap"),
        (stricter(lambda rules: rules["channels"]["email"].update(quiet="20:45-08:00")), "quiet"),
        (stricter(lambda rules: rules["channels"]["email"].update(quiet="21:00-08:01")), "quiet"),
        (stricter(lambda rules: rules["channels"]["call_center"].update(open="mon-thu 09:00-18:00")), "open"),
        (stricter(lambda rules: rules["channels"]["push"].update(consent="email_marketing")), "consent"),
        (stricter(lambda rules: rules.update(control="30%")), "global control"),
        (stricter(lambda rules: rules.update(conflicts={"keep": 0})), "keep"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_look_at_it_would_see_what_is_wrong(out, rules, broken):
    """Held against other rules than those that were in use, it finds what breaks them, and nothing else."""
    found = Invariants(rules, open_ticket)
    told = dict(by_customer(out))
    for person in people(SEED, PEOPLE):
        found.customer(person.customer_id, person.events(), told.get(person.customer_id, []))
    assert {violation.split(":")[0].split(" {")[0] for violation in found.violations} == {broken}


def test_a_message_without_its_decision_and_one_of_a_control_customer_are_seen(out):
    """Records that are tampered with."""
    for spoil, broken in (
        (lambda one: None if one.get("fact") == "decided" else one, {"decided"}),
        (lambda one: {**one, "fact": "held_out"} if one.get("fact") == "entered" else one, {"control"}),
        (lambda one: {**one, "action_id": "same"} if one.get("kind") == "send" else one, {"doubled"}),
        (
            lambda one: {**one, "to": {}} if one.get("channel") == "sms" and one.get("kind") == "send" else one,
            {"address"},
        ),
    ):
        found = Invariants(RULES, open_ticket)
        for customer_id, records in by_customer(out):
            spoiled = [one for one in map(spoil, records) if one is not None]
            found.customer(customer_id, Person(SEED, int(customer_id[2:])).events(), spoiled)
        assert {violation.split(":")[0] for violation in found.violations} == broken
