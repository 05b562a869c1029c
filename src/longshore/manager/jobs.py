"""This module finds jobs and changes them: one by its id, or many by what they have in common."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from longshore.core.asking import spelled
from longshore.core.errors import InvalidOption
from longshore.core.ids import format_id, parse_id
from longshore.core.job import Details, JobRecord
from longshore.core.names import check_name, check_tags
from longshore.core.payload import encode
from longshore.core.reference import Reference, check_reference
from longshore.core.states import State
from longshore.manager import editing
from longshore.manager.blocking import blocking
from longshore.manager.figures import RetrySummary
from longshore.manager.job import AnyJob
from longshore.manager.option_parsing import JobWords, plan_job, translate
from longshore.manager.part import Part
from longshore.manager.states import read_states
from longshore.store.commands import SCAN_LIMIT, Changes, JobQuery, Order, Retry

PAGES_AT_ONCE = 20
"""Pages of a search that are read for one call, at most: a rare find in a long history must not hold the caller."""

JobIdLike = str | UUID
Several = str | Iterable[str] | None


class JobPage(list[AnyJob]):
    """Jobs, and where the next page begins."""

    cursor: str | None = None
    """For `get_jobs(cursor=…)`; None: that was all. A page may be empty and still not be the last."""


class Jobs(Part):
    """Finding and changing jobs."""

    async def get_job(self, job_id: JobIdLike) -> AnyJob | None:
        """The job with its errors and logs; None where there is none (or its retention is over). Raises InvalidId."""
        [record] = await editing.read(await self.runtime.engines.here(), [parse_id(job_id)])
        return None if record is None else AnyJob(self.runtime, record)

    @spelled("get_jobs")
    async def get_jobs(
        self,
        *,
        state: "str | Iterable[str] | None" = None,
        queue: Several = None,
        name: Several = None,
        tags: Iterable[str] = (),
        reference: "Reference | tuple[str, str] | None" = None,
        correlation_id: str | None = None,
        text: str | None = None,
        error: str | None = None,
        order: str = Order.NEWEST,
        limit: int = 100,
        cursor: str | None = None,
    ) -> JobPage:
        """Jobs for which everything that is given holds, newest first; `tags`: all of them; `text`: somewhere in
        name, data, metadata or error; `error`: in the error. Errors and logs are not read. Raises InvalidOption."""
        if not 1 <= limit <= SCAN_LIMIT:
            raise InvalidOption("limit", limit, f"1 to {SCAN_LIMIT}; for more, pass the page's cursor")
        query = JobQuery(
            states=read_states(state),
            queues=_several("queue", queue),
            names=_several("task", name),
            tags=check_tags(tags),
            reference=None if reference is None else check_reference(reference).key,
            correlation_id=_utf8("correlation_id", correlation_id),
            text=_utf8("text", text),
            error=_utf8("error", error),
            order=_order(order),
            cursor=cursor,
            limit=limit,
        )
        return await self._page(query)

    async def get_jobs_by_status(self, status: str, limit: int = 100) -> list[AnyJob]:
        """The newest jobs in a state; the seeds' words (processing, waiting, delayed) are understood."""
        return await self.get_jobs(state=status, limit=limit)

    async def update_job(self, /, job_id: JobIdLike, *, data: Any = msgspec.UNSET, **options: Any) -> AnyJob:
        """Gives a job that is not running and not over other data or options: priority, run_at, delay, max_attempts,
        max_crashes, tags, metadata, reference, correlation_id, timeout, retry, dead_letter. Raises JobNotFound,
        JobConflict, and what `add_job` raises."""
        key = parse_id(job_id)
        engine = await self.runtime.engines.here()
        record = await editing.find(engine, key)
        changes = self._changes(record, data, translate(options, _UPDATABLE, of="update_job"))
        return AnyJob(self.runtime, await editing.update(engine, key, changes))

    async def delete_job(self, job_id: JobIdLike) -> bool:
        """Forgets a job; False when there is none. Raises JobConflict while it runs."""
        return await editing.delete(await self.runtime.engines.here(), parse_id(job_id))

    async def cancel_job(self, job_id: JobIdLike) -> bool:
        """Cancels a job, or asks the worker that runs it to stop it; False when it is over already. Raises
        JobNotFound."""
        return await editing.cancel(await self.runtime.engines.here(), parse_id(job_id))

    async def retry_job(self, job_id: JobIdLike) -> AnyJob:
        """Makes a job pending now; a failed or cancelled one begins a new life. Raises JobNotFound, JobConflict."""
        record = await editing.retry(await self.runtime.engines.here(), parse_id(job_id))
        return AnyJob(self.runtime, record)

    async def retry_failed(
        self, queue: str | None = None, error: str | None = None, limit: int | None = None
    ) -> RetrySummary:
        """Retries dead letters, oldest first: of one queue, or whose error holds a text, or the first `limit`. One that
        fails once more meanwhile is left alone."""
        engine = await self.runtime.engines.here()
        began_ms = self.runtime.clock.now_ms()
        results: list[dict[str, Any]] = []
        more = True
        while more and (limit is None or len(results) < limit):
            size = SCAN_LIMIT if limit is None else min(SCAN_LIMIT, limit - len(results))
            where = JobQuery(
                states=(State.FAILED,),
                queues=_several("queue", queue),
                error=error,
                finished_before_ms=began_ms if results else None,  # others by now may have failed once more
                order=Order.OLDEST,
                limit=size,
            )
            [changed] = await engine.change([Retry(where=where)])
            results += [{"id": format_id(job_id), "success": True} for job_id in changed.ids]
            more = changed.more
        count = len(results)
        message = f"Retried {count} failed job{'' if count == 1 else 's'}." if count else "No failed jobs."
        return RetrySummary(
            success=True,
            message=message,
            processed=count,
            successful=count,
            failed=0,
            results=tuple(results),
        )

    async def has_running(self, name: str) -> bool:
        """Whether a job of this name runs now, anywhere."""
        page = await self._page(JobQuery(states=(State.RUNNING,), names=(name,), limit=1))
        return bool(page)

    get_job_sync: Final = blocking(get_job)
    get_jobs_sync: Final = blocking(get_jobs)
    get_jobs_by_status_sync: Final = blocking(get_jobs_by_status)
    update_job_sync: Final = blocking(update_job)
    delete_job_sync: Final = blocking(delete_job)
    cancel_job_sync: Final = blocking(cancel_job)
    retry_job_sync: Final = blocking(retry_job)
    retry_failed_sync: Final = blocking(retry_failed)
    has_running_sync: Final = blocking(has_running)

    async def _page(self, query: JobQuery) -> JobPage:
        engine = await self.runtime.engines.here()
        found = JobPage()
        for _ in range(PAGES_AT_ONCE):
            [page] = await engine.store.scan([query])
            found += [AnyJob(self.runtime, record) for record in page.jobs]
            found.cursor = page.cursor
            if page.cursor is None or len(found) >= query.limit:
                break
            left = query.limit - len(found)
            query = msgspec.structs.replace(query, cursor=page.cursor, limit=left)
        return found

    def _changes(self, record: JobRecord, data: Any, told: Mapping[str, Any]) -> Changes:
        plan = plan_job(record.queue, record.name, told)
        changes: dict[str, Any] = {}
        if data is not msgspec.UNSET:
            changes["payload"] = self.runtime.payload(record.queue, record.name, data)
        if "priority" in told:
            changes["priority"] = plan.priority
        if plan.max_attempts is not None:
            changes["max_attempts"] = plan.max_attempts
        if {"delay", "at", "run_at"} & told.keys():
            changes["run_ms"] = plan.due_ms(self.runtime.clock.now_ms())
        if _IN_DETAILS & told.keys():
            changes |= _merged(record, plan.details, told)
        return Changes(**changes)


