"""This module pauses queues: while the store holds a record of the kind PAUSE under a queue's name, nobody claims
from it.

Jobs that run go on, jobs can be added, and `process_job` runs one all the same. Every worker heeds it, because the
store does.
"""

from collections.abc import Sequence

import msgspec

from longshore.core.clock import Clock
from longshore.store.commands import PAUSE, Put, RecordAsk
from longshore.store.contract import Store


class Pause(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a pause."""

    since_ms: int
    moved_to: str | None = None
    """The store that the queue's jobs were moved to, where that is why it is paused."""


async def pause(store: Store, queues: Sequence[str], clock: Clock) -> None:
    """Pauses the queues; those that are paused stay so, since then."""
    value = msgspec.json.encode(Pause(since_ms=clock.now_ms()))
    await store.put([Put(kind=PAUSE, key=queue, value=value, expect=0) for queue in queues])


async def resume(store: Store, queues: Sequence[str]) -> None:
    """Ends the pauses and wakes workers."""
    await store.put([Put(kind=PAUSE, key=queue, value=None) for queue in queues])


async def paused(store: Store) -> dict[str, Pause]:
    """The queues that are paused now."""
    [records] = await store.get([RecordAsk(PAUSE)])
    return {record.key: read_pause(record.value) for record in records}


def read_pause(value: bytes) -> Pause:
    """What a record says."""
    return msgspec.json.decode(value, type=Pause)
