"""This module is what is kept of a workflow beside its jobs: its steps, their jobs and links. How it stands is read
from the jobs, so that nothing has to be kept in step."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import msgspec

from longshore.core.edges import Edge, Edges, Join
from longshore.core.ids import JobId
from longshore.core.states import LIVE, State
from longshore.workflows.graph import Link, Waits

KIND = "workflow"
"""The kind of record that is a workflow, under its id."""
MARK = "workflows"
"""The kind of record, under the key `MARK_KEY`, that says that the store has or had workflows at all."""
MARK_KEY = "any"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A step, and its job."""

    name: str
    job: JobId
    queue: str
    task: str
    links: tuple[Link, ...] = ()
    join: Join = Join.ALL
    when: str | None = None

    @property
    def waits(self) -> Waits:
        """What it waits for."""
        return Waits(self.name, self.links, self.join)


class WorkflowRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A workflow as it is kept. Its steps stand in order: parents before children."""

    id: str
    created_ms: int
    entries: tuple[Entry, ...]
    name: str | None = None
    metadata: dict[str, Any] = {}
    correlation_id: str | None = None
    tags: tuple[str, ...] = ()
    print: bytes = b""
    """Of all that was said, so that the same workflow is known again."""
    run: int = 1
    """One more each time it is run anew as a whole."""

    def entry(self, name: str) -> Entry | None:
        """The step of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)


class Status(StrEnum):
    """How a whole workflow stands."""

    RUNNING = "running"
    """Some step is not over."""
    COMPLETED = "completed"
    """All are over, and none failed or was cancelled; some may have been skipped."""
    FAILED = "failed"
    """All are over, and some failed."""
    CANCELLED = "cancelled"
    """All are over, none failed, and some were cancelled."""
    ABSENT = "absent"
    """None of its jobs is there: they are forgotten, or were never added."""


def status_of(states: Iterable[State | None]) -> Status:
    """How a workflow stands by the states of its jobs; None: the job is not there."""
    counts = Counter(states)
    if not counts or counts.keys() == {None}:
        return Status.ABSENT
    if counts.keys() & LIVE:
        return Status.RUNNING
    if counts[State.FAILED]:
        return Status.FAILED
    return Status.CANCELLED if counts[State.CANCELLED] else Status.COMPLETED


def edges_of(waits: Waits, places: Mapping[str, tuple[JobId, str]]) -> Edges | None:
    """The edges of a step's job; `places` has the job and the queue of each step by name."""
    if not waits.links:
        return None
    return Edges(tuple(Edge(*places[link.parent], link.on, link.missed) for link in waits.links), waits.join)


def fingerprint(parts: Iterable[bytes]) -> bytes:
    """What the same workflow has and no other one."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4))
        digest.update(part)
    return digest.digest()


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(WorkflowRecord).decode
