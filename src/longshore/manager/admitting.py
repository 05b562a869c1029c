"""This module adds jobs, and deals with those that their store does not take: because the same job is there, or because
their queue is full.

Nothing is locked for it. The store says, in the step in which it would have stored the job, what stands in the way;
what follows (changing the older job while it waits, making room, waiting for room) is tried until that holds.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from longshore.core.batch_errors import QueueFull
from longshore.core.conflict_errors import NotUnique
from longshore.core.durability import Durability
from longshore.core.errors import InvalidOption
from longshore.core.events import Event
from longshore.core.ids import JobId, format_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.unique import CHANGES_THE_OLDER, WAITING, OnConflict
from longshore.engine.merging import merged, overwriting
from longshore.engine.plan import Plan
from longshore.manager.intake import insert, read_older
from longshore.manager.making_room import enter, is_crowded
from longshore.manager.runtime import Runtime
from longshore.store.commands import SCAN_LIMIT, Cancel, Changes, JobQuery, Order, Update
from longshore.store.replies import Conflict, Inserted, Insertion

Choices = Mapping[JobId, OnConflict]
"""What is to be done for which new job if it is in conflict; the others return the older one."""
NO_CHOICES: Choices = MappingProxyType({})
Older = Mapping[JobId, JobRecord]
"""By the id of the new job that was not stored: the older one in its stead."""
NO_OLDER: Older = MappingProxyType({})


async def admit(runtime: Runtime, jobs: Sequence[NewJob], connection: object | None, planned: Plan) -> Older:
    """Adds the jobs of a plan; see `admit_all`. One whose id the caller has chosen, and that is there already, is its
    own older job."""
    if planned.is_plain:
        await insert(runtime, jobs, connection, planned.durability)
        return NO_OLDER
    return await admit_all(
        runtime,
        jobs,
        connection,
        planned.durability,
        choices=planned.choices(jobs),
        tells_duplicates=planned.job_id is not None,
    )


async def admit_all(
    runtime: Runtime,
    jobs: Sequence[NewJob],
    connection: object | None,
    durability: Durability | None,
    *,
    choices: Choices = NO_CHOICES,
    tells_duplicates: bool = False,
) -> Older:
    """Adds the jobs. Raises NotUnique, QueueFull (with what was added all the same), and what `intake.insert` does."""
    if connection is not None:
        _check_in_transaction(choices)
    elif await _has_to_wait(runtime, jobs):
        admission = _Admission(runtime, connection, durability, choices, jobs)
        return await admission.settle(jobs, [Inserted.FULL] * len(jobs))
    replies = await insert(runtime, jobs, connection, durability)
    if tells_duplicates and Inserted.DUPLICATE in replies:
        return await read_older(runtime, [job.id for job in jobs])
    if replies.count(Inserted.CREATED) + replies.count(Inserted.DUPLICATE) == len(replies):
        return NO_OLDER
    return await _Admission(runtime, connection, durability, choices, jobs).settle(jobs, replies)


class _Admission:
    """Jobs that are being added by one call."""

    def __init__(
        self,
        runtime: Runtime,
        connection: object | None,
        durability: Durability | None,
        choices: Choices,
        jobs: Sequence[NewJob],
    ) -> None:
        self._runtime = runtime
        self._connection = connection
        self._durability = durability
        self._choices = choices
        self._added = {job.id: False for job in jobs}
        self._older: dict[JobId, JobRecord] = {}

    async def settle(self, jobs: Sequence[NewJob], replies: Sequence[Insertion]) -> Older:
        """Goes on until each is added, or has its older job."""
        while True:
            self._note(jobs, replies)
            pairs = list(zip(jobs, replies, strict=True))
            conflicts = [(job, reply) for job, reply in pairs if isinstance(reply, Conflict)]
            again = await self._resolve(conflicts) if conflicts else []
            full = [job for job, reply in pairs if reply is Inserted.FULL]
            if full:
                jobs, replies = await self._find_room(full)
                self._note(jobs, replies)
                if again:
                    more = await self._insert(again)
                    jobs, replies = [*jobs, *again], [*replies, *more]
            elif again:
                jobs, replies = again, await self._insert(again)
            else:
                return self._older

    def _note(self, jobs: Sequence[NewJob], replies: Sequence[Insertion]) -> None:
        for job, reply in zip(jobs, replies, strict=True):
            if reply is Inserted.CREATED:
                self._added[job.id] = True

    async def _insert(self, jobs: Sequence[NewJob]) -> Sequence[Insertion]:
        return await insert(self._runtime, jobs, self._connection, self._durability)

    def _added_ids(self) -> tuple[str, ...]:
        return tuple(format_id(job_id) for job_id, is_added in self._added.items() if is_added)

    # --------------------------------------------------------------------------------------- the same job is there

    async def _resolve(self, conflicts: Sequence[tuple[NewJob, Conflict]]) -> list[NewJob]:
        """Finds, and perhaps changes, the older jobs; gives the new ones that may have a place by now."""
        for job, conflict in conflicts:
            if self._choices.get(job.id) == "raise":
                raise NotUnique(
                    job.name, job.queue, format_id(conflict.id), conflict.state, self._added_ids()
                )
        found = await read_older(self._runtime, [conflict.id for _, conflict in conflicts])
        again: list[NewJob] = []
        changing: list[tuple[NewJob, JobRecord]] = []
        for job, conflict in conflicts:
            older = found.get(conflict.id)
            if older is None and self._connection is not None:
                self._older[job.id] = _unseen(job, conflict)
            elif older is None or _is_elsewhere(job, older):
                again.append(job)
            elif self._choices.get(job.id) in CHANGES_THE_OLDER and older.state in WAITING:
                changing.append((job, older))
            else:
                self._older[job.id] = older
        return again + await self._change(changing)

    async def _change(self, pairs: Sequence[tuple[NewJob, JobRecord]]) -> list[NewJob]:
        """Changes those that still are as they were read; gives the new jobs for which that was too late."""
        if not pairs:
            return []
        engine = await self._runtime.engines.here()
        payloads: dict[JobId, bytes] = {}
        edits = [self._edit(job, older, payloads, engine.clock.now_ms()) for job, older in pairs]
        replies = await engine.change(edits)
        done = [pair for pair, reply in zip(pairs, replies, strict=True) if reply.ids]
        found = await read_older(self._runtime, [older.id for _, older in done])
        for job, older in done:
            self._older[job.id] = found.get(older.id, older)
        return [job for (job, _), reply in zip(pairs, replies, strict=True) if not reply.ids]

    def _edit(self, job: NewJob, older: JobRecord, payloads: dict[JobId, bytes], now_ms: int) -> Update:
        """`payloads`: what the edits before this one make of older jobs. A merge names what it was made from, so that
        it is refused where somebody was faster, and nothing that was merged is lost."""
        choice = self._choices[job.id]
        if choice != "merge":
            where = JobQuery(ids=(older.id,), states=WAITING)
            return Update(where=where, changes=overwriting(job, older, choice, now_ms))
        known = payloads.get(older.id, older.payload)
        limit_bytes = self._runtime.settings.payload_limit
        payloads[older.id] = merged(known, job.payload, what=job.name, limit_bytes=limit_bytes)
        where = JobQuery(ids=(older.id,), states=WAITING, payload=known)
        return Update(where=where, changes=Changes(payload=payloads[older.id]))

    # ------------------------------------------------------------------------------------------ the queue is full

    async def _find_room(self, jobs: Sequence[NewJob]) -> tuple[Sequence[NewJob], Sequence[Insertion]]:
        """Makes room or waits for it, queue by queue, and inserts them again."""
        by_queue: dict[str, list[NewJob]] = {}
        for job in jobs:
            by_queue.setdefault(job.queue, []).append(job)
        tried: list[NewJob] = []
        replies: list[Insertion] = []
        for queue, waiting in by_queue.items():
            room = _room(waiting[0])
            policy = "reject" if self._connection is not None else _policy(self._runtime, queue)
            if policy == "reject":
                self._runtime.rejected[queue] += len(waiting)
                raise QueueFull(queue, room, holds="jobs", added=self._added_ids())
            if policy == "drop_oldest":
                await self._drop(queue, len(waiting), room)
                replies += await self._insert(waiting)
            else:
                replies += await enter(self._runtime, queue, room, waiting, self._insert)
            tried += waiting
        return tried, replies

    async def _drop(self, queue: str, count: int, room: int) -> None:
        """Cancels the oldest jobs that wait, as many as shall have their places."""
        engine = await self._runtime.engines.here()
        where = JobQuery(queues=(queue,), states=WAITING, order=Order.OLDEST, limit=min(count, SCAN_LIMIT))
        [changed] = await engine.change([Cancel(where=where)])
        self._runtime.dropped[queue] += len(changed.ids)
        if changed.ids and engine.bus.wants("dropped"):
            data = {"ids": [format_id(job_id) for job_id in changed.ids], "max_size": room}
            await engine.bus.tell(Event(name="dropped", queue=queue, data=data))


async def _has_to_wait(runtime: Runtime, jobs: Sequence[NewJob]) -> bool:
    """Whether others wait already for room in the queue: nobody passes them by."""
    if not jobs or not _room(jobs[0]) or _policy(runtime, jobs[0].queue) != "wait":
        return False
    return await is_crowded(runtime, jobs[0].queue)


def _policy(runtime: Runtime, queue: str) -> str:
    return runtime.options_of(queue).when_full or "reject"


def _room(job: NewJob) -> int:
    return 0 if job.rules is None or job.rules.room is None else job.rules.room


def _is_elsewhere(job: NewJob, older: JobRecord) -> bool:
    """Whether the older job has moved on meanwhile to where it stands in nobody's way."""
    unique = None if job.rules is None else job.rules.unique
    return unique is not None and older.state not in unique.states


def _unseen(job: NewJob, conflict: Conflict) -> JobRecord:
    """What is known of a job that is in a transaction which only the caller sees."""
    return JobRecord(
        id=conflict.id,
        queue=job.queue,
        name=job.name,
        payload=job.payload,
        state=State(conflict.state),
        priority=job.priority,
        details=job.details,
    )


def _check_in_transaction(choices: Choices) -> None:
    for choice in choices.values():
        if choice in CHANGES_THE_OLDER:
            raise InvalidOption(
                "on_conflict",
                choice,
                "'return', 'raise' or 'follow_up' beside connection=: the older job is nobody's to change before "
                "the caller's transaction is committed",
            )
