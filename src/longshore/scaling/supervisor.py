"""This module runs worker processes: it keeps so many alive, starts a crashed one again, and ends all of them together.

| asked | what happens |
|---|---|
| `drain` (SIGTERM) | every process is asked to finish; what is left after the grace time is killed |
| `stop` (the second SIGTERM) | every process is killed |
| `reload` (SIGHUP) | one after another: a new process is started, and if it stands, the old one is drained |
| `scale` | more are started, or the last ones drained |

A process that ends with code 0 has finished (`--burst`) and is not started again. One that ends otherwise is, after
a delay that grows while it keeps crashing. When all of them keep ending before they are ready, the command itself must
be wrong: then the supervisor gives up, loudly. A supervisor that is killed takes its processes along (`parent.py`).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from itertools import count as count_from
from random import Random
from typing import Any

from longshore.core.clock import Clock
from longshore.scaling.position import Position
from longshore.scaling.process import WorkerProcess

log = logging.getLogger("longshore.supervisor")

FAILED_STARTS = 5
"""So many in a row, in every position, and the supervisor gives up."""
MARGIN_SECONDS = 1.5
"""Beyond the grace time, until a draining process is killed: it has its own last things to write."""


class Supervisor:
    """Keeps `count` processes of `command(number)` running. Runs once.

    `drain`, `stop`, `reload` and `scale` return at once, and are callable from any thread, from a signal handler, and
    before `run`.
    """

    def __init__(
        self,
        command: Callable[[int], list[str]],
        count: int,
        *,
        grace_seconds: float,
        clock: Clock,
        random: Random,
        names_output: bool = True,
    ) -> None:
        """`names_output`: each line that a process writes gets its name before it."""
        self._command, self._count = command, count
        self._grace_seconds = grace_seconds
        self._clock, self._random = clock, random
        self._names_output = names_output
        self._loop: asyncio.AbstractEventLoop | None = None
        self._requests: list[Callable[[], None]] = []
        self._positions: dict[int, Position] = {}
        self._processes: set[WorkerProcess] = set()
        """All that run, those that are about to be replaced too."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._rolls = asyncio.Lock()
        self._exit_code = 0
        self._is_ending = False
        self._is_stopped = False

    @property
    def pids(self) -> list[int]:
        """Of the processes that run now."""
        return sorted(process.pid for process in self._processes)

    async def run(self) -> int:
        """Until every process has ended for good. The exit code: 0 if all of them finished, or drained in time."""
        self._loop = asyncio.get_running_loop()
        try:
            self._set_count(self._count)
            for request in self._requests:
                request()
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._kill_all()
        return self._exit_code

    def drain(self) -> None:
        """Asks every process to finish."""
        self._ask(self._drain)

    def stop(self) -> None:
        """Kills every process."""
        self._ask(self._stop)

    def reload(self) -> None:
        """Replaces the processes, one after another."""
        self._ask(lambda: self._spawn(self._roll()))

    def scale(self, count: int) -> None:
        """Makes it so many processes. Those that are too many are drained."""
        self._ask(lambda: self._set_count(count))

    def _ask(self, request: Callable[[], None]) -> None:
        if self._loop is None:
            self._requests.append(request)
        else:
            self._loop.call_soon_threadsafe(request)

    # --------------------------------------------------------------------------------------------- how many, how long

    def _set_count(self, count: int) -> None:
        staying = sorted(number for number, position in self._positions.items() if not position.leaves)
        for number in staying[count:]:
            self._positions[number].leave()
        free = (number for number in count_from(1) if number not in self._positions)
        for number in [next(free) for _ in range(count - len(staying))]:
            if not self._is_ending:
                self._positions[number] = self._new_position(number)
                self._spawn(self._keep(number))

    def _new_position(self, number: int) -> Position:
        return Position(
            number,
            lambda name: self._start(name, number),
            patience_seconds=self._grace_seconds + MARGIN_SECONDS,
            crashed=self._think_of_giving_up,
            clock=self._clock,
            random=self._random,
        )

    async def _keep(self, number: int) -> None:
        try:
            if await self._positions[number].keep() != 0:
                self._exit_code = 1
        except OSError as error:
            log.critical("Giving up: the command of a worker process cannot be run: %s", error)
            self._exit_code = 1
            self._drain()
        finally:
            del self._positions[number]

    async def _start(self, name: str, number: int) -> WorkerProcess:
        process = await WorkerProcess.start(
            name,
            self._command(number),
            clock=self._clock,
            names_output=self._names_output,
        )
        self._processes.add(process)
        process.on_end(self._processes.discard)
        if self._is_stopped:
            process.kill()
        return process

    async def _roll(self) -> None:
        async with self._rolls:
            for position in [self._positions[number] for number in sorted(self._positions)]:
                if position.leaves:
                    continue
                if not await position.replace():
                    log.error("%s did not stand after a reload; the processes that run stay.", position.name)
                    return

    # ------------------------------------------------------------------------------------------------------ the end

    def _drain(self) -> None:
        if not self._is_ending:
            log.info("Draining %d processes, at most %g s.", len(self._positions), self._grace_seconds)
        self._is_ending = True
        for position in self._positions.values():
            position.leave()

    def _stop(self) -> None:
        self._drain()
        self._is_stopped = True
        self._exit_code = 1
        self._kill_all()

    def _kill_all(self) -> None:
        for process in self._processes:
            process.kill()

    def _think_of_giving_up(self) -> None:
        if all(position.failed_starts >= FAILED_STARTS for position in self._positions.values()):
            log.critical(
                "Giving up: every worker process ended before it was ready, %d times in a row. "
                "What they printed says why.",
                FAILED_STARTS,
            )
            self._exit_code = 1
            self._drain()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
