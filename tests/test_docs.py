"""The author's page is true: its files make a workspace without mistakes, its commands print what it says.

A block of YAML begins with the name of its file in a comment, or with `# enter` or `# steps` for a part of a journey; a block of
`console` has commands after `$`, each with all that it prints; one of Python is a session.
"""

import doctest
import re
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from operators.chance import arm_of, is_control, is_in_layer
from operators.sends import GLOBAL
from operators.workspace import read_workspace
from state.errors import SojournError

PAGE = (Path(__file__).parents[1] / "docs" / "journeys.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
YAML = [text for kind, text in BLOCKS if kind == "yaml"]
FILES = {text.split("\n")[0].removeprefix("# "): text for text in YAML if text.split("\n")[0].endswith(".yaml")}
PARTS = [text for text in YAML if text.startswith(("# enter\n", "# steps\n"))]
COMMANDS = [
    tuple(command.split("\n", 1))
    for kind, text in BLOCKS
    if kind == "console"
    for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
]

ENTER = "event: Signed Up\n"
STEPS = "- {id: s, send: email, template: t}\n"


def test_every_block_is_of_a_kind_that_is_run():
    """None is only shown."""
    assert {kind for kind, _ in BLOCKS} == {"yaml", "console", "python"}
    assert len(FILES) + len(PARTS) == len(YAML)
    assert len(COMMANDS) >= 4


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """All files of the page."""
    path = tmp_path_factory.mktemp("docs")
    for name, text in FILES.items():
        file = path / name if "/" in name else path / "journeys" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (path / "wrong" / "orchestration.yaml").write_text(FILES["orchestration.yaml"], encoding="utf-8")
    return path


@pytest.mark.parametrize(("command", "printed"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_each_command_prints_what_the_page_says(directory, monkeypatch, command, printed):
    """To the letter."""
    monkeypatch.chdir(directory)
    program, *arguments = command.split()
    assert program == "sojourn"
    result = CliRunner().invoke(app, arguments)
    assert not isinstance(result.exception, SojournError), result.exception
    shown = [line.rstrip() for line in result.output.splitlines()]
    assert shown == printed.rstrip("\n").split("\n")


@pytest.mark.parametrize("part", PARTS, ids=[part.split("\n")[1] for part in PARTS])
def test_each_part_is_right_in_a_journey(part):
    """Beside the traits and segments of the page."""
    kind, text = part.split("\n", 1)
    enter, steps = (text, STEPS) if kind == "# enter" else (ENTER, text)
    journey = f"journey: part\nenter:\n{textwrap.indent(enter, '  ')}steps:\n{textwrap.indent(steps, '  ')}"
    files = {name: FILES[name] for name in ("orchestration.yaml", "traits.yaml", "segments.yaml")}
    workspace = read_workspace({**files, "part.yaml": journey})
    assert [str(one) for one in workspace.complaints] == []


def test_lots_are_what_the_page_says():
    """By the page's own code, and by the engine's."""
    (code,) = [text for kind, text in BLOCKS if kind == "python"]
    scope = {}
    example = doctest.DocTestParser().get_doctest(code, scope, "docs/journeys.md", None, 0)
    assert len(example.examples) >= 6
    assert doctest.DocTestRunner(verbose=False).run(example, clear_globs=False).failed == 0
    lot = example.globs["lot"]
    arms = [("a", 70), ("b", 30)]
    for customer in [*(f"c-{number}" for number in range(300)), "näme", 'a"b', "\u2028"]:
        assert (lot("split", "subject", customer) < 0.7) == (arm_of("subject", customer, arms) == "a")
        assert (lot("control", "global control", customer) < 0.1) == is_control(GLOBAL, customer, 1_000)
        assert (lot("layer", "first-mail", customer) >= 0.5) == is_in_layer("first-mail", customer, 5_000, 10_000)


def test_the_tables_of_the_page_name_what_there_is():
    """The commands that it speaks of are commands."""
    known = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    assert set(re.findall(r"`sojourn ([a-z]+)", PAGE)) <= known
