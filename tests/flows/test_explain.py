"""One customer's story: told in order, with decisions, the words that decided, and what the customer did."""

import json
from pathlib import Path

import duckdb
import orjson
import pytest

from flows.definition_texts import DefinitionTexts
from flows.explain import explain
from flows.facts_files import facts_of
from flows.replay import Request, replay
from state.errors import InputError, UsageError
from tests.flows.test_cli import Sojourn, sojourn
from tests.flows.told import DAY, Teller

__all__ = ["sojourn"]

JOURNEY = """journey: offer
version: 2
enter:
  event: Product Viewed
control: 10%
steps:
  # the message
  - id: hi
    send: email
    template: hello

  - id: later
    wait: 3d
  - id: ways
    branch:
      - when: 1 > 2
        do: [{id: never, send: push, template: x}]
      - do: [{exit: enough}]
exit:
  - {event: Unsubscribed, reason: left us}
  - event: [Order Completed]
"""
ORCHESTRATION = """timezone: Europe/Berlin
channels:
  email: {}
  push: {}
caps:
  - {channel: email, max: 1, per: 24h, then: drop}
"""


@pytest.fixture
def journeys(tmp_path: Path) -> Path:
    """A directory of definitions."""
    directory = tmp_path / "journeys"
    directory.mkdir()
    (directory / "offer.yaml").write_text(JOURNEY)
    (directory / "orchestration.yaml").write_text(ORCHESTRATION)
    return directory


def told() -> Teller:
    """Anna enters, wins against another candidate, and is stopped by a cap; Bob is somebody else."""
    teller = Teller()
    teller.fact("anna", "entered", caused_by="m-1", key="tents")
    rows = [
        {"name": "hi", "journey": "offer", "step": "hi", "score": 2.5, "channel": "email", "gate": None},
        {"name": "hey", "journey": "other", "step": "hey", "score": 1, "channel": "email", "gate": "lower_priority"},
    ]
    teller.fact("anna", "decided", step="hi", candidates=rows, nothing=0, chosen="hi")
    teller.message("anna", "email", step="hi")
    teller.fact("anna", "withheld", DAY, step="hi", channel="email", gate="cap", then="dropped")
    teller.fact("anna", "exited", DAY, reason="left us")
    teller.fact("bob", "entered")
    return teller


def test_what_happened_in_order_with_each_decision(tmp_path: Path) -> None:
    """Facts of one instant are one moment; a decision has all candidates, and doing nothing is one of them."""
    out = told().write(tmp_path / "out")
    story = explain("anna", [str(out)], None, None)
    assert [(moment.at, len(moment.points)) for moment in story.moments] == [
        ("2026-01-01T09:00:00.000Z", 3),
        ("2026-01-02T09:00:00.000Z", 2),
    ]
    assert story.moments[0].cause == "event m-1"
    decided = story.moments[0].points[1]
    assert [(one.name, one.score, one.gate, one.is_chosen) for one in decided.candidates] == [
        ("offer/hi by email", "2.5", "", True),
        ("other/hey by email", "1", "lower_priority", False),
        ("do nothing", "0", "", False),
    ]


def test_the_words_that_decided(tmp_path: Path, journeys: Path) -> None:
    """File, line and lines of what decided, each shown once; the version is told where it is another."""
    out = told().write(tmp_path / "out")
    story = explain("anna", [str(out)], None, journeys)
    entered, decided, sent = story.moments[0].points
    assert [(one.file, one.line, one.text) for one in entered.excerpts] == [
        ("offer.yaml", 3, "enter:\n  event: Product Viewed")
    ]
    assert [one.text for one in decided.excerpts] == ["- id: hi\n  send: email\n  template: hello"]
    assert (sent.excerpts, sent.places) == ([], ["offer.yaml:8"]), "shown before"
    withheld, exited = story.moments[1].points
    assert [one.text for one in withheld.excerpts] == ["caps:\n  - {channel: email, max: 1, per: 24h, then: drop}"]
    assert [one.text for one in exited.excerpts] == ["- {event: Unsubscribed, reason: left us}"]
    assert story.other_versions == [f"offer is version 2 in {journeys}; what is told is of version 1"]


