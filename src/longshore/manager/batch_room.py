"""This module lets producers wait for room in a batched queue: the first come is the first let in."""

import asyncio
from collections import deque
from collections.abc import Callable


class Room:
    """Who waits until a queue is smaller."""

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._turns: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    def is_taken(self, limit: int) -> bool:
        """Whether who comes now would wait."""
        return self._size() >= limit or bool(self._turns)

    async def enter(self, limit: int) -> None:
        """Returns when the size is below the limit and it is the caller's turn, or at the end. The caller adds before
        it awaits anything, so that nobody else takes its place."""
        has_waited = False
        while not self._is_closed and (self._size() >= limit or (self._turns and not has_waited)):
            await self._wait(at_the_front=has_waited)
            has_waited = True

    async def _wait(self, *, at_the_front: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if at_the_front:
            self._turns.appendleft(turn)
        else:
            self._turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.let_in(1)  # it goes, and its turn is the next one's
            raise

    def let_in(self, count: int) -> None:
        """So many places are free."""
        while count > 0 and self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                count -= 1

    def close(self) -> None:
        """Lets everybody go on, to be told that it is over."""
        self._is_closed = True
        self.let_in(len(self._turns))
