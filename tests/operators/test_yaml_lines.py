"""YAML as definitions are written in it: values with their lines, its traps told, and no text that brings it down."""

import subprocess
import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.yaml_lines import NODES_MAX, read_yaml


def only_mistake(text):
    """(line, sentence), where there is one mistake alone."""
    (mistake,) = read_yaml(text).mistakes
    return mistake


# --- values and lines


def test_values_are_plain_and_every_one_has_its_line():
    """Of a key for the values of a mapping, of the item for those of a list."""
    document = read_yaml("a: 1\nb:\n  - x\n  - c: [1, 2.5, null, true]\n    d:\n      text\n")
    assert document.value == {"a": 1, "b": ["x", {"c": [1, 2.5, None, True], "d": "text"}]}
    assert document.mistakes == []
    lines = {
        (): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "c", 3): 4, ("b", 1, "d"): 5,
    }  # fmt: skip
    assert {location: document.lines[location] for location in lines} == lines


def test_a_place_that_is_not_there_has_the_line_of_what_is_above_it():
    """A missing key is complained of where it should stand."""
    document = read_yaml("# first\na:\n  b: 1\n")
    assert document.line_of(("a", "x", 3, "y")) == 2
    assert document.line_of(("nothing",)) == document.line_of(()) == 2


@pytest.mark.parametrize("text", ["", "\n\n", "# only words\n", "---\n", "~", "null"])
def test_a_file_with_nothing_in_it_has_no_value_and_no_mistake(text):
    """It is for others to say what should be there."""
    assert (read_yaml(text).value, read_yaml(text).mistakes) == (None, [])


def test_an_alias_is_the_value_of_its_anchor():
    """Plain YAML; lines are those of the text that is shared."""
    document = read_yaml("a: &x\n  k: 1\nb: *x\n")
    assert document.value == {"a": {"k": 1}, "b": {"k": 1}}
    assert document.mistakes == []


def test_a_merge_brings_in_keys_and_one_that_stands_here_wins():
    """`<<` is for sharing with changes; a key that overrides a shared one does not stand twice."""
    document = read_yaml("base: &base {a: 1, b: 1}\nmine:\n  <<: *base\n  b: 2\n  c: 3\n")
    assert document.value["mine"] == {"a": 1, "b": 2, "c": 3}
    assert document.mistakes == []


# --- traps


@pytest.mark.parametrize("text", ["18:30", "9:00", "190:20:30", "1:30:00", "+18:30"])
@pytest.mark.parametrize("place", ["{}", "[1, {}]", "{{a: {}}}", "\n  - {}"])
def test_a_clock_time_without_quotes_is_told_with_its_line(text, place):
    """YAML reads 18:30 as 1110, wherever it stands."""
    line, message = only_mistake(f"# a\nat: {place.format(text)}\n")
    assert line == (3 if place.startswith("\n") else 2)
    assert message == f'YAML reads the clock time {text} as a number; put it in quotes: "{text}"'


@pytest.mark.parametrize("text", ["'18:30'", '"18:30"', "08:30", "21:00-08:00", "monday 09:00", "!!str 18:30"])
def test_a_clock_time_that_is_read_as_text_is_no_mistake(text):
    """Quoted, or of a form that YAML has no number for."""
    document = read_yaml(f"at: {text}\n")
    assert document.mistakes == []
    assert isinstance(document.value["at"], str)


def test_a_clock_time_with_a_fraction_is_told_too():
    """YAML reads 190:20:30.15 as 685230.15."""
    assert "quotes" in only_mistake("at: 18:20:30.15\n")[1]


def test_a_key_that_stands_twice_is_told_at_its_second_place():
    """YAML would take the last one and say nothing."""
    assert only_mistake("a: 1\nb: 2\na: 3\n") == (3, "the key 'a' stands here twice; write it once")
    assert only_mistake("x:\n  - {a: 1, b: 2, a: 3}\n")[0] == 2


@pytest.mark.parametrize(
    ("key", "shown"),
    [("5", "5"), ("yes", "yes"), ("1.5", "1.5"), ("null", "null"), ("2026-01-01", "2026-01-01"), ("18:30", "18:30")],
)
def test_a_key_that_is_not_read_as_text_is_told(key, shown):
    """`on:` and `5:` are no names."""
    assert only_mistake(f"a: 1\n{key}: 2\n") == (2, f"the key {shown!r} is not read as text; put it in quotes")


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}", "? [a]\n"])
def test_a_key_that_is_a_list_or_a_mapping_is_told_in_the_authors_words(key):
    """The message shows no insides of a parser."""
    document = read_yaml(f"{key}: 1\n")
    assert document.mistakes
    assert "Node(" not in document.mistakes[0][1]


