"""This module gives every event loop its own engine over one store.

A connection belongs to the loop that opened it. The loop that comes first opens the store; every other one (the
portal's, a second `asyncio.run`, a test's) gets a twin of it, and with it the same jobs.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from concurrent.futures import Future

import msgspec

from longshore.backends.tiers import TwoTiers
from longshore.core.clock import Clock
from longshore.core.forking import begins_anew_after_fork, leave_alone
from longshore.core.states import LIVE
from longshore.engine.engine import Engine
from longshore.manager.local_locks import LocalLocks
from longshore.manager.waiting import Waiter
from longshore.steps.recorder import Recorder
from longshore.store.contract import Store
from longshore.store.replies import QueueCounts
from longshore.store.within import WorksWithin

log = logging.getLogger("longshore.manager")

Loop = asyncio.AbstractEventLoop


class LoopServices(msgspec.Struct, frozen=True, eq=False):
    """What works in one event loop."""

    engine: Engine
    """Of both tiers."""
    quick: Engine
    """Of the one in memory alone."""
    durable: Store
    waiter: Waiter
    locks: LocalLocks
    recorder: Recorder
    """Of steps, in the durable store."""
    quick_recorder: Recorder
    """And in memory."""
    is_origin: bool
    """Whether its durable store is the one that was opened first."""

    async def close(self) -> None:
        """Lets go of the waiter and of the stores; the original stays, for the other loops."""
        await self.waiter.close()
        await self.quick.store.close()
        if not self.is_origin:
            await self.durable.close()


class Engines:
    """The engines of one manager, by loop. They open on first use, and again after `close`.

    `volatile` names the queues that are in memory: what is there is shared by all loops, and gone after `close`.
    """

    def __init__(
        self,
        make_store: Callable[[], Store],
        make_memory: Callable[[], Store],
        make_engine: Callable[[Store], Engine],
        volatile: AbstractSet[str],
        clock: Clock,
    ) -> None:
        self._make_store = make_store
        self._make_memory = make_memory
        self._volatile = volatile
        self._make_engine = make_engine
        self._clock = clock
        self._clear()
        begins_anew_after_fork(self)

    def begin_anew(self) -> None:
        """In a forked child: its first use opens a store of its own, and the parent keeps all that is its."""
        leave_alone(self._origin, self._unopened, self._opening, self._open)
        self._clear()

    def _clear(self) -> None:
        self._lock = threading.Lock()
        self._origin: Future[Store] | None = None
        self._memory = self._make_memory()
        self._unopened: Store | None = None
        self._is_prepared = False
        self._warned_of: set[str] = set()
        self._opening: dict[Loop, asyncio.Task[LoopServices]] = {}
        self._open: dict[Loop, LoopServices] = {}

    def unopened(self) -> Store:
        """A store that stays closed: it knows its names, and works on connections of others."""
        if self._unopened is None:
            self._unopened = self._make_store()
        return self._unopened

    async def prepare(self) -> None:
        """Lets the store that stays closed see, once, where it works. Raises like `here`."""
        store = self.unopened()
        if not self._is_prepared and isinstance(store, WorksWithin):
            await store.prepare()
        self._is_prepared = True

    async def here(self) -> Engine:
        """The engine of the running loop. Raises StoreUnavailable, SchemaMismatch, SettingsError."""
        return (await self.services()).engine

    async def recorder(self, queue: str) -> Recorder:
        """The way to the records of the queue's jobs: they are beside the jobs, in memory or where they last."""
        services = await self.services()
        return services.quick_recorder if queue in self._volatile else services.recorder

    async def place(self, queue: str) -> Store:
        """Where the records of the queue's jobs are."""
        return (await self.recorder(queue)).store

    async def services(self) -> LoopServices:
        """The engine of the running loop and what belongs to it."""
        loop = asyncio.get_running_loop()
        found = self._open.get(loop)
        if found is not None:
            return found
        opening = self._opening.get(loop)
        if opening is None or opening.done():  # done: it failed
            opening = self._opening[loop] = loop.create_task(self._open_in(loop))
        return await asyncio.shield(opening)

    async def close(self) -> None:
        """Closes the store and all its twins; a later use opens it anew."""
        with self._lock:
            origin, self._origin = self._origin, None
            memory, self._memory = self._memory, self._make_memory()
        if self._volatile:
            await _warn_of_loss(memory, sorted(self._volatile))
        here = asyncio.get_running_loop()
        opened = list(self._open.items())
        self._open.clear()
        self._opening.clear()
        for loop, services in opened:
            await _close_from(here, loop, services)
        if origin is not None:
            await (await asyncio.wrap_future(origin)).close()

    async def warn_of_strays(self) -> None:
        """Says, once, which queues that are in memory here have jobs in the store that nobody here looks for."""
        unsaid = sorted(self._volatile - self._warned_of)
        if unsaid:
            for counts in await (await self.services()).durable.count(unsaid):
                _warn_of_strays(counts)
            self._warned_of.update(unsaid)

    async def _open_in(self, loop: Loop) -> LoopServices:
        store, is_origin = await self._store()
        memory = await self._memory.twin()
        engine = self._make_engine(TwoTiers(store, memory, self._volatile, self._clock))
        waiter = Waiter(engine, self._clock)
        services = LoopServices(
            engine,
            self._make_engine(memory),
            store,
            waiter,
            LocalLocks(),
            Recorder(store, self._clock),
            Recorder(memory, self._clock),
            is_origin,
        )
        self._open[loop] = services
        self._opening.pop(loop, None)  # absent where it was closed meanwhile
        await self._close_dead()
        return services

    async def _close_dead(self) -> None:
        """Closes what belonged to loops that have ended without a shutdown, as each `asyncio.run` does."""
        for loop in [loop for loop in list(self._open) if loop.is_closed()]:
            services = self._open.pop(loop, None)
            if services is not None:
                await services.close()

    async def _store(self) -> tuple[Store, bool]:
        with self._lock:
            origin = self._origin
            is_first = origin is None
            if origin is None:
                origin = self._origin = Future()
        if is_first:
            return await self._open_origin(origin), True
        return await (await asyncio.wrap_future(origin)).twin(), False

    async def _open_origin(self, origin: "Future[Store]") -> Store:
        try:
            store = self._make_store()
            await store.open()
        except BaseException as error:
            with self._lock:
                self._origin = None  # the next use tries again
            origin.set_exception(error)
            raise
        origin.set_result(store)
        return store


async def _warn_of_loss(memory: Store, queues: list[str]) -> None:
    """Says which queues in memory end with jobs that nobody has run."""
    twin = await memory.twin()
    for counts in await twin.count(queues):
        lost = sum(counts.states.get(state, 0) for state in LIVE)
        if lost:
            log.warning(
                "Queue '%s' was in memory and ended with %d job%s left to run; `await manager.drain()` before "
                "the shutdown waits for them.",
                counts.queue,
                lost,
                "" if lost == 1 else "s",
            )
    await twin.close()


def _warn_of_strays(counts: QueueCounts) -> None:
    left = sum(counts.states.get(state, 0) for state in LIVE)
    if left:
        log.warning(
            "Queue '%s' is in memory here (durable=False), but %d of its jobs %s in the store from before, where no "
            "worker of this process looks. Let a process that does not say durable=False run them, or give the queue "
            "in memory another name.",
            counts.queue,
            left,
            "is" if left == 1 else "are",
        )


async def _close_from(here: Loop, loop: Loop, services: LoopServices) -> None:
    """Closes a services in its own loop where that still runs, else here."""
    if loop is here or not loop.is_running():
        await services.close()
    else:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(services.close(), loop))
