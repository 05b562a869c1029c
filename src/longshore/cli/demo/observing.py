"""This module looks into the demo's store from outside, the way any other program could."""

from collections import Counter
from typing import NamedTuple

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.payload import decode
from longshore.core.states import LIVE, State
from longshore.store.commands import SCAN_LIMIT, JobQuery, Order
from longshore.store.contract import Store

QUEUE = "files"


class Standing(NamedTuple):
    """How the queue stands at one moment."""

    done: int
    dead: int
    live: int

    @property
    def over(self) -> int:
        """Jobs that have ended."""
        return self.done + self.dead


class Holder(NamedTuple):
    """A worker session and the jobs that it holds."""

    session: str
    pid: int
    jobs: tuple[JobId, ...]


async def standing(store: Store) -> Standing:
    """How the queue stands now."""
    (counts,) = await store.count([QUEUE])
    states = counts.states
    return Standing(
        states.get(State.COMPLETED, 0),
        states.get(State.FAILED, 0),
        sum(states.get(state, 0) for state in LIVE),
    )


async def busiest_worker(store: Store) -> Holder | None:
    """The worker that holds the most jobs; None while nobody holds any."""
    running = await _running(store)
    if not running:
        return None
    session, _ = Counter(str(job.session) for job in running).most_common(1)[0]
    return _holder(session, running)


async def held_by(store: Store, session: str) -> Holder:
    """What the session holds now."""
    return _holder(session, await _running(store))


async def all_jobs(store: Store) -> list[JobRecord]:
    """Every job of the queue, oldest first."""
    jobs: list[JobRecord] = []
    query = JobQuery(queues=(QUEUE,), order=Order.OLDEST, limit=SCAN_LIMIT)
    while True:
        (page,) = await store.scan([query])
        jobs += page.jobs
        if page.cursor is None:
            return jobs
        query = msgspec.structs.replace(query, cursor=page.cursor)


def path_of(job: JobRecord) -> str:
    """The file that the job was to count."""
    return str(decode(job.payload)["path"])


async def _running(store: Store) -> list[JobRecord]:
    (page,) = await store.scan([JobQuery(queues=(QUEUE,), states=(State.RUNNING,), limit=SCAN_LIMIT)])
    return page.jobs


def _holder(session: str, running: list[JobRecord]) -> Holder:
    _host, pid, _random = session.rsplit(":", 2)
    return Holder(session, int(pid), tuple(job.id for job in running if job.session == session))