_IN_DETAILS = {
    "metadata",
    "tags",
    "reference",
    "correlation_id",
    "timeout",
    "retry",
    "backoff",
    "max_crashes",
    "dead_letter",
}
_NOT_UPDATABLE = {
    "job_id",
    "durability",
    "connection",
    "chain_to",
    "rate_limit",
    "limit",
    "concurrency_key",
    "unique",
}
"""What a job keeps as it was added with."""
_UPDATABLE = sorted(JobWords.__annotations__.keys() - _NOT_UPDATABLE)


def _merged(record: JobRecord, new: Details, told: Mapping[str, Any]) -> dict[str, Any]:
    """What changes when some of the details do: they are stored as one, and the search keys beside them."""
    old = Details() if record.details is None else msgspec.json.decode(record.details, type=Details)
    fields = (_IN_DETAILS & told.keys()) - {"backoff"} | ({"retry"} if "backoff" in told else set())
    details = msgspec.structs.replace(old, **{field: getattr(new, field) for field in fields})
    changes: dict[str, Any] = {"details": encode(details, what=record.name)}
    if "tags" in told:
        changes["tags"] = details.tags
    if "reference" in told and details.reference is not None:
        changes["reference"] = Reference(*details.reference).key
    if "correlation_id" in told:
        changes["correlation_id"] = details.correlation_id
    return changes


def _order(value: str) -> Order:
    if value not in tuple(Order):
        raise InvalidOption("order", value, " or ".join(Order))
    return Order(value)


def _utf8(option: str, value: str | None) -> str | None:
    if value is not None and not (isinstance(value, str) and value.isascii()):
        try:
            value.encode()
        except (AttributeError, UnicodeError):
            raise InvalidOption(option, value, "a text that UTF-8 can say") from None
    return value


def _several(kind: str, value: Several) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(check_name(kind, name) for name in ([value] if isinstance(value, str) else value))
