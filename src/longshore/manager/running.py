"""This module runs jobs: workers in the background or in front, everything until it is done, or one job here and
now."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from longshore.core.asking import spelled
from longshore.core.errors import DrainTimeout, JobConflict, UnknownTask, UsageError
from longshore.core.ids import format_id, parse_id
from longshore.core.job import JobRecord
from longshore.core.names import check_name
from longshore.core.retry import Seconds, seconds
from longshore.core.states import State
from longshore.engine.engine import Engine
from longshore.flow import pausing
from longshore.manager import editing
from longshore.manager.assembly import hire
from longshore.manager.blocking import blocking
from longshore.manager.defining import Defining
from longshore.manager.figures import Status
from longshore.manager.job import AnyJob
from longshore.manager.jobs import JobIdLike
from longshore.manager.option_parsing import duration
from longshore.manager.runtime import Runtime
from longshore.manager.safety import refuse_unsafe
from longshore.manager.single import SingleClaim
from longshore.manager.store_wait import StoreWait
from longshore.manager.unaware_jobs import unaware
from longshore.manager.worker_group import WorkerGroup
from longshore.scaling.parent import Parent
from longshore.store.replies import QueueCounts
from longshore.worker.options import WorkerOptions
from longshore.worker.signals import Stoppable, StopSignals
from longshore.worker.worker import Worker

Lines = Iterable[str] | Mapping[str, int | None] | None
"""Queues by name, perhaps each with how many of its jobs may run at once."""

SHUTDOWN_SECONDS = 30.0
LOOK_SECONDS = 0.02
"""Between two looks whether anything is left to run."""


class Running(Defining):
    """Running jobs."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._workers = WorkerGroup()

    @spelled("start_workers")
    async def start_workers(self, queues: Lines = None, concurrency: int | None = None) -> None:
        """Runs jobs in the background of this event loop until `shutdown`; returns when they have begun.

        A server that is away is waited for, until `shutdown` or a cancel ends that.
        `queues`: those of the tasks, processors and handlers that are known here, unless given. `concurrency`: jobs
        at a time, else the setting. Raises UsageError when there is nothing to serve, or workers run already, and
        UnsafeStore when the store may lose jobs by the way it is set up (the setting `unsafe_store` allows it).
        """
        if self._workers.is_working:
            raise UsageError("Workers run already in this process; `await manager.shutdown()` ends them.")

        async def hired() -> Worker:
            engine = await self._safe_engine()
            lines = await self._spelt(queues, engine)
            return hire(self, engine, self._options(lines, concurrency))

        await self._workers.start_once_there(StoreWait(self.runtime.clock, self.runtime.random), hired)

    @spelled("run_until_empty")
    async def run_until_empty(
        self,
        timeout: Seconds | None = None,  # noqa: ASYNC109 - a promise of the API
        *,
        queues: Lines = None,
        concurrency: int | None = None,
    ) -> None:
        """Runs jobs here until none is left pending, running, retrying or due; jobs that are scheduled for later stay.

        Retries are waited for. Raises UnsafeStore, and DrainTimeout after `timeout` seconds, with what is left;
        nothing is lost.
        """
        limit = duration(timeout)
        engine = await self._safe_engine()
        options = self._options(queues, concurrency)
        workers = WorkerGroup()
        workers.start(hire(self, engine, options))
        try:
            await self._until_empty(engine, list(options.queues), limit)
        finally:
            await workers.end(0.0 if limit is not None else self.runtime.settings.grace)

    async def run_worker(
        self,
        *,
        queues: Lines = None,
        concurrency: int | None = None,
        burst: bool = False,
        install_signals: bool = True,
    ) -> int:
        """Runs jobs until SIGTERM or SIGINT (again: at once), with `burst` until nothing is left to do now.

        A server that is away at the start is waited for, unless `install_signals` is off. Gives the exit code of the
        process: 0 when all ended well, 1 when it was stopped. A process of a supervisor
        is stopped when that is gone, and never by a second signal: the supervisor passes on what all of them got.
        Raises UsageError and UnsafeStore like `start_workers`.
        """

        async def hired() -> Worker:
            engine = await self._safe_engine()
            lines = await self._spelt(queues, engine)
            return hire(self, engine, self._options(lines, concurrency, burst=burst))

        if not install_signals:
            await (await hired()).run()
            return 0
        return await self._run_alone(hired)

    async def process_job(self, job_id: JobIdLike, *, skip_if_running: bool = False) -> AnyJob:
        """Runs one attempt of one job here and now, under the same rules as a worker: wherever the job stands in
        line, even before its time or while its queue is paused. Gives the job as it is afterwards.

        With `skip_if_running`, a job that runs somewhere is given back as it is. Raises JobNotFound, JobConflict (it
        runs, or is over: `retry_job` gives it another life), UnknownTask when nothing here can run it, and UnsafeStore.
        """
        key = parse_id(job_id)
        engine = await self._safe_engine()
        record = await editing.find(engine, key)
        if self.runtime.registry.find(record.queue, record.name) is None:
            raise UnknownTask(record.name, self.runtime.registry.names())
        if record.state in (State.SCHEDULED, State.RETRYING):
            record = await editing.retry(engine, key)
        if record.state is State.PENDING:
            single = SingleClaim(engine, key)
            options = self._options({record.queue: 1}, 1, burst=True)
            await hire(self, single, options, with_upkeep=False).run()
            if single.has_claimed:
                return AnyJob(self.runtime, await self._after(engine, single, record))
            record = await editing.find(engine, key)
        if record.state is State.RUNNING and skip_if_running:
            return AnyJob(self.runtime, record)
        raise JobConflict(format_id(key), "processed", record.state, ["pending", "scheduled", "retrying"])

    async def get_status(self) -> Status:
        """What this process knows and does, and which queues are paused."""
        engine = await self.runtime.engines.here()
        return Status(
            url=self.runtime.url,
            running=self._workers.is_working,
            queues=tuple(sorted(self.runtime.queues)),
            paused=tuple(await pausing.paused(engine.store)),
            tasks=tuple(self.runtime.registry.names()),
            in_flight=self._workers.running_jobs,
        )

    start_workers_sync: Final = blocking(start_workers)
    run_until_empty_sync: Final = blocking(run_until_empty)
    process_job_sync: Final = blocking(process_job)
    get_status_sync: Final = blocking(get_status)

    async def shutdown(self, timeout: Seconds = SHUTDOWN_SECONDS) -> None:  # noqa: ASYNC109 - a promise of the API
        """Ends the workers of this process and closes everything; a later use opens it anew.

        Jobs that run get `timeout` seconds (and at most the grace time) to finish; the rest goes back unharmed.
        """
        await self._wind_down(timeout)
        await asyncio.to_thread(self.portal.close)

    def shutdown_sync(self, timeout: Seconds = SHUTDOWN_SECONDS) -> None:
        """`shutdown` for code without an event loop."""
        self.portal.call(self._wind_down(timeout))
        self.portal.close()

    async def _wind_down(self, timeout: Seconds) -> None:  # noqa: ASYNC109
        await self._workers.end(seconds("timeout", timeout))
        await self.runtime.engines.close()

    async def _safe_engine(self) -> Engine:
        """The engine of this loop, if workers may use it. Raises UnsafeStore."""
        engine = await self.runtime.engines.here()
        await refuse_unsafe(engine.store, is_allowed=self.runtime.settings.unsafe_store)
        await self.runtime.engines.warn_of_strays()
        return engine

    async def _run_alone(self, hired: Callable[[], Awaitable[Worker]]) -> int:
        """Waits for the worker's store, and runs it, as the signals of this process say. Gives the exit code."""
        supervisor = Parent.from_environment()
        store_wait = StoreWait(self.runtime.clock, self.runtime.random)
        working: list[Stoppable] = [store_wait]

        def stop() -> None:
            working[-1].stop()

        if supervisor is not None:
            supervisor.watch(stop)
        with StopSignals(stops=supervisor is None) as signals:
            signals.attach(store_wait)
            worker = await store_wait.opened(hired)
            if worker is None:
                return 0
            working.append(worker)
            if store_wait.is_over:
                worker.drain()
            signals.attach(worker)
            if supervisor is not None:
                supervisor.ready()
            await worker.run()
        return signals.exit_code

    async def _spelt(self, queues: Lines, engine: Engine) -> Lines:
        """The same queues, after a warning about each that was probably meant otherwise."""
        listed = queues if queues is None or isinstance(queues, Mapping) else list(queues)
        known = {*self.runtime.queues, *self.runtime.served()}
        for queue in listed or ():
            await self.runtime.spelling.look_up(queue, known, engine.store)
        return listed

    async def _until_empty(self, engine: Engine, queues: list[str], limit: float | None) -> None:
        clock = self.runtime.clock
        began = clock.monotonic()
        while left := await _left_now(engine, queues):
            waited = clock.monotonic() - began
            if limit is not None and waited >= limit:
                raise DrainTimeout(limit, left)
            await clock.sleep(LOOK_SECONDS if limit is None else min(LOOK_SECONDS, limit - waited))

    async def _after(self, engine: Engine, single: SingleClaim, record: JobRecord) -> JobRecord:
        """The job after its attempt, also where its queue keeps nothing."""
        [kept] = await editing.read(engine, [record.id])
        return kept or single.outcome_for(record)

    def _options(self, queues: Lines, concurrency: int | None, *, burst: bool = False) -> WorkerOptions:
        settings = self.runtime.settings
        return WorkerOptions(
            queues=self._lines(queues),
            slots=settings.concurrency if concurrency is None else concurrency,
            lease_seconds=settings.lease,
            grace_seconds=settings.grace,
            poll_seconds=settings.poll,
            burst=burst,
        )

    def _lines(self, queues: Lines) -> dict[str, int | None]:
        """The queues to serve, each with its limit: what was given here, else what the queue was told."""
        if isinstance(queues, Mapping):
            given = {check_name("queue", queue): limit for queue, limit in queues.items()}
        else:
            others = self.runtime.self_run
            names = (
                [queue for queue in self.runtime.served() if queue not in others]
                if queues is None
                else queues
            )
            given = dict.fromkeys(check_name("queue", queue) for queue in names)
        if not given:
            raise UsageError(
                "Nothing to serve: define a task, a processor or a handler first, or name queues."
            )
        return {queue: limit or self.runtime.options_of(queue).concurrency for queue, limit in given.items()}


_TO_RUN = (State.PENDING, State.RUNNING, State.RETRYING)


async def _left_now(engine: Engine, queues: list[str]) -> dict[str, int]:
    """What is left to run; asked once more when that seems to be nothing, for a job may be due that nobody has
    promoted yet."""
    left = _left(await engine.store.count(queues))
    if left:
        return left
    more = True
    while more:
        more = (await engine.promote(1000)).more
    counts = await engine.store.count(queues)
    while not (left := _left(counts)) and any(each.states.get(State.BLOCKED) for each in counts):
        before = counts
        left = await unaware(engine, queues)
        counts = await engine.store.count(queues)
        if left or [each.states for each in counts] == [each.states for each in before]:
            break  # otherwise something became pending meanwhile, and may even be over
    return left


def _left(counts: list[QueueCounts]) -> dict[str, int]:
    waiting = {each.queue: sum(each.states.get(state, 0) for state in _TO_RUN) for each in counts}
    return {queue: count for queue, count in waiting.items() if count}
