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
from longshore.backends.memory.tables import Tables
from longshore.core.states import CODES, REJOINABLE, RETRIABLE
from longshore.store.commands import Cancel, Changes, Delete, Edit, Note, Retry, Update
from longshore.store.replies import Changed, WakeKind

_RETRIABLE = frozenset(CODES[state] for state in RETRIABLE)
_REJOINABLE = frozenset(CODES[state] for state in REJOINABLE)


def change(tables: Tables, edit: Edit, now_ms: int) -> Changed:
    """Carries out one edit, with all that it means to jobs that wait for others."""
    changed = _carry_out(tables, edit, now_ms)
    if tables.dependents.has_news:
        tables.decide(now_ms)
    return changed


def _carry_out(tables: Tables, edit: Edit, now_ms: int) -> Changed:
    match edit:
        case Cancel():
            return _cancel(tables, edit, now_ms)
        case Retry():
            return _retry(tables, edit, now_ms)
        case Delete():
            return _delete(tables, edit, now_ms)
        case Update():
            return _update(tables, edit, now_ms)
        case Note():
            return _note(tables, edit, now_ms)


def _cancel(tables: Tables, edit: Cancel, now_ms: int) -> Changed:
    rows, more = find(
        tables, edit.where, now_ms, lambda row: row.state < FIRST_TERMINAL and not row.cancel_requested
    )
    asked = tuple(row.job.id for row in rows if row.state == RUNNING)
    ids = tuple(row.job.id for row in rows if row.state != RUNNING)
    for row in rows:
        if row.state == RUNNING:
            _ask_to_stop(tables, row, now_ms)
        else:
            job = tables.leave_line(row) if row.state == PENDING else row
            job.updated_ms = now_ms
            tables.finish(job, tables.queues[job.job.queue], CANCELLED, now_ms)
    return Changed(ids, asked, more)


def _ask_to_stop(tables: Tables, row: Row, now_ms: int) -> None:
    row.cancel_requested = True
    row.updated_ms = now_ms
    tables.sessions.ask_to_stop(row.session or "", row.job.id)
    tables.bell.ring(WakeKind.CANCEL, row.job.queue)


def _retry(tables: Tables, edit: Retry, now_ms: int) -> Changed:
    if edit.rejoin:
        return _rejoin(tables, edit, now_ms)
    rows, more = find(tables, edit.where, now_ms, lambda row: row.state in _RETRIABLE)
    for row in rows:
        if row.state >= FIRST_TERMINAL:
            tables.begin_again(row)
        row.updated_ms = now_ms
        tables.line_up(row, now_ms)
    return Changed(tuple(row.job.id for row in rows), (), more)


def _rejoin(tables: Tables, edit: Retry, now_ms: int) -> Changed:
    rows, more = find(
        tables, edit.where, now_ms, lambda row: row.job.edges is not None and row.state in _REJOINABLE
    )
    for row in rows:
        tables.begin_again(row)
        row.updated_ms = now_ms
        tables.block(row)
    return Changed(tuple(row.job.id for row in rows), (), more)


def _delete(tables: Tables, edit: Delete, now_ms: int) -> Changed:
    rows, more = find(tables, edit.where, now_ms, lambda row: row.state != RUNNING)
    ids = tuple(row.job.id for row in rows)
    for row in rows:
        tables.forget(row)
    return Changed(ids, (), more)


def _update(tables: Tables, edit: Update, now_ms: int) -> Changed:
    rows, more = find(
        tables, edit.where, now_ms, lambda row: row.state < FIRST_TERMINAL and row.state != RUNNING
    )
    ids = tuple(row.job.id for row in rows)
    for row in rows:
        _apply(tables, row, edit.changes, now_ms)
    return Changed(ids, (), more)


def _apply(tables: Tables, row: Row, changes: Changes, now_ms: int) -> None:
    """Gives the job its new values, then the place that follows from them."""
    given = msgspec.structs.asdict(changes).items()
    values = {name: value for name, value in given if value is not msgspec.UNSET}
    run_ms = values.pop("run_ms", None)
    job, priority = msgspec.structs.replace(row.job, **values), row.job.priority
    was_pending = row.state == PENDING
    leaves = was_pending and (job.priority != priority or (run_ms is not None and run_ms > now_ms))
    if leaves:
        row = tables.leave_line(row)
    row.job = job
    row.updated_ms = now_ms
    if row.state == BLOCKED:
        if run_ms is not None:
            row.run_ms = run_ms if run_ms > now_ms else None
    elif run_ms is not None and run_ms > now_ms:
        tables.wait(row, RETRYING if row.state == RETRYING else SCHEDULED, run_ms)
    elif leaves:
        tables.stand_in_line(row, at_old_place=True)
    elif row.state == HELD:
        if job.priority != priority:
            tables.flow.line_up_again(row)
    elif run_ms is not None and not was_pending:
        tables.line_up(row, now_ms)


def _note(tables: Tables, note: Note, now_ms: int) -> Changed:
    row = tables.running.get(note.id)
    if row is None or row.fence != note.fence or row.session != note.session:
        return Changed(())
    row.note(note.progress, note.progress_note, note.logs)
    row.updated_ms = now_ms
    return Changed((note.id,))
