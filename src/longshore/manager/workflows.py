"""This module is `manager.workflows`: what there is of workflows, and what a person does about it."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from longshore.core.errors import InvalidOption
from longshore.engine.engine import Engine
from longshore.manager import workflow_records as records
from longshore.manager.blocking import blocking
from longshore.manager.job import AnyJob
from longshore.manager.part import Part
from longshore.manager.workflow import WorkflowRun, shown_jobs
from longshore.workflows.drawing import as_plain, drawn
from longshore.workflows.laying import lay
from longshore.workflows.reading import read_workflow
from longshore.workflows.record import Status, WorkflowRecord
from longshore.workflows.restarting import Mode
from longshore.workflows.spec import Part as WorkflowPart
from longshore.workflows.spec import Step, Workflow

READ_AT_ONCE = 50
"""Workflows whose jobs are read in one call."""
FORGOTTEN_AFTER_MS = 3_600_000
"""A record without any job is forgotten so long after its workflow was started."""


class Workflows(Part):
    """The workflows of the store."""

    async def get(self, workflow_id: str) -> WorkflowRun | None:
        """The workflow as it stands; None where there is none."""
        engine = await self.runtime.engines.here()
        found = await records.look(engine, workflow_id)
        if found is None:
            return None
        [run] = await self._runs(engine, [found[0]])
        return run

    async def list(self, *, status: str | None = None, limit: int = 100) -> list[WorkflowRun]:
        """The newest workflows, perhaps only those that stand so: "running", "completed", "failed", "cancelled",
        "absent". Those whose jobs were forgotten long ago are forgotten now. Raises InvalidOption."""
        if status is not None and status not in tuple(Status):
            raise InvalidOption("status", status, " or ".join(Status))
        engine = await self.runtime.engines.here()
        found: list[WorkflowRun] = []
        stale: list[str] = []
        oldest_ms = self.runtime.clock.now_ms() - FORGOTTEN_AFTER_MS
        remaining = iter(await records.all_of(engine))
        while len(found) < limit and (chunk := list(islice(remaining, READ_AT_ONCE))):
            for run in await self._runs(engine, chunk):
                if run.status is Status.ABSENT and run.record.created_ms < oldest_ms:
                    stale.append(run.id)
                elif status is None or run.status == status:
                    found.append(run)
        await records.forget(engine, stale)
        return found[:limit]

    def to_mermaid(self, workflow: Workflow | Step | Mapping[str, Any]) -> str:
        """A workflow that need not be started, as a Mermaid flowchart. Raises like `execute_workflow`."""
        return drawn(read_workflow(workflow))

    def to_dict(self, workflow: Workflow | Step | Mapping[str, Any]) -> dict[str, Any]:
        """A workflow that need not be started, as plain data that `execute_workflow` reads back. Raises like it, and
        PayloadNotEncodable."""
        read = read_workflow(workflow)
        return as_plain(read, lay(read))

    async def cancel(self, workflow_id: str) -> int:
        """See `WorkflowRun.cancel`. Raises WorkflowNotFound."""
        return await (await self._found(workflow_id)).cancel()

    async def retry(self, workflow_id: str, mode: Mode = "failed_and_downstream") -> int:
        """See `WorkflowRun.retry`. Raises WorkflowNotFound."""
        return await (await self._found(workflow_id)).retry(mode)

    async def append(self, workflow_id: str, *parts: WorkflowPart) -> Sequence[AnyJob]:
        """See `WorkflowRun.append`. Raises WorkflowNotFound."""
        return await (await self._found(workflow_id)).append(*parts)

    async def _runs(self, engine: Engine, found: Sequence[WorkflowRecord]) -> Sequence[WorkflowRun]:
        jobs = await records.jobs_of(engine, [entry.job for record in found for entry in record.entries])
        return [WorkflowRun(self.runtime, record, shown_jobs(self.runtime, record, jobs)) for record in found]

    async def _found(self, workflow_id: str) -> WorkflowRun:
        engine = await self.runtime.engines.here()
        return WorkflowRun(self.runtime, await records.find(engine, workflow_id), {})

    get_sync: Final = blocking(get)
    list_sync: Final = blocking(list)  # noqa: A003 - the method above
    cancel_sync: Final = blocking(cancel)
    retry_sync: Final = blocking(retry)
    append_sync: Final = blocking(append)
