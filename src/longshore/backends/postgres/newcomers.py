"""This module stores new jobs with rules, and those that come with them in one call.

The order of steps keeps everybody out of circles: first the rows of the unique keys, in the order of their marks, for
which an application's transaction may let us wait; then the locks of the rooms, then those of the queues; then rows.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from longshore.backends.postgres.children import Child, newly_blocked
from longshore.backends.postgres.dependents import Dependents
from longshore.backends.postgres.dialect import Dialect, Runs, sparse
from longshore.backends.postgres.ledger import Ledger, lock, ruled
from longshore.backends.postgres.lines import Contender
from longshore.backends.postgres.rows import BLOCKED, RUNNING, SCHEDULED, bodies_of, extras_of
from longshore.core import edges
from longshore.core.errors import UnusableConnection
from longshore.core.ids import JobId
from longshore.core.job import NewJob
from longshore.core.rules import Rules, UniqueKey, pack, unpack
from longshore.core.states import ORDER
from longshore.store.replies import Conflict, Inserted, Insertion

NO_RULES = Rules()


class LostRace(Exception):
    """Another session stored one of the ids in this moment: nothing must be kept of this step."""


class _Standing(msgspec.Struct):
    """A new job that is going to be stored."""

    number: int
    job: NewJob
    place: int
    contender: Contender | None = None
    """None: it waits for a time, or for other jobs."""
    run_ms: int | None = None
    child: Child | None = None
    """If it waits for other jobs."""

    @property
    def aside(self) -> int | None:
        """As its row says."""
        return next((each.aside for each in (self.contender, self.child) if each is not None), None)

    @property
    def state(self) -> int:
        """As its row says."""
        if self.contender is not None:
            return self.contender.state
        return SCHEDULED if self.child is None else BLOCKED


class _Holder(msgspec.Struct):
    """The last job that was stored with a unique key."""

    id: JobId
    state: int
    created_ms: int
    standing: _Standing | None = None
    """Where it comes with this very step."""


class Newcomers:
    """The new jobs of one step, and what is known of those whom they meet."""

    def __init__(
        self, connection: Runs, dialect: Dialect, jobs: Sequence[NewJob], *, are_followers: bool = False
    ) -> None:
        """Followers are never turned away for want of room."""
        self.still_running: set[JobId] = set()
        """Jobs that are ended by this step, and that the next newcomer meets as if they ran."""
        self._are_followers = are_followers
        self._connection = connection
        self._dialect = dialect
        self._jobs = jobs
        self._known: set[bytes] = set()
        self._marked: dict[bytes, JobId | None] = {}
        self._holders: dict[bytes, _Holder] = {}
        self._waiting: dict[str, int] = {}
        self._standings: list[_Standing] = []

    @property
    def flows(self) -> set[str]:
        """Queues whose locks are needed."""
        return {job.queue for job in self._jobs if ruled(job.rules)}

    @property
    def rooms(self) -> set[str]:
        """Queues in whose room somebody is let."""
        if self._are_followers:
            return set()
        return {job.queue for job in self._jobs if job.rules is not None and job.rules.room is not None}

    async def lock_marks(self) -> None:
        """Makes others wait who come with the same unique keys."""
        marks = sorted({mark(job.queue, unique) for job in self._jobs if (unique := _unique(job))})
        if marks:
            rows = await self._dialect.fetch(self._connection, "holders", marks)
            self._marked = {bytes(row[0]): None if row[1] is None else JobId(bytes(row[1])) for row in rows}

    async def look(self) -> None:
        """Reads what decisions need, once all locks are held."""
        holders = [job_id for job_id in self._marked.values() if job_id is not None]
        rows = await self._dialect.fetch(
            self._connection,
            "look",
            [job.id.hex() for job in self._jobs],
            [job_id.hex() for job_id in holders],
            sorted(self.rooms),
        )
        found: dict[tuple[bytes, bytes], _Holder] = {}
        for kind, subject, first, second, queue, packed in rows:
            if kind == "id":
                self._known.add(self._jobs[first - 1].id)
            elif kind == "room":
                self._waiting[subject] = first
            else:
                job_id = JobId(bytes.fromhex(subject))
                rules = None if packed is None else unpack(packed)
                if rules is not None and rules.unique is not None:
                    found[mark(queue, rules.unique), job_id] = _Holder(job_id, first, second)
        # An id that was deleted may have come again without the key.
        self._holders = {
            key: found[key, job_id]
            for key, job_id in self._marked.items()
            if job_id is not None and (key, job_id) in found
        }

    def judge(self, number: int, place: int, ledger: Ledger | None, dependents: Dependents) -> Insertion:
        """What becomes of this job; `place` is its own at the tail.

        Without a ledger, a job that needs room or a turn is left to the next `promote`, as if it were due now.
        """
        job, now_ms = self._jobs[number], dependents.now_ms
        if job.id in self._known:
            return Inserted.DUPLICATE
        unique, rules = _unique(job), job.rules or NO_RULES
        key = mark(job.queue, unique) if unique else b""
        holder = self._holders.get(key)
        if unique and holder is not None and (conflict := self._conflict(holder, unique, now_ms)):
            return conflict
        if rules.room is not None and self._waiting.get(job.queue, -1) >= rules.room:
            return Inserted.FULL
        self._known.add(job.id)
        standing = _Standing(number, job, place)
        self._standings.append(standing)
        if job.queue in self._waiting:
            self._waiting[job.queue] += 1
        if unique:
            self._holders[key] = _Holder(job.id, 0, now_ms, standing)
        self._stand(standing, rules, ledger, dependents)
        return Inserted.CREATED

    def _conflict(self, holder: _Holder, unique: UniqueKey, now_ms: int) -> Conflict | None:
        code = holder.state
        if holder.standing is not None:
            code = holder.standing.state
        elif holder.id in self.still_running:
            code = RUNNING
        state = ORDER[code]
        is_over = unique.within_ms is not None and now_ms - holder.created_ms > unique.within_ms
        return None if is_over or state not in unique.states else Conflict(holder.id, state)

    def _stand(
        self, standing: _Standing, rules: Rules, ledger: Ledger | None, dependents: Dependents
    ) -> None:
        job, now_ms = standing.job, dependents.now_ms
        due_ms = job.run_ms if job.run_ms is not None else now_ms + job.delay_ms
        if due_ms > now_ms:
            standing.run_ms = due_ms
        if job.edges is not None:
            standing.child = newly_blocked(job, run_ms=standing.run_ms)
            dependents.come(standing.child, job.edges)
        elif standing.run_ms is not None:
            return
        elif ledger is None and ruled(rules):
            standing.run_ms = now_ms
        else:
            standing.contender = Contender(
                id=job.id.hex(),
                queue=job.queue,
                priority=job.priority,
                rules=rules,
                order=standing.place,
                is_stored=False,
            )
            if ledger is not None and ruled(rules):
                ledger.ask(standing.contender, is_new=True)

    async def store(self, now_ms: int, *, joining: bool = False) -> None:
        """Stores those for whom there is a place. Raises LostRace."""
        standings = self._standings
        if not standings:
            return
        jobs = [each.job for each in standings]
        contenders = [each.contender for each in standings]
        holders = [(key, each.id.hex()) for key, each in sorted(self._holders.items()) if each.standing]
        rows = await self._dialect.fetch(
            self._connection,
            "insert_ruled",
            now_ms,
            self._dialect.channel,
            *bodies_of(jobs),
            [each.state for each in standings],
            [0 if each is None else each.place for each in contenders],
            sparse(each.run_ms for each in standings),
            *extras_of(jobs),
            sparse(pack(job.rules) for job in jobs),
            sparse(ruled(job.rules) for job in jobs),
            sparse(each.aside for each in standings),
            sparse(None if each is None else each.held_by for each in contenders),
            [key for key, _ in holders],
            [job_id for _, job_id in holders],
            joining,
            sparse(edges.pack(job.edges) for job in jobs),
        )
        if len(rows) != len(jobs):
            raise LostRace(
                "another session has just stored some of these jobs; the same call may be repeated"
            )


async def insert(
    connection: Runs, dialect: Dialect, jobs: Sequence[NewJob], now_ms: int | None
) -> list[Insertion]:
    """Stores jobs of which some have rules; inside a transaction that the caller begins and ends."""
    newcomers = Newcomers(connection, dialect, jobs)
    await newcomers.lock_marks()
    locked = await lock(connection, dialect, now_ms, flows=newcomers.flows, rooms=newcomers.rooms)
    await newcomers.look()
    ledger = Ledger(connection, dialect, locked)
    await ledger.load((job.queue, job.priority, job.rules) for job in jobs)
    dependents = Dependents(connection, dialect, locked.now_ms)
    replies = [
        newcomers.judge(number, ledger.next_place(), ledger, dependents) for number in range(len(jobs))
    ]
    await finish(newcomers, ledger, dependents)
    return replies


async def finish(newcomers: Newcomers, ledger: Ledger, dependents: Dependents) -> None:
    """Stores what was decided. Where jobs wait for others, meters serve last, after those that are free have asked."""
    if not dependents.has_come:
        await ledger.serve()
        await newcomers.store(dependents.now_ms)
        await ledger.keep()
        return
    await newcomers.store(dependents.now_ms)
    await ledger.keep()
    await dependents.finish(await ledger.again())


async def join(
    connection: Runs,
    dialect: Dialect,
    jobs: Sequence[NewJob],
    now_ms: int | None,
    *,
    are_followers: bool = False,
) -> list[Insertion]:
    """Stores jobs that have rules in a transaction of somebody else's, which may stay open for long.

    So no lock of a queue is taken: who needs room or a turn is scheduled for now, and the next `promote` decides. What
    others wait for until the commit is a unique key, and the room of a queue that has one.
    """
    newcomers = Newcomers(connection, dialect, jobs, are_followers=are_followers)
    await newcomers.lock_marks()
    locked = await lock(connection, dialect, now_ms, flows=(), rooms=newcomers.rooms)
    if newcomers.rooms and locked.isolation != "read committed":
        raise UnusableConnection(
            f"The transaction is {locked.isolation.upper()}, and sees a queue as it was when it began: it cannot tell "
            f"whether there is room in {', '.join(sorted(newcomers.rooms))}. Use READ COMMITTED, or leave connection= "
            "out."
        )
    await newcomers.look()
    dependents = Dependents(connection, dialect, locked.now_ms)
    replies = [
        newcomers.judge(number, locked.place + number + 1, None, dependents) for number in range(len(jobs))
    ]
    await newcomers.store(locked.now_ms, joining=True)
    await dependents.put_off()
    return replies


def mark(queue: str, unique: UniqueKey) -> bytes:
    """Under which a unique key is kept."""
    return hashlib.blake2b(unique.key, digest_size=20, key=hashlib.blake2b(queue.encode()).digest()).digest()


def _unique(job: NewJob) -> UniqueKey | None:
    return None if job.rules is None else job.rules.unique
