"""The thin Bytewax step that carries a key group: batches in, lists of records out, a token of our own bytes as snapshot."""

from collections.abc import Callable, Iterable

from bytewax.operators import StatefulBatchLogic

from operators.key_group import KeyGroup, Out
from operators.log import Definitions, LogBatch
from state.codec import Token, decode, encode


class KeyGroupLogic(StatefulBatchLogic["LogBatch | Definitions", list[Out], bytes]):
    """The logic of one key group."""

    def __init__(self, open_group: Callable[[int, Token | None], KeyGroup], resume: bytes | None) -> None:
        """Open at the token that the recovery store has; without one, the first batch tells which group it is."""
        self._open = open_group
        self._group: KeyGroup | None = None
        if resume is not None:
            token = decode(resume, Token)
            self._group = open_group(token.group, token)

    def on_batch(self, values: list[LogBatch | Definitions]) -> tuple[Iterable[list[Out]], bool]:
        """Take in the batches, in their order."""
        group = self._group
        if group is None:
            group = self._group = self._open(values[0][0], None)
        told = [out for batch in values if (out := group.take_piece(batch))]
        return told, StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """Commit the epoch; say where the group is."""
        assert self._group is not None  # noqa: S101 - Bytewax snapshots logics that have seen a batch
        return encode(self._group.commit())