def test_steps_inside_of_steps_and_rules_of_every_form_are_found(journeys: Path) -> None:
    """A step deep down, a last step at the end of its list, an exit named by its event, and what there is not."""
    texts = DefinitionTexts(journeys)
    never = texts.step("offer", "never")
    assert never is not None
    assert (never.line, never.text) == (17, "do: [{id: never, send: push, template: x}]")
    (ordered,) = texts.of({"fact": "exited", "journey": "offer", "reason": "Order Completed"})
    assert ordered.text == "- event: [Order Completed]"
    (control,) = texts.of({"fact": "held_out", "journey": "offer"})
    assert control.text == "control: 10%"
    assert texts.step("offer", "nowhere") is None
    assert texts.of({"fact": "exited", "journey": "offer", "reason": "completed"}) == []
    assert texts.of({"fact": "converted", "journey": "nowhere"}) == []


def test_the_words_of_offers_and_of_the_control_group_of_all(journeys: Path) -> None:
    """The offer that was chosen or not; who is in no control group of a journey; a rule by its number where two have one reason."""
    (journeys / "offers.yaml").write_text(
        "ship: {channel: email, template: t}\ncoupon: {channel: email, template: u}\n"
    )
    with (journeys / "orchestration.yaml").open("a") as file:
        file.write("control: 2%\n")
    with (journeys / "offer.yaml").open("a") as file:
        file.write("  - {event: Left, reason: left us}\n")
    texts = DefinitionTexts(journeys)
    chosen = texts.of({"fact": "decided", "journey": "offer", "step": "hi", "chosen": "coupon"})
    assert [(one.file, one.text) for one in chosen][-1:] == [("offers.yaml", "coupon: {channel: email, template: u}")]
    stopped = texts.of({"fact": "withheld", "journey": "offer", "gate": "eligibility", "offer": "ship"})
    assert [one.text for one in stopped] == ["ship: {channel: email, template: t}"]
    (control,) = texts.of({"fact": "withheld", "journey": "offer", "gate": "control", "group": "global control"})
    assert (control.file, control.text) == ("orchestration.yaml", "control: 2%")
    (rule,) = texts.of({"fact": "exited", "journey": "offer", "reason": "left us", "rule": 3})
    assert rule.text == "- {event: Left, reason: left us}"


def test_what_the_customer_did_whose_id_is_written_in_escapes(tmp_path: Path) -> None:
    """As Python's own `json` writes it; with the time that the spec makes of the others."""
    out = Teller()
    out.fact("jürgen", "entered", caused_by="m-1")
    place = out.write(tmp_path / "out")
    events = tmp_path / "events.jsonl"
    times = {"originalTimestamp": "2026-01-01T09:00:00.000Z"}
    events.write_text(json.dumps({"type": "page", "userId": "jürgen", "messageId": "m-9", **times}))
    story = explain("jürgen", [str(place)], None, None, [events])
    assert [point.said for moment in story.moments for point in moment.points if "page" in point.said] == ["page"]
    assert "2026-01-01T09:00:00.000Z" in [moment.at for moment in story.moments]


def test_what_the_customer_did(tmp_path: Path) -> None:
    """Events take the place of message ids, and those that caused nothing stand between the facts."""
    out = told().write(tmp_path / "out")
    events = tmp_path / "events.jsonl"
    form = {"type": "track", "event": "Product Viewed", "properties": {"category": "tents"}}
    lines = [
        {**form, "userId": "anna", "messageId": "m-1", "timestamp": "2026-01-01T09:00:00.000Z"},
        {**form, "userId": "anna", "messageId": "m-2", "timestamp": "2026-01-01T12:00:00.000Z"},
        {**form, "userId": "bob", "messageId": "m-3", "timestamp": "2026-01-01T12:00:00.000Z", "about": "anna"},
    ]
    events.write_bytes(b"\n".join([*map(orjson.dumps, lines), b'{"broken": "anna"']))
    story = explain("anna", [str(out)], None, None, [events])
    assert [moment.cause for moment in story.moments] == ["Product Viewed (category tents)", "", ""]
    assert [point.said for point in story.moments[1].points] == ["Product Viewed (category tents)"]
    assert [moment.at[:13] for moment in story.moments] == ["2026-01-01T09", "2026-01-01T12", "2026-01-02T09"]


