"""This module saves what a batched queue holds from time to time, and brings it back at its start."""

import asyncio
import threading
from collections.abc import Hashable
from random import Random
from typing import Any
from weakref import WeakValueDictionary

from longshore.batch.spool import Persistence, Restored, read_snapshot, write_snapshot
from longshore.core.clock import Clock
from longshore.core.errors import UsageError
from longshore.core.service import Repeating
from longshore.manager.batch_hooks import BatchHooks
from longshore.manager.batch_line import BatchLine

_PLACES: "WeakValueDictionary[tuple[object, str], Keeping]" = WeakValueDictionary()
"""Where the open queues of this process save: by storage and key."""
_TAKING = threading.Lock()


class Keeping:
    """The snapshots of one queue. Those in flight and those that wait for their retry are in them too: what had begun
    when the process died is done again."""

    def __init__(
        self,
        persistence: Persistence,
        line: BatchLine[Any],
        hooks: BatchHooks,
        clock: Clock,
        random: Random,
    ) -> None:
        self._storage = persistence.storage
        self._every = persistence.every
        self._item_type = persistence.item_type
        self._line = line
        self._name = line.options.name
        self._key = persistence.key or self._name
        self._hooks = hooks
        self._lock = asyncio.Lock()
        self._restored_at_change = 0
        self._saved_at_change: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """Of a queue that is open."""
        self._saver = Repeating(f"saver of queue {self._name}", self._step, clock=clock, random=random)

    async def restore(self) -> None:
        """Puts what was saved into the line; from now on, until `stop`, nobody else in this process may save there.

        Raises UsageError where another queue does, PayloadError when it cannot be read, and whatever the storage or a
        key function raises; nothing is in the line then.
        """
        self._take_place()
        try:
            self._line.restore(await self._read())
        except BaseException:
            self._leave_place()
            raise

    async def _read(self) -> list[Restored[Any]]:
        data = await self._storage.load(self._key)
        if data is None:
            return []
        levels = self._line.options.priority_levels
        return await asyncio.to_thread(read_snapshot, self._name, data, self._item_type, levels)

    async def start(self) -> None:
        """From now on, saves by itself."""
        self._restored_at_change = self._line.changes
        await self._saver.start()

    async def stop(self) -> None:
        """Saves no more by itself."""
        await self._saver.stop()
        self._leave_place()

    def _take_place(self) -> None:
        with _TAKING:
            other = _PLACES.get(self._place)
            if other is not None and other is not self and not other.is_abandoned:
                raise UsageError(
                    f"Queue '{self._name}' would save under the key '{self._key}' in {self._storage!r}, where queue "
                    f"'{other.name}' of this process saves: each would overwrite the other. Give one of them another "
                    "key, or close it first."
                )
            self._loop = asyncio.get_running_loop()
            _PLACES[self._place] = self

    def _leave_place(self) -> None:
        with _TAKING:
            if _PLACES.get(self._place) is self:
                del _PLACES[self._place]

    @property
    def name(self) -> str:
        """The queue's."""
        return self._name

    @property
    def is_abandoned(self) -> bool:
        """Whether its event loop has ended, and it with that."""
        return self._loop is not None and self._loop.is_closed()

    @property
    def _place(self) -> tuple[object, str]:
        storage: object = self._storage
        return storage if isinstance(storage, Hashable) else id(storage), self._key

    async def save(self) -> None:
        """Saves now. Raises PayloadNotEncodable for an item that cannot be saved, when the others are, and whatever
        the storage raises."""
        async with self._lock:  # an older snapshot must not replace a newer one
            changes, entries = self._line.changes, list(self._line.entries())
            written = await asyncio.to_thread(write_snapshot, self._name, entries)
            await self._storage.save(self._key, written.data)
            self._saved_at_change = changes
        if written.unfit:
            raise written.unfit[0]

    async def _step(self) -> float:
        if self._saved_at_change is None:  # the first interval only begins
            self._saved_at_change = self._restored_at_change
        elif self._line.changes != self._saved_at_change:
            try:
                await self.save()
            except Exception as error:  # noqa: BLE001 - logged and told; the next interval tries again
                await self._hooks.fail("its state was not saved", error)
        return self._every
