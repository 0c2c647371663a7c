"""The customer steps of one process: compiled once for each set of definitions, shared by its key groups.

Which definitions a group uses is the log's to say, where it has `definitions` records, and else those that the job was
started with. Key groups may be at different places of their logs, so several may be in use at once.
"""

from hashlib import blake2b

from operators.customer_step import CustomerStep
from operators.definitions_change import change
from operators.plan import plan_of
from operators.workspace_json import read_workspace_json
from state.errors import DefinitionsError

KEPT_MAX = 4
"""Compiled steps that are kept beside the wanted one; a group at a place of another compiles it again."""


class StepsInUse:
    """Customer steps by the hash of their definitions."""

    def __init__(self, wanted: CustomerStep) -> None:
        """Begin with the step of the definitions that the job was started with."""
        self.wanted = wanted
        self._by_hash: dict[str, CustomerStep] = {}
        self._following: dict[str, tuple[bytes, str]] = {}

    def of(self, digest: str, text: bytes) -> CustomerStep:
        """The step of some definitions.

        Args:
            digest: The hash of the text.
            text: Canonical JSON.

        Raises:
            DefinitionsError: This version cannot read them.
        """
        if digest == self.wanted.plan.hash:
            return self.wanted
        step = self._by_hash.get(digest)
        if step is None:
            step = CustomerStep(plan_of(read_workspace_json(text)))
            while len(self._by_hash) >= KEPT_MAX:
                del self._by_hash[next(iter(self._by_hash))]
            self._by_hash[digest] = step
        return step

    def following(self, digest: str, text: bytes) -> tuple[bytes, str]:
        """The definitions that follow on some when those that the job was started with are to take their place.

        Args:
            digest: The hash of those before.
            text: Their canonical JSON.

        Returns:
            Canonical JSON and hash; those before where they say the same.
        """
        if digest == self.wanted.plan.hash:
            return text, digest
        found = self._following.get(digest)
        if found is None:
            made = change(text, read_workspace_json(self.wanted.plan.text))
            found = self._following[digest] = (text, digest) if made is None else (made.text, made.hash)
        return found


def check_hash(digest: str, text: bytes) -> bool:
    """Whether a text is the one that a hash is of."""
    return blake2b(text, digest_size=16).hexdigest() == digest


def unreadable(place: str, error: DefinitionsError) -> DefinitionsError:
    """What to say of definitions in the log that this version cannot do."""
    return DefinitionsError(
        f"{place}: the definitions there cannot be used by this version of Sojourn ({error}); run the version that wrote them, or a "
        "newer one; nothing is lost"
    )
