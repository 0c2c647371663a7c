"""The key-group store: one RocksDB for each key group, one `WriteBatch` for each epoch.

What an epoch changes stays in an overlay in memory until `commit` writes it in one batch, together with how far the
group is and with an undo record (the values before). So the store on disk always stands at the end of an epoch, and can
go back by one: the dataflow's recovery store is never more than one epoch behind (why: `state/README.md`).

Customers are kept here as bytes. The cache holds stored forms, not objects: a record is about a tenth of the size of
its objects, so the same memory holds ten times the customers, and a batch decodes a record once however often its
customer occurs. Who uses it: `operators.key_group`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rocksdict import (
    BlockBasedOptions,
    Cache,
    Checkpoint,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from state.codec import Token, Undo, decode, encode
from state.customer import GroupMeta
from state.errors import StateError
from state.rocksdb_trouble import entries, trouble
from state.timer_index import TimerIndex

CUSTOMERS, TIMERS, META = "customers", "timers", "meta"
"""Column families."""

_KEY_META, _KEY_UNDO = b"group", b"undo"
KEY_DEFINITIONS = b"definitions:"
"""Before the hash of definitions: their text. It never changes, so no undo is needed."""


@dataclass(frozen=True)
class StoreOptions:
    """Memory and durability of the stores of one process; every default is visible here."""

    cache_bytes_max: int = 256 << 20
    """Stored records of hot customers that all stores of the process keep in memory together."""
    block_cache_bytes: int = 64 << 20
    """RocksDB's cache of file blocks, shared by all stores of the process."""
    write_buffer_bytes: int = 128 << 20
    """RocksDB's memory for unflushed writes, shared by all stores of the process."""
    write_ahead_log: bool = True
    """False for state that is thrown away after the run: a crash then loses it."""


class Kept:
    """A customer's stored record in memory, and whether this epoch has changed it.

    One object for a customer, so that whoever has loaded it puts it back without looking anything up again.
    """

    __slots__ = ("before", "changed", "customer_id", "value")

    def __init__(self, customer_id: str, value: bytes | None) -> None:
        """As it is on disk; None for a customer who is new."""
        self.customer_id = customer_id
        self.value = value
        self.before: bytes | None = None
        self.changed = False


