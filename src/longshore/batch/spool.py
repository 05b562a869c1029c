"""This module keeps what a batched queue holds, so that it comes back at the next start: atomic snapshots."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from longshore.batch.entry import Entry
from longshore.core.errors import InvalidOption, PayloadError, PayloadNotEncodable, UsageError
from longshore.core.payload import decoder, encode
from longshore.core.retry import Seconds, seconds

T = TypeVar("T")

NO_LIMIT_BYTES = 2**62


class Storage(Protocol):
    """Where snapshots are kept. `save` replaces the whole of what was kept under the key, or none of it."""

    async def load(self, key: str) -> bytes | None:
        """What was saved last; None when nothing was."""

    async def save(self, key: str, data: bytes) -> None:
        """Returns when it is as safe as it will be."""


class FileStorage:
    """Snapshots as files of a folder, which is made when it is missing. Written beside the old one, forced to the disk,
    and put in its place in one step: a crash leaves the old one or the new one, never a piece."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder: Path = Path(folder)

    def __repr__(self) -> str:
        return f"FileStorage({str(self.folder)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileStorage) and other.folder.absolute() == self.folder.absolute()

    def __hash__(self) -> int:
        return hash(self.folder.absolute())

    async def load(self, key: str) -> bytes | None:
        return await asyncio.to_thread(self._read, self._path(key))

    async def save(self, key: str, data: bytes) -> None:
        await asyncio.to_thread(self._write, self._path(key), data)

    def _path(self, key: str) -> Path:
        return self.folder / f"{quote(key, safe='')}.json"

    def _read(self, path: Path) -> bytes | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)  # now, and not when there is something to lose
            is_writable = os.access(self.folder, os.W_OK | os.X_OK)
        except OSError as error:
            raise UsageError(f"No snapshot can be kept in folder '{self.folder}': {error}.") from error
        if not is_writable:
            raise UsageError(
                f"No snapshot can be kept in folder '{self.folder}': this process may not write there."
            )
        return path.read_bytes() if path.exists() else None

    def _write(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.new")
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        if os.name == "posix":  # elsewhere a folder cannot be forced
            _force(path.parent)


def _force(folder: Path) -> None:
    """Makes the new name itself survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Persistence:
    """Keeps what a queue holds under `key` (its name when None) and saves it `every` so many seconds if it changed.

    After a crash at most one such interval is lost: items added since are gone, and items done since run again.
    `item_type` is what the items are read back as; None: plain dicts, lists and values. Raises InvalidOption.
    """

    def __init__(
        self,
        storage: Storage,
        key: str | None = None,
        *,
        every: Seconds = 60.0,
        item_type: Any = None,
    ) -> None:
        self.storage: Storage = storage
        self.key: str | None = key
        self.every: float = seconds("every", every)
        self.item_type: Any = item_type
        if not all(callable(getattr(storage, each, None)) for each in ("load", "save")):
            raise InvalidOption(
                "storage", storage, f"{_storage_for(storage)}, or an object with async load and save"
            )
        if item_type is not None:
            _check_readable(item_type)
        if self.every == 0:
            raise InvalidOption("every", every, "more than 0 seconds")
        if key is not None and (not isinstance(key, str) or not key):
            raise InvalidOption("key", key, "a text")


def _storage_for(given: object) -> str:
    folder = given if isinstance(given, str | os.PathLike) else "folder"
    return f"FileStorage({str(folder)!r})"


def _check_readable(item_type: Any) -> None:
    try:
        decoder(item_type)
    except TypeError as error:
        raise InvalidOption("item_type", item_type, f"a type that can be read from JSON ({error})") from error


class KeptItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item of a snapshot."""

    item: msgspec.Raw
    priority: int = 0
    failures: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """What a snapshot holds."""

    queue: str
    items: list[KeptItem]
    version: int = 1


class Written(NamedTuple):
    """A snapshot as bytes, and why some items could not be in it."""

    data: bytes
    unfit: list[PayloadNotEncodable]


class Restored(NamedTuple, Generic[T]):
    """An item that came back."""

    item: T
    priority: int
    failures: int


def write_snapshot(queue: str, entries: Iterable[Entry[Any]]) -> Written:
    """The items as JSON. One that has no JSON form is left out: it must not keep the others from being saved."""
    kept: list[KeptItem] = []
    unfit: list[PayloadNotEncodable] = []
    for entry in entries:
        try:
            item = encode(entry.item, what=f"an item of queue {queue}", limit_bytes=NO_LIMIT_BYTES)
        except PayloadNotEncodable as error:
            unfit.append(error)
        else:
            kept.append(KeptItem(msgspec.Raw(item), entry.priority, entry.failures))
    return Written(msgspec.json.encode(Snapshot(queue, kept)), unfit)


def read_snapshot(queue: str, data: bytes, item_type: Any, levels: int) -> list[Restored[Any]]:
    """The items of a snapshot. Those of a level that there is no more are of the last one. Raises PayloadError when
    it cannot be read; the snapshot stays as it is."""
    read = decoder(Any if item_type is None else item_type)
    try:
        kept = msgspec.json.decode(data, type=Snapshot).items
        return [
            Restored(read.decode(each.item), min(each.priority, levels - 1), each.failures) for each in kept
        ]
    except Exception as error:  # a pydantic model's own validation raises what it likes
        raise PayloadError(
            f"The saved state of queue '{queue}' cannot be read: {error}. It is left as it is; mend it, change "
            "item_type=, or take another key."
        ) from error
