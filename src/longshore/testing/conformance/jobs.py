"""This module makes the jobs, queries and settlements that the tests speak of. What a test does not say is ordinary."""

from typing import Any, TypedDict, Unpack

from longshore.core.edges import Edges
from longshore.core.ids import JobId, new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.priority import Priority
from longshore.core.rules import Rules
from longshore.core.states import TERMINAL, WAITING_FOR_TIME, State
from longshore.core.verdict import COMPLETED, Verdict
from longshore.store.commands import JobQuery, Note, Settlement

NOW = 1_700_000_000_000
"""The moment at which every test begins; the store is told so."""
SECOND = 1000
MINUTE = 60 * SECOND
QUEUE = "mail"
SESSION = "worker-1"


class JobFields(TypedDict, total=False):
    """What a test may say about a new job."""

    priority: int
    max_attempts: int | None
    delay_ms: int
    run_ms: int | None
    details: bytes | None
    tags: tuple[str, ...]
    reference: str | None
    correlation_id: str | None
    rules: Rules | None
    edges: Edges | None


def new_job(
    queue: str = QUEUE,
    *,
    id: JobId | None = None,  # noqa: A002 - it is the field's name
    name: str = "send",
    payload: bytes = b"{}",
    **fields: Unpack[JobFields],
) -> NewJob:
    """A job that can be claimed at once, unless its fields say otherwise."""
    return NewJob(id=id or new_id(), queue=queue, name=name, payload=payload, **fields)


def new_jobs(count: int, queue: str = QUEUE, **fields: Unpack[JobFields]) -> list[NewJob]:
    """So many jobs that differ in nothing but their ids."""
    return [new_job(queue, **fields) for _ in range(count)]


def foreign_job(state: State = State.PENDING, queue: str = QUEUE, **fields: Any) -> JobRecord:
    """A job of another store in that state, with a past of three claims; `fields` are those of a `JobRecord`."""
    waits, is_over = state in WAITING_FOR_TIME, state in TERMINAL
    past = {
        "fence": 3,
        "failures": 1,
        "crashes": 1,
        "releases": 1,
        "session": "long-gone",
        "created_ms": NOW - 60 * MINUTE,
        "updated_ms": NOW - MINUTE,
        "started_ms": NOW - 2 * MINUTE,
        "run_ms": NOW + MINUTE if waits else None,
        "finished_ms": NOW - MINUTE if is_over else None,
        "max_attempts": 7,
        "error_text": "Boom: it went boom",
    }
    ordinary = {"name": "send", "payload": b"{}", "priority": Priority.NORMAL}
    return JobRecord(**{"id": new_id(), "queue": queue, "state": state, **ordinary, **past, **fields})


def settlement(
    job: JobRecord,
    verdict: Verdict = COMPLETED,
    *,
    session: str | None = None,
    fence: int | None = None,
    result: bytes | None = None,
    error: bytes | None = None,
    error_text: str | None = None,
    follow: tuple[NewJob, ...] = (),
    if_lost: bool = False,
    keep: bool = True,
    rules: Rules | None = None,
) -> Settlement:
    """The end of the claim in which `job` was handed out, or of another one if a session or fence is given."""
    return Settlement(
        id=job.id,
        queue=job.queue,
        session=session or job.session or SESSION,
        fence=job.fence if fence is None else fence,
        verdict=verdict,
        result=result,
        error=error,
        error_text=error_text,
        follow=follow,
        if_lost=if_lost,
        keep=keep,
        rules=job.rules if rules is None else rules,
    )


def note(
    job: JobRecord,
    *,
    fence: int | None = None,
    progress: float | None = None,
    progress_note: str | None = None,
    logs: tuple[bytes, ...] = (),
) -> Note:
    """A sign from the attempt in which `job` was handed out, or from another one if a fence is given."""
    return Note(
        id=job.id,
        queue=job.queue,
        session=job.session or SESSION,
        fence=job.fence if fence is None else fence,
        progress=progress,
        progress_note=progress_note,
        logs=logs,
    )


def only(*ids: JobId, limit: int = 100) -> JobQuery:
    """These jobs, with everything that is known of them."""
    return JobQuery(ids=ids, limit=limit, full=True)
