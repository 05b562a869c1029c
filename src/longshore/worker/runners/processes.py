"""This module runs tasks in child processes, where they can be killed, and where a crash is theirs alone.

    submit ──► waiting ──► an idle child, or a new one ──► done(outcome, error)
                  ▲                       │
                  └── it died before it had the errand

Children are started when first needed and kept. One that has done its share of errands, or holds too much memory,
leaves and makes room for a new one: leaks and fragments go with it.

Two children make 12,600 calls of a function that does nothing a second, 4,700 of an async one (2 cores, CPython 3.11).
A new child is ready after 0.15 s, most of it imports.
"""

import asyncio
from asyncio import CancelledError
from collections import deque
from random import Random

from longshore.core.attempt_errors import AttemptError, WorkerCrashed
from longshore.worker.runner import Errand
from longshore.worker.runners.child import Child

ERRANDS_PER_CHILD = 1_000
CLOSING_SECONDS = 0.5
"""What idle children have to end by themselves when the runner closes; then they are killed."""


class ProcessRunner:
    """Runs errands in at most `count` child processes, each of its own target.

    A child is replaced after about `errands_per_child` (10 % more or less, so that not all go at once), and when it
    holds more than `size_limit_bytes` after an errand.
    """

    def __init__(
        self,
        count: int,
        *,
        random: Random,
        errands_per_child: int = ERRANDS_PER_CHILD,
        size_limit_bytes: int | None = None,
    ) -> None:
        self._count, self._random = count, random
        self._errands_per_child = errands_per_child
        self._size_limit_bytes = size_limit_bytes
        self._waiting: deque[Errand] = deque()
        self._idle: list[Child] = []
        self._working: dict[int, Child] = {}
        """By the errand they have."""
        self._shares: dict[Child, int] = {}
        """The children that count, and how many errands each may do. Those that leave or were killed do not count."""
        self._lives: set[asyncio.Task[None]] = set()
        self._closed = False

    async def close(self) -> None:
        """Lets idle children leave, kills busy ones, and returns when all processes are gone."""
        self._closed = True
        self._waiting.clear()
        for child in self._idle:
            child.leave()
        for child in self._working.values():
            child.errand = None
            child.kill()
        children = list(self._shares)
        if self._lives:
            await asyncio.wait(self._lives, timeout=CLOSING_SECONDS)
        for child in children:
            child.kill()
        await asyncio.gather(*self._lives)

    def submit(self, errand: Errand) -> None:
        """Runs the errand as soon as a child is free."""
        self._waiting.append(errand)
        self._assign()

    def cancel(self, errand: Errand) -> None:
        """Kills the child that has the errand, which ends it with WorkerCrashed; one that waits ends with
        CancelledError."""
        child = self._working.get(id(errand))
        if child is not None:
            child.kill()
        elif self._withdraw(errand):
            errand.done(None, CancelledError())

    def abandon(self, errand: Errand) -> None:
        """Forgets the errand; if a child has it, kills that child."""
        child = self._working.pop(id(errand), None)
        if child is None:
            self._withdraw(errand)
            return
        child.errand = None
        self._shares.pop(child, None)
        child.kill()
        self._assign()

    # ---------------------------------------------------------------------------------------- told by children

    def ended(self, child: Child, errand: Errand, size_bytes: int) -> None:
        """The child is idle again, unless its time has come."""
        del self._working[id(errand)]
        too_large = self._size_limit_bytes is not None and size_bytes > self._size_limit_bytes
        if too_large or child.errands_done >= self._shares[child]:
            del self._shares[child]
            child.leave()
        else:
            self._idle.append(child)
        self._assign()

    def gone(self, child: Child) -> None:
        """The process has ended, with its errand if it had one."""
        self._shares.pop(child, None)
        if child in self._idle:
            self._idle.remove(child)
        errand = child.errand
        if errand is not None:
            del self._working[id(errand)]
            self._lose(child, errand)
        self._assign()

    def _lose(self, child: Child, errand: Errand) -> None:
        if not child.is_ready:
            problem = f"The child process for task '{errand.handler.name}' could not start: {child.end}"
            errand.done(None, AttemptError(f"{problem}. What it printed on the worker's stderr says why."))
        elif child.has_begun or child.was_killed:
            problem = f"The child process that ran task '{errand.handler.name}' died: {child.end}"
            errand.done(None, WorkerCrashed(f"{problem}."))
        else:  # it died of something else; the errand never reached it
            self._waiting.appendleft(errand)

    # ---------------------------------------------------------------------------------------------- who does what

    def _assign(self) -> None:
        while self._waiting and not self._closed and (self._idle or len(self._shares) < self._count):
            child = self._idle.pop() if self._idle else self._new_child()
            errand = self._waiting.popleft()
            self._working[id(errand)] = child
            child.run(errand)

    def _new_child(self) -> Child:
        child = Child(self)
        spread = self._errands_per_child // 10
        self._shares[child] = self._errands_per_child + self._random.randint(-spread, spread)
        self._lives.add(child.life)
        child.life.add_done_callback(self._lives.discard)
        return child

    def _withdraw(self, errand: Errand) -> bool:
        if errand not in self._waiting:
            return False
        self._waiting.remove(errand)
        return True
