"""Mistakes in patterns: each has a place and a sentence that says what to write instead."""

import json

import pytest

from operators.workspace import read_workspace

WITHIN = {"within": "1d"}


def complaints(enter):
    """(path, message) of the complaints about a journey that begins so."""
    journey = {"journey": "j", "enter": enter, "steps": [{"id": "s", "send": "email", "template": "t"}]}
    workspace = read_workspace({"orchestration.yaml": "timezone: UTC", "j.yaml": json.dumps(journey)})
    return [(complaint.path.removeprefix("enter"), complaint.message) for complaint in workspace.complaints]


def several(*elements, **more):
    return {"pattern": list(elements), **WITHIN, **more}


A, B, ABSENT = {"event": "A"}, {"event": "B"}, {"absent": "C", "for": "1h"}

CASES = {
    # what an element is
    "neither event nor absent": (several(A, {"by": "properties.c"}), ".pattern[1]", "event: Product Viewed"),
    "both": (several(A, {"event": "B", "absent": "C", "for": "1h"}), ".pattern[1]", "make two elements"),
    "by any": (several(A, {**B, "by": "any"}), ".pattern[1].by", "leave `by` out"),
    "for beside event": (several(A, {**B, "for": "1h"}), ".pattern[1].for", "`within`"),
    "settle beside event": (several(A, {**B, "settle": "1h"}), ".pattern[1].settle", "belongs to `absent`"),
    # repeats
    "no number in times": (several({**A, "times": {}}, B), ".pattern[0].times", "times: 3"),
    "at_most below at_least": (
        several({**A, "times": {"at_least": 3, "at_most": 2}}, B), ".pattern[0].times", "smaller number in `at_least`"
    ),
    "at_most at the end": (several(A, {**B, "times": {"at_most": 2}}), ".pattern[1].times", "a number or `at_least`"),
    "at_most before absent": (several({**A, "times": {"at_most": 2}}, ABSENT), ".pattern[0].times", "a number or `at_least`"),
    "optional at the end": (several(A, {**B, "optional": True}), ".pattern[1].optional", "leave the element out"),
    "optional alone": (several({**A, "optional": True}), ".pattern[0].optional", "leave the element out"),
    "too many events": (
        several({**A, "times": 100}, {**B, "times": 100}), ".pattern", "smaller `times` (they are 200 together)"
    ),
    "too many elements": (several(*[A] * 8), ".pattern", "count events of one kind with `times` (it has 8)"),
    # time
    "several without within": ({"pattern": [A, B]}, "", "within: 5d"),
    "repeats without within": ({"pattern": [{**A, "times": {"at_least": 3}}, ABSENT]}, "", "within: 5d"),
    "without without within": ({"pattern": [{**A, "without": B}]}, "", "within: 5d"),
    "days that do not fit": (
        several({**A, "times": 4, "distinct": "day"}), ".pattern[0].distinct", "write within: 3d"
    ),
    # strict, distinct
    "strict first": (several({**A, "strict": True}, B), ".pattern[0].strict", "in the element after it"),
    "distinct of one": (several({**A, "distinct": "day"}, B), ".pattern[0].distinct", "times: 3"),
    "distinct of many values": (
        several({**A, "times": 2, "distinct": "properties.p[].c"}), ".pattern[0].distinct", "a path with one, or `day`"
    ),
    "distinct that is no path": (several({**A, "times": 2, "distinct": "c"}), ".pattern[0].distinct", "name"),
    # absent
    "absent first": ({"pattern": [ABSENT]}, ".pattern[0]", "an element with an `event`"),
    "absent in the middle": (several(A, ABSENT, B), ".pattern[1].absent", "write `without` in the second"),
    "absent without for": ({"pattern": [A, {"absent": "C"}]}, ".pattern[1]", "for: 1h"),
    "absent for no time": ({"pattern": [A, {"absent": "C", "for": "0s"}]}, ".pattern[1].for", "above zero"),
    "absent several times": ({"pattern": [A, {**ABSENT, "times": 2}]}, ".pattern[1].times", "leave it out"),
    "absent with a name": ({"pattern": [A, {**ABSENT, "as": "x"}]}, ".pattern[1].as", "leave it out"),
    "absent by nothing": ({"pattern": [A, {**ABSENT, "by": "properties.c"}]}, ".pattern[1].by", "write it there, too"),
    # by, without
    "without by nothing": (
        several(A, {**B, "without": {"event": "C", "by": "properties.c"}}), ".pattern[1].without.by", "in the element, too"
    ),
    "by in optional ones alone": (
        several({**A, "by": "properties.c", "optional": True}, B), ".pattern[0].by", "in one that must come, too"
    ),
    "window on an optional one": (
        several({**A, "optional": True, "without": {"event": "C", "over": "window"}}, B),
        ".pattern[0].without.over", "in an element that is not optional",
    ),
    "forbids itself": (several({**A, "without": {**A, "over": "window"}}), ".pattern[0].without.event", "over: span"),
    # names
    "a name that is none": (several({**A, "as": "first view"}, B), ".pattern[0].as", "as: first_view"),
    "a name that is taken": (several({**A, "as": "x"}, {**B, "as": "x"}), ".pattern[1].as", "choose another name"),
    "a name that means something": (several({**A, "as": "first"}, B), ".pattern[0].as", "choose another name"),
    # expressions
    "a typo in where": (several(A, {**B, "where": "proprties.x == 1"}), ".pattern[1].where", "write 'properties'"),
    "a typo in without": (
        several(A, {**B, "without": {"event": "C", "where": "mow > 1"}}), ".pattern[1].without.where", "'mow' is not a name here"
    ),
    "a typo in enter": (several(A, B, where="enrty.time > 1"), ".where", "write 'entry'"),
    "a name of a later element": (
        several({**A, "where": "x.time > 1"}, {**B, "as": "x"}), ".pattern[0].where", "'x' is not a name here"
    ),
    "entry in an element": (several(A, {**B, "where": "entry.time > 1"}), ".pattern[1].where", "`where` of `enter`"),
    # skip
    "skip": (several(A, B, skip="past-last"), ".skip", "'past_last' or 'none'"),
    "skip in an element": (several(A, {**B, "skip": "none"}), ".pattern[1].skip", "there is no key 'skip' here"),
}  # fmt: skip


