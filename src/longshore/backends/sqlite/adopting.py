"""This module stores jobs of another store as they are."""

from collections.abc import Sequence

from longshore.backends.sqlite.dependents import Dependents
from longshore.backends.sqlite.flowing import Flow
from longshore.backends.sqlite.rows import BLOCKED, HELD, PENDING, Row, blobs, joined_tags
from longshore.backends.sqlite.ruled import unique_key
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.edges import pack as pack_edges
from longshore.core.ids import JobId
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, JobRecord
from longshore.core.rules import pack
from longshore.core.states import CODES, State
from longshore.store.adopting import search_keys
from longshore.store.replies import Inserted


def adopt(tx: Transaction, jobs: Sequence[JobRecord], now_ms: int) -> list[Inserted]:
    """Stores the jobs whose ids are not there yet."""
    known = set(_numbers(tx, jobs))
    new: list[JobRecord] = []
    replies = []
    for job in jobs:
        replies.append(Inserted.DUPLICATE if job.id in known else Inserted.CREATED)
        if job.id not in known:
            new.append(job)
            known.add(job.id)
    if new:
        flow = Flow(tx, now_ms)
        keys = _take_keys(tx, new)
        rows = [_row(tx, job, keys.get(job.id), flow) for job in new]
        tx.each("adopt", rows)
        tx.hold_new([row[0] for row in rows if row[2] == HELD])
        _add_belongings(tx, new)
        dependents = Dependents(tx, flow, now_ms)
        for job in new:
            if job.state is State.BLOCKED:
                dependents.come(job.id, job.waits_for)
        dependents.finish()
        flow.serve()
    return replies


def _numbers(tx: Transaction, jobs: Sequence[JobRecord]) -> dict[JobId, int]:
    """The number in the table of each job that is there."""
    return dict(tx.rows("adopt_read", (blobs([job.id for job in jobs]),)))


def _take_keys(tx: Transaction, jobs: Sequence[JobRecord]) -> dict[JobId, bytes]:
    """Which of the jobs have unique keys from now on: the last that comes with one has it."""
    holders = {(job.queue, key): job.id for job in jobs if (key := unique_key(job.rules)) is not None}
    if holders:
        tx.each("unique_free", holders)
    return {job_id: key for (_, key), job_id in holders.items()}


def _row(tx: Transaction, job: JobRecord, key: bytes | None, flow: Flow) -> Row:
    state = CODES[job.state]
    keys = search_keys(job.details)
    turn = place = 0
    held_by = None
    if state in (HELD, PENDING):
        if job.rules is None:
            state, place = PENDING, tx.places(job.queue, 1)
        else:
            state, turn, place, held_by = flow.line_up(job.queue, int(job.priority), job.rules)
    tx.moved(job.queue, None, state)
    if job.run_ms is not None and state != BLOCKED:
        tx.waits(job.queue, job.run_ms)
    return (
        *(
            job.id,
            job.queue,
            state,
            int(job.priority),
            turn,
            place,
            job.fence,
            job.failures,
            job.crashes,
            job.releases,
        ),
        *(job.max_attempts, job.run_ms, job.created_ms, job.updated_ms, job.started_ms, job.finished_ms),
        *(
            job.session,
            pack(job.rules),
            held_by,
            key,
            pack_edges(job.edges),
            job.name,
            joined_tags(keys.tags),
            keys.reference,
            keys.correlation_id,
        ),
        *(job.progress, job.progress_note, job.error_text, job.result, job.details, job.payload),
    )


def _add_belongings(tx: Transaction, jobs: Sequence[JobRecord]) -> None:
    """Errors and logs. Which claim an error was of is not told, only that there were no more claims than `fence`."""
    owners = [job for job in jobs if job.errors or job.logs]
    if not owners:
        return
    numbers = _numbers(tx, owners)
    for job in owners:
        seq, errors, logs = numbers[job.id], job.errors[-ERRORS_KEPT:], job.logs[-LOGS_KEPT:]
        first = job.fence - len(errors) + 1
        tx.each("failure_add", [(seq, fence, body) for fence, body in enumerate(errors, first)])
        tx.each("log_add", [(seq, number, body) for number, body in enumerate(logs, 1)])
