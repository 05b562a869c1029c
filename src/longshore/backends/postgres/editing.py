"""This module carries out edits: cancel, retry, delete, update and notes.

An edit first reads its jobs, then changes those whose row is still the one that was read. Whatever changed in between
is read again. So an edit touches exactly what matches when it is done, and holds no lock while it looks.
"""

from collections.abc import Iterator, Sequence

import msgspec

from longshore.backends.postgres.amending import Amendment, SearchingEdit, amend, needs_locks, rejoin
from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.dialect import Dialect, Row, Runs
from longshore.backends.postgres.propagating import propagate
from longshore.backends.postgres.pruning import prune, prunes
from longshore.backends.postgres.rows import Match
from longshore.backends.postgres.searching import is_by_ids, pick, read_ids, read_matches, test
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
from longshore.store.replies import Changed

_TOUCHES: dict[type, frozenset[State]] = {
    Cancel: LIVE,
    Retry: RETRIABLE,
    Delete: frozenset(ORDER) - {State.RUNNING},
    Update: LIVE - {State.RUNNING},
}
_CODES = {kind: frozenset(CODES[state] for state in states) for kind, states in _TOUCHES.items()}
_REJOINABLE = frozenset(CODES[state] for state in REJOINABLE)
_STATEMENTS: dict[type, str] = {Cancel: "cancel", Retry: "retry", Delete: "delete", Update: "update"}
_TRIES = 20
"""How often an edit looks again for jobs that were changed under its hands."""


class _Found(msgspec.Struct):
    """The jobs that an edit will touch, as they were read."""

    rows: list[Row]
    more: bool


async def change(
    connection: Connection, dialect: Dialect, edits: Sequence[Edit], now_ms: int | None
) -> list[Changed]:
    """Carries the edits out one after the other; those of a kind that name different jobs together."""
    replies: list[Changed] = []
    for group in _groups(edits):
        first = group[0]
        if prunes(first):
            replies.append(await prune(connection, dialect, first, now_ms))
        elif isinstance(first, Note):
            notes = [edit for edit in group if isinstance(edit, Note)]
            replies += await take_notes(connection, dialect, notes, now_ms)
        else:
            searching = [edit for edit in group if not isinstance(edit, Note)]
            replies += await _change_group(connection, dialect, searching, now_ms)
    return replies


def _groups(edits: Sequence[Edit]) -> Iterator[list[Edit]]:
    """Edits of one kind in a row, as long as no two of them name the same job. One that searches stands alone."""
    group: list[Edit] = []
    named: set[JobId] = set()
    for edit in edits:
        ids = (edit.id,) if isinstance(edit, Note) else edit.where.ids
        fits = bool(group) and ids is not None and _kind(edit) == _kind(group[0]) and named.isdisjoint(ids)
        if group and not fits:
            yield group
            group, named = [], set()
        group.append(edit)
        named.update(ids or ())
        if ids is None:
            yield group
            group, named = [], set()
    if group:
        yield group


def _kind(edit: Edit) -> tuple[type, bool]:
    return type(edit), isinstance(edit, Retry) and edit.rejoin


async def _change_group(
    connection: Connection, dialect: Dialect, edits: list[SearchingEdit], now_ms: int | None
) -> list[Changed]:
    found = await _find(connection, dialect, edits, now_ms)
    more = [each.more for each in found]
    order = [[row[Match.ID] for row in each.rows] for each in found]
    done: dict[bytes, bool] = {}
    for _ in range(_TRIES):
        rows = [(edit, row) for edit, each in zip(edits, found, strict=True) for row in each.rows]
        if not rows:
            break
        done.update(await _apply(connection, dialect, rows, now_ms))
        left = [[row[Match.ID] for row in each.rows if row[Match.ID] not in done] for each in found]
        again = [_only(edit, ids) for edit, ids in zip(edits, left, strict=True)]
        found = await _find(connection, dialect, again, now_ms) if any(left) else []
        if not found:
            break
    return [
        Changed(
            tuple(JobId(job_id) for job_id in ids if done.get(job_id) is False),
            tuple(JobId(job_id) for job_id in ids if done.get(job_id)),
            is_more,
        )
        for ids, is_more in zip(order, more, strict=True)
    ]


def _only(edit: SearchingEdit, ids: list[bytes]) -> SearchingEdit:
    """The same edit, only for these of its jobs."""
    where = msgspec.structs.replace(
        edit.where, ids=tuple(JobId(job_id) for job_id in ids), spare=0, cursor=None, limit=SCAN_LIMIT
    )
    return msgspec.structs.replace(edit, where=where)