class StoreMemory:
    """What the stores of one process share: RocksDB's caches, and the bound of the record cache per store."""

    def __init__(self, options: StoreOptions, stores: int) -> None:
        """Divide the memory of `options` among `stores` stores."""
        self.options = options
        self.cache_bytes_max_each = options.cache_bytes_max // max(stores, 1)
        self._blocks = Cache(options.block_cache_bytes)
        self._writes = WriteBufferManager(options.write_buffer_bytes, False)

    def rocksdb_options(self) -> Options:
        """RocksDB's options for one column family of one store."""
        table = BlockBasedOptions()
        table.set_block_cache(self._blocks)
        table.set_bloom_filter(10, False)  # 10 bits: 1 % false hits; most look-ups of a new customer then read no block
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.create_missing_column_families(True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_manager(self._writes)
        options.set_write_buffer_size(16 << 20)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_max_open_files(64)  # of each store: 64 stores stay below the usual limit of 1,024 with few levels
        options.set_keep_log_file_num(2)
        options.set_max_log_file_size(1 << 20)
        options.set_stats_dump_period_sec(0)
        return options


class KeyGroupStore:
    """The customers of one key group, and how far the group is.

    >>> import tempfile
    >>> memory = StoreMemory(StoreOptions(), stores=1)
    >>> store = KeyGroupStore(Path(tempfile.mkdtemp()), GroupMeta(group=3, groups=64), memory)
    >>> kept = store.load(["c-1"])["c-1"]
    >>> kept.value is None
    True
    >>> store.put(kept, b"...")
    >>> store.meta.position = 17
    >>> store.commit()
    Token(group=3, position=17, fired_through=-1)
    >>> store.close()
    """

    # For the compiled form of this class, which deletes no attribute that is not named here.
    __deletable__ = ("_customers", "_customers_handle", "_meta_family", "_meta_handle", "_timers", "_timers_handle")

    def __init__(self, path: Path, fresh: GroupMeta, memory: StoreMemory, at: Token | None = None) -> None:
        """Open the store in `path`, or make it.

        Args:
            path: A directory of this group alone.
            fresh: The meta of a group that has read nothing; its group and count of groups are held against the store's.
            memory: What the stores of this process share.
            at: Where the dataflow goes on from; None at its beginning. A store that has not come as far (an older checkpoint, an
                empty directory) is opened where it stands, and `behind` says where it must be led before anything else.

        Raises:
            StateError: The store is of another group, or of another number of groups, or stands at a place from which
                there is no way to `at`.
        """
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        options = memory.rocksdb_options()
        try:
            self._db = Rdict(
                str(path),
                options,
                column_families={name: memory.rocksdb_options() for name in (CUSTOMERS, TIMERS, META)},
            )
        except Exception as error:  # rocksdict raises bare Exception
            raise trouble(self.path, "open", error) from error
        self._customers = self._db.get_column_family(CUSTOMERS)
        self._customers_handle = self._db.get_column_family_handle(CUSTOMERS)
        self._meta_family = self._db.get_column_family(META)
        self._meta_handle = self._db.get_column_family_handle(META)
        self._write_options = WriteOptions()
        self._write_options.disable_wal = not memory.options.write_ahead_log  # type: ignore[method-assign,assignment]

        self._timers = self._db.get_column_family(TIMERS)
        self._timers_handle = self._db.get_column_family_handle(TIMERS)
        self.timers = TimerIndex(self._timer_keys)
        self._timers_written = False
        self._changed: list[Kept] = []  # by this epoch
        self._definitions: dict[str, bytes] = {}  # taken in this epoch
        # Two generations of records that were read or written lately: when the young one is full at the end of an epoch, it
        # becomes the old one, which is forgotten. Never within an epoch: what it has changed is nowhere else.
        self._young: dict[str, Kept] = {}
        self._old: dict[str, Kept] = {}
        self._young_bytes = 0
        self._young_bytes_max = memory.cache_bytes_max_each // 2
        self.loaded = self.missed = 0
        """Customers that were looked up, and those of them that had to be read from disk. For metrics."""
        try:
            self._open_at(fresh, at)
        except BaseException:
            self.close()
            raise

    def _open_at(self, fresh: GroupMeta, at: Token | None) -> None:
        stored = self._meta_value(_KEY_META)
        meta = decode(stored, GroupMeta) if stored is not None else fresh
        if (meta.group, meta.groups) != (fresh.group, fresh.groups):
            raise StateError(
                f"{self.path}: holds key group {meta.group} of {meta.groups}, but group {fresh.group} of {fresh.groups} was "
                "to be opened: the number of partitions was changed, or directories were mixed up; use the state's own log, "
                "or an empty state directory"
            )
        if at is not None and at.group != fresh.group:
            raise StateError(
                f"{self.path}: key group {fresh.group} was to be opened at the place of group {at.group}: the recovery store is not "
                "of this state; restore the pair from one backup, or start with both empty to rebuild from the log"
            )
        wanted = (at.position, at.fired_through) if at else (fresh.position, fresh.fired_through)
        if (meta.position, meta.fired_through) > wanted:
            meta = self._undo(meta, fresh, wanted)
        self.meta = meta
        self.behind = at if (meta.position, meta.fired_through) < wanted else None
        self._meta_before = self._meta_value(_KEY_META)

    def _undo(self, meta: GroupMeta, fresh: GroupMeta, wanted: tuple[int, int]) -> GroupMeta:
        """Go back by one epoch, if that leads to `wanted`."""
        stored = self._meta_value(_KEY_UNDO)
        undo = decode(stored, Undo) if stored is not None else None
        before = fresh if undo is None or undo.meta is None else decode(undo.meta, GroupMeta)
        if undo is None or (before.position, before.fired_through) != wanted:
            raise StateError(
                f"{self.path}: the state stands at position {meta.position}, the dataflow goes on from position {wanted[0]}, and "
                "there is no way from one to the other: the two directories are not of one run; restore the pair from one "
                "backup, or start with both empty to rebuild from the log"
            )
        batch = WriteBatch(raw_mode=True)
        for customer_id, value in undo.customers:
            key = customer_id.encode()
            if value is None:
                batch.delete(key, self._customers_handle)
            else:
                batch.put(key, value, self._customers_handle)
        for deleted, added in undo.timers:
            if added is not None:
                batch.delete(added, self._timers_handle)
            if deleted is not None:
                batch.put(deleted, b"", self._timers_handle)
        if undo.meta is None:
            batch.delete(_KEY_META, self._meta_handle)
        else:
            batch.put(_KEY_META, undo.meta, self._meta_handle)
        batch.delete(_KEY_UNDO, self._meta_handle)
        self._write(batch)
        return before

    def load(self, customer_ids: Collection[str]) -> dict[str, Kept]:
        """The record of each customer, as the epoch has it by now."""
        found: dict[str, Kept] = {}
        missing = []
        young, old = self._young, self._old
        for customer_id in customer_ids:
            kept = young.get(customer_id)
            if kept is None:
                kept = old.get(customer_id)
                if kept is None:
                    missing.append(customer_id)
                    continue
                self._remember(kept)
            found[customer_id] = kept
        self.loaded += len(customer_ids)
        self.missed += len(missing)
        if missing:
            try:
                stored = self._customers.get([customer_id.encode() for customer_id in missing]) or ()
            except Exception as error:
                raise trouble(self.path, "read", error) from error
            for customer_id, value in zip(missing, stored, strict=True):
                kept = found[customer_id] = Kept(customer_id, value)
                self._remember(kept)
        return found

    def put(self, kept: Kept, value: bytes) -> None:
        """Set the record of a customer that `load` gave; written by the next `commit`."""
        if not kept.changed:
            kept.changed = True
            kept.before = kept.value
            self._changed.append(kept)
        kept.value = value

    def every(self) -> Iterator[tuple[str, bytes]]:
        """The record of every customer, as the epoch has it by now; read one by one, and not remembered."""
        new = [kept for kept in self._changed if kept.before is None]
        for key, stored in entries(self.path, self._customers):
            customer_id = key.decode()
            kept = self._young.get(customer_id) or self._old.get(customer_id)
            yield customer_id, stored if kept is None or kept.value is None else kept.value
        for kept in new:
            yield kept.customer_id, kept.value or b""

    def definitions(self, digest: str) -> bytes | None:
        """The text of the definitions that have this hash; None where it was not kept."""
        found = self._definitions.get(digest)
        return self._meta_value(KEY_DEFINITIONS + digest.encode()) if found is None else found

    def keep_definitions(self, digest: str, text: bytes) -> None:
        """Keep the text of definitions that are in use from now on; `meta` has their hash. Written by the next `commit`."""
        self._definitions[digest] = text

    def commit(self) -> Token:
        """End the epoch; afterwards the store on disk stands here.

        1. the epoch's values, 2. the timer index, 3. the undo record, 4. the meta: one batch, so all of it lands or nothing
        does; 5. what the epoch had changed is cache from now on.
        """
        if not self._changed and self._meta_before == encode(self.meta):
            return self.token()
        batch = WriteBatch(raw_mode=True)
        put, handle = batch.put, self._customers_handle
        before = []
        for kept in self._changed:  # 1
            put(kept.customer_id.encode(), kept.value, handle)
            before.append((kept.customer_id, kept.before))
        timers = list(self.timers.writes())
        self._timers_written = self._timers_written or bool(timers)
        for deleted, added in timers:  # 2
            if deleted is not None:
                batch.delete(deleted, self._timers_handle)
            if added is not None:
                put(added, b"", self._timers_handle)
        put(_KEY_UNDO, encode(Undo(self._meta_before, before, timers)), self._meta_handle)  # 3
        if self._definitions:
            self._write_definitions(batch)
        meta = encode(self.meta)
        put(_KEY_META, meta, self._meta_handle)  # 4
        self._write(batch)
        self._meta_before = meta
        for kept in self._changed:  # 5
            self._young_bytes += len(kept.value or b"") - len(kept.before or b"")
            kept.changed, kept.before = False, None
        self._changed.clear()
        self._definitions.clear()
        self.timers.committed()
        if self._young_bytes > self._young_bytes_max:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        return self.token()

    def _write_definitions(self, batch: WriteBatch) -> None:
        """Put the texts that were taken in; forget those that neither this epoch nor the one before it uses."""
        used = {self.meta.definitions, *self._definitions}
        if self._meta_before is not None:
            used.add(decode(self._meta_before, GroupMeta).definitions)
        for key, _ in entries(self.path, self._meta_family, KEY_DEFINITIONS):
            if not key.startswith(KEY_DEFINITIONS):
                break
            if key[len(KEY_DEFINITIONS) :].decode() not in used:
                batch.delete(key, self._meta_handle)
        for digest, text in self._definitions.items():
            batch.put(KEY_DEFINITIONS + digest.encode(), text, self._meta_handle)

    def _timer_keys(self, start: bytes) -> Iterator[bytes]:
        """The keys of the timer index on disk from `start` on."""
        return (key for key, _ in entries(self.path, self._timers, start))

    def _meta_value(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._meta_family.get(key)
        except Exception as error:
            raise trouble(self.path, "read", error) from error
        return value

    def _write(self, batch: WriteBatch) -> None:
        """All of a batch or nothing."""
        try:
            self._db.write(batch, self._write_options)
        except Exception as error:
            raise trouble(self.path, "write", error) from error

    def timers_waiting(self) -> int:
        """Customers with a timer, as RocksDB estimates it without counting."""
        return self._timers.property_int_value("rocksdb.estimate-num-keys") or 0

    def token(self) -> Token:
        """Where the group stands now."""
        return Token(self.meta.group, self.meta.position, self.meta.fired_through)

    def checkpoint(self, path: Path) -> None:
        """Make a checkpoint of what the last `commit` left, in the new directory `path`: hard links on the same disk.

        Raises:
            StateError: It cannot be made.
        """
        try:
            Checkpoint(self._db).create_checkpoint(str(path))
        except Exception as error:
            raise trouble(path, "make a checkpoint of", error) from error

    def close(self, flush: bool = False) -> None:
        """Give the directory back. What was not committed is forgotten; `flush` writes what RocksDB has in memory alone."""
        if flush:
            families = [self._customers, self._meta_family]
            if self._timers_written:  # flushing nothing takes as long as flushing something
                families.append(self._timers)
            try:
                for family in families:
                    family.flush()
            except Exception as error:
                raise trouble(self.path, "write", error) from error
        # The handles of column families keep RocksDB's lock until they go.
        del self._customers, self._timers, self._meta_family
        del self._customers_handle, self._timers_handle, self._meta_handle
        self._db.close()

    def _remember(self, kept: Kept) -> None:
        self._young[kept.customer_id] = kept
        self._young_bytes += len(kept.value or b"") + 250  # the dict's and the objects' own overhead, roughly
