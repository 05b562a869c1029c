"""This module carries out edits: cancel, retry, delete, update and notes.

An edit by query first looks for its jobs in a reader, where a long search holds nobody up; the transaction then tests
again, by their numbers, that the jobs found still match. So an edit touches exactly what matches when it is done.
"""

from collections.abc import Sequence

import apsw
import msgspec

from longshore.backends.sqlite.batches import forget
from longshore.backends.sqlite.dependents import Dependents
from longshore.backends.sqlite.flowing import Flow
from longshore.backends.sqlite.lining import Wanted, line_up
from longshore.backends.sqlite.rows import (
    BLOCKED,
    CANCELLED,
    FIRST_TERMINAL,
    HELD,
    PENDING,
    RETRYING,
    RUNNING,
    SCHEDULED,
    Match,
    Row,
    joined_tags,
    rules_of,
)
from longshore.backends.sqlite.searching import read_matches, test
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.ids import JobId
from longshore.core.job import LOGS_KEPT
from longshore.core.states import CODES, LIVE, ORDER, REJOINABLE, RETRIABLE, State
from longshore.store.commands import (
    SCAN_LIMIT,
    Cancel,
    Changes,
    Delete,
    Edit,
    JobQuery,
    Note,
    Retry,
    Update,
)
from longshore.store.replies import Changed, Wake, WakeKind

SearchingEdit = Cancel | Retry | Delete | Update
_TOUCHES: dict[type, frozenset[State]] = {
    Cancel: LIVE,
    Retry: RETRIABLE,
    Delete: frozenset(ORDER) - {State.RUNNING},
    Update: LIVE - {State.RUNNING},
}
_WANTED = (Match.SEQ, Match.QUEUE, Match.STATE, Match.PRIORITY, Match.RULES)
_REJOINABLE = frozenset(CODES[state] for state in REJOINABLE)
_CODES = {kind: frozenset(CODES[state] for state in states) for kind, states in _TOUCHES.items()}


def searches(edit: Edit) -> bool:
    """Whether the edit's jobs must be searched for; otherwise it names them."""
    return not isinstance(edit, Note) and edit.where.ids is None


def change_all(tx: Transaction, now_ms: int, edits: Sequence[Edit]) -> list[Changed]:
    """Carries out edits that name their jobs."""
    work = Work(tx, now_ms)
    replies = [
        note(tx, edit, now_ms) if isinstance(edit, Note) else _change(work, edit, None) for edit in edits
    ]
    work.end()
    return replies


class Found(msgspec.Struct):
    """The jobs that an edit will touch."""

    seqs: list[int]
    more: bool


def find(connection: apsw.Connection, edit: SearchingEdit, now_ms: int) -> Found:
    """The first jobs, in the order of the query, that the edit may touch."""
    query = _narrowed(edit)
    limit = min(edit.where.limit, SCAN_LIMIT)
    seqs: list[int] = []
    while True:
        rows, cursor = read_matches(connection, query, limit + 1, now_ms)
        seqs += [row[Match.SEQ] for row in rows if _may(edit, row)]
        if len(seqs) > limit or cursor is None:
            return Found(seqs[:limit], more=len(seqs) > limit)
        query = msgspec.structs.replace(query, cursor=cursor)


def _narrowed(edit: SearchingEdit) -> JobQuery:
    """The query, only for states that the edit may touch; not where jobs of other states count as spare."""
    query, touched = edit.where, _TOUCHES[type(edit)]
    if isinstance(edit, Retry) and edit.rejoin:
        touched = REJOINABLE
    if query.spare:
        return query
    states = touched if query.states is None else touched.intersection(query.states)
    return msgspec.structs.replace(query, states=tuple(state for state in ORDER if state in states))


def _may(edit: SearchingEdit, row: Row) -> bool:
    if isinstance(edit, Cancel) and row[Match.CANCEL_REQUESTED]:
        return False
    if isinstance(edit, Retry) and edit.rejoin:
        return row[Match.EDGES] is not None and row[Match.STATE] in _REJOINABLE
    return row[Match.STATE] in _CODES[type(edit)]