def test_every_mistake_is_told_at_once():
    """As far as the text can be read."""
    lines = [line for line, _ in read_yaml("a: 18:30\nb: 1\nb: 2\n5: x\nc: [9:15]\n").mistakes]
    assert sorted(lines) == [1, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n\tb: 2\n", 2),
        ("a:\n\t- 1\n", 2),
        ("a: 1\nb: [1, 2\nc: 3\n", 3),
        ("a: 1\nb: {x: 1\n", 3),
        ("a: 1\n  b: 2\n", 2),
        ("a: 'x\n", 2),
        ("a: 1\nb: *nope\n", 2),
        ("a: 1\nb: @x\n", 2),
        ("a: 1\n%x\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\nb: !!python/object:os.system x\n", 2),
        ("a: 1\nb: !mine x\n", 2),
        ("a: 1\nb: <<\n", 2),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text, line):
    """Tabs, brackets that stay open, aliases of nothing, tags of other programs, two documents."""
    found, message = only_mistake(text)
    assert message.startswith("this is no YAML: ")
    assert found in (line, line - 1)  # some are noticed where they begin, some where they should have ended


@pytest.mark.parametrize(
    "value",
    [
        "a\x00b",
        "'\x07'",
        "2026-13-45",
        "2026-02-30",
        "2026-01-01 25:00:00",
        "1" * 5_000,
        "!!int x",
        "!!float x",
        "!!int ''",
        "!!float ''",
        "!!bool maybe",
        "!!timestamp soon",
        "&x [*x]",
        "&x {a: *x}",
    ],
)
def test_a_value_that_cannot_be_read_is_told_with_its_line(value):
    """On the third line of the file, whatever the reader trips over."""
    line, message = only_mistake(f"a: 1\nb: 2\nc: {value}\n")
    assert message.startswith("this is no YAML: ")
    assert line == 3


# --- bounds


def test_aliases_that_multiply_end_at_the_bound():
    """A hundred lines of which each is ten times the one before."""
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20))
    assert f"more than {NODES_MAX:,} values" in only_mistake(text)[1]


def test_merges_that_multiply_end_at_the_bound():
    """The same with `<<`: not a mistake for each of a hundred thousand copies."""
    text = "a0: &a0 {k: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 6)
    )
    assert len(read_yaml(text).mistakes) <= 1


def test_a_file_of_very_many_values_ends_at_the_bound():
    """Without aliases, too."""
    assert f"more than {NODES_MAX:,} values" in only_mistake("[" + "1," * (NODES_MAX + 1) + "]")[1]
    assert read_yaml("[" + "1," * 10_000 + "]").mistakes == []


@pytest.mark.parametrize("link", ["{{<<: *a{}}}", "[*a{}]", "{{k: *a{}}}"])
def test_a_chain_of_aliases_without_end_is_read_or_told(link):
    """Each line one deeper than the line before, and the deepest asked for first."""
    text = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {link.format(n - 1)}\n" for n in range(1, 900)) + "<<: *a899\n"
    assert len(read_yaml(text).mistakes) <= 2


@pytest.mark.parametrize("text", ["[" * 30_000, "- " * 30_000, "{a: " * 30_000, "a: [" * 3_000 + "]" * 3_000])
def test_nesting_without_end_does_not_bring_the_process_down(text):
    """A complaint, and not the death of the interpreter: the C parser recurses, too."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
        "from operators.yaml_lines import read_yaml; (mistake,) = read_yaml(sys.stdin.read()).mistakes; print(mistake[1])"
    )
    done = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:16]) == (0, "this is no YAML:"), done.stderr[-500:]


# --- whatever is written

TOKENS = [
    "a", "b: ", "- ", "\n", "\n  ", "\n    ", "[", "]", "{", "}", ", ", ": ", "&x ", "*x", "<<: ", "? ", "| \n", "> \n", "!!int ",
    "!!float ", "!!bool ", "!!null ", "!!str ", "!!map ", "!!seq ", "!!set ", "!!omap ", "!!pairs ", "!!timestamp ", "!!binary ",
    "!!merge ", "!!value ", "!x ", "'", '"', "\t", "#", "---", "...", "%YAML 1.1\n", "1", "0x", "0b1", "0o7", "1e5", ".inf", ".nan", "~",
    "yes", "18:30", "1:2:3.4", "2026-01-01", "2026-13-01", "\x00", "\u2028", "\ufeff", "é", "\\x00", "=", "@", "`", "_", "0", "-", "+",
]  # fmt: skip


def told(text):
    """Read it; the document has a value or mistakes, and every mistake a line of the text and a sentence."""
    document = read_yaml(text)
    for line, message in document.mistakes:
        assert 1 <= line <= len(text.splitlines()) + 1
        assert message


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(TOKENS), max_size=15).map("".join)))
def test_whatever_is_written_it_is_read_or_told(text):
    """Nothing is ever raised."""
    told(text)


def test_whatever_is_written_it_is_read_or_told_many_more_times():
    """The same with a seeded generator."""
    random = Random(5)
    for _ in range(5_000):
        told("a: " + "".join(random.choices(TOKENS, k=random.randint(1, 8))))
