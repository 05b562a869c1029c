"""This module sends signals to jobs and workflows: what `ctx.wait_for` waits for."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from longshore.core.errors import InvalidId, JobNotFound
from longshore.core.events import Event
from longshore.core.ids import format_id, parse_id
from longshore.core.job import JobRecord
from longshore.core.names import check_name
from longshore.core.payload import encode
from longshore.core.states import TERMINAL
from longshore.core.suspension import Suspended
from longshore.core.workflow_errors import WorkflowNotFound
from longshore.engine.engine import Engine
from longshore.manager import editing, workflow_records
from longshore.manager.blocking import blocking
from longshore.manager.part import Part
from longshore.manager.runtime import Runtime
from longshore.manager.view import JobView
from longshore.manager.workflow import WorkflowRun
from longshore.steps import signals


class Signalling(Part):
    """Signals."""

    async def signal(self, job: JobView | WorkflowRun | str | UUID, event: str, data: Any = None) -> bool:
        """Lets a job have a signal: the one that waits for the event goes on, and one that comes to wait for it later
        finds it. Each signal is for one `ctx.wait_for` of a job; one to a workflow is for every step of it that is not
        over. False when the job, or the workflow, is over already.

        Raises InvalidName, JobNotFound, WorkflowNotFound, and what data without a JSON form raises.
        """
        check_name("event", event)
        plain = encode(data, what=f"signal {event}", limit_bytes=self.runtime.settings.payload_limit)
        target = job if isinstance(job, str) else str(job) if isinstance(job, UUID) else job.id
        engines = self.runtime.engines
        found = [job for job in await receivers(await engines.here(), target) if job.state not in TERMINAL]
        by_queue = {
            queue: [job for job in found if job.queue == queue] for queue in {job.queue for job in found}
        }
        for queue, jobs in by_queue.items():
            store = await engines.place(queue)
            await signals.post(store, jobs, event, plain, self.runtime.clock.now_ms())
            await signals.tell(store, [job.id for job in jobs])
        return bool(found)

    signal_sync: Final = blocking(signal)


async def receivers(engine: Engine, target: str) -> Sequence[JobRecord]:
    """The jobs that a signal to this id is for: the job itself, or those of the workflow. Raises JobNotFound and
    WorkflowNotFound."""
    with suppress(InvalidId):
        [record] = await editing.read(engine, [parse_id(target)])
        if record is not None:
            return [record]
    found = await workflow_records.look(engine, target)
    if found is not None:
        jobs = await workflow_records.jobs_of(engine, [entry.job for entry in found[0].entries])
        return list(jobs.values())
    with suppress(InvalidId):
        raise JobNotFound(format_id(parse_id(target)))
    raise WorkflowNotFound(target)


def tell_when_suspended(runtime: Runtime) -> None:
    """Looks, whenever a worker here has let go of a job that sleeps or waits, for a signal that came on the way."""

    async def look(event: Event) -> None:
        if isinstance(event.error, Suspended) and event.error.wants_signal:
            job: JobView = event.job
            await signals.tell(await runtime.engines.place(job.queue), [job.key])

    runtime.bus.on("released", look)
