"""This module knows who works: each worker keeps a record that its session binds, so that it is gone when the worker
is."""

import os
import socket
from collections.abc import Sequence

import msgspec

from longshore.store.commands import Put, RecordAsk
from longshore.store.contract import Store

KIND = "worker"


class WorkerCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself."""

    session: str
    host: str
    pid: int
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    """Names of tasks and handlers that it knows."""
    processors: tuple[str, ...] = ()
    """Queues of which it runs every job, whatever its name."""
    schedules: tuple[str, ...] = ()
    """Ids of those that its code declares."""
    slots: int
    started_ms: int

    def knows(self, queue: str, name: str) -> bool:
        """Whether it can run such a job."""
        return name in self.tasks or queue in self.processors


async def workers_alive(store: Store) -> list[WorkerCard]:
    """The workers of all machines whose session lives."""
    [records] = await store.get([RecordAsk(KIND)])
    return [msgspec.json.decode(record.value, type=WorkerCard) for record in records]


async def sign_in(store: Store, card: WorkerCard) -> None:
    """Stores a worker's card; it goes with the session."""
    value = msgspec.json.encode(card)
    await store.put([Put(kind=KIND, key=card.session, value=value, session=card.session)])


def card(
    *,
    session: str,
    queues: Sequence[str],
    tasks: Sequence[str],
    processors: Sequence[str],
    schedules: Sequence[str],
    slots: int,
    started_ms: int,
) -> WorkerCard:
    """The card of a worker in this process."""
    return WorkerCard(
        session=session,
        host=socket.gethostname(),
        pid=os.getpid(),
        queues=tuple(queues),
        tasks=tuple(tasks),
        processors=tuple(processors),
        schedules=tuple(schedules),
        slots=slots,
        started_ms=started_ms,
    )
