"""This module is what a running attempt can be told and can tell: cancellation, time-out, progress and log lines."""

from collections.abc import Callable, Sequence
from typing import Protocol

from longshore.core.job import JobRecord
from longshore.core.suspension import Suspended
from longshore.store.commands import Note


class Scribe(Protocol):
    """Where progress and log lines go; they are stored in the background. Callable from any thread."""

    def progress(self, job: JobRecord, value: float, note: str) -> None:
        """The newest progress wins."""

    def log(self, job: JobRecord, text: str) -> None:
        """One line, in order."""

    def picked(self, job: JobRecord, provider: str, candidates: tuple[str, ...]) -> None:
        """The task has picked one of several providers."""

    def completing(self, job: JobRecord, result: bytes | None) -> Sequence[Note]:
        """The task is about to complete its job in a transaction of its own. Gives what it has noted and nobody has
        stored yet: an ended job takes no more notes."""


class Control:
    """The worker's side of one attempt; the manager wraps it into the `JobContext` that user code sees.

    `cancelled` and `timed_out` become true from outside; a function in a thread looks at them when it can stop.
    """

    __slots__ = (
        "_scribe",
        "cancelled",
        "candidates",
        "is_completing",
        "notes",
        "provider",
        "record",
        "result",
        "suspended",
        "timed_out",
        "transcript",
    )

    suspended: Suspended | None

    def __init__(self, record: JobRecord, scribe: Scribe) -> None:
        self.record: JobRecord = record
        self.cancelled: bool = False
        self.timed_out: bool = False
        self.is_completing: bool = False
        """The task has completed its job in a transaction of its own; whether that was committed is in the store."""
        self.result: bytes | None = None
        """What it completed its job with."""
        self.notes: tuple[Note, ...] = ()
        """What it noted before, and is stored with its end."""
        self.provider: str | None = None
        """The service that the task has picked to depend on."""
        self.candidates: tuple[str, ...] = ()
        """From which it picked."""
        self.suspended = None
        """The attempt was let go of, to go on later, whatever the task made of that."""
        self.transcript: object | None = None
        """What the manager keeps for all contexts of the attempt (`steps/transcript.py`)."""
        self._scribe = scribe

    async def progress(self, value: float, note: str = "") -> None:
        """How far the attempt is, from 0 to 1. Stored within half a second; of several the newest."""
        self.progress_sync(value, note)

    async def log(self, text: str) -> None:
        """A line for the job's log. Stored within half a second, and always before the attempt's end."""
        self.log_sync(text)

    def completing(self, result: bytes | None) -> None:
        """Said before the job is completed in a transaction of the task's own, so that nobody forgets to look."""
        self.is_completing, self.result = True, result
        self.notes += tuple(self._scribe.completing(self.record, result))

    def picked(self, provider: str, candidates: tuple[str, ...]) -> None:
        """The task depends on this one of several providers from now on."""
        self.provider, self.candidates = provider, candidates
        self._scribe.picked(self.record, provider, candidates)

    def progress_sync(self, value: float, note: str = "") -> None:
        """`progress` for threads; does not wait for the store."""
        self._scribe.progress(self.record, value, note)

    def log_sync(self, text: str) -> None:
        """`log` for threads; does not wait for the store."""
        self._scribe.log(self.record, text)


class Wanted(Protocol):
    """What a worker asks of a task's context."""

    async def is_wanted(self, when: str) -> bool:
        """Whether the condition of a step holds. Raises what looking at it raises."""


MakeContext = Callable[[Control], Wanted]
"""How a task's context parameter is made; `manager/assembly.py` hands it in."""
