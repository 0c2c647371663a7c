"""Two outputs side by side: who differs, where it begins, and what is no difference."""

from pathlib import Path

import orjson
import pytest

from flows.compare import compare
from flows.compare_shown import verdict
from flows.facts_told import sentence
from state.errors import InputError
from tests.flows.test_cli import Sojourn, sojourn
from tests.flows.told import DAY, HOUR, Teller

__all__ = ["sojourn"]


def told(version: int = 1) -> Teller:
    """Two customers who enter and are sent an e-mail."""
    teller = Teller(version=version)
    for customer in ("anna", "bob"):
        teller.fact(customer, "entered", caused_by="m-1")
        teller.message(customer, "email", HOUR, step="hi", action_id=f"{customer}-{version}")
        teller.fact(customer, "exited", HOUR, reason="completed")
    return teller


def test_equal_outputs_are_equal(tmp_path: Path) -> None:
    """No difference, and both sides counted."""
    a, b = told().write(tmp_path / "a"), told().write(tmp_path / "b")
    comparison, differences = compare(a, b)
    assert list(differences) == []
    assert comparison.is_equal
    assert comparison.a.counts == comparison.b.counts
    assert comparison.a.counts[("offer", "send", "email")] == 2
    assert comparison.a.customers == 2
    assert comparison.a.records == 8
    assert verdict(comparison) == "equal: 2 customers, 8 facts and actions"


def test_the_first_difference_is_told_with_both_sides(tmp_path: Path) -> None:
    """What both have before it, and what each goes on with; what comes after is not told again."""
    a, b = told(), told()
    a.fact("bob", "converted", DAY, value=5)
    b.fact("bob", "converted", 2 * DAY, value=5)
    b.fact("bob", "late", 3 * DAY, event="x")
    _, differences = compare(a.write(tmp_path / "a"), b.write(tmp_path / "b"))
    (one,) = differences
    assert one.customer_id == "bob"
    assert one.same == 4
    assert one.before is not None
    assert one.before["fact"] == "exited"
    first, second = one.sides
    assert [fact["at"] for fact in first] == ["2026-01-02T09:00:00.000Z"]
    assert [fact["fact"] for fact in second] == ["converted", "late"]


def test_another_version_that_does_the_same_is_no_difference_unless_asked(tmp_path: Path) -> None:
    """`version`, and the `action_id` and `seq` that follow, are compared with `exact` alone."""
    a, b = told(1), told(2)
    b.fact("anna", "exited", DAY, reason="completed")
    for record in b.records:
        record["seq"] += 1
    b.records.pop()
    a, b = a.write(tmp_path / "a"), b.write(tmp_path / "b")
    comparison, differences = compare(a, b)
    assert list(differences) == []
    assert comparison.is_equal
    comparison, differences = compare(a, b, exact=True)
    assert [one.customer_id for one in differences] == ["anna", "bob"]
    assert not comparison.is_equal


def test_customers_of_one_side_alone(tmp_path: Path) -> None:
    """They differ from their first record on, on whichever side they are."""
    a, b = told(), told()
    a.fact("aaron", "entered")
    b.fact("cleo", "entered")
    comparison, differences = compare(a.write(tmp_path / "a"), b.write(tmp_path / "b"))
    found = list(differences)
    assert [(one.customer_id, one.same, one.before) for one in found] == [("aaron", 0, None), ("cleo", 0, None)]
    assert found[0].sides[1] == []
    assert found[1].sides[0] == []
    assert (comparison.a.alone, comparison.b.alone) == (1, 1)
    assert comparison.by_journey == {"offer": 2}


def test_profiles_and_rejected_lines_are_compared(tmp_path: Path) -> None:
    """A profile that differs, and rejected lines that differ, are told."""
    profile = {"customer_id": "anna", "seq": 9, "journeys": [{"journey": "offer", "version": 1}]}
    a = told().write(tmp_path / "a", [profile])
    b = told().write(tmp_path / "b", [{**profile, "journeys": [{"journey": "offer", "version": 2}]}])
    comparison, differences = compare(a, b)
    assert list(differences) == []
    assert comparison.is_equal, "a version alone is none"
    b = told().write(tmp_path / "b", [{**profile, "attributes": {"a": 1}}])
    (b / "rejected.jsonl").write_text("{}\n")
    comparison, differences = compare(a, b)
    assert list(differences) == []
    assert (comparison.profiles_differing, comparison.rejected_differ) == (1, True)
    assert verdict(comparison).startswith("1 profile differs; rejected.jsonl differs;")


