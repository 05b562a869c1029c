"""This module lets who adds jobs to a full queue wait for room: the first come is the first let in.

Who is first in line looks at the queue's counts, when some job has ended and once in a while; the others do nothing.
Nothing of theirs is stored meanwhile, so who is cancelled has added nothing.
"""

from collections.abc import Awaitable, Callable, Sequence

from longshore.core.job import NewJob
from longshore.core.unique import WAITING
from longshore.manager.local_locks import Pauses
from longshore.manager.runtime import Runtime
from longshore.store.contract import Listener, Store
from longshore.store.replies import Inserted, Insertion, WakeKind

REST_SECONDS = 0.005
"""Between two looks at least, however often jobs end."""

Insert = Callable[[Sequence[NewJob]], Awaitable[Sequence[Insertion]]]


async def is_crowded(runtime: Runtime, queue: str) -> bool:
    """Whether others of this event loop wait for room already."""
    return (await runtime.engines.services()).locks.lock(_line(queue)).locked()


async def enter(
    runtime: Runtime, queue: str, room: int, jobs: Sequence[NewJob], insert: Insert
) -> list[Insertion]:
    """Inserts the jobs in their order, as there is room for them; the replies, none of them FULL. Raises what the
    store raises."""
    services = await runtime.engines.services()
    store = services.engine.store
    replies: list[Insertion] = []
    async with services.locks.lock(_line(queue)):
        listener = await store.listen({WakeKind.FINISHED}, {queue})
        try:
            pauses = Pauses(runtime.random)
            while len(replies) < len(jobs):
                places = await _places(store, queue, room)
                taken = _until_full(await insert(jobs[len(replies) :][:places])) if places > 0 else []
                replies += taken
                if taken:
                    pauses.reset()
                elif len(replies) < len(jobs):
                    await _rest(runtime, listener, pauses)
        finally:
            await listener.close()
    return replies


async def _places(store: Store, queue: str, room: int) -> int:
    [counts] = await store.count([queue])
    return room - sum(counts.states.get(state, 0) for state in WAITING)


def _until_full(replies: Sequence[Insertion]) -> list[Insertion]:
    """Those before the first that somebody else was faster than."""
    taken = list(replies)
    return taken[: taken.index(Inserted.FULL)] if Inserted.FULL in taken else taken


async def _rest(runtime: Runtime, listener: Listener, pauses: Pauses) -> None:
    await runtime.clock.sleep(REST_SECONDS)
    await listener.wait(pauses.next_seconds())


def _line(queue: str) -> str:
    return f"room {queue}"
