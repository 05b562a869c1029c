"""This module is `longshore queues`: how each stands, and pausing, resuming and cleaning them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import click

from longshore.cli.connection import existing
from longshore.cli.options import json_option, run, url_option
from longshore.cli.tables import age, moment, print_json, print_table, printable
from longshore.core.clock import SystemClock
from longshore.core.errors import UnknownQueue
from longshore.core.states import State
from longshore.flow import pausing
from longshore.manager.manager import QueueManager
from longshore.store.replies import QueueCounts

SHOWN = (State.PENDING, State.RUNNING, State.SCHEDULED, State.RETRYING, State.COMPLETED, State.FAILED)
Action = Callable[[QueueManager, str], Awaitable[object]]
MINUTES = 5
"""Over which speeds are averaged."""


@click.group()
def queues() -> None:
    """List, pause, resume, clean queues."""


@queues.command("list")
@json_option
@url_option
def list_(url: str | None, *, as_json: bool) -> None:
    """List queues with how many jobs each has, by state."""
    found, paused = run(_standing(url))
    if as_json:
        print_json([as_plain(counts, is_paused=counts.queue in paused) for counts in found])
        return
    now_ms = SystemClock().now_ms()
    titles = ["QUEUE", *(state.value.upper() for state in SHOWN), "DONE/MIN", "OLDEST", "IS"]
    rows = [_row(counts, now_ms, is_paused=counts.queue in paused) for counts in found]
    print_table(titles, rows, empty="No queue has ever had a job here.")


@queues.command()
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
@url_option
def pause(names: tuple[str, ...], url: str | None) -> None:
    """Give out no more jobs of these queues; running ones go on."""
    run(_for_each(url, names, lambda manager, name: manager.pause_queue(name)))
    click.echo(printable(f"paused: {', '.join(names)}"))


@queues.command()
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
@url_option
def resume(names: tuple[str, ...], url: str | None) -> None:
    """Give out jobs of these queues again."""
    run(_for_each(url, names, lambda manager, name: manager.resume_queue(name)))
    click.echo(printable(f"resumed: {', '.join(names)}"))


@queues.command()
@click.argument("name", metavar="QUEUE")
@click.option(
    "--status",
    type=click.Choice(["completed", "failed", "cancelled", "skipped"]),
    default="completed",
    show_default=True,
    help="Which jobs.",
)
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    default=86_400.0,
    show_default=True,
    metavar="SECONDS",
    help="Only those that ended so long ago.",
)
@url_option
def clean(name: str, url: str | None, *, status: str, older_than: float) -> None:
    """Forget jobs of a queue that are over."""
    removed = run(_clean(url, name, status, older_than))
    click.echo(f"{removed:,} {status} jobs of '{name}' forgotten")


def as_plain(counts: QueueCounts, *, is_paused: bool) -> dict[str, object]:
    """A queue as JSON prints it."""
    return {
        "queue": counts.queue,
        "paused": is_paused,
        "states": {state.value: number for state, number in counts.states.items()},
        "oldest_pending_at": moment(counts.oldest_pending_ms),
        "next_due_at": moment(counts.next_due_ms),
        "completed_per_minute": _speed(counts),
    }


def _row(counts: QueueCounts, now_ms: int, *, is_paused: bool) -> Sequence[object]:
    numbers = [counts.states.get(state, 0) for state in SHOWN]
    state = "paused" if is_paused else "ok"
    return [counts.queue, *numbers, _speed(counts), age(counts.oldest_pending_ms, now_ms), state]


def _speed(counts: QueueCounts) -> float:
    return sum(minute.completed for minute in counts.minutes) / MINUTES


async def _standing(url: str | None) -> tuple[list[QueueCounts], set[str]]:
    async with existing(url) as manager:
        store = await manager.store()
        return await store.count(None, minutes=MINUTES), set(await pausing.paused(store))


async def _for_each(url: str | None, names: Sequence[str], act: Action) -> None:
    async with existing(url) as manager:
        await _refuse_unknown(manager, names)
        for name in names:
            await act(manager, name)


async def _clean(url: str | None, name: str, status: str, older_than: float) -> int:
    async with existing(url) as manager:
        await _refuse_unknown(manager, [name])
        return await manager.clean_queue(name, grace=timedelta(seconds=older_than), status=status)


async def _refuse_unknown(manager: QueueManager, names: Sequence[str]) -> None:
    """A misspelt queue would be paused, and nobody would notice. Raises UnknownQueue."""
    known = [counts.queue for counts in await (await manager.store()).count(None)]
    for name in names:
        if name not in known:
            raise UnknownQueue(name, known)
