"""This module is `longshore dlq`: dead letters, that is jobs that failed for good, and what to do about them."""

from collections import Counter
from typing import Any

import click
import msgspec

from longshore.cli.changing import change
from longshore.cli.connection import existing
from longshore.cli.failures import Misuse
from longshore.cli.jobs import find, show
from longshore.cli.options import json_option, run, url_option
from longshore.cli.selection import Wanted, query, query_to_change, says_anything, selecting_dead
from longshore.cli.showing import as_listed
from longshore.cli.tables import age, print_json, print_table
from longshore.core.clock import SystemClock
from longshore.core.ids import JobId
from longshore.core.states import State
from longshore.dlq.letters import DeadLetterQueue
from longshore.dlq.patterns import pattern_of
from longshore.manager.job import AnyJob
from longshore.manager.manager import QueueManager
from longshore.store.commands import JobQuery, Order
from longshore.store.replies import Changed


@click.group()
def dlq() -> None:
    """List, show, requeue, discard dead letters."""


@dlq.command("list")
@selecting_dead
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    metavar="N",
    help="At most so many; 20 by default.",
)
@click.option("--by-error", is_flag=True, help="Count them by error instead, over at most 10,000.")
@json_option
@url_option
def list_(url: str | None, *, limit: int, by_error: bool, as_json: bool, **wanted: Any) -> None:
    """List dead letters, the newest first."""
    found, more = run(
        find(url, _dead(query(Wanted(**wanted))), Order.FINISHED, 10_000 if by_error else limit)
    )
    if by_error:
        _show_groups(found, as_json=as_json)
        return
    if as_json:
        print_json([as_listed(job) for job in found])
        return
    now_ms = SystemClock().now_ms()
    rows = [
        [
            job.id,
            job.queue,
            job.name,
            job.attempt,
            age(job.record.finished_ms, now_ms),
            job.error_message or "-",
        ]
        for job in found
    ]
    print_table(["ID", "QUEUE", "NAME", "TRIES", "DEAD FOR", "ERROR"], rows, empty="No dead letters.")
    if more:
        click.secho("… and more: raise --limit, or count them with --by-error", dim=True)


dlq.add_command(show)


@dlq.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@selecting_dead
@click.option("--all", "every", is_flag=True, help="Every dead letter.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@url_option
def requeue(ids: tuple[str, ...], url: str | None, *, every: bool, yes: bool, **wanted: Any) -> int:
    """Let dead letters begin a new life: pending, with no failures counted."""
    asked = _asked(url, Wanted(**wanted), ids, every=every)
    return change(url, asked, requeued, "requeued", ask=not (yes or ids))


@dlq.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@selecting_dead
@click.option("--all", "every", is_flag=True, help="Every dead letter.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@url_option
def discard(ids: tuple[str, ...], url: str | None, *, every: bool, yes: bool, **wanted: Any) -> int:
    """Forget dead letters with all that is known of them."""
    asked = _asked(url, Wanted(**wanted), ids, every=every)
    return change(url, asked, discarded, "discarded", ask=not (yes or ids))


async def requeued(manager: QueueManager, ids: tuple[JobId, ...]) -> Changed:
    """Gives letters another life, which is counted."""
    return Changed(tuple(await DeadLetterQueue(await manager.store()).requeue(ids)))


async def discarded(manager: QueueManager, ids: tuple[JobId, ...]) -> Changed:
    """Forgets letters."""
    return Changed(tuple(await DeadLetterQueue(await manager.store()).discard(ids)))


def _asked(url: str | None, wanted: Wanted, ids: tuple[str, ...], *, every: bool) -> JobQuery:
    """The letters that are meant. Raises Misuse, which says what there is, when nothing was said."""
    if not (every or ids or says_anything(wanted)):
        raise Misuse(f"Say which: by ids, by --queue or --error (see --help), or --all. {run(_there(url))}")
    return _dead(JobQuery() if every else query_to_change(wanted, ids))


async def _there(url: str | None) -> str:
    """How many letters there are, by queue."""
    async with existing(url) as manager:
        counts = await (await manager.store()).count(None)
    dead = {each.queue: each.states[State.FAILED] for each in counts if each.states[State.FAILED]}
    if not dead:
        return "There are no dead letters."
    return f"There are: {', '.join(f'{number:,} in {queue}' for queue, number in dead.items())}."


def _dead(asked: JobQuery) -> JobQuery:
    return msgspec.structs.replace(asked, states=(State.FAILED,))


def _show_groups(found: list[AnyJob], *, as_json: bool) -> None:
    groups = Counter((job.queue, job.name, pattern_of(job.error_message or "")) for job in found)
    rows = [[number, queue, name, text] for (queue, name, text), number in groups.most_common()]
    if as_json:
        print_json([dict(zip(("count", "queue", "name", "error"), row, strict=True)) for row in rows])
    else:
        print_table(["JOBS", "QUEUE", "NAME", "ERROR"], rows, empty="No dead letters.")
