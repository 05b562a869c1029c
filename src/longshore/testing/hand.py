"""This module does what workers and rescuers do to a store that is compared with the oracle, on a tiny pool of jobs."""

from collections.abc import Sequence

import msgspec

from longshore.core.edges import Edges
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import Rules
from longshore.core.states import LIVE, TERMINAL, WAITING_FOR_TIME, State
from longshore.core.verdict import COMPLETED, RELEASED, Verdict, crashed
from longshore.store.commands import (
    PAUSE,
    Cancel,
    ClaimAsk,
    Delete,
    JobQuery,
    Lease,
    Note,
    Put,
    Retry,
    Settlement,
    Update,
)
from longshore.store.replies import Settled
from longshore.testing.side_by_side import SideBySide

LEASE_MS = 30_000
LONGEST_DELAY_MS = 70_000
POOL = range(9)
QUEUES = ("mail", "video")
SESSIONS = ("s1", "s2", "s3")


def pool_id(member: int) -> JobId:
    """The id of a member of the pool; their order is not that of the members."""
    return JobId(bytes([member * 7 % 10] * 16))


def pool_queue(member: int) -> str:
    """The queue of a member: always the same."""
    return QUEUES[member % 3 == 0]


class Hand:
    """Claims, settles and rescues. `claims` holds every claim whose reply arrived, also those long over;
    `lost` what a rescuer saw when it looked last."""

    def __init__(self, side: SideBySide) -> None:
        self._side = side
        self._times: set[int] = set()
        self.claims: list[JobRecord] = []
        self.lost: list[JobRecord] = []

    def open_sessions(self) -> None:
        """Lets all of `SESSIONS` begin."""
        self._side.extend([Lease(session=session, lease_ms=LEASE_MS, opens=True) for session in SESSIONS])

    def new_job(
        self,
        member: int,
        priority: int = 3,
        delay_ms: int = 0,
        rules: Rules | None = None,
        edges: Edges | None = None,
    ) -> NewJob:
        """A member of the pool, to be inserted."""
        return NewJob(
            id=pool_id(member),
            queue=pool_queue(member),
            name=f"task{member % 2}",
            payload=b"%d" % member,
            priority=priority,
            run_ms=self.time_in(delay_ms) if delay_ms else None,
            rules=rules,
            edges=edges,
        )

    def blocked_job(self, member: int, edges: Edges | None, still_open: int) -> JobRecord:
        """A member of the pool that waits, in another store, for so many of its parents."""
        job = self.foreign_job(member, State.BLOCKED, 0, None)
        parents = edges.parents if edges is not None else ()
        job.edges, job.waits_for = edges, tuple(edge.parent for edge in parents[:still_open])
        return job

    def foreign_job(self, member: int, state: State, fence: int, rules: Rules | None) -> JobRecord:
        """A member of the pool with a past in another store, to be adopted."""
        is_over, now_ms = state in TERMINAL, self._side.now_ms
        return JobRecord(
            id=pool_id(member),
            queue=pool_queue(member),
            name=f"task{member % 2}",
            payload=b"%d" % member,
            state=state,
            priority=3,
            fence=fence,
            failures=fence,
            session="s1" if fence else None,
            created_ms=now_ms - 9,
            updated_ms=now_ms - 1,
            started_ms=now_ms - 2 if fence else None,
            finished_ms=now_ms - 1 if is_over else None,
            run_ms=self.time_in(LONGEST_DELAY_MS) if state in WAITING_FOR_TIME else None,
            details=b'{"tags":["new"],"reference":["r","1"]}' if fence else None,
            errors=(b"1",) * fence,
            rules=rules,
            error_text="Boom: it went boom" if fence else None,
        )

    def move_away_and_back(self, member: int) -> None:
        """Takes a job out, as it is, and brings it back."""
        where = JobQuery(ids=(pool_id(member),), full=True)
        kept = [job for job in self._side.scan(where) if job.state is not State.RUNNING]
        self._side.change(Delete(where=where))
        self._side.adopt(kept)

    def time_in(self, delay_ms: int) -> int:
        """A time that no other job has: the order of equal times is nobody's promise."""
        time_ms = self._side.now_ms + delay_ms
        while delay_ms and time_ms in self._times:
            time_ms += 1
        self._times.add(time_ms)
        return time_ms

    def claim(self, *asks: ClaimAsk) -> list[JobRecord]:
        """Claims, and keeps the claims in mind."""
        jobs = [job for reply in self._side.claim(asks) for job in reply.jobs]
        self.claims += jobs
        return jobs

    def pick(self, age: str) -> JobRecord:
        """The "newest" claim, the "oldest", or one from the "middle"."""
        return self.claims[{"newest": -1, "oldest": 0, "middle": len(self.claims) // 2}[age]]

    def settlement(
        self, job: JobRecord, verdict: Verdict, *, keep: bool = True, follow: tuple[NewJob, ...] = ()
    ) -> Settlement:
        """The end of a claim; anything but success leaves an error."""
        if verdict.delay_ms:
            verdict = Verdict(verdict.state, verdict.charge, run_ms=self.time_in(verdict.delay_ms))
        went_well = verdict is COMPLETED
        return Settlement(
            id=job.id,
            queue=job.queue,
            session=job.session or "",
            fence=job.fence,
            verdict=verdict,
            result=b"1" if went_well else None,
            error=None if went_well else b"%d" % job.fence,
            error_text=None if went_well else "Boom: it went boom",
            keep=keep,
            rules=job.rules,
            follow=follow,
        )

    def look_for_lost(self) -> None:
        """What a rescuer does first. It may act on it much later."""
        self.lost = self._side.scan(JobQuery(lost=True))

    def rescue(self, lost: Sequence[JobRecord], delay_ms: int) -> None:
        """What a rescuer does with jobs that it saw lost."""
        ends = [self.settlement(job, crashed(delay_ms)) for job in lost]
        self._side.settle([msgspec.structs.replace(end, if_lost=True) for end in ends])

    def note(self, job: JobRecord, progress: float | None, text: str | None, lines: int) -> None:
        """Progress and log lines for a claim, whether or not it is the newest."""
        self._side.change(
            Note(
                id=job.id,
                queue=job.queue,
                session=job.session or "",
                fence=job.fence,
                progress=progress,
                progress_note=text,
                logs=(b"line",) * lines,
            )
        )

    def start(self, queue: str, session: str, count: int) -> list[JobRecord]:
        """Claims with nothing in the way: the session lives and the queue is not paused."""
        self._side.put(Put(kind=PAUSE, key=queue, value=None))
        self._side.extend([Lease(session=session, lease_ms=LEASE_MS, opens=True)])
        return self.claim(ClaimAsk(queue, count, session))

    def steal(self, queue: str, session: str, thief: str, *, revives: bool) -> None:
        """A frozen worker loses its jobs to another one, or to itself after a new start, and thaws."""
        held = self.start(queue, session, 2)
        self._side.now_ms += LEASE_MS
        self.look_for_lost()
        if revives:
            self._side.extend([Lease(session=session, lease_ms=LEASE_MS)])
        self.rescue(self.lost, 0)
        self.start(queue, thief, 2)
        for job in held:
            self.note(job, 0.5, None, 1)
            self._side.now_ms += 1
            self._side.settle([self.settlement(job, COMPLETED)])
        self._side.extend([Lease(session=session, lease_ms=LEASE_MS)])

    def hand_back(self, queue: str, session: str) -> None:
        """Releases what it claimed, the last one first, and claims again."""
        held = self.start(queue, session, 2)
        self._side.settle([self.settlement(job, RELEASED) for job in reversed(held)])
        self.claim(ClaimAsk(queue, 3, session))

    def stop(self, queue: str, session: str, verdict: Verdict) -> None:
        """Is asked to stop while it runs a job, hears of it, and ends it."""
        for job in self.start(queue, session, 1):
            self._side.change(Cancel(where=JobQuery(ids=(job.id,))))
            self._side.extend([Lease(session=session, lease_ms=LEASE_MS)])
            self._side.settle([self.settlement(job, verdict)])
            self._side.extend([Lease(session=session, lease_ms=LEASE_MS)])

    def end_and_retry(self, queue: str, session: str, verdict: Verdict) -> None:
        """Ends a job, whereupon somebody asks for it again."""
        for job in self.start(queue, session, 1):
            self._side.settle([self.settlement(job, verdict)])
            self._side.change(Retry(where=JobQuery(ids=(job.id,))))
        self.claim(ClaimAsk(queue, 9, session))

    def leave_the_line(self, queue: str, session: str, edit: Cancel | Delete | Update) -> None:
        """Takes the second in line out of it, or to another place, and then claims all."""
        line = [kept.job.id for kept in self._side.model.line(queue)][1:2]
        self._side.change(msgspec.structs.replace(edit, where=JobQuery(ids=tuple(line))))
        self._side.change(Retry(where=JobQuery(ids=tuple(line), states=(State.CANCELLED,))))
        self.start(queue, session, 1)
        self.claim(ClaimAsk(queue, 9, session))

    def promote_on_the_dot(self, limit: int) -> None:
        """A millisecond before the next job is due, when it is, and when many are."""
        next_due_ms = self._side.promote(limit).next_due_ms
        for time_ms in () if next_due_ms is None else (next_due_ms - 1, next_due_ms):
            self._side.now_ms = max(self._side.now_ms, time_ms)
            self._side.promote(limit)
        self._side.now_ms += LONGEST_DELAY_MS
        self._side.promote(1)

    def drain(self) -> None:
        """Time passes and a sound worker comes. Asserts that everything ends then."""
        for queue in QUEUES:
            self._side.put(Put(kind=PAUSE, key=queue, value=None))
        for _ in range(2 * len(POOL)):
            self._side.now_ms += LEASE_MS + LONGEST_DELAY_MS
            self.look_for_lost()
            self.rescue(self.lost, 0)
            self._side.promote(1000)
            self._side.extend([Lease(session="sound", lease_ms=LEASE_MS, opens=True)])
            held = self.claim(*(ClaimAsk(queue, 100, "sound") for queue in QUEUES))
            replies = self._side.settle([self.settlement(job, COMPLETED) for job in held])
            assert set(replies) <= {Settled.APPLIED}, "a sound worker could not settle"
            if not self._side.scan(JobQuery(states=tuple(LIVE))):
                break
        assert not self._side.scan(JobQuery(states=tuple(LIVE))), "jobs are left that nobody can run"
