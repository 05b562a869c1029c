"""This module writes queries and edits as the scripts read them: maps in MessagePack, without what is not asked."""

from collections.abc import Iterable
from typing import Any

import msgspec

from longshore.backends.redis.packing import pack
from longshore.backends.redis.rows import joined_tags
from longshore.core.ids import JobId
from longshore.core.states import CODES, TERMINAL, WAITING_FOR_TIME, State
from longshore.store.commands import Cancel, Changes, Delete, JobQuery, Note, Order, Retry, Update

ORDERS = {Order.OLDEST: 0, Order.NEWEST: 1, Order.FINISHED: 2}
KINDS: dict[type, int] = {Cancel: 0, Retry: 1, Delete: 2, Update: 3, Note: 4}
EXAMINED = 2_000
"""Jobs that one page looks at, at most: 1 to 2 µs each, in which the server does nothing else."""


def filters(query: JobQuery) -> dict[str, Any]:
    """What a job must be; not the queues, which the caller has chosen."""
    found = {
        "states": None if query.states is None else [CODES[state] for state in query.states],
        "names": query.names,
        "tags": query.tags or None,
        "reference": query.reference,
        "correlation": query.correlation_id,
        "session": query.session,
        "lost": query.lost or None,
        "payload": query.payload,
        "text": None if query.text is None else query.text.encode().lower(),
        "error": query.error,
        "before": query.finished_before_ms,
    }
    return {name: value for name, value in found.items() if value is not None}


class After(msgspec.Struct, frozen=True):
    """Where a page begins: behind this job, with so many still to be left out."""

    ended_ms: int
    job_id: bytes
    spare: int


def page_words(query: JobQuery, after: After | None, *, limit: int, spare: int) -> bytes:
    """A query for one queue."""
    words = filters(query) | {
        "order": ORDERS[query.order],
        "limit": limit,
        "spare": spare,
        "examine": EXAMINED,
    }
    if query.ids is not None:
        words["ids"] = query.ids
    if query.full:
        words["full"] = True
    if query.states is not None:
        states = set(query.states)
        words["skips"] = words.keys() <= _PLAIN and states in _INDEXED
        words["only_waiting"] = states <= WAITING_FOR_TIME
    if after is not None:
        words["after"], words["after_ms"] = after.job_id, after.ended_ms
    return pack(words)


_PLAIN = {"states", "before", "order", "limit", "spare", "examine", "full"}
_INDEXED = (TERMINAL - {State.FAILED}, frozenset({State.FAILED}))
"""What a query may say, and of which states, that finds all of an index of ends: `spare` need not look at each."""


def edit_words(edit: Cancel | Retry | Delete | Update, ids: Iterable[JobId]) -> bytes:
    """An edit of these jobs, as far as they match."""
    words = filters(edit.where) | {"kind": KINDS[type(edit)], "ids": list(ids)}
    if isinstance(edit, Update):
        words["changes"] = _changes(edit.changes)
    if isinstance(edit, Retry) and edit.rejoin:
        words["rejoin"] = True
    return pack(words)


def note_words(note: Note) -> bytes:
    """A note about one attempt."""
    words: dict[str, Any] = {
        "kind": KINDS[Note],
        "id": note.id,
        "session": note.session,
        "fence": note.fence,
        "progress": note.progress,
        "note": note.progress_note,
        "logs": note.logs or None,
    }
    return pack({name: value for name, value in words.items() if value is not None})


def _changes(changes: Changes) -> dict[str, Any]:
    """New values; for one that becomes None there is `no_…`."""
    words: dict[str, Any] = {}
    given = msgspec.structs.asdict(changes)
    for name, field in _FIELDS.items():
        value = given[name]
        if value is None:
            words[f"no_{field}"] = True
        elif value is not msgspec.UNSET:
            words[field] = value
    if "tags" in words:
        words["tags"] = joined_tags(words["tags"])
    if words.pop("no_attempts", False):
        words["attempts"] = -1
    return words


_FIELDS = {
    "payload": "payload",
    "priority": "priority",
    "max_attempts": "attempts",
    "run_ms": "run_ms",
    "details": "details",
    "tags": "tags",
    "reference": "reference",
    "correlation_id": "correlation",
}
