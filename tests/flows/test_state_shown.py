"""`sojourn state inspect` and `sojourn profile`: what a replay kept, told to people and to programs."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.replay import Request, replay
from state.errors import StateError
from state.instants import format_instant
from state.keygroups import GROUPS_FOR_FILES, group_of

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
TEN = 1_767_607_200_000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a replay in which c-1 was sent a message."""
    directory = tmp_path_factory.mktemp("kept")
    common = {"userId": "c-1", "type": "track", "event": "Product Viewed", "properties": {"category": "[tents]"}}
    lines = [{**common, "timestamp": format_instant(TEN + n * 1_000)} for n in range(3)]
    lines.append(
        {"userId": "c-1", "type": "identify", "traits": {"plan": "[b]free"}, "timestamp": format_instant(TEN + 9_000)}
    )
    (directory / "events.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    replay(Request((directory / "events.jsonl",), REFERENCE, directory / "out", state=directory / "state"))
    return directory / "state"


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_inspect_for_programs(kept: Path) -> None:
    groups = orjson.loads(told("state", "inspect", "--data", str(kept), "--json"))["groups"]
    (home,) = (group for group in groups if group["customers"])
    assert home["group"] == group_of(b"c-1", GROUPS_FOR_FILES)
    assert (home["groups"], home["format"], home["timers"], home["timer_next"]) == (GROUPS_FOR_FILES, 1, 0, None)
    assert home["clock"] == home["fired_through"] == format_instant(TEN + 9_000)
    assert home["counts"]["accepted"] == 4
    assert home["actions"] == {"category-interest": {"email": 1}}
    assert len(home["definitions"]) == 32
    assert home["bytes"] > 1_000


def test_inspect_for_people(kept: Path) -> None:
    shown = told("state", "inspect", "--state", str(kept))
    assert f"key groups in {kept}" in shown
    assert "2026-01-05T10:00:09.000Z" in shown


def test_a_profile_for_programs(kept: Path) -> None:
    found = orjson.loads(told("profile", "c-1", "--state", str(kept), "--json"))
    assert (found["customer_id"], found["clock"]) == ("c-1", format_instant(TEN + 9_000))
    assert found["record"]["profile"] == {"plan": "[b]free"}
    assert found["record"]["contacts"] == {"email": TEN + 2_000}
    assert found["record"]["journeys"]["category-interest"]["entries"]["[tents]"]["at"] == TEN + 2_000


def test_a_profile_for_people(kept: Path) -> None:
    """What looks like markup is a customer's own text."""
    shown = told("profile", "c-1", "--data", str(kept))
    assert "[b]free" in shown
    contact = next(line.split() for line in shown.splitlines() if line.startswith("last contact"))
    assert contact == ["last", "contact", "email", format_instant(TEN + 2_000)]


def test_a_profile_tells_what_follows_from_what_is_kept(tmp_path: Path) -> None:
    """Traits, segments, how the customer is reached and answers, with the definitions that the state has."""
    journeys = tmp_path / "journeys"
    journeys.mkdir()
    (journeys / "orchestration.yaml").write_text(
        "timezone: Europe/Berlin\nchannels: {email: {address: profile.email, consent: news}, sms: {address: profile.phone}}"
    )
    (journeys / "traits.yaml").write_text("looks: {count: Looked}")
    (journeys / "segments.yaml").write_text("keen: traits.looks >= 2")
    (journeys / "j.yaml").write_text(
        "journey: j\nenter: {segment: {entered: keen}, again: always}\n"
        "steps: [{id: hi, send: email, template: hi, at: best_time within 1h}]"
    )
    common = {"userId": "c-1", "type": "track"}
    traits = {"email": "a@example.org", "consents": {"news": True}}
    lines = [
        {"userId": "c-1", "type": "identify", "traits": traits, "timestamp": format_instant(TEN), "messageId": "i"},
        {**common, "event": "Looked", "timestamp": format_instant(TEN + 1_000), "context": {"locale": "de-DE"}},
        {**common, "event": "Looked", "timestamp": format_instant(TEN + 2_000)},
        {**common, "event": "Email Opened", "timestamp": format_instant(TEN + 3_600_000)},
        {**common, "event": "Looked", "timestamp": format_instant(TEN + 2 * 86_400_000)},
    ]
    (tmp_path / "events.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    replay(Request((tmp_path / "events.jsonl",), journeys, tmp_path / "out", state=tmp_path / "state"))
    shown = [line.split() for line in told("profile", "c-1", "--state", str(tmp_path / "state")).splitlines()]
    for row in (
        ["trait", "looks", "3"],
        ["segment", "keen"],
        ["reached", "by", "email", "reachable"],
        ["reached", "by", "sms", "no_address"],
        ["consent", "news", "true", "at", format_instant(TEN) + ",", "by", "i"],
        ["attribute", "email", "a@example.org", "(since", format_instant(TEN) + ")"],
        ["locale", "de-DE"],
        ["answers", "email", "1", "of", "1", "in", "90", "days,", "smoothed", "27.3%"],
        ["message", "email", format_instant(TEN + 2_000), "j/hi:", "opened"],
        ["active", "11:00", "50%,", "12:00", "50%"],
    ):
        assert row in shown, (row, shown)
    found = orjson.loads(told("profile", "c-1", "--state", str(tmp_path / "state"), "--json"))
    written = [orjson.loads(line) for line in (tmp_path / "out" / "profiles.jsonl").read_bytes().splitlines()]
    assert found["profile"].keys() == written[0].keys()
    assert (found["profile"]["traits"], found["profile"]["segments"]) == ({"looks": 3}, ["keen"])
    assert found["record"]["seq"] == found["profile"]["seq"] >= written[0]["seq"]


def test_a_customer_whom_nobody_knows_and_state_that_is_not_there(kept: Path, tmp_path: Path) -> None:
    for arguments in (["profile", "c-2", "--state", str(kept)], ["profile", "c-1", "--state", str(tmp_path)]):
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, StateError)
    assert "knows no customer 'c-2'" in str(CliRunner().invoke(app, ["profile", "c-2", "--state", str(kept)]).exception)