def test_facts_from_any_file(tmp_path: Path) -> None:
    """A packed file and Parquet give what the directory gives."""
    teller = told()
    out = teller.write(tmp_path / "out")
    wanted = facts_of(str(out), "anna")
    assert [fact["fact"] for fact in wanted] == ["entered", "decided", "sent", "withheld", "exited"]
    parquet = tmp_path / "facts.parquet"
    with duckdb.connect() as database:
        database.read_json(f"{out}/facts.jsonl").write_parquet(str(parquet))
    found = facts_of(str(parquet), "anna")
    assert [fact["seq"] for fact in found] == [fact["seq"] for fact in wanted]
    assert found[1]["candidates"][0]["name"] == "hi"
    assert "gate" not in found[0], "what is NULL was not there"
    parquet.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        facts_of(str(parquet), "anna")


def test_who_is_not_there(tmp_path: Path) -> None:
    """A customer, a journey and a place that there are not: what to write instead."""
    out = told().write(tmp_path / "out")
    with pytest.raises(InputError, match="no fact is about 'zoe'; a customer id is the `userId`"):
        explain("zoe", [str(out)], None, None)
    with pytest.raises(UsageError, match="anna was in no journey 'offers'; there is: offer"):
        explain("anna", [str(out)], None, None, only="offers")
    with pytest.raises(InputError, match="is not there; name the output directory of a replay"):
        explain("anna", [f"{tmp_path}/nowhere"], None, None)
    (out / "facts.jsonl").write_bytes(b'{"customer_id": "anna"\n')
    with pytest.raises(InputError, match="line 1: this is no fact or action of Sojourn"):
        explain("anna", [str(out)], None, None)


def test_the_command_from_a_replay_and_from_its_state(tmp_path: Path, journeys: Path, sojourn: Sojourn) -> None:
    """Lines, JSON and a page; live from the state it says where the run stands, with the words of its step."""
    (journeys / "orchestration.yaml").write_text("timezone: Europe/Berlin\nchannels:\n  email: {}\n  push: {}\n")
    events = tmp_path / "events.jsonl"
    event = {"type": "track", "event": "Product Viewed", "userId": "<b>", "timestamp": "2026-01-01T09:00:00.000Z"}
    events.write_bytes(orjson.dumps(event))
    (journeys / "offer.yaml").write_text(JOURNEY.replace("control: 10%\n", ""))
    out, state, page = tmp_path / "out", tmp_path / "state", tmp_path / "story.html"
    replay(Request((events,), journeys, out, state=state))
    ended = sojourn("explain", "<b>", "--facts", out, "--journeys", journeys)
    assert (ended.status, ended.err) == (0, "")
    assert "offer: sends by email: hello   [offer.yaml:7]" in ended.out
    ended = sojourn("explain", "<b>", "--state", state, "--journeys", journeys)
    assert ended.status == 0
    assert "the run that began 2026-01-01T09:00:00.000Z stands at later since" in ended.out
    assert "| - id: later\n        |   wait: 3d" in ended.out
    ended = sojourn("explain", "<b>", "--facts", out, "--state", state, "--journeys", journeys, "--html", page)
    assert (ended.status, ended.out) == (0, f"{page}\n")
    text = page.read_text()
    assert "The story of &lt;b&gt;" in text
    assert "<b>" not in text, "values are escaped"
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text
    found = orjson.loads(sojourn("explain", "<b>", "--facts", out, "--json").out)
    assert found["journeys"] == ["offer"]
    ended = sojourn("explain", "<b>")
    assert ended.status == 2
    assert "say where the story is: --facts OUT" in ended.err