def change(tx: Transaction, edit: SearchingEdit, found: Found, now_ms: int) -> Changed:
    """Carries out an edit on the jobs that were found for it."""
    work = Work(tx, now_ms)
    reply = _change(work, edit, found)
    work.end()
    return reply


class Work:
    """What the edits of one transaction have in common."""

    def __init__(self, tx: Transaction, now_ms: int) -> None:
        self.tx, self.now_ms = tx, now_ms
        self.flow = Flow(tx, now_ms)
        self.dependents = Dependents(tx, self.flow, now_ms)

    def end(self) -> None:
        """What follows from all of them."""
        self.flow.serve()


def _change(work: Work, edit: SearchingEdit, found: Found | None) -> Changed:
    """Without `found` it finds the jobs itself."""
    if found is None:
        found = find(work.tx.connection, edit, work.now_ms)
    rows = _still_matching(work.tx, edit, found.seqs, work.now_ms)
    match edit:
        case Cancel():
            return _cancel(work, rows, more=found.more)
        case Retry(rejoin=True):
            _rejoin(work, rows)
        case Retry():
            _retry(work, rows)
        case Delete():
            _delete(work, rows)
        case Update():
            for row in rows:
                _update(work, row, edit.changes)
    work.dependents.finish()
    return Changed(_ids(rows), (), found.more)


def _still_matching(tx: Transaction, edit: SearchingEdit, seqs: list[int], now_ms: int) -> list[Row]:
    matches = {row[Match.SEQ]: row for row in test(tx.connection, edit.where, seqs, now_ms)}
    return [matches[seq] for seq in seqs if seq in matches and _may(edit, matches[seq])]


def _ids(rows: list[Row]) -> tuple[JobId, ...]:
    return tuple(JobId(row[Match.ID]) for row in rows)


def _cancel(work: Work, rows: list[Row], *, more: bool) -> Changed:
    tx, now_ms = work.tx, work.now_ms
    running = [row for row in rows if row[Match.STATE] == RUNNING]
    waiting = [row for row in rows if row[Match.STATE] != RUNNING]
    tx.each("cancel_running", [(now_ms, row[Match.SEQ]) for row in running])
    tx.each("cancel_waiting", [(now_ms, row[Match.SEQ]) for row in waiting])
    for row in running:
        tx.wakes.add(Wake(WakeKind.CANCEL, row[Match.QUEUE]))
    for row in waiting:
        tx.moved(row[Match.QUEUE], row[Match.STATE], CANCELLED)
        _end(work, row)
    work.dependents.finish()
    return Changed(_ids(waiting), _ids(running), more)


def _retry(work: Work, rows: list[Row]) -> None:
    work.tx.each("begin_again", [(row[Match.SEQ],) for row in rows if row[Match.STATE] >= FIRST_TERMINAL])
    wanted = [Wanted(*(row[column] for column in _WANTED)) for row in rows]
    line_up(work.tx, wanted, work.flow, work.now_ms)


def _rejoin(work: Work, rows: list[Row]) -> None:
    work.tx.each("child_block", [(work.now_ms, row[Match.SEQ]) for row in rows])
    for row in rows:
        work.tx.moved(row[Match.QUEUE], row[Match.STATE], BLOCKED)
        work.dependents.come(row[Match.ID])


def _delete(work: Work, rows: list[Row]) -> None:
    if rows:
        forget(work.tx, [row[Match.SEQ] for row in rows])
    for row in rows:
        work.tx.moved(row[Match.QUEUE], row[Match.STATE], None)
        if row[Match.STATE] < FIRST_TERMINAL:
            _end(work, row)


def _end(work: Work, row: Row) -> None:
    """A job that is not running ends: what it used or waited for is the next one's, and others learn of it."""
    _leave(work, row)
    if row[Match.STATE] == BLOCKED:
        work.tx.rows("edge_forget", (row[Match.SEQ],))
    if row[Match.AWAITED]:
        work.dependents.ended(row[Match.ID], CANCELLED)


