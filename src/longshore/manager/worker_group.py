"""This module keeps the workers of this process: started in the background of some event loop, ended from any."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from longshore.core.forking import begins_anew_after_fork, leave_alone
from longshore.manager.store_wait import StoreWait
from longshore.worker.worker import Worker

log = logging.getLogger("longshore.manager")


class WorkerGroup:
    """Workers that run in the background, each until it is drained."""

    def __init__(self) -> None:
        self._members: dict[Worker, Future[None]] = {}
        self._store_wait: StoreWait | None = None
        """Waits for the store of a worker that is to start."""
        begins_anew_after_fork(self)

    def begin_anew(self) -> None:
        """In a forked child: the workers are the parent's."""
        leave_alone(self._members, self._store_wait)
        self._members, self._store_wait = {}, None

    @property
    def is_working(self) -> bool:
        """Whether any of them runs, or is about to."""
        return self._store_wait is not None or any(not done.done() for done in self._members.values())

    @property
    def running_jobs(self) -> int:
        """Jobs that run in this process now."""
        return sum(worker.running for worker in self._members)

    async def start_once_there(self, store_wait: StoreWait, hired: Callable[[], Awaitable[Worker]]) -> None:
        """Starts the worker when its store is there; not at all when somebody ends the waiting. Raises what hiring
        it does."""
        self._store_wait = store_wait
        try:
            worker = await store_wait.opened(hired)
            if worker is not None and not store_wait.is_over:
                self.start(worker)
        finally:
            self._store_wait = None

    def start(self, worker: Worker) -> None:
        """Lets the worker work in the running event loop."""
        done: Future[None] = Future()
        self._members[worker] = done
        task = asyncio.create_task(worker.run(), name="longshore worker")
        task.add_done_callback(lambda ended: self._ended(worker, ended))

    async def end(self, seconds: float) -> None:
        """Drains all of them; those that are not done after so long are stopped, and hand back what they have."""
        if self._store_wait is not None:
            self._store_wait.drain()
        for worker in list(self._members):
            worker.drain()
        if not await self._all_done(seconds):
            for worker in list(self._members):
                worker.stop()
            await self._all_done(None)

    async def _all_done(self, seconds: float | None) -> bool:
        waiting = [asyncio.wrap_future(done) for done in self._members.values()]
        if not waiting:
            return True
        _, pending = await asyncio.wait(waiting, timeout=seconds)
        return not pending

    def _ended(self, worker: Worker, task: "asyncio.Task[None]") -> None:
        done = self._members.pop(worker)
        if not task.cancelled() and task.exception() is not None:
            log.error("A worker ended with an error.", exc_info=task.exception())
        done.set_result(None)
