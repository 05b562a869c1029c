"""This module gathers progress and log lines of running jobs and stores them: every half second, and always before the
attempt's end is stored. A note of a claim that is not the newest any more changes nothing."""

import threading
from collections.abc import Callable

import msgspec

from longshore.core.clock import Clock
from longshore.core.ids import JobId
from longshore.core.job import LOGS_KEPT, JobRecord, LogLine
from longshore.store.commands import Note

FLUSH_SECONDS = 0.5
TEXT_LIMIT = 4_000
"""Characters of a line."""

_encode = msgspec.json.Encoder().encode


class JobNotes:
    """What one job has noted since the last flush."""

    __slots__ = ("lines", "note", "progress", "record")

    def __init__(self, record: JobRecord) -> None:
        self.record = record
        self.progress: float | None = None
        self.note: str | None = None
        self.lines: list[bytes] = []

    def command(self) -> Note:
        """For the store."""
        record = self.record
        return Note(
            id=record.id,
            queue=record.queue,
            session=record.session or "",
            fence=record.fence,
            progress=self.progress,
            progress_note=self.note,
            logs=tuple(self.lines[-LOGS_KEPT:]),
        )


class NoteBuffer:
    """The `Scribe` of a worker. Written by any thread, emptied by the event loop."""

    _notes_of: dict[tuple[JobId, int], JobNotes]
    """By the claim: id and fence."""

    def __init__(self, on_dirty: Callable[[], None], clock: Clock) -> None:
        self._on_dirty = on_dirty
        self._clock = clock
        self._lock = threading.Lock()
        self._notes_of = {}

    def picked(self, job: JobRecord, provider: str, candidates: tuple[str, ...]) -> None:
        """Is not noted: the attempt's own control knows."""

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._notes_of)

    def progress(self, job: JobRecord, value: float, note: str) -> None:
        """See `Scribe`."""
        with self._lock:
            notes = self._notes(job)
            notes.progress = min(1.0, max(0.0, float(value)))
            notes.note = note[:TEXT_LIMIT]

    def log(self, job: JobRecord, text: str) -> None:
        """See `Scribe`."""
        line = LogLine(at_ms=self._clock.now_ms(), attempt=job.attempt, text=_storable(text))
        with self._lock:
            self._notes(job).lines.append(_encode(line))

    def completing(self, job: JobRecord, result: bytes | None) -> list[Note]:  # noqa: ARG002 - for other scribes
        """See `Scribe`."""
        with self._lock:
            notes = self._notes_of.pop((job.id, job.fence), None)
        return [] if notes is None else [notes.command()]

    def take_all(self) -> list[Note]:
        """Everything noted since the last call."""
        with self._lock:
            all_notes, self._notes_of = self._notes_of, {}
        return [notes.command() for notes in all_notes.values()]

    def _notes(self, job: JobRecord) -> JobNotes:
        if not self._notes_of:
            self._on_dirty()
        key = (job.id, job.fence)
        notes = self._notes_of.get(key)
        if notes is None:
            notes = self._notes_of[key] = JobNotes(job)
        return notes


def _storable(text: str) -> str:
    return text[:TEXT_LIMIT].encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
