"""The thin Bytewax step that carries a key group: batches in, what came out of them, a token of our own bytes as snapshot."""

from collections.abc import Callable, Iterable

from bytewax.operators import StatefulBatchLogic

from operators.key_group import KeyGroup, Out, Told
from operators.log import Definitions, LogBatch, Tick
from state.codec import Token, decode, encode


class KeyGroupLogic(StatefulBatchLogic["LogBatch | Definitions | Tick", Told, bytes]):
    """The logic of one key group."""

    def __init__(self, open_group: Callable[[int, Token | None], KeyGroup], resume: bytes | None) -> None:
        """Open at the token that the recovery store has; without one, the first batch tells which group it is."""
        self._open = open_group
        self._group: KeyGroup | None = None
        self._epoch = -1
        if resume is not None:
            token = decode(resume, Token)
            self._group = open_group(token.group, token)

    def on_batch(self, values: list[LogBatch | Definitions | Tick]) -> tuple[Iterable[Told], bool]:
        """Take in the batches, in their order."""
        group = self._group
        if group is None:
            group = self._group = self._open(values[0][0], None)
        records: list[Out] = []
        for value in values:
            if isinstance(value, Tick):
                self._epoch = value.epoch
            else:
                records += group.take_piece(value)
        return [Told(self._epoch, group.store.token(), records)], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """Commit the epoch; say where the group is."""
        assert self._group is not None  # noqa: S101 - Bytewax snapshots logics that have seen a batch
        return encode(self._group.commit())
