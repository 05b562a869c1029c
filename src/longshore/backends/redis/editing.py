"""This module carries out edits: cancel, retry, delete, update and notes.

An edit that names few enough jobs goes straight to the queues that may have them. Any other one first looks for its
jobs; the script that edits them tests again that they still match. So an edit touches exactly what matches when it is
done, in one step for each queue.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.outbox import empty_outboxes
from longshore.backends.redis.queries import edit_words, note_words
from longshore.backends.redis.rare import left_queues
from longshore.backends.redis.searching import scan
from longshore.core.ids import JobId
from longshore.core.states import LIVE, ORDER, REJOINABLE, RETRIABLE, State
from longshore.store.commands import SCAN_LIMIT, Cancel, Delete, Edit, JobQuery, Note, Order, Retry, Update
from longshore.store.replies import Changed

Searching = Cancel | Retry | Delete | Update
_TOUCHES: dict[type, frozenset[State]] = {
    Cancel: LIVE,
    Retry: RETRIABLE,
    Delete: frozenset(ORDER) - {State.RUNNING},
    Update: LIVE - {State.RUNNING},
}


def _touches(edit: Searching) -> frozenset[State]:
    return REJOINABLE if isinstance(edit, Retry) and edit.rejoin else _TOUCHES[type(edit)]


async def change(caller: Caller, edits: Sequence[Edit], now_ms: int | None) -> list[Changed]:
    """Carries out edits one after the other; those that need no search together."""
    replies: list[Changed] = []
    for is_direct, together in groupby(edits, _is_direct):
        if is_direct:
            replies += await _edit_named(caller, [(edit, _named(edit)) for edit in together], now_ms)
        else:
            for edit in together:
                assert not isinstance(edit, Note)
                replies.append(await _search_and_edit(caller, edit, now_ms))
    return replies


def _is_direct(edit: Edit) -> bool:
    if isinstance(edit, Note):
        return True
    where = edit.where
    if where.ids is None or where.spare or where.order is Order.FINISHED:
        return False
    return len(where.ids) <= min(where.limit, SCAN_LIMIT)


def _named(edit: Edit) -> Sequence[JobId]:
    """In the order of the query, in which they go to the tail too."""
    if isinstance(edit, Note):
        return (edit.id,)
    return sorted(edit.where.ids or (), reverse=edit.where.order is Order.NEWEST)


async def _edit_named(
    caller: Caller, edits: Sequence[tuple[Edit, Iterable[JobId]]], now_ms: int | None
) -> list[Changed]:
    """Edits jobs by their ids: one call for each queue that may have some."""
    names: list[str] = []
    if any(not isinstance(edit, Note) and edit.where.queues is None for edit, _ in edits):
        names = await caller.registry.names()
    words: dict[str, list[bytes]] = {}
    positions: dict[str, list[int]] = {}
    for position, (edit, ids) in enumerate(edits):
        packed = note_words(edit) if isinstance(edit, Note) else edit_words(edit, ids)
        for queue in _queues(edit, names):
            words.setdefault(queue, []).append(packed)
            positions.setdefault(queue, []).append(position)
    calls = [caller.prepared("change", [queue], [queue, *each], now_ms) for queue, each in words.items()]
    touched: list[tuple[list[JobId], list[JobId]]] = [([], []) for _ in edits]
    left: list[str] = []
    for queue, reply in zip(words, await caller.each(calls), strict=True):
        left += left_queues(reply, len(positions[queue]))
        for position, (changed, asked) in zip(positions[queue], reply, strict=True):
            touched[position][0].extend(_split(changed))
            touched[position][1].extend(_split(asked))
    await empty_outboxes(caller, left, now_ms)
    return [Changed(tuple(changed), tuple(asked)) for changed, asked in touched]


def _queues(edit: Edit, names: Sequence[str]) -> Iterable[str]:
    if isinstance(edit, Note):
        return (edit.queue,)
    return names if edit.where.queues is None else dict.fromkeys(edit.where.queues)


def _split(ids: bytes) -> Iterable[JobId]:
    return (JobId(ids[at : at + 16]) for at in range(0, len(ids), 16))


async def _search_and_edit(caller: Caller, edit: Searching, now_ms: int | None) -> Changed:
    found, more = await _find(caller, edit, now_ms)
    if not found:
        return Changed((), (), more)
    [changed] = await _edit_named(caller, [(edit, found)], now_ms)
    return Changed(changed.ids, changed.asked, more)


async def _find(caller: Caller, edit: Searching, now_ms: int | None) -> tuple[list[JobId], bool]:
    """The first jobs, in the order of the query, that the edit may touch; and whether there are more."""
    limit = min(edit.where.limit, SCAN_LIMIT)
    query = msgspec.structs.replace(_narrowed(edit), limit=min(limit + 1, SCAN_LIMIT), full=False)
    found: list[JobId] = []
    while True:
        [page] = await scan(caller, [query], now_ms)
        found += [job.id for job in page.jobs if _may(edit, job.state, stops=job.cancel_requested)]
        if len(found) > limit or page.cursor is None:
            return found[:limit], len(found) > limit
        query = msgspec.structs.replace(query, cursor=page.cursor)


def _narrowed(edit: Searching) -> JobQuery:
    """The query, only for states that the edit may touch; not where jobs of other states count as spare."""
    query, touched = edit.where, _touches(edit)
    if query.spare:
        return query
    states = touched if query.states is None else touched.intersection(query.states)
    return msgspec.structs.replace(query, states=tuple(state for state in ORDER if state in states))


def _may(edit: Searching, state: State, *, stops: bool) -> bool:
    return state in _touches(edit) and not (stops and isinstance(edit, Cancel))
