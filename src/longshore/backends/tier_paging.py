"""This module asks the second of two tiers for what the first has left of a page, or of an edit of many."""

import msgspec

from longshore.store.commands import Edit, JobQuery, Note
from longshore.store.replies import Changed, Page

IN_MEMORY = "memory:"
"""Before the cursor of a page whose jobs are in memory."""


def narrowed(edit: Edit, before: Changed) -> Edit:
    """The edit for the second tier, for as many jobs as are left of its limit."""
    touched = len(before.ids) + len(before.asked)
    if isinstance(edit, Note) or not touched:
        return edit
    where = msgspec.structs.replace(edit.where, limit=max(0, edit.where.limit - touched))
    return msgspec.structs.replace(edit, where=where)


def is_used_up(edit: Edit) -> bool:
    """Whether nothing of its limit was left for this tier, so that it has to be asked once more."""
    return not isinstance(edit, Note) and edit.where.limit == 0 and edit.where.ids is None


def rest(query: JobQuery, page: Page | None) -> JobQuery:
    """What is asked of the second tier behind a page of the first; where that is full, whether there is anything."""
    cursor = query.cursor or ""
    behind = cursor.removeprefix(IN_MEMORY) if cursor.startswith(IN_MEMORY) else ""
    limit = query.limit - (len(page.jobs) if page is not None else 0)
    return msgspec.structs.replace(query, cursor=behind or None, limit=max(1, limit))


def joined(page: Page | None, rest: Page, limit: int) -> Page:
    """One page of both; jobs in memory that it has no place for begin the next one."""
    before = page.jobs if page is not None else []
    if len(before) >= limit:
        return Page(before, IN_MEMORY if rest.jobs or rest.cursor else None)
    return Page(before + rest.jobs, rest.cursor and IN_MEMORY + rest.cursor)
