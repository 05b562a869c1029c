"""This module turns signals into requests: SIGTERM or Ctrl-C once means drain, again means stop.

| signal | the first | the next |
|---|---|---|
| SIGTERM, SIGINT | `drain()` | `stop()`, and a non-zero exit code |
| SIGHUP | `on_hangup()`; without one, `drain()` | the same |

Handlers are set with `signal.signal` and not on an event loop: so they are there before any loop runs, and a signal
that comes while the application is still being imported is kept for the worker that has yet to attach itself. What
they call must be callable from a signal handler, as `Worker.drain` is; a sleeping loop wakes by it. A SIGHUP that is
ignored when we come (`nohup`) stays ignored.
"""

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

log = logging.getLogger("longshore.worker")


class Stoppable(Protocol):
    """A worker, or a supervisor of several. Both methods may be called from a signal handler."""

    def drain(self) -> None:
        """Take nothing new, finish within the grace time, hand back the rest, end."""

    def stop(self) -> None:
        """End now."""


class StopSignals:
    """Handlers for the length of a `with` block; those that were there come back after it.

    `stops=False` makes a second signal mean no more than the first. That is for the children of a supervisor: a
    service manager may send SIGTERM to every process, and the supervisor then sends it again.
    """

    def __init__(self, *, on_hangup: Callable[[], None] | None = None, stops: bool = True) -> None:
        self.count = 0
        """How many SIGTERM and SIGINT have come."""
        self._hung_up = False
        self._on_hangup = on_hangup
        self._stops = stops
        self._target: Stoppable | None = None
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """0 when no more than a drain was asked for, 1 when work was stopped."""
        return 1 if self.count > 1 and self._stops else 0

    def attach(self, target: Stoppable) -> None:
        """From now on requests go to the target, and those that came before go there now."""
        self._target = target
        self._pass_on()

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            log.debug("Signals are handled by the main thread only; this worker is stopped by calls.")
            return self
        self._take(signal.SIGTERM, self._asked_to_end)
        self._take(signal.SIGINT, self._asked_to_end)
        if hasattr(signal, "SIGHUP"):
            self._take(signal.SIGHUP, self._asked_to_reload)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _take(self, number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> None:
        before = signal.getsignal(number)
        is_ignored = before is signal.SIG_IGN and number is not signal.SIGTERM and number is not signal.SIGINT
        if before is not None and not is_ignored:  # None: set by C code, which could not be put back
            self._before[number] = before
            signal.signal(number, handler)

    def _asked_to_end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's signature
        self.count += 1
        self._pass_on()

    def _asked_to_reload(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._on_hangup is not None:
            self._on_hangup()
        else:
            self._hung_up = True
            self._pass_on()

    def _pass_on(self) -> None:
        if self._target is None:
            return
        if self.count > 1 and self._stops:
            self._target.stop()
        elif self.count or self._hung_up:
            self._target.drain()