def test_directories_that_are_no_output(tmp_path: Path) -> None:
    """Nothing there, a line that is no record, customers out of order: what, where, and what to do."""
    good = told().write(tmp_path / "good")
    with pytest.raises(InputError, match=r"no facts\.jsonl: it is no output of a replay; make one: sojourn replay"):
        list(compare(good, tmp_path)[1])
    bad = told().write(tmp_path / "bad")
    lines = (bad / "facts.jsonl").read_bytes().splitlines()
    (bad / "facts.jsonl").write_bytes(b"\n".join([*lines[:2], b"[1]", *lines[2:]]))
    with pytest.raises(InputError, match="line 3: this is no fact or action"):
        list(compare(good, bad)[1])
    (bad / "facts.jsonl").write_bytes(b"\n".join(reversed(lines)))
    with pytest.raises(InputError, match="'anna' stands after 'bob', and a replay writes customers in order"):
        list(compare(good, bad)[1])


def test_the_command(tmp_path: Path, sojourn: Sojourn) -> None:
    """Exit status as diff has it; a table and the first differences, or JSON."""
    a, b = told(), told()
    b.fact("bob", "converted", DAY, value=5)
    a, b = a.write(tmp_path / "a"), b.write(tmp_path / "b")
    ended = sojourn("compare", a, a)
    assert (ended.status, ended.err) == (0, "")
    assert "equal: 2 customers" in ended.out
    ended = sojourn("compare", a, b)
    assert ended.status == 1
    assert ended.err == f"sojourn: 1 customer differs; the whole story of one: sojourn explain CUSTOMER --facts {b}\n"
    assert "offer: converted" in ended.out
    assert "bob\n  both  2026-01-01T10:00:00.000Z  offer: leaves: completed (went all the way)" in ended.out
    assert "  A     nothing more\n  B     2026-01-02T09:00:00.000Z  offer: meets the goal, worth 5" in ended.out
    ended = sojourn("compare", a, b, "--json")
    assert ended.status == 1
    found = orjson.loads(ended.out)
    assert [one["customer_id"] for one in found["customers"]] == ["bob"]
    assert found["summary"]["customers_differing"] == 1
    found = orjson.loads(sojourn("compare", a, b, "--json", "--customers", "0").out)
    assert (found["customers"], found["summary"]["customers_differing"]) == ([], 1)
    ended = sojourn("compare", a, tmp_path / "nowhere")
    assert ended.status == 1
    assert ended.err.startswith(f"sojourn: {tmp_path}/nowhere has no facts.jsonl")
    assert sojourn("compare", a).status == 2


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ({"fact": "withheld", "channel": "email", "gate": "cap", "then": "deferred", "until": "T"},
         "sends nothing by email: cap (the customer has had as many as are allowed); deferred until T"),
        ({"fact": "decided", "candidates": [{"journey": "a", "step": "s", "channel": "push"}, {"nothing": True}], "chosen": "nothing"},
         "decides among 2 candidates: nothing"),
        ({"fact": "sent", "channel": "ads", "kind": "suppress", "tags": ["marketing"]},
         'tells ads to suppress, tags ["marketing"]'),
        ({"fact": "converted", "since_entry_ms": 90 * HOUR, "value": 12.5}, "meets the goal 3 d 18 h after entry, worth 12.5"),
        ({"fact": "brand_new", "x": 1, "empty": None}, "brand_new, x 1"),
        ({"fact": "step", "step": "2", "branch": None}, "reaches 2, takes no branch"),
    ],
)  # fmt: skip
def test_facts_in_words(fact: dict[str, object], said: str) -> None:
    """Each fact of the contract has its sentence; what has none, and what no sentence says, is told as it is."""
    assert sentence(fact) == said
