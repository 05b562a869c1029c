"""This module keeps the runners of one worker: made when the first job needs them, and closed together."""

import os
from collections.abc import Callable
from random import Random

from longshore.worker.registry import Kind
from longshore.worker.runner import Errand, Runner
from longshore.worker.runners.threads import ThreadRunner


class Outside:
    """Everything that runs away from the event loop. A worker without thread and process tasks has nothing of it."""

    def __init__(
        self, slots: int, processes: int | None, random: Random, on_collected: Callable[[], None]
    ) -> None:
        """`on_collected` is called after some errands of threads were said to be done."""
        self._slots = slots
        self._processes = processes or min(slots, os.cpu_count() or 1)
        self._random = random
        self._on_collected = on_collected
        self._runners: dict[Kind, Runner] = {}

    def submit(self, errand: Errand) -> None:
        """Hands the errand to the runner of its handler's kind."""
        kind = errand.handler.kind
        if kind not in self._runners:
            self._runners[kind] = self._make(kind)
        self._runners[kind].submit(errand)

    def cancel(self, errand: Errand) -> None:
        """See `Runner.cancel`."""
        self._runners[errand.handler.kind].cancel(errand)

    def abandon(self, errand: Errand) -> None:
        """See `Runner.abandon`."""
        self._runners[errand.handler.kind].abandon(errand)

    async def close(self) -> None:
        """Ends all runners."""
        for runner in self._runners.values():
            await runner.close()

    def _make(self, kind: Kind) -> Runner:
        if kind is Kind.THREAD:
            return ThreadRunner(self._slots, self._on_collected)
        from longshore.worker.runners.processes import ProcessRunner  # multiprocessing costs 20 ms to import

        return ProcessRunner(self._processes, random=self._random)
