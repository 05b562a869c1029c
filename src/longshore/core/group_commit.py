"""This module lets many callers share one write: a group commit without a delay.

A lone caller writes at once. What comes while a write is under way waits for the next one, together with everything
else that came meanwhile, so that a costly commit is paid once for all of them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from longshore.core.clock import Clock

Item = TypeVar("Item")
Reply = TypeVar("Reply")


class GroupCommit(Generic[Item, Reply]):
    """The way of items into one place, for one event loop.

    `write` takes items and gives their replies, aligned. `size_of` says how much of `most` an item takes, and `kind_of`
    what only items of the same kind may share a write for.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Reply]]],
        clock: Clock,
        *,
        most: int,
        size_of: Callable[[Item], int],
        kind_of: Callable[[Item], object] = lambda _: None,
    ) -> None:
        self._write = write
        self._clock = clock
        self._most = most
        self._size_of = size_of
        self._kind_of = kind_of
        self._is_busy = False
        self._waiting: deque[tuple[Item, asyncio.Future[Reply]]] = deque()
        self._rounds: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Reply:
        """Writes the item, perhaps together with others. Raises what the write raises, as do the others."""
        if self._is_busy:
            answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            self._waiting.append((item, answer))
            return await answer
        self._is_busy = True
        try:
            [reply] = await self._write((item,))
            return reply
        finally:
            if self._waiting:  # even when this caller was cancelled, those who wait are served
                self._rounds = asyncio.get_running_loop().create_task(self._serve_waiting())
            else:
                self._is_busy = False

    async def _serve_waiting(self) -> None:
        try:
            while group := self._next_group():
                await self._serve(group)
                await self._clock.sleep(0)  # so that who was just served can join the next write
        finally:
            self._is_busy = False

    def _next_group(self) -> list[tuple[Item, asyncio.Future[Reply]]]:
        group: list[tuple[Item, asyncio.Future[Reply]]] = []
        size = 0
        while self._waiting:
            item, answer = self._waiting[0]
            if answer.done():  # its caller was cancelled meanwhile
                self._waiting.popleft()
                continue
            size += self._size_of(item)
            if group and (size > self._most or self._kind_of(item) != self._kind_of(group[0][0])):
                break
            group.append(self._waiting.popleft())
        return group

    async def _serve(self, group: Sequence[tuple[Item, asyncio.Future[Reply]]]) -> None:
        try:
            replies = await self._write([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - handed to each who waits for it
            for _, answer in group:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), reply in zip(group, replies, strict=True):
            if not answer.done():
                answer.set_result(reply)
