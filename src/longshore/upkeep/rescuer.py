"""This module brings back jobs whose worker is gone: killed, frozen, or cut off from the store.

A job is lost when the lease of its worker's session is over. What becomes of it is judged here like everything else:
back in line at once after its first crash, later after the next, and a dead letter when it has taken too many workers
down. The settlement says `if_lost`: a worker that comes back to life in between keeps its jobs. It works for tasks that
this process does not know as well; then the job's own limits and the defaults hold.

Jobs that ran together in a batch are not charged: they come back to run in halves, until the guilty one ran alone
(`batch/halving.py`, ADR 0018).
"""

import logging
from collections.abc import Callable
from random import Random
from typing import Protocol

import msgspec

from longshore.batch.halving import Begun, halved, read_begun
from longshore.core.attempt_errors import WorkerCrashed
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.events import Bus
from longshore.core.ids import JobId, format_id
from longshore.core.job import Details, JobRecord
from longshore.core.service import Repeating
from longshore.core.states import State
from longshore.core.verdict import RELEASED
from longshore.dlq.burial import describe, letter
from longshore.engine.engine import Engine
from longshore.engine.failures import log_failure
from longshore.engine.herald import Herald, Hooks, MakeJob, News
from longshore.engine.judge import judge_crash
from longshore.engine.policy import Policy
from longshore.engine.suspicion import SUSPECT_CRASHES, Suspicion, read
from longshore.store.commands import BATCHES, SCAN_LIMIT, SUSPECT, JobQuery, Order, RecordAsk, Settlement
from longshore.store.replies import Settled

log = logging.getLogger("longshore.upkeep")

LOST = JobQuery(states=(State.RUNNING,), lost=True, order=Order.OLDEST, limit=SCAN_LIMIT)


class Known(Hooks, Protocol):
    """What a rescuer wants to know of a task."""

    @property
    def policy(self) -> Policy:
        """The task's own."""

    @property
    def batch(self) -> object | None:
        """Something, if it runs many jobs at once."""


class Together:
    """What ran together in sessions that are over."""

    def __init__(self, begun: dict[str, Begun]) -> None:
        self._tasks = {(session, *task) for session, said in begun.items() for task in said.tasks}
        self._batches = {
            (session, job_id): batch
            for session, said in begun.items()
            for batch in said.batches
            for job_id in batch
        }

    def of(self, job: JobRecord) -> tuple[JobId, ...] | None:
        """The batch that the job ran in."""
        return self._batches.get((job.session or "", job.id))

    def is_gathered(self, job: JobRecord) -> bool:
        """Whether it is of a task whose jobs the session ran together."""
        return (job.session or "", job.queue, job.name) in self._tasks


