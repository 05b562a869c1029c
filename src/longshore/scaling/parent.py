"""This module lets a worker process notice that its supervisor is gone.

The supervisor keeps the writing end of a pipe and writes nothing; its processes hold the reading end. However the
supervisor dies, the kernel closes its end, and a thread that reads here sees the end of the pipe at once. The worker
is then stopped, which hands its jobs back unharmed. (PR_SET_PDEATHSIG would do it in the kernel, but with SIGKILL its
jobs would count a crash each, and any signal that lets Python run is no surer than the thread.) A worker that has not
ended by itself after four seconds is ended.
"""

import logging
import os
import threading
from collections.abc import Callable, MutableMapping
from typing import Self

log = logging.getLogger("longshore.supervisor")

VARIABLE = "LONGSHORE_PARENT_FD"
"""The environment variable by which a supervisor tells which descriptor to watch."""
PATIENCE_SECONDS = 4.0
"""Nothing may outlive its supervisor by more than five seconds."""


class Parent:
    """The supervisor, as one of its processes knows it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] | None = None) -> Self | None:
        """The supervisor of this process, None if it has none. The variable is taken away: what this process starts
        has other parents."""
        found = (os.environ if environment is None else environment).pop(VARIABLE, None)
        if found is None:
            return None
        descriptor = int(found)
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the signature of os
        return cls(descriptor)

    def watch(self, on_death: Callable[[], None], *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Calls `on_death` in a thread when the supervisor has died, and ends this process if it is there so much
        later."""
        threading.Thread(
            target=self._watch, args=(on_death, patience_seconds), name="longshore-parent", daemon=True
        ).start()

    def _watch(self, on_death: Callable[[], None], patience_seconds: float) -> None:
        while os.read(self._descriptor, 1):
            log.debug("The supervisor said something; it is not expected to.")
        log.error("The supervisor is gone; stopping.")
        on_death()
        threading.Event().wait(patience_seconds)
        os._exit(1)