def _leave(work: Work, row: Row) -> None:
    """A job that is not running stops to wait for room, or to use it."""
    rules = None if row[Match.RULES] is None else rules_of(row[Match.RULES])
    if rules is None:
        return
    if row[Match.STATE] == PENDING:
        work.flow.leave_the_line(row[Match.QUEUE], rules)
        work.tx.left_the_line()
    elif row[Match.STATE] == HELD:
        work.flow.let_go(row[Match.QUEUE], rules, row[Match.HELD_BY])


def _update(work: Work, row: Row, changes: Changes) -> None:
    """Gives the job its new values, then the place that follows from them."""
    tx, queue, packed = work.tx, row[Match.QUEUE], row[Match.RULES]
    [(state, turn, place, held_by, run_ms, *values)] = tx.rows("update_read", (row[Match.SEQ],))
    rules = None if packed is None else rules_of(packed)
    after = state
    if changes.run_ms is not msgspec.UNSET:
        wanted = row[Match.PRIORITY] if changes.priority is msgspec.UNSET else changes.priority
        stood = state, turn, place, held_by, run_ms
        after, turn, place, held_by, run_ms = _retimed(work, row, stood, changes.run_ms, wanted)
    names = ("payload", "priority", "max_attempts", "details", "tags", "reference", "correlation_id")
    for number, name in enumerate(names):
        given = getattr(changes, name)
        if given is not msgspec.UNSET:
            values[number] = joined_tags(given) if name == "tags" else given
    tx.rows("update_write", (after, turn, place, held_by, run_ms, *values, work.now_ms, row[Match.SEQ]))
    if rules is not None:
        tx.left_the_line()
        priority = row[Match.PRIORITY] if changes.priority is msgspec.UNSET else changes.priority
        if after == HELD and (state != HELD or priority != row[Match.PRIORITY]):
            tx.hold([row[Match.SEQ]])
        if after == state == HELD and priority != row[Match.PRIORITY]:
            work.flow.move_held(queue, rules, held_by, priority, place)
    if after != state:
        tx.moved(queue, state, after)


def _retimed(work: Work, row: Row, stood: Row, due_ms: int, priority: int) -> Row:
    """Where a job stands that gets this time: state, turn, ord, held_by, run_ms."""
    state, turn, place, held_by, run_ms = stood
    tx, queue = work.tx, row[Match.QUEUE]
    is_due = due_ms <= work.now_ms
    if state == BLOCKED:
        return state, turn, place, held_by, None if is_due else due_ms
    if not is_due:
        tx.waits(queue, due_ms)
        _leave(work, row)
        return RETRYING if state == RETRYING else SCHEDULED, turn, place, None, due_ms
    if state in (PENDING, HELD):
        return state, turn, place, held_by, run_ms
    rules = None if row[Match.RULES] is None else rules_of(row[Match.RULES])
    if rules is None:
        return PENDING, turn, tx.places(queue, 1), held_by, None
    return *work.flow.line_up(queue, priority, rules), None


def note(tx: Transaction, edit: Note, now_ms: int) -> Changed:
    """Adds progress and log lines, if the claim is the newest."""
    row = tx.row("note", (edit.progress, edit.progress_note, now_ms, edit.id, edit.session, edit.fence))
    if row is None:
        return Changed(())
    if edit.logs:
        _log(tx, row[0], edit.logs)
    return Changed((edit.id,))


def _log(tx: Transaction, seq: int, lines: tuple[bytes, ...]) -> None:
    """Adds lines behind the older ones, of which the oldest go."""
    newest = tx.row("log_newest", (seq,))
    last = newest[0] if newest else 0
    tx.each("log_add", [(seq, number, body) for number, body in enumerate(lines, last + 1)])
    tx.rows("log_trim", (seq, last + len(lines) - LOGS_KEPT + 1))
