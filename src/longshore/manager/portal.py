"""This module runs coroutines for callers without an event loop: one thread with a loop of its own.

Everything async is written once; its blocking twin sends the coroutine through here and waits. It works from any
thread, also from one whose own loop is running (a notebook): that loop stands still meanwhile, but nothing it owes
is needed for the answer, because the portal's loop has an engine of its own.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from longshore.core.errors import UsageError
from longshore.core.forking import begins_anew_after_fork, leave_alone

R = TypeVar("R")


class Portal:
    """The thread and its loop; they start with the first call and end with `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        begins_anew_after_fork(self)

    def begin_anew(self) -> None:
        """In a forked child, which has the names and not the thread: the next call starts one."""
        leave_alone(self._loop, self._thread)
        self._lock, self._loop, self._thread = threading.Lock(), None, None

    def call(self, work: Coroutine[Any, Any, R]) -> R:
        """What the coroutine returns or raises. The caller's context variables go with it.

        Raises UsageError inside the portal's own thread (in a hook of a blocking call), where waiting would be for
        ever.
        """
        loop = self._running()
        if threading.current_thread() is self._thread:
            work.close()
            raise UsageError(
                "A blocking call inside a hook of a blocking call would wait for itself; await the async method."
            )
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    @property
    def is_open(self) -> bool:
        """Whether the thread runs, in this process."""
        return self._loop is not None

    def close(self) -> None:
        """Ends the thread. Again: does nothing. Never called inside it."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._start()
            assert self._loop is not None
            return self._loop

    def _start(self) -> None:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_serve, args=(loop,), name="longshore-portal", daemon=True)
        self._loop, self._thread = loop, thread
        thread.start()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in (tasks := asyncio.all_tasks(loop)):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
