"""The directory of definitions, read from disk."""

from pathlib import Path

from operators.plan import Plan, plan_of
from operators.versions import change_mistakes
from operators.workspace import Workspace, read_workspace
from state.errors import DefinitionsError, InputError


def read_directory(directory: Path) -> Workspace:
    """Read and validate every `*.yaml` and `*.yml` file below a directory.

    Raises:
        InputError: There is no such directory, or a file in it cannot be read.
    """
    return read_workspace(read_texts(directory))


def read_texts(directory: Path) -> dict[str, str]:
    """The texts of those files: name, relative to the directory -> text.

    Raises:
        InputError: There is no such directory, or a file in it cannot be read.
    """
    if not directory.is_dir():
        raise InputError(
            f"{directory} is no directory; name the directory that holds orchestration.yaml and the journeys"
        )
    texts = {}
    for path in sorted([*directory.rglob("*.yaml"), *directory.rglob("*.yml")]):
        try:
            texts[path.relative_to(directory).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
    return texts


def read_successor(directory: Path, before: Path) -> Workspace:
    """The definitions of a directory that are to take the place of those of another one, with what is wrong with that, too.

    Raises:
        InputError: One of them cannot be read.
        DefinitionsError: Those in use have mistakes.
    """
    used, workspace = read_directory(before), read_directory(directory)
    if used.complaints:
        raise DefinitionsError("\n".join(f"{before}/{complaint}" for complaint in used.complaints))
    if not workspace.complaints:
        workspace.complaints += sorted(change_mistakes(used, workspace))
    return workspace


def read_valid(directory: Path) -> Workspace:
    """The definitions of a directory without mistakes.

    Raises:
        InputError: The directory cannot be read.
        DefinitionsError: There are mistakes; the message has every one.
    """
    workspace = read_directory(directory)
    if workspace.complaints or workspace.orchestration is None:
        raise DefinitionsError("\n".join(f"{directory}/{complaint}" for complaint in workspace.complaints))
    return workspace


def load_plan(directory: Path) -> Plan:
    """The compiled plan of a directory without mistakes.

    Raises:
        InputError: The directory cannot be read.
        DefinitionsError: There are mistakes; the message has every one.
    """
    return plan_of(read_valid(directory))