@pytest.mark.parametrize(("enter", "path", "says"), CASES.values(), ids=CASES)
def test_a_mistake_in_a_pattern_says_what_to_write_instead(enter, path, says):
    """One complaint, at its place."""
    found = complaints(enter)
    assert len(found) == 1, found
    assert found[0][0] == path
    assert says in found[0][1]


@pytest.mark.parametrize(
    "enter",
    [
        several(A, B),
        several({**A, "times": {"at_least": 2, "at_most": 4}, "as": "views"}, {**B, "where": "len(views) > 2"}),
        several({**A, "by": "properties.c"}, {**B, "optional": True}, {"event": "C", "strict": True}),
        several({**A, "times": 3, "distinct": "day"}, within="2d"),
        {"pattern": [A, ABSENT]},
        {"pattern": [{**A, "times": {"at_least": 1}}, ABSENT]},
        {
            "pattern": [
                {**A, "by": "properties.c"},
                {**ABSENT, "by": "any", "settle": "5s", "where": "properties.x > 1"},
            ]
        },
        several(A, B, where="entry.time - first.time > 1h and len(matched) == 2", skip="none"),
    ],
)
def test_a_pattern_without_a_mistake_has_no_complaint(enter):
    """The same words, used as they are meant."""
    assert complaints(enter) == []


def test_a_mistake_does_not_hide_another():
    """All at once."""
    found = complaints({"pattern": [{**A, "as": "first", "strict": True}, {**B, "optional": True}, {"absent": "C"}]})
    assert sorted(path for path, _ in found) == [
        "",
        ".pattern[0].as",
        ".pattern[0].strict",
        ".pattern[1].optional",
        ".pattern[2]",
    ]
