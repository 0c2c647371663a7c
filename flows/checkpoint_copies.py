"""Copies of checkpoints off the machine: in a directory, or in an object store that speaks S3, GCS or Azure.

    URL/group-00003/00000000000000000017.json    a checkpoint: its files, their sizes and hashes
    URL/group-00003/files/000042.sst-5f0c...     the files, by name and hash: checkpoints share what they have in common

Table files never change, so of a big group only the new ones travel. The list is written last: a copy that was cut short is
not seen as one. Credentials and endpoints come from where the cloud's own tools have them (AWS_ACCESS_KEY_ID, AWS_ENDPOINT,
AWS_REGION, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_..., or the machine's role); they are no settings of the job.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
import orjson
from obstore.store import LocalStore, from_url
from xxhash import xxh3_128

from flows.kafka import tell
from state.errors import OutsideError, UsageError

_FINISH_S_MAX = 30.0
"""How long the end of the job waits for a copy that is under way; the next start makes it again."""

_READ_BYTES = 8 << 20


class StoreCopies:
    """Copies in one store, made by one thread, the newest of each group first to be wanted and last to be forgotten."""

    def __init__(self, url: str, keep: int) -> None:
        """Copy to `url`, and keep the last `keep` of each group.

        Raises:
            UsageError: There is no such kind of store.
        """
        self._url = url
        self._keep = keep
        self._store = _store(url)
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._waiting: dict[int, Path] = {}
        self._failed = False
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def copy(self, group: int, checkpoint: Path) -> None:
        """Have a checkpoint copied; one of the same group that still waits is overtaken."""
        with self._wake:
            self._waiting[group] = checkpoint
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="checkpoint copies")
                self._thread.start()
            self._wake.notify()

    def close(self) -> None:
        """Finish what waits, but not for ever."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(_FINISH_S_MAX)

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                group, checkpoint = self._waiting.popitem()
            try:
                self.copy_now(group, checkpoint)
            except Exception as error:  # whatever the store says, the job itself is well
                if checkpoint.exists():  # else a newer one has taken its place, and comes next
                    self._trouble(
                        f"checkpoints cannot be copied to {self._url}: {_in_a_line(error)}; the job goes on, the next one is tried again"
                    )
            else:
                if self._failed:
                    self._failed = False
                    tell(f"checkpoints are copied to {self._url} again")

    def _trouble(self, line: str) -> None:
        if not self._failed:
            self._failed = True
            tell(line)

    def copy_now(self, group: int, checkpoint: Path) -> None:
        """Copy a checkpoint and forget those that are too old.

        1. the files that are not there yet, 2. the list that makes them a checkpoint, 3. the lists of the oldest
        checkpoints go, 4. and the files that no list names any more.
        """
        there = dict(self._list(f"{_place(group)}/files/"))
        files = []
        for path in sorted(checkpoint.iterdir()):  # 1
            stat = path.stat()
            name = f"{path.name}-{self._hash(path)}"
            if there.get(name) != stat.st_size:
                obstore.put(self._store, f"{_place(group)}/files/{name}", path)
            files.append({"name": path.name, "stored": name, "bytes": stat.st_size})
        listed = orjson.dumps({"group": group, "position": int(checkpoint.name), "files": files})
        obstore.put(self._store, f"{_place(group)}/{checkpoint.name}.json", listed)  # 2
        positions = self.positions(group)
        for position in positions[: -self._keep]:  # 3
            obstore.delete(self._store, f"{_place(group)}/{position:020}.json")
        named = {file["stored"] for position in positions[-self._keep :] for file in self._files(group, position)}
        gone = [name for name in {*there, *(str(file["stored"]) for file in files)} if name not in named]
        if gone:
            obstore.delete(self._store, [f"{_place(group)}/files/{name}" for name in gone])  # 4

    def positions(self, group: int) -> list[int]:
        """Of the copies that are whole, oldest first.

        Raises:
            OutsideError: The store does not answer.
        """
        try:
            names = [name for name, _ in self._list(f"{_place(group)}/")]
        except Exception as error:
            raise OutsideError(
                f"the copies of checkpoints in {self._url} cannot be listed: {_in_a_line(error)}; mend "
                "the store or its credentials, or start without "
                "SOJOURN_CHECKPOINT_COPIES"
            ) from error
        return sorted(int(name.removesuffix(".json")) for name in names if name.endswith(".json"))

    def fetch(self, group: int, position: int, to: Path) -> None:
        """Write a copy into the empty directory `to`.

        Raises:
            OutsideError: It cannot be read, or is damaged.
        """
        try:
            for file in self._files(group, position):
                path, digest = to / Path(file["name"]).name, xxh3_128()
                with path.open("wb") as target:
                    for piece in obstore.get(self._store, f"{_place(group)}/files/{file['stored']}").stream(
                        _READ_BYTES
                    ):
                        target.write(piece)
                        digest.update(bytes(piece))
                if not file["stored"].endswith(digest.hexdigest()):
                    raise OutsideError(f"{file['stored']} is damaged")  # noqa: TRY301 - told below, with the place
        except Exception as error:
            raise OutsideError(
                f"the copy of a checkpoint, {self._url}/{_place(group)}/{position:020}, cannot be fetched: {_in_a_line(error)}; "
                "delete that .json "
                "there to use an older copy, or start without SOJOURN_CHECKPOINT_COPIES to lead the group through the whole log"
            ) from error

    def _files(self, group: int, position: int) -> list[dict[str, Any]]:
        listed = obstore.get(self._store, f"{_place(group)}/{position:020}.json").bytes()
        found: list[dict[str, Any]] = orjson.loads(bytes(listed))["files"]
        return found

    def _list(self, prefix: str) -> Sequence[tuple[str, int]]:
        """(name, size) of what lies right below a prefix."""
        found = obstore.list_with_delimiter(self._store, prefix)["objects"]
        return [(each["path"].rpartition("/")[2], each["size"]) for each in found]

    def _hash(self, path: Path) -> str:
        stat = path.stat()
        known = (path.name, stat.st_ino, stat.st_size)
        is_table = path.suffix == ".sst"  # never changed once it is written; the others are
        if is_table and known in self._hashes:
            return self._hashes[known]
        digest = xxh3_128()
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                digest.update(piece)
        if is_table:
            self._hashes[known] = digest.hexdigest()
        return digest.hexdigest()


def _place(group: int) -> str:
    return f"group-{group:05}"


def _in_a_line(error: Exception) -> str:
    """What an error of obstore says before it shows its own source."""
    return str(error).partition("\n")[0]


def _store(url: str) -> Any:
    scheme = urlsplit(url).scheme
    try:
        if not scheme or scheme == "file":
            return LocalStore(Path(urlsplit(url).path).absolute(), mkdir=True)
        return from_url(url)
    except Exception as error:
        raise UsageError(
            f"checkpoints cannot be copied to {url!r} (SOJOURN_CHECKPOINT_COPIES): {_in_a_line(error)}; "
            "name a directory, or s3://BUCKET/PREFIX, "
            "gs://BUCKET/PREFIX, az://CONTAINER/PREFIX"
        ) from error
