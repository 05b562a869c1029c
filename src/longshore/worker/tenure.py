"""This module holds the worker's session: its name in the store, and until when its jobs are surely its own.

The heartbeat's thread prolongs it, the event loop reads it before each job. So a process that was frozen for longer
than its lease, and thaws, begins none of the jobs it had claimed before: another worker may have them by now.
"""

import os
import socket

from longshore.core.ids import new_id


class Tenure:
    """The current session. Attributes are written one at a time, so that threads need no lock."""

    __slots__ = ("host", "session", "until")

    def __init__(self, host: str | None = None) -> None:
        self.host = host or socket.gethostname()
        self.session = ""
        self.until = 0.0
        """In the monotonic time of the worker's clock."""

    def begin(self) -> str:
        """A new name for a session that is still to be opened; nothing is trusted until `prolong`."""
        self.until = 0.0
        self.session = f"{self.host}:{os.getpid()}:{new_id().hex()[-8:]}"
        return self.session

    def prolong(self, session: str, until: float) -> None:
        """The store said that the session is held. Does nothing for a session that is not the current one any more."""
        if session == self.session:
            self.until = until
