"""This module runs an event loop in a thread of its own, for servers written in Python beside tests that block."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
CALL_SECONDS = 20.0


class Background:
    """A loop that runs from now until `close`, and the ports that it listens on."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._listeners: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """What the coroutine returns, run in that loop; the calling thread waits."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    def listen(self, handler: Handler) -> int:
        """A new port of the loopback, each connection of which `handler` serves."""
        return self.call(self._listen(handler))

    def close(self) -> None:
        """Listens no more, cancels what runs and ends the thread."""
        if self._loop.is_closed():
            return
        self.call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self, handler: Handler) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(
                asyncio.CancelledError
            ):  # Python 3.11 logs an error for a cancelled handler
                await handler(reader, writer)

        listener = await asyncio.start_server(serve, "127.0.0.1")
        self._listeners.append(listener)
        port: int = listener.sockets[0].getsockname()[1]
        return port

    async def _end(self) -> None:
        for listener in self._listeners:
            listener.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # aborted connections tell their readers
