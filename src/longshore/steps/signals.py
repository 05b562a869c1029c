"""This module keeps signals until a task takes them, and lets jobs run on that wait for one.

Nothing gets lost between the two sides, whatever dies when. A task first records that it waits, then looks for a
signal, then lets go of its slot. Who signals first stores the signal and that it was not told (a "poke"), then looks
whether a task waits. So either the task sees the signal, or the other sees that it waits. Where the task was about to
let go, the poke stays: its worker looks for one when the job is let go, and a sweep finds what a worker that died left.
"""

from collections.abc import Sequence

import msgspec

from longshore.core.ids import JobId, new_id
from longshore.core.states import State
from longshore.steps.entries import kept, mention, signals_of, steps_of
from longshore.store.commands import JobQuery, Put, RecordAsk, Retry
from longshore.store.contract import Store
from longshore.store.replies import Record

POKE = "poke"
"""The kind of record that says of the job which is its key that it may wait for a signal that has come."""
TRIES = 3
"""How often a job is looked at again that changed between two looks."""


class Letter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A signal as it is kept."""

    at_ms: int
    data: msgspec.Raw = msgspec.Raw(b"null")
    taken: str | None = None
    """By which of the job's waits."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Letter).decode


def event_of(record: Record) -> str:
    """What a stored signal is called."""
    return record.key.rpartition("/")[0]


async def post(store: Store, jobs: Sequence[JobId], event: str, data: bytes, now_ms: int) -> None:
    """Stores a signal for each of these jobs, and that they are to be told."""
    puts = []
    for job_id in jobs:
        letter = Letter(at_ms=now_ms, data=msgspec.Raw(data))
        key = f"{event}/{new_id().hex()}"
        puts.append(mention(job_id))
        puts.append(Put(kind=signals_of(job_id), key=key, value=_encode(letter), expect=0))
        puts.append(Put(kind=POKE, key=job_id.hex(), value=b""))
    await store.put(puts)


async def take(store: Store, job_id: JobId, event: str, wait: str) -> tuple[Record, Letter] | None:
    """The oldest signal of the event that no other wait of the job has taken; from now on it is this one's."""
    [records] = await store.get([RecordAsk(signals_of(job_id))])
    for record in records:
        if event_of(record) == event:
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


async def tell(store: Store, job_id: JobId) -> bool:
    """Lets the job run on if it waits for a signal that has come; whether it did that. What cannot be told yet, because
    an attempt is under way that may have looked before, stays to be told."""
    key = job_id.hex()
    for _ in range(TRIES):
        asks = [RecordAsk(POKE, (key,)), RecordAsk(steps_of(job_id)), RecordAsk(signals_of(job_id))]
        pokes, steps, letters = await store.get(asks)
        if not pokes:
            return False
        waits = {each.name: each.entry.event for each in map(kept, steps) if each.entry.is_waiting}
        if not any(_is_for(record, waits) for record in letters):
            await _told(store, pokes[0])
            return False
        where = JobQuery(ids=(job_id,), states=(State.SCHEDULED,), limit=1)
        [changed] = await store.change([Retry(where=where)])
        if changed.ids:
            await _told(store, pokes[0])
            return True
        [page] = await store.scan([JobQuery(ids=(job_id,), limit=1)])
        state = page.jobs[0].state if page.jobs else None
        if state is State.RUNNING:
            return False
        if state is not State.SCHEDULED:  # it will look for itself when it runs, or never
            await _told(store, pokes[0])
            return False
    return False


def _is_for(record: Record, waits: dict[str, str | None]) -> bool:
    """Whether one of these waits may take the signal."""
    taken = _decode(record.value).taken
    return event_of(record) in waits.values() if taken is None else taken in waits


async def _told(store: Store, poke: Record) -> None:
    """Unless another signal came meanwhile."""
    await store.put([Put(kind=POKE, key=poke.key, value=None, expect=poke.version)])
