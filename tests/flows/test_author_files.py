"""`sojourn schema` and `sojourn draw` as people use them."""

import json

import pytest
from typer.testing import CliRunner

from flows.cli import app
from state.errors import DefinitionsError, OutsideError, UsageError
from tests.flows.test_examples import EXAMPLES


def run(*arguments):
    """(exit status, output)."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_the_schema_of_a_journey_is_what_one_asks_for(tmp_path):
    """Other kinds by name, all with --out."""
    assert json.loads(run("schema")[1])["title"] == "Sojourn: a journey"
    assert json.loads(run("schema", "traits")[1])["title"] == "Sojourn: traits.yaml"
    status, told = run("schema", "--out", tmp_path / "schemas")
    assert status == 0
    names = ["journey", "orchestration", "traits", "segments", "offers", "scenarios"]
    assert told.splitlines() == [f"{tmp_path}/schemas/{name}.schema.json" for name in names]
    assert json.loads((tmp_path / "schemas" / "journey.schema.json").read_text()) == json.loads(run("schema")[1])
    with pytest.raises(UsageError, match="there is no kind of file 'trait'; did you mean 'traits'"):
        run("schema", "trait")


def test_a_journey_is_drawn_as_text_or_as_a_picture(tmp_path):
    """The ending of the file says which."""
    status, text = run("draw", "cart-recovery", "--journeys", EXAMPLES)
    assert (status, text.splitlines()[0]) == (0, "flowchart TD")
    run("draw", "cart-recovery", "--journeys", EXAMPLES, "--out", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().startswith("<svg ")
    run("draw", "cart-recovery", "--journeys", EXAMPLES, "--out", tmp_path / "a.mmd")
    assert (tmp_path / "a.mmd").read_text() == text


def test_what_cannot_be_drawn_is_told(tmp_path):
    """No such journey; mistakes in the way; a place that cannot be written."""
    with pytest.raises(UsageError, match=r"there is no journey 'cart' in .*; "):
        run("draw", "cart", "--journeys", EXAMPLES)
    with pytest.raises(OutsideError, match="name a file that can be written"):
        run("draw", "cart-recovery", "--journeys", EXAMPLES, "--out", EXAMPLES / "traits.yaml" / "a.svg")
    (tmp_path / "a.yaml").write_text("journey: a")
    with pytest.raises(DefinitionsError, match="`enter` is missing"):
        run("draw", "a", "--journeys", tmp_path)
