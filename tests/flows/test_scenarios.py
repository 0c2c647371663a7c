"""`sojourn test` as people and CI use it: what it prints, how it ends, and the JUnit file."""

from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner

from flows.cli import app
from state.errors import DefinitionsError, InputError, OutsideError, UsageError
from tests.operators.test_scenarios import JOURNEY, ORCHESTRATION

SCENARIOS = """
journey: welcome
scenarios:
  - name: nobody answers
    arms: {subject: b}
    events: [{at: 2026-01-05T10:00:00Z, event: Signed Up}]
    expect: [{at: +0s, step: hello}, {at: +3d, step: long}]
  - name: the gift
    profile: {vip: true}
    events:
      - {at: 2026-01-05T10:00:00Z, event: Signed Up}
      - {at: +1h, event: Email Link Clicked, of: hello}
    expect:
      - {step: hello}
      - {at: +1h, step: thanks, channel: email, with: {}}
    facts: [{fact: exited, reason: goal}]
    never: [{fact: step, step: gift}]
"""


@pytest.fixture
def directory(tmp_path):
    """A workspace with a scenario that passes and one that fails."""
    for name, text in (("orchestration", ORCHESTRATION), ("welcome", JOURNEY), ("welcome.test", SCENARIOS)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def run(*arguments):
    """(exit status, lines of output)."""
    result = CliRunner().invoke(app, ["test", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output.splitlines()


def test_a_failure_shows_both_sides_and_the_story(directory):
    """Expected beside what came, field by field; then what happened, with the time since the first event."""
    status, lines = run(directory)
    assert status == 1
    assert lines[0] == "passed  welcome: nobody answers"
    assert lines[1] == f"FAILED  welcome: the gift  ({directory}/welcome.test.yaml:8)"
    assert lines[2].split() == ["expected", "got"]
    assert lines[3].startswith("  = any time hello ")
    assert lines[3].endswith("  +0s send email hello template=hello")
    assert "      channel: expected email, got push" in lines
    assert "  did not happen: exited reason=goal" in lines
    assert "  must never happen: step step=gift; it did: step step=gift at +1h" in lines
    story = lines[lines.index("  what happened:") :]
    assert story[1] == "           +0s  mon 2026-01-05 11:00:00  > Signed Up"
    assert any("+1h  mon 2026-01-05 12:00:00  > Email Link Clicked" in line for line in story)
    assert any("-> send push thanks template=thanks" in line for line in story)
    assert lines[-1] == "2 scenarios: 1 passed, 1 failed"


def test_all_passed_is_status_0_and_one_line_each(directory):
    """-k chooses by journey and name, in any case."""
    assert run(directory, "-k", "WELCOME: NOBODY") == (
        0,
        ["passed  welcome: nobody answers", "1 scenario: 1 passed, 0 failed"],
    )


def test_the_story_of_what_passes_is_told_on_demand(directory):
    """-v."""
    _, lines = run(directory, "-k", "nobody", "-v")
    assert any(line.endswith("timed_out step=answer") for line in lines)


def test_coverage_tells_what_was_never_reached(directory):
    """Beside the counts."""
    _, lines = run(directory, "--coverage", "-k", "nobody")
    assert "welcome   47%     5/9 steps      3/8 ways" in lines
    assert "               never reached: thanks" in lines
    assert "               never reached: answer: way 1 (clicked)" in lines


def test_junit_is_what_ci_reads(directory):
    """Suites by file, cases by journey and name, the failure with its reason and all that the terminal shows."""
    file = directory / "out" / "results.xml"
    assert run(directory, "--junit", file)[0] == 1
    root = Xml.parse(file).getroot()  # noqa: S314 - written a line above
    assert (root.attrib["tests"], root.attrib["failures"]) == ("2", "1")
    (suite,) = root
    assert suite.attrib == {"name": "welcome.test.yaml", "tests": "2", "failures": "1"}
    passed, failed = suite
    assert passed.attrib == {"classname": "welcome", "name": "nobody answers", "file": "welcome.test.yaml", "line": "4"}
    assert list(passed) == []
    assert failed[0].attrib["message"] == (
        "2 of its actions are not as expected; 1 expected facts did not happen; 1 facts happened that must not"
    )
    assert "channel: expected email, got push" in failed[0].text


def test_a_junit_file_that_cannot_be_written_is_told(directory):
    """With the file."""
    with pytest.raises(OutsideError, match="name a file that can be written"):
        run(directory, "--junit", directory / "welcome.yaml" / "out.xml")


def test_mistakes_come_before_anything_runs(directory):
    """All of them, with their places."""
    (directory / "welcome.test.yaml").write_text(SCENARIOS.replace("step: long", "step: lang"))
    with pytest.raises(DefinitionsError, match=r"welcome.test.yaml:7: scenarios\[0\].expect\[1\].step: .* mean 'long'"):
        run(directory)


def test_no_scenarios_and_none_of_the_name_are_told(directory):
    """Nothing ran is not all went well."""
    with pytest.raises(UsageError, match=r"no scenario in .* has 'xyz' in its name; see them all without -k"):
        run(directory, "-k", "xyz")
    (directory / "welcome.test.yaml").unlink()
    with pytest.raises(InputError, match=r"has no scenarios; write some beside a journey, in NAME.test.yaml"):
        run(directory)
