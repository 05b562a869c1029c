"""This module says how steps are kept: one small record for each, so that a long task never rewrites what it has done.

    kind "step/<job>"      key: the step's name           an `Entry`; version 1 of a step is its last
    kind "signal/<job>"    key: <event>/<id by time>      a `Letter` (`signals.py`)
    kind "stepped/<00-3f>" key: the job                   that there are records of the two kinds above
    kind "poke"            key: the job                   that a signal came that nobody was told of yet

A kind for each job lets one call read all that an attempt wants to know and nothing else. The jobs are named again in
one of 64 kinds, by the last bits of their ids, so that a sweep finds those that are gone, a part at a time.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from longshore.core.ids import JobId
from longshore.store.commands import Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Record

BUCKETS = 64


class Kind(StrEnum):
    """What a task asked for under a name."""

    STEP = "step"
    SLEEP = "sleep"
    WAIT = "wait"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a step, a sleep or a wait."""

    kind: Kind
    place: int
    """How many the attempt that recorded it had asked for before."""
    attempt: int
    born_ms: int = 0
    """When the job was created: one that is added again under the id of one that is gone has other steps."""
    at_ms: int
    """When it began."""
    ended_ms: int | None = None
    """None for a wait that goes on; a sleep ends by its time."""
    due_ms: int | None = None
    """When a sleep ends, or a wait gives up."""
    event: str | None = None
    """What a wait is for."""
    signal: str | None = None
    """The record of the signal that a wait took."""
    value: msgspec.Raw = msgspec.Raw(b"null")
    """The result, or what the signal brought, as JSON."""
    timed_out: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether this is a wait that has not ended."""
        return self.kind is Kind.WAIT and self.ended_ms is None


class Kept(msgspec.Struct, frozen=True):
    """An entry as it is stored."""

    name: str
    entry: Entry
    version: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


def steps_of(job_id: JobId) -> str:
    """The kind of the records of a job's steps."""
    return f"step/{job_id.hex()}"


def signals_of(job_id: JobId) -> str:
    """The kind of the records of a job's signals."""
    return f"signal/{job_id.hex()}"


def bucket(number: int) -> str:
    """The kind of the records that name jobs with steps; 0 to BUCKETS - 1."""
    return f"stepped/{number:02x}"


def mention(job_id: JobId) -> Put:
    """Names the job as one that has steps. It goes along with every record, so that none is ever forgotten; where the
    job is named already it writes nothing."""
    return Put(kind=bucket(job_id[-1] % BUCKETS), key=job_id.hex(), value=b"", expect=0)


def put_of(job_id: JobId, name: str, entry: Entry, expect: int) -> Put:
    """Stores the entry where the version that is there is this one."""
    return Put(kind=steps_of(job_id), key=name, value=_encode(entry), expect=expect)


def kept(record: Record) -> Kept:
    """What a record of a step says."""
    return Kept(record.key, _decode(record.value), record.version)


def in_order(found: Iterable[Kept]) -> list[Kept]:
    """As the task asked for them."""
    return sorted(found, key=lambda each: (each.entry.place, each.entry.at_ms, each.name))


async def read(store: Store, job_id: JobId, born_ms: int) -> list[Kept]:
    """Everything that is recorded of the run of the job that was created then, in order."""
    [records] = await store.get([RecordAsk(steps_of(job_id))])
    return in_order(each for each in map(kept, records) if each.entry.born_ms == born_ms)
