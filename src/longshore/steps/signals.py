"""This module keeps signals until a task takes them, and lets jobs run on that wait for one.

Nothing gets lost between the two sides, whatever dies when. A task first records that it waits, then looks for a
signal, then lets go of its slot. Who signals first stores the signal and that it was not told (a "poke"), then looks
whether a task waits. So either the task sees the signal, or the other sees that it waits. Where the task was about to
let go, the poke stays: its worker looks for one when the job is let go, and a sweep finds what a worker that died left.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from longshore.core.ids import JobId, new_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.steps.entries import kept, mention, signals_of, steps_of
from longshore.store.commands import JobQuery, Put, RecordAsk, Retry
from longshore.store.contract import Store
from longshore.store.replies import Record

POKE = "poke"
"""The kind of record that says of the job which is its key that it may wait for a signal that has come."""
JOBS_AT_ONCE = 50
"""That are told in one round: each may have hundreds of records."""
TRIES = 3
"""How often a job is looked at again that changed between two looks."""


class Letter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A signal as it is kept."""

    at_ms: int
    born_ms: int = 0
    """When the job was created, as in `Entry`."""
    data: msgspec.Raw = msgspec.Raw(b"null")
    taken: str | None = None
    """By which of the job's waits."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Letter).decode


def event_of(record: Record) -> str:
    """What a stored signal is called."""
    return record.key.rpartition("/")[0]


async def post(store: Store, jobs: Sequence[JobRecord], event: str, data: bytes, now_ms: int) -> None:
    """Stores a signal for each of these jobs, and that they are to be told."""
    letter = Letter(at_ms=now_ms, data=msgspec.Raw(data))
    for start in range(0, len(jobs), JOBS_AT_ONCE):
        chunk = jobs[start : start + JOBS_AT_ONCE]
        puts = [mention(job.id) for job in chunk]
        for job in chunk:
            value = _encode(msgspec.structs.replace(letter, born_ms=job.created_ms))
            puts.append(Put(kind=signals_of(job.id), key=_key(event), value=value, expect=0))
        puts += [Put(kind=POKE, key=job.id.hex(), value=b"") for job in chunk]
        await store.put(puts)


def _key(event: str) -> str:
    """Of a new signal: later ones stand behind it."""
    return f"{event}/{new_id().hex()}"


async def take(store: Store, job: JobRecord, event: str, wait: str) -> tuple[Record, Letter] | None:
    """The oldest signal of the event that no other wait of the job has taken; from now on it is this one's."""
    [records] = await store.get([RecordAsk(signals_of(job.id))])
    for record in records:
        if event_of(record) == event and _decode(record.value).born_ms == job.created_ms:
            now = await _taken(store, record, wait)
            if now is not None and _decode(now.value).taken == wait:
                return now, _decode(now.value)
    return None


async def _taken(store: Store, record: Record, wait: str) -> Record | None:
    """The signal after this wait tried to take it; None where it is gone."""
    letter = _decode(record.value)
    if letter.taken is not None:
        return record
    value = _encode(msgspec.structs.replace(letter, taken=wait))
    [stored] = await store.put([Put(kind=record.kind, key=record.key, value=value, expect=record.version)])
    return stored.record


async def drop(store: Store, record: Record) -> None:
    """Forgets a signal that was taken and is recorded as taken."""
    await store.put([Put(kind=record.kind, key=record.key, value=None)])


async def hand_back(store: Store, record: Record, letter: Letter) -> None:
    """Leaves a signal to the next: another attempt had ended the wait before."""
    value = _encode(msgspec.structs.replace(letter, taken=None))
    await store.put([Put(kind=record.kind, key=record.key, value=value, expect=record.version)])


async def tell(store: Store, jobs: Sequence[JobId]) -> list[JobId]:
    """Lets those of the jobs run on that wait for a signal that has come; gives them. What cannot be told yet, because
    an attempt is under way that may have looked before, stays to be told."""
    woken: list[JobId] = []
    for start in range(0, len(jobs), JOBS_AT_ONCE):
        left: Sequence[JobId] = jobs[start : start + JOBS_AT_ONCE]
        for _ in range(TRIES):
            if left:
                again, left = await _tell(store, left)
                woken += again
    return woken


async def _tell(store: Store, jobs: Sequence[JobId]) -> tuple[list[JobId], list[JobId]]:
    """Those that run on, and those to be looked at once more."""
    news = await _news(store, jobs)
    wanted = tuple(each.job_id for each in news if each.is_wanted)
    changed: tuple[JobId, ...] = ()
    if wanted:
        where = JobQuery(ids=wanted, states=(State.SCHEDULED,), limit=len(wanted))
        [reply] = await store.change([Retry(where=where)])
        changed = reply.ids
    states = await _states(store, [job_id for job_id in wanted if job_id not in changed])
    # A job that neither runs nor is scheduled looks for itself when it runs, or never will.
    told = [each for each in news if states.get(each.job_id) not in (State.RUNNING, State.SCHEDULED)]
    await _told(store, [each.poke for each in told])
    return list(changed), [job_id for job_id, state in states.items() if state is State.SCHEDULED]


class News(NamedTuple):
    """A job that is to be told of a signal."""

    job_id: JobId
    poke: Record
    is_wanted: bool
    """Whether it waits for one that has come."""


async def _news(store: Store, jobs: Sequence[JobId]) -> list[News]:
    asks = [RecordAsk(kind) for job_id in jobs for kind in (steps_of(job_id), signals_of(job_id))]
    keys = tuple(job_id.hex() for job_id in jobs)
    found, *kinds = await store.get([RecordAsk(POKE, keys), *asks])
    pokes = {record.key: record for record in found}
    return [
        News(job_id, pokes[job_id.hex()], _is_wanted(steps, letters))
        for job_id, steps, letters in zip(jobs, kinds[::2], kinds[1::2], strict=True)
        if job_id.hex() in pokes
    ]


def _is_wanted(steps: Sequence[Record], letters: Sequence[Record]) -> bool:
    waits = {each.name: each.entry.event for each in map(kept, steps) if each.entry.is_waiting}
    return any(_is_for(record, waits) for record in letters)


def _is_for(record: Record, waits: dict[str, str | None]) -> bool:
    """Whether one of these waits may take the signal."""
    taken = _decode(record.value).taken
    return event_of(record) in waits.values() if taken is None else taken in waits


async def _states(store: Store, jobs: Sequence[JobId]) -> dict[JobId, State]:
    if not jobs:
        return {}
    [page] = await store.scan([JobQuery(ids=tuple(jobs), limit=len(jobs))])
    return {job.id: job.state for job in page.jobs}


async def _told(store: Store, pokes: Sequence[Record]) -> None:
    """Unless another signal came meanwhile."""
    await store.put([Put(kind=POKE, key=poke.key, value=None, expect=poke.version) for poke in pokes])