class Rescuer(Repeating):
    """Looks for lost jobs three times in each lease; any number of them may run."""

    def __init__(
        self,
        engine: Engine,
        *,
        find: Callable[[str, str], Known | None],
        lease_seconds: float,
        make_job: MakeJob,
        bus: Bus,
        clock: Clock,
        random: Random,
    ) -> None:
        """`find` knows the task of a queue and name, perhaps."""
        super().__init__("rescuer", self._rescue, clock=clock, random=random, bus=bus)
        self._engine = engine
        self._find = find
        self._lease_seconds = lease_seconds
        self._store_was_away = False
        self._herald = Herald(bus, make_job)
        self._random = random

    async def stop(self) -> None:
        """After the rescue that it is at, and when it is told."""
        await super().stop()
        await self._herald.flush()

    async def _rescue(self) -> float:
        try:
            [page] = await self._engine.store.scan([LOST])
            if self._store_was_away:  # from the others as well: let them say first that they live
                self._store_was_away = False
                return self._lease_seconds
            if page.jobs:
                await self._bring_back(page.jobs)
        except StoreUnavailable:
            self._store_was_away = True
            raise
        if page.cursor is not None:
            return 0.0
        return self._lease_seconds / 3 * self._random.uniform(0.7, 1.0)

    async def _bring_back(self, jobs: list[JobRecord]) -> None:
        named, batches = await self._named(jobs), await self._batches(jobs)
        crashed = {batch for batch in map(batches.of, jobs) if batch}
        for batch in crashed:
            if len(batch) > 1:
                log.warning("A batch of %d jobs lost its worker; they run again in halves.", len(batch))
        await self._engine.store.put([put for batch in crashed for put in halved(batch)])
        cases = [self._judge(job, named, batches) for job in jobs]
        replies = await self._engine.settle([settlement for settlement, _ in cases])
        for (settlement, news), reply in zip(cases, replies, strict=True):
            if reply is Settled.APPLIED:
                self._log(settlement, news)
                self._engine.expect(settlement.verdict.delay_ms / 1000)
                self._herald.post_news(news, self._engine.clock.now_ms())

    def _log(self, settlement: Settlement, news: News) -> None:
        if settlement.error_text is None or settlement.error is None:
            log.warning("Job %s lost its worker and is not charged", format_id(settlement.id))
        else:
            policy = _policy(news.record, self._find(settlement.queue, news.record.name))
            log_failure(news.record, settlement.verdict, policy, settlement.error_text, settlement.error)

    async def _named(self, jobs: list[JobRecord]) -> dict[str, Suspicion]:
        """Of each session the suspect that it ran, where it still did."""
        lost = {job.id for job in jobs}
        sessions = {job.session or "" for job in jobs}
        [records] = await self._engine.store.get([RecordAsk(SUSPECT, tuple(sessions))])
        named = {record.key: read(record.value) for record in records}
        return {session: suspicion for session, suspicion in named.items() if suspicion.job in lost}

    async def _batches(self, jobs: list[JobRecord]) -> "Together":
        """What ran together in the sessions of these jobs. Asked only where one of them may have been in a batch."""
        sessions = {job.session or "" for job in jobs if self._may_be_gathered(job)}
        [records] = await self._engine.store.get([RecordAsk(BATCHES, tuple(sessions))]) if sessions else [[]]
        return Together({record.key: read_begun(record) for record in records})

    def _may_be_gathered(self, job: JobRecord) -> bool:
        known = self._find(job.queue, job.name)
        return known is None or known.batch is not None

    def _judge(
        self, job: JobRecord, named: dict[str, Suspicion], batches: "Together"
    ) -> tuple[Settlement, News]:
        known = self._find(job.queue, job.name)
        batch = batches.of(job)
        waited = batch is None and (
            batches.is_gathered(job) or (known is not None and known.batch is not None)
        )
        if waited or (batch is not None and len(batch) > 1):
            return _unharmed(job), News(job, RELEASED, known)
        if _is_cleared(job, named.get(job.session or "")):
            return _unharmed(job), News(job, RELEASED, known)
        policy = _policy(job, known)
        verdict = judge_crash(job, policy.max_crashes)
        error = WorkerCrashed(
            f"Worker {job.session} died or lost its lease while it held the job "
            f"(crash {job.crashes + 1} of {policy.max_crashes})."
        )
        now_ms = self._engine.clock.now_ms()
        kept, line = describe(error, job, job.session or "", now_ms)
        is_over = verdict.state is State.FAILED
        settlement = Settlement(
            id=job.id,
            queue=job.queue,
            session=job.session or "",
            fence=job.fence,
            verdict=verdict,
            error=kept,
            error_text=line,
            follow=(letter(job, line, now_ms, policy.dead_letter),) if is_over and policy.dead_letter else (),
            if_lost=True,
            keep=policy.keep_failed or not is_over,
            rules=job.rules,
        )
        return settlement, News(job, verdict, known, error)


def _is_cleared(job: JobRecord, suspicion: Suspicion | None) -> bool:
    """Whether the job had not begun: a suspect that waited for its turn, or any job beside one that was alone."""
    if suspicion is None:
        return job.crashes >= SUSPECT_CRASHES
    return job.id != suspicion.job and (suspicion.is_alone or job.crashes >= SUSPECT_CRASHES)


def _unharmed(job: JobRecord) -> Settlement:
    """For a job that was in the worker and had not begun."""
    return Settlement(
        id=job.id,
        queue=job.queue,
        session=job.session or "",
        fence=job.fence,
        verdict=RELEASED,
        if_lost=True,
        rules=job.rules,
    )


def _policy(job: JobRecord, known: Known | None) -> Policy:
    """The task's policy, or the default one, with the job's own wishes as far as they can be read."""
    policy = known.policy if known is not None else Policy()
    if job.details is None:
        return policy
    try:
        return policy.adapted(msgspec.json.decode(job.details, type=Details))
    except Exception:  # noqa: BLE001 - whatever a foreign producer wrote, its job must be rescued
        log.warning("The details of job %s cannot be read; its task's policy holds.", format_id(job.id))
        return policy
