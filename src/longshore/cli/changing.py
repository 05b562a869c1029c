"""This module changes the jobs that a command means, however many, and says what became of them."""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import click
import msgspec

from longshore.cli.connection import existing
from longshore.cli.failures import FAILED, Failure
from longshore.cli.options import run
from longshore.core.ids import JobId, format_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.manager.manager import QueueManager
from longshore.store.commands import SCAN_LIMIT, Cancel, Delete, JobQuery, Retry, by_ids
from longshore.store.contract import Store
from longshore.store.replies import Changed


class Outcome(msgspec.Struct):
    """What became of jobs that were to be changed."""

    ids: list[JobId] = []
    asked: list[JobId] = []
    """Running, and asked to stop."""
    passed_by: dict[State, int] = {}
    """How many of those that match could not be changed, by the state that forbids it."""
    left: list[str] = []
    """Why those were not changed that were named and are not in the others."""


Act = Callable[[QueueManager, tuple[JobId, ...]], Awaitable[Changed]]


def change(url: str | None, asked: JobQuery, act: Act, done: str, *, ask: bool) -> int:
    """Does it to all these jobs and says how many; exit code 1 when ids were named and not all could be changed.

    The jobs are found first and changed by their ids then: one that comes to match while we work, because a worker is
    quick to fail it again, is not changed a second time.
    """
    if ask:
        confirm(f"Every matching job will be {done}. Go on?")
    outcome = run(_change(url, asked, act))
    stopping = f", {len(outcome.asked):,} running asked to stop" if outcome.asked else ""
    click.echo(f"{len(outcome.ids):,} {done}{stopping}")
    for state, number in outcome.passed_by.items():
        hint = " (cancel them first)" if state is State.RUNNING else ""
        click.echo(f"not {done}: {number:,} that match are {state}{hint}", err=True)
    for line in outcome.left:
        click.echo(f"not {done}: {line}", err=True)
    return FAILED if outcome.left else 0


def confirm(question: str) -> None:
    """Asks whoever sits there. Raises Failure where nobody does, and click.Abort for a no."""
    try:
        is_wanted = click.confirm(question)
    except (click.Abort, RuntimeError):  # the second, where there is no standard input at all
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        raise Failure("Nobody is there to say whether to go on. Add --yes to go on without asking.") from None
    if not is_wanted:
        raise click.Abort


async def records(store: Store, asked: JobQuery, limit: int | None = None) -> list[JobRecord]:
    """The jobs of as many pages as it takes."""
    found: list[JobRecord] = []
    while limit is None or len(found) < limit:
        size = SCAN_LIMIT if limit is None else min(SCAN_LIMIT, limit - len(found))
        (page,) = await store.scan([msgspec.structs.replace(asked, limit=size)])
        found += page.jobs
        if page.cursor is None:
            break
        asked = msgspec.structs.replace(asked, cursor=page.cursor)
    return found


async def retried(manager: QueueManager, ids: tuple[JobId, ...]) -> Changed:
    """Makes them pending now."""
    (changed,) = await (await manager.store()).change([Retry(where=_named(ids))])
    return changed


async def cancelled(manager: QueueManager, ids: tuple[JobId, ...]) -> Changed:
    """Cancels them, or asks their workers to stop."""
    (changed,) = await (await manager.store()).change([Cancel(where=_named(ids))])
    return changed


async def deleted(manager: QueueManager, ids: tuple[JobId, ...]) -> Changed:
    """Forgets them."""
    (changed,) = await (await manager.store()).change([Delete(where=_named(ids))])
    return changed


def _named(ids: tuple[JobId, ...]) -> JobQuery:
    return JobQuery(ids=ids, limit=SCAN_LIMIT)


async def _change(url: str | None, asked: JobQuery, act: Act) -> Outcome:
    outcome = Outcome()
    async with existing(url) as manager:
        store = await manager.store()
        ids = list(asked.ids or (record.id for record in await records(store, asked)))
        for start in range(0, len(ids), SCAN_LIMIT):
            changed = await act(manager, tuple(ids[start : start + SCAN_LIMIT]))
            outcome.ids += changed.ids
            outcome.asked += changed.asked
        untouched = set(ids) - {*outcome.ids, *outcome.asked}
        if asked.ids is not None:
            outcome.left = await _left(store, untouched)
        else:
            outcome.passed_by = await _passed_by(store, sorted(untouched))
    return outcome


async def _passed_by(store: Store, ids: Sequence[JobId]) -> dict[State, int]:
    """In what states these are."""
    pages = await store.scan(by_ids(ids))
    return dict(Counter(job.state for page in pages for job in page.jobs))


async def _left(store: Store, ids: set[JobId]) -> list[str]:
    """Why these were not changed."""
    pages = await store.scan(by_ids(ids))
    found = {job.id: f"{format_id(job.id)} is {job.state}" for page in pages for job in page.jobs}
    return [found.get(job_id, f"there is no job {format_id(job_id)}") for job_id in sorted(ids)]
