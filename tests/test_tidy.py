"""Style that no other tool keeps: banned words, docstrings, where time and chance come from, sizes, paths of one machine.

Imports go one way, which import-linter holds; rules of Python are ruff's. What is here is checked by reading the source,
but for what the pure step imports, which only a process of its own can tell.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("state", "operators", "flows")
PRODUCT = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
LINES_MAX = 400
"""Of one module; longer than that, it has two nouns in it (house style)."""


def name_of(path):
    return path.relative_to(ROOT).as_posix()


modules = pytest.mark.parametrize("path", PRODUCT, ids=map(name_of, PRODUCT))


def below(*packages):
    return [path for path in PRODUCT if path.relative_to(ROOT).parts[0] in packages]


def imported(tree):
    """(line, dotted name) of everything that a module imports, also inside of functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


# --- words and sizes

BANNED = {
    "TODO": "do it, or write an issue",
    "FIXME": "fix it, or write an issue",
    "XXX": "say what it is",
    "NotImplementedError": "refuse in words what is not there",
}


def banned_in(source):
    """The banned words of a text, each with its line and what to do instead."""
    return [
        f"line {number}: {word}: {instead}"
        for number, line in enumerate(source.splitlines(), 1)
        for word, instead in BANNED.items()
        if re.search(rf"\b{word}\b", line)
    ]


@modules
def test_no_banned_word_is_in_product_code(path):
    """What is not done is not left lying in the code."""
    assert banned_in(path.read_text(encoding="utf-8")) == []


def test_banned_words_are_found():
    """The tidy test itself can fail."""
    assert (
        len(banned_in("# TODO later\nx = 1  # FIXME\nraise NotImplementedError(x)\n# XXX\nTODOS = METHOD = 1\n")) == 4
    )


@modules
def test_every_module_says_what_it_is_for(path):
    """Its first paragraph, a sentence at least."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "the module has no docstring"
    assert len(docstring.split("\n\n")[0].split()) >= 4, docstring


@modules
def test_a_module_is_short_enough_to_be_one_thing(path):
    """Under 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < LINES_MAX


# --- time and chance

ASKS_THE_SYSTEM = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "localtime", "gmtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "os": {"urandom", "getrandom", "getpid", "environ", "getenv"},
    "uuid": {"uuid1", "uuid4"},
}  # fmt: skip
BY_CHANCE = ("random", "secrets", "uuid", "tempfile")


def asked_of_the_system(source):
    """Where a module asks for time or chance, or lets the seed of Python's hashes decide."""
    tree, found = ast.parse(source), []
    for line, name in imported(tree):
        if name.split(".")[0] in (*BY_CHANCE, "time"):
            found.append(f"line {line}: imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if node.attr in ASKS_THE_SYSTEM.get(owner, ()):
                found.append(f"line {node.lineno}: {owner}.{node.attr}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hash", "id", "input"):
            found.append(f"line {node.lineno}: {node.func.id}()")
    return found


DECIDING = [path for path in below("operators", "state") if name_of(path) != "state/clock.py"]


@pytest.mark.parametrize("path", DECIDING, ids=map(name_of, DECIDING))
def test_only_the_clock_asks_the_system_for_time_or_chance(path):
    """What decides gets its time as data: else a replay would differ from the run that it replays."""
    assert asked_of_the_system(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\n",
        "from time import monotonic\n",
        "import random\n",
        "def f():\n    from secrets import token_hex\n",
        "from datetime import datetime\ndatetime.now()\n",
        "import datetime\ndatetime.datetime.utcnow()\n",
        "from datetime import date\ndate.today()\n",
        "import os\nos.urandom(8)\n",
        "hash('x')\n",
    ],
)
def test_asking_the_system_is_found(source):
    """The tidy test itself can fail."""
    assert asked_of_the_system(source)


def test_the_clock_itself_asks_the_system():
    """The exception is needed, and seen."""
    assert asked_of_the_system((ROOT / "state" / "clock.py").read_text(encoding="utf-8"))


def test_the_clock_is_asked_only_at_the_edges():
    """`state.clock` is for `flows/`: nothing in `operators/` imports it."""
    users = [
        name_of(path)
        for path in below("operators", "state")
        for _, name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.startswith("state.clock")
    ]
    assert users == []


# --- who imports what


@pytest.mark.parametrize("path", below("operators"), ids=map(name_of, below("operators")))
def test_operators_know_neither_kafka_nor_rocksdb(path):
    """Nor files, sockets or processes: `flows/` is where the world is, `state/` is where RocksDB is."""
    outside = (
        "confluent_kafka",
        "rocksdict",
        "socket",
        "subprocess",
        "pathlib",
        "os",
        "shutil",
        "asyncio",
        "threading",
    )
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [name for _, name in imported(tree) if name.split(".")[0] in outside] == []


@pytest.mark.parametrize("path", below("state"), ids=map(name_of, below("state")))
def test_state_knows_neither_bytewax_nor_kafka(path):
    """Nor anything above it."""
    outside = ("bytewax", "confluent_kafka", "operators", "flows")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [name for _, name in imported(tree) if name.split(".")[0] in outside] == []


def loaded_by(module):
    """The modules that a fresh interpreter has after importing one."""
    program = f"import sys, json; import {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in ast.literal_eval(done.stdout)}


@pytest.mark.parametrize(
    "module",
    ["operators.customer_step", "operators.pattern", "operators.plan", "operators.workspace", "operators.decode", "state.codec"],
)  # fmt: skip
def test_the_pure_step_pulls_in_no_engine_no_broker_and_no_database(module):
    """It, and all that it imports in turn, runs without Bytewax, Kafka and RocksDB."""
    assert loaded_by(module).isdisjoint({"bytewax", "confluent_kafka", "rocksdict", "flows"})


def test_what_a_module_pulls_in_is_found():
    """The tidy test itself can fail."""
    assert "rocksdict" in loaded_by("state.store")


# --- what is tracked

ONE_MACHINE = re.compile(r"(?<![\w.])/(?:work|home|Users|root)/[\w.-]+|(?<![\w.])/tmp/[\w.-]+|[A-Z]:\\\\?Users\\")


def tracked():
    """Every text file that git tracks, or is about to."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):  # a source archive
        listed = [
            name_of(path)
            for folder in (*PACKAGES, "tests", "examples", "docker")
            for path in (ROOT / folder).rglob("*")
        ]
    files = {}
    for name in filter(None, listed):
        try:
            files[name] = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return files


def test_no_tracked_file_names_a_path_of_one_machine():
    """What works only here does not work."""
    found = [
        f"{name}:{number}: {path.group()}"
        for name, text in tracked().items()
        if name != "tests/test_tidy.py"
        for number, line in enumerate(text.splitlines(), 1)
        for path in ONE_MACHINE.finditer(line)
    ]
    assert found == []


def test_paths_of_one_machine_are_found():
    """The tidy test itself can fail, and lets others be."""
    for text in "cd " + "/work/" + "main", "PATH=/home/bo/bin", "see /Users/bo/x", "(/tmp" + "/w/bin)", r"C:\Users\bo":
        assert ONE_MACHINE.search(text), text
    for text in "https://example.org/home/x", "/var/lib/sojourn", "homework/x", "./work/x", "/usr/bin/env", "a/tmp/b":
        assert not ONE_MACHINE.search(text), text
