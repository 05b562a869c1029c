"""This module carries out edits in the memory store: cancel, retry, delete, update and notes."""

import msgspec

from longshore.backends.memory.rows import (
    BLOCKED,
    CANCELLED,
    FIRST_TERMINAL,
    HELD,
    PENDING,
    RETRYING,
    RUNNING,
    SCHEDULED,
    Row,
)
from longshore.backends.memory.searching import find
from longshore.backends.memory.shelves import Shelves
from longshore.core.states import CODES, REJOINABLE, RETRIABLE
from longshore.store.commands import Cancel, Changes, Delete, Edit, Note, Retry, Update
from longshore.store.replies import Changed, WakeKind

_RETRIABLE = frozenset(CODES[state] for state in RETRIABLE)
_REJOINABLE = frozenset(CODES[state] for state in REJOINABLE)


def change(shelves: Shelves, edit: Edit, now_ms: int) -> Changed:
    """Carries out one edit, with all that it means to jobs that wait for others."""
    changed = _carry_out(shelves, edit, now_ms)
    if shelves.dependents.has_news:
        shelves.decide(now_ms)
    return changed


def _carry_out(shelves: Shelves, edit: Edit, now_ms: int) -> Changed:
    match edit:
        case Cancel():
            return _cancel(shelves, edit, now_ms)
        case Retry():
            return _retry(shelves, edit, now_ms)
        case Delete():
            return _delete(shelves, edit, now_ms)
        case Update():
            return _update(shelves, edit, now_ms)
        case Note():
            return _note(shelves, edit, now_ms)


def _cancel(shelves: Shelves, edit: Cancel, now_ms: int) -> Changed:
    rows, more = find(
        shelves, edit.where, now_ms, lambda row: row.state < FIRST_TERMINAL and not row.cancel_requested
    )
    asked = tuple(row.job.id for row in rows if row.state == RUNNING)
    ids = tuple(row.job.id for row in rows if row.state != RUNNING)
    for row in rows:
        if row.state == RUNNING:
            _ask_to_stop(shelves, row, now_ms)
        else:
            job = shelves.leave_line(row) if row.state == PENDING else row
            job.updated_ms = now_ms
            shelves.finish(job, shelves.queues[job.job.queue], CANCELLED, now_ms)
    return Changed(ids, asked, more)


def _ask_to_stop(shelves: Shelves, row: Row, now_ms: int) -> None:
    row.cancel_requested = True
    row.updated_ms = now_ms
    shelves.sessions.ask_to_stop(row.session or "", row.job.id)
    shelves.bell.ring(WakeKind.CANCEL, row.job.queue)


def _retry(shelves: Shelves, edit: Retry, now_ms: int) -> Changed:
    if edit.rejoin:
        return _rejoin(shelves, edit, now_ms)
    rows, more = find(shelves, edit.where, now_ms, lambda row: row.state in _RETRIABLE)
    for row in rows:
        if row.state >= FIRST_TERMINAL:
            shelves.begin_again(row)
        row.updated_ms = now_ms
        shelves.line_up(row, now_ms)
    return Changed(tuple(row.job.id for row in rows), (), more)


def _rejoin(shelves: Shelves, edit: Retry, now_ms: int) -> Changed:
    rows, more = find(
        shelves, edit.where, now_ms, lambda row: row.job.edges is not None and row.state in _REJOINABLE
    )
    for row in rows:
        shelves.begin_again(row)
        row.updated_ms = now_ms
        shelves.block(row)
    return Changed(tuple(row.job.id for row in rows), (), more)


def _delete(shelves: Shelves, edit: Delete, now_ms: int) -> Changed:
    rows, more = find(shelves, edit.where, now_ms, lambda row: row.state != RUNNING)
    ids = tuple(row.job.id for row in rows)
    for row in rows:
        shelves.forget(row)
    return Changed(ids, (), more)


def _update(shelves: Shelves, edit: Update, now_ms: int) -> Changed:
    rows, more = find(
        shelves, edit.where, now_ms, lambda row: row.state < FIRST_TERMINAL and row.state != RUNNING
    )
    ids = tuple(row.job.id for row in rows)
    for row in rows:
        _apply(shelves, row, edit.changes, now_ms)
    return Changed(ids, (), more)


def _apply(shelves: Shelves, row: Row, changes: Changes, now_ms: int) -> None:
    """Gives the job its new values, then the place that follows from them."""
    given = msgspec.structs.asdict(changes).items()
    values = {name: value for name, value in given if value is not msgspec.UNSET}
    run_ms = values.pop("run_ms", None)
    job, priority = msgspec.structs.replace(row.job, **values), row.job.priority
    was_pending = row.state == PENDING
    leaves = was_pending and (job.priority != priority or (run_ms is not None and run_ms > now_ms))
    if leaves:
        row = shelves.leave_line(row)
    row.job = job
    row.updated_ms = now_ms
    if row.state == BLOCKED:
        if run_ms is not None:
            row.run_ms = run_ms if run_ms > now_ms else None
    elif run_ms is not None and run_ms > now_ms:
        shelves.wait(row, RETRYING if row.state == RETRYING else SCHEDULED, run_ms)
    elif leaves:
        shelves.stand_in_line(row, at_old_place=True)
    elif row.state == HELD:
        if job.priority != priority:
            shelves.flow.line_up_again(row)
    elif run_ms is not None and not was_pending:
        shelves.line_up(row, now_ms)


def _note(shelves: Shelves, note: Note, now_ms: int) -> Changed:
    row = shelves.running.get(note.id)
    if row is None or row.fence != note.fence or row.session != note.session:
        return Changed(())
    row.note(note.progress, note.progress_note, note.logs)
    row.updated_ms = now_ms
    return Changed((note.id,))
