"""What can go wrong, as a tree; everything that Sojourn raises on purpose is one of these.

    SojournError              one line for the user; the command line prints it and exits with 1
    +-- UsageError            the command line or the settings ask for what cannot be (exit 2)
    +-- DefinitionsError      the workspace of journeys has mistakes; holds all of them
    +-- InputError            an input cannot be read at all (a missing file, a truncated archive)
    +-- OutsideError          the world outside refuses (a broker, a topic, a disk)
    +-- StateError            what is on disk does not fit what is asked
        +-- StateFormatError  bytes of an unknown format, or no bytes of ours

A bad event is none of these: it is a value (`operators.events.Rejected`), never an exception.
"""


class SojournError(Exception):
    """Root of the tree: the message says what, where, and what to do next."""

    exit_status = 1


class UsageError(SojournError):
    """The command line or the settings ask for what cannot be."""

    exit_status = 2


class DefinitionsError(SojournError):
    """The workspace has mistakes; the message lists every one of them, a line each."""


class InputError(SojournError):
    """An input as a whole cannot be read."""


class OutsideError(SojournError):
    """The world outside refuses: a broker, a topic, a disk."""


class StateError(SojournError):
    """What is on disk does not fit what is asked."""


class StateFormatError(StateError):
    """Stored bytes are of a format that this version does not know."""
