"""How definitions follow on each other: those inside finish on their version, and the text alone says so."""

from __future__ import annotations

from typing import Any

from operators.definitions_change import OLDER_MAX, Change, change
from operators.plan import plan_of
from operators.workspace import Workspace, read_workspace
from operators.workspace_json import read_workspace_json

JOURNEY = """
journey: {name}
version: {version}
enter:
  event: {event}
steps:
  - wait: 1d
    id: w
  - send: email
    template: {template}
    id: s
"""


def workspace(*journeys: tuple[str, int], event: str = "Seen", template: str = "hello", zone: str = "UTC") -> Workspace:
    texts = {
        f"{name}.yaml": JOURNEY.format(name=name, version=version, event=event, template=template)
        for name, version in journeys
    }
    found = read_workspace({"orchestration.yaml": f"timezone: {zone}\n", **texts})
    assert not found.complaints
    return found


def made(before: Change | None, wanted: Workspace) -> Change:
    found = change(before.text if before else None, wanted)
    assert found is not None
    return found


def versions(found: Change) -> Any:
    """(name, version) of the newest, and of those that customers inside finish on."""
    read = read_workspace_json(found.text)
    return [(j.journey, j.version) for j in read.journeys], [(j.journey, j.version) for j in read.older]


def test_the_first_definitions_are_what_was_wanted() -> None:
    """Their hash is that of the plan that is compiled of them."""
    wanted = workspace(("a", 1), ("b", 3))
    first = made(None, wanted)
    assert versions(first) == ([("a", 1), ("b", 3)], [])
    plan = plan_of(wanted)
    assert (first.hash, first.text) == (plan.hash, plan.text)


def test_the_same_again_is_no_change() -> None:
    """However it is written; and whatever older versions are still kept."""
    first = made(None, workspace(("a", 1), ("b", 3)))
    assert change(first.text, workspace(("b", 3), ("a", 1))) is None
    second = made(first, workspace(("a", 2)))
    assert change(second.text, workspace(("a", 2))) is None


def test_a_new_version_keeps_the_old_one_for_those_inside() -> None:
    """And a journey that is gone, too."""
    second = made(made(None, workspace(("a", 1), ("b", 3))), workspace(("a", 2)))
    assert versions(second) == ([("a", 2)], [("a", 1), ("b", 3)])
    assert second.same_version == ()
    third = made(second, workspace(("a", 3), ("c", 1)))
    assert versions(third) == ([("a", 3), ("c", 1)], [("a", 1), ("a", 2), ("b", 3)])
    plan = plan_of(read_workspace_json(third.text))
    assert plan.hash == third.hash
    assert set(plan.versions) == {("a", 1), ("a", 2), ("a", 3), ("b", 3), ("c", 1)}


def test_a_version_that_comes_back_is_the_newest_again() -> None:
    """A change that is taken back."""
    third = made(made(made(None, workspace(("a", 1))), workspace(("a", 2))), workspace(("a", 1)))
    assert versions(third) == ([("a", 1)], [("a", 2)])


def test_another_text_of_the_same_version_is_told() -> None:
    """It takes the place of the one before, for those inside as well."""
    second = made(made(None, workspace(("a", 1), ("b", 1))), workspace(("a", 1), ("b", 2), template="other"))
    assert second.same_version == ("a",)
    assert versions(second) == ([("a", 1), ("b", 2)], [("b", 1)])


def test_a_change_of_what_holds_for_all_is_one() -> None:
    """The zone of those who have none."""
    assert versions(made(made(None, workspace(("a", 1))), workspace(("a", 1), zone="Europe/Berlin"))) == (
        [("a", 1)],
        [],
    )


def test_older_versions_are_bounded() -> None:
    """The last ones of each journey are kept."""
    last = made(None, workspace(("a", 1), ("b", 1)))
    for version in range(2, OLDER_MAX + 5):
        last = made(last, workspace(("a", version), ("b", 1)))
    newest, older = versions(last)
    assert newest == [("a", OLDER_MAX + 4), ("b", 1)]
    assert older == [("a", version) for version in range(4, OLDER_MAX + 4)]
