"""This module is a worker process's line to its supervisor: it says when it is ready, and notices when that is gone.

Each holds one end of a socket. However the supervisor dies, the kernel closes its end, and a thread that reads here
sees that at once. The worker is then stopped, which hands its jobs back unharmed. (PR_SET_PDEATHSIG would do it in the
kernel, but with SIGKILL its jobs would count a crash each, and a signal that lets Python run is no surer than the
thread.) A worker that has not ended by itself after four seconds is ended.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Self

log = logging.getLogger("longshore.supervisor")

VARIABLE = "LONGSHORE_PARENT_FD"
"""The environment variable by which a supervisor tells a process which descriptor is its end of the line."""
PATIENCE_SECONDS = 4.0
"""Nothing may outlive its supervisor by more than five seconds."""


class Parent:
    """The supervisor, as one of its processes knows it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] | None = None) -> Self | None:
        """The supervisor of this process, None if it has none. The variable is taken away: what this process starts
        has other parents."""
        found = (os.environ if environment is None else environment).pop(VARIABLE, None)
        if found is None:
            return None
        line = socket.socket(fileno=int(found))
        line.set_inheritable(False)
        return cls(line)

    def ready(self) -> None:
        """Says that this process is about to work: if it ends from now on, its start was not the reason."""
        with suppress(OSError):  # the supervisor is gone, which the thread sees too
            self._line.send(b"ready")

    def watch(self, on_death: Callable[[], None], *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Calls `on_death` in a thread when the supervisor has died, and ends this process if it is there so much
        later."""
        arguments = (on_death, patience_seconds)
        threading.Thread(target=self._watch, args=arguments, name="longshore-parent", daemon=True).start()

    def _watch(self, on_death: Callable[[], None], patience_seconds: float) -> None:
        while self._hears_something():
            log.debug("The supervisor said something; it is not expected to.")
        log.error("The supervisor is gone; stopping.")
        on_death()
        threading.Event().wait(patience_seconds)
        os._exit(1)

    def _hears_something(self) -> bool:
        try:
            return bool(self._line.recv(1))
        except OSError:  # reset: the supervisor died with something of ours unread
            return False