async def _find(
    connection: Runs, dialect: Dialect, edits: Sequence[SearchingEdit], now_ms: int | None
) -> list[_Found]:
    """The first jobs of each, in the order of its query, that it may touch."""
    plain = [edit.where for edit in edits if is_by_ids(edit.where)]
    known = await read_ids(connection, dialect, plain, now_ms) if plain else {}
    found = []
    for edit in edits:
        limit = min(edit.where.limit, SCAN_LIMIT)
        if edit.where.ids is None:
            found.append(await _search(connection, dialect, edit, limit, now_ms))
            continue
        if not is_by_ids(edit.where):
            ids = [job_id.hex() for job_id in edit.where.ids]
            rows = await test(connection, dialect, edit.where, ids, now_ms)
            known = {**known, **{row[Match.ID]: row for row in rows}}
            wanted = {row[Match.ID] for row in rows}
            where = JobQuery(
                ids=tuple(job_id for job_id in edit.where.ids if job_id in wanted),
                order=edit.where.order,
                spare=edit.where.spare,
            )
        else:
            where = edit.where
        picked = [row for row in pick(known, where, len(known) + 1).rows if _may(edit, row)]
        found.append(_Found(picked[:limit], more=len(picked) > limit))
    return found


async def _search(
    connection: Runs, dialect: Dialect, edit: SearchingEdit, limit: int, now_ms: int | None
) -> _Found:
    query = _narrowed(edit)
    rows: list[Row] = []
    while True:
        found = await read_matches(connection, dialect, query, limit + 1, now_ms)
        rows += [row for row in found.rows if _may(edit, row)]
        if len(rows) > limit or found.cursor is None:
            return _Found(rows[:limit], more=len(rows) > limit)
        query = msgspec.structs.replace(query, cursor=found.cursor)


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


async def _apply(
    connection: Connection, dialect: Dialect, rows: list[Amendment], now_ms: int | None
) -> dict[bytes, bool]:
    """Changes the jobs whose row is still the one that was read: by their ids, whether they were only asked to stop."""
    tellers: set[str] = set()

    async def apply(now_ms: int | None) -> dict[bytes, bool]:
        return await _apply_statement(connection, dialect, rows, now_ms, tellers)

    first = rows[0][0]
    if isinstance(first, Retry) and first.rejoin:
        return await rejoin(connection, dialect, [row for _, row in rows], now_ms)
    if any(needs_locks(edit, row) for edit, row in rows):
        done = await amend(connection, dialect, rows, apply, now_ms)
    else:
        done = await apply(now_ms)
    if tellers:
        await propagate(connection, dialect, now_ms, own=[row[Match.ID].hex() for _, row in rows])
    return done


async def _apply_statement(
    connection: Runs, dialect: Dialect, rows: list[Amendment], now_ms: int | None, tellers: set[str]
) -> dict[bytes, bool]:
    ids = [row[Match.ID].hex() for _, row in rows]
    versions = [row[Match.VERSION] for _, row in rows]
    values: tuple[object, ...] = ()
    if isinstance(rows[0][0], Update):
        values = _values([edit.changes for edit, _ in rows if isinstance(edit, Update)])
    statement = _STATEMENTS[type(rows[0][0])]
    told = () if statement == "delete" else (dialect.channel,)
    done = await dialect.fetch(connection, statement, now_ms, *told, ids, versions, *values)
    tellers.update(row[0].hex() for row in done if row[2])
    return {row[0]: row[1] for row in done}


_FIELDS = ("payload", "priority", "max_attempts", "run_ms", "details", "tags", "reference", "correlation_id")
"""In the order of the bits and lists of `update.sql`."""


def _values(changes: list[Changes]) -> tuple[list[object], ...]:
    """Changes as `update.sql` takes them: which are given, and a list for each field."""
    columns: list[list[object]] = [[] for _ in _FIELDS]
    given = []
    for each in changes:
        bits = 0
        for number, name in enumerate(_FIELDS):
            value = getattr(each, name)
            if value is msgspec.UNSET:
                value = None
            else:
                bits |= 1 << number
                if name == "tags":
                    value = "\n".join(value) or None
            columns[number].append(value)
        given.append(bits)
    return (list(given), *columns)


async def take_notes(
    connection: Runs, dialect: Dialect, notes: Sequence[Note], now_ms: int | None
) -> list[Changed]:
    """Adds progress and log lines where the claim is the newest. No two are of the same job."""
    lines = [(number, body) for number, note in enumerate(notes, start=1) for body in note.logs[-LOGS_KEPT:]]
    rows = await dialect.fetch(
        connection,
        "note",
        now_ms,
        [note.id.hex() for note in notes],
        [note.session for note in notes],
        [note.fence for note in notes],
        [note.progress for note in notes],
        [note.progress_note for note in notes],
        [number for number, _ in lines],
        [body for _, body in lines],
        LOGS_KEPT,
    )
    noted = {row[0] for row in rows}
    return [Changed((note.id,) if number in noted else ()) for number, note in enumerate(notes, start=1)]
