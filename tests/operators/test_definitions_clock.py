"""New definitions for customers who do nothing: segments that change by the clock, and schedules, reach them on their day."""

import orjson
import pytest

from operators.workspace import read_workspace
from tests.operators.test_key_group_definitions import T0, Job, beat, changed, following, seen

DAY = 86_400_000
TRAITS = "last_seen_at: {last: time, of: Seen}\n"
SEGMENTS = 'lapsing: "days_since(traits.last_seen_at) > 60"\n'
OLD = (
    "journey: old\nenter: {event: Asked, where: traits.last_seen_at > 0}\nsteps: [{send: email, template: t, id: s}]\n"
)
LAPSED = "journey: lapsed\nenter: {segment: {entered: lapsing}}\nsteps: [{send: email, template: t, id: s}]\n"
MONDAYS = "journey: mondays\nenter: {schedule: {cron: '0 10 * * mon'}}\nsteps: [{send: email, template: t, id: s}]\n"


def workspace(*journeys, segments=SEGMENTS):
    texts = {"orchestration.yaml": "timezone: UTC\n", "traits.yaml": TRAITS, "segments.yaml": segments}
    found = read_workspace(texts | {f"{number}.yaml": text for number, text in enumerate(journeys)})
    assert not found.complaints
    return found


def entered(out):
    facts = [orjson.loads(value) for topic, _, _, value, _ in out if topic == "journeys.facts"]
    return [(one["customer_id"], one["journey"], one["at"]) for one in facts if one["fact"] == "entered"]


ONE, TWO, THREE = workspace(OLD), workspace(OLD, LAPSED), workspace(OLD, MONDAYS)


@pytest.mark.parametrize("epochs", [1, 3, 7])
def test_a_new_segment_reaches_those_who_are_idle_on_their_day(tmp_path, epochs):
    """Seen on days 0, 5 and 50; deployed on day 62: the first is in it already and does not enter, the others do on their day."""
    first, second = following(ONE, TWO)
    log = [
        changed(0, 0, first),
        seen(1, 0, "a"),
        seen(2, 5 * DAY, "b"),
        seen(3, 50 * DAY, "c"),
        beat(4, 62 * DAY),
        changed(5, 62 * DAY, second),
        beat(6, 120 * DAY),
    ]
    job = Job(tmp_path, ONE)
    for number in range(0, len(log), epochs):
        token = job.read(log[number : number + epochs])
        out = job.close()
        again = Job(tmp_path, ONE, token)
        again.out, job = out, again
    assert entered(job.close()) == [
        ("b", "lapsed", "2026-03-11T12:00:00.001Z"),
        ("c", "lapsed", "2026-04-25T12:00:00.001Z"),
    ]


def test_a_new_schedule_reaches_everybody(tmp_path):
    """At its next time, also those who do nothing any more."""
    first, second = following(ONE, THREE)
    job = Job(tmp_path, ONE)
    job.read([changed(0, 0, first), seen(1, 0, "a"), seen(2, 0, "b"), changed(3, DAY, second), beat(4, 8 * DAY)])
    assert entered(job.close()) == [
        ("a", "mondays", "2026-01-12T10:00:00.000Z"),
        ("b", "mondays", "2026-01-12T10:00:00.000Z"),
    ]


def test_a_job_whose_log_has_no_definitions_takes_them_up_when_it_starts(tmp_path):
    """From the clock of the group on, where it stands."""
    job = Job(tmp_path, ONE)
    token = job.read([seen(1, 0, "a"), seen(2, DAY, "b")])
    job.close()
    job = Job(tmp_path, TWO, token)
    job.read([beat(3, 100 * DAY)])
    assert [customer for customer, _, _ in entered(job.close())] == ["a", "b"]


def test_definitions_that_stay_leave_the_customers_alone(tmp_path):
    """Nobody's record is written again; nor is it where no clock moves anybody."""
    job = Job(tmp_path, TWO)
    token = job.read([seen(1, 0, "a"), seen(2, DAY, "b")])
    assert job.group.store.meta.now - DAY == T0
    stored = dict(job.group.store.every())
    job.close()
    for one in (TWO, workspace(OLD, LAPSED.replace("lapsing", "known"), segments="known: traits.last_seen_at > 0\n")):
        job = Job(tmp_path, one, token)
        assert dict(job.group.store.every()) == stored
        job.close()
