"""This module is the handle on one job: what it looked like when it was last read, and what can be asked of it."""

from collections.abc import Mapping
from typing import Any, Final, Generic, Self, TypeVar, cast

from longshore.core.errors import JobCancelled, JobFailed, JobNotFound
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.core.retry import Seconds
from longshore.core.states import State
from longshore.manager import editing
from longshore.manager.blocking import blocking
from longshore.manager.explain import Explanation, explain
from longshore.manager.option_parsing import duration
from longshore.manager.portal import Portal
from longshore.manager.recorded_steps import RecordedStep, shown
from longshore.manager.runtime import Runtime
from longshore.manager.view import JobView
from longshore.steps.entries import Kept, read

R_co = TypeVar("R_co", covariant=True)


class Job(JobView, Generic[R_co]):
    """One job. Its attributes are what was last read; `refresh` reads again."""

    __slots__ = ()

    @classmethod
    def added(cls, runtime: Runtime, new: NewJob, older: Mapping[JobId, JobRecord]) -> Self:
        """The handle of a job that was added, or of the older one in its stead (`manager/admitting.py`)."""
        found = older.get(new.id)
        if found is None:
            return cls(runtime, new)
        return cls(runtime, found, conflict=found.id != new.id)

    @property
    def portal(self) -> Portal:
        """Where the blocking twins run."""
        return self._runtime.portal

    async def result(self, timeout: Seconds | None = None) -> R_co:  # noqa: ASYNC109 - a promise of the API
        """Waits for the end and gives what the task returned.

        Raises JobFailed, JobCancelled, JobNotFound (the queue keeps nothing), and TimeoutError after `timeout` seconds;
        the job goes on then.
        """
        if not self.state.is_terminal:
            services = await self._runtime.engines.services()
            self._take(await services.waiter.wait(self.key, duration(timeout)))
        if self.state is State.COMPLETED:
            return cast("R_co", self.value)
        if self.state is State.FAILED:
            await self.refresh()  # a waiter reads no errors; who is told of a failure wants them
            raise JobFailed(self.id, self.name, self.error_message or "no reason was kept")
        raise JobCancelled(self.id, self.name)

    async def refresh(self) -> None:
        """Reads the job again, with its errors and logs. Raises JobNotFound."""
        [record] = await editing.read(await self._runtime.engines.here(), [self.key])
        if record is None:
            raise JobNotFound(self.id)
        self._take(record)

    async def cancel(self) -> bool:
        """Cancels the job, or asks its worker to stop it; False when it is over already. Raises JobNotFound."""
        return await editing.cancel(await self._runtime.engines.here(), self.key)

    async def retry(self) -> None:
        """Makes the job pending now; a failed or cancelled one begins a new life. Raises JobNotFound, JobConflict."""
        self._take(await editing.retry(await self._runtime.engines.here(), self.key))

    async def delete(self) -> bool:
        """Forgets the job; False when it is gone already. Raises JobConflict while it runs."""
        return await editing.delete(await self._runtime.engines.here(), self.key)

    async def explain(self) -> Explanation:
        """Why the job is not running, as of now. Raises JobNotFound."""
        await self.refresh()
        handler = self._runtime.registry.find(self.queue, self.name)
        provider = None if handler is None else handler.provider
        steps = await self._recorded() if self.state is State.SCHEDULED and self.releases else []
        services = await self._runtime.engines.services()
        memory = services.quick if self.queue in self._runtime.volatile else None
        return await explain(services.engine, self.record, provider, steps, memory=memory)

    async def steps(self) -> list[RecordedStep]:
        """What the task has recorded with `ctx.step`, `ctx.sleep` and `ctx.wait_for`, as of now and in its order.
        Raises JobNotFound."""
        await self.refresh()
        return [shown(each) for each in await self._recorded()]

    async def _recorded(self) -> list[Kept]:
        return await read(await self._runtime.engines.place(self.queue), self.key, self.record.created_ms)

    result_sync: Final = blocking(result)
    refresh_sync: Final = blocking(refresh)
    cancel_sync: Final = blocking(cancel)
    retry_sync: Final = blocking(retry)
    delete_sync: Final = blocking(delete)
    explain_sync: Final = blocking(explain)
    steps_sync: Final = blocking(steps)


AnyJob = Job[Any]
