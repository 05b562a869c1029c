"""This module is `longshore top`: queues and workers, live in the terminal until Ctrl-C."""

import sys
from collections.abc import Sequence
from contextlib import suppress

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from longshore.cli.connection import existing
from longshore.cli.options import run, url_option
from longshore.cli.tables import COLOURS, age, printable
from longshore.core.clock import Clock, SystemClock
from longshore.core.states import State
from longshore.flow import pausing
from longshore.manager.worker_cards import WorkerCard, workers_alive
from longshore.store.contract import Store
from longshore.store.replies import Minute, QueueCounts

SHOWN = (State.PENDING, State.RUNNING, State.SCHEDULED, State.RETRYING, State.COMPLETED, State.FAILED)


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """How all stands at one moment."""

    at_ms: int
    queues: list[QueueCounts]
    paused: frozenset[str]
    workers: list[WorkerCard]


@click.command()
@click.option(
    "--every", type=click.FloatRange(0.2, 60), default=1.0, metavar="SECONDS", help="Between looks; 1."
)
@url_option
def top(url: str | None, *, every: float) -> None:
    """Watch queues and workers live.

    Without a terminal it looks once and ends.
    """
    with suppress(KeyboardInterrupt):  # its usual end
        run(_watch(url, every))


async def _watch(url: str | None, every: float) -> None:
    clock = SystemClock()
    console = Console(highlight=False)
    async with existing(url) as manager:
        store = await manager.store()
        picture = await look(store, clock)
        if not sys.stdout.isatty():
            console.print(draw(picture, picture, store.url))
            return
        with Live(
            draw(picture, picture, store.url), console=console, screen=True, auto_refresh=False
        ) as live:
            while True:
                await clock.sleep(every)
                before, picture = picture, await look(store, clock)
                live.update(draw(before, picture, store.url), refresh=True)


async def look(store: Store, clock: Clock) -> Picture:
    """How all stands now, with two minutes of history for the speeds."""
    return Picture(
        at_ms=clock.now_ms(),
        queues=await store.count(None, minutes=2),
        paused=frozenset(await pausing.paused(store)),
        workers=await workers_alive(store),
    )


def speeds(before: Picture, now: Picture) -> dict[str, float]:
    """Attempts that ended in each queue per second between two looks."""
    seconds = (now.at_ms - before.at_ms) / 1000
    earlier = {
        (each.queue, minute.minute): _ended(minute) for each in before.queues for minute in each.minutes
    }
    return {
        each.queue: sum(
            _ended(minute) - earlier.get((each.queue, minute.minute), 0) for minute in each.minutes
        )
        / seconds
        for each in now.queues
        if seconds > 0
    }


def draw(before: Picture, now: Picture, place: str) -> Group:
    """The picture, with speeds since the one before."""
    fast = speeds(before, now)
    queues = _table(["QUEUE", *(state.value.upper() for state in SHOWN), "PER S", "OLDEST"])
    for each in now.queues:
        numbers = [each.states.get(state, 0) for state in SHOWN]
        oldest = "paused" if each.queue in now.paused else age(each.oldest_pending_ms, now.at_ms)
        _add(queues, [each.queue, *numbers, fast.get(each.queue, 0.0), oldest])
    workers = _table(["WORKER", "SLOTS", "ALIVE FOR", "QUEUES"])
    for card in now.workers:
        alive = age(card.started_ms, now.at_ms)
        _add(workers, [f"{card.host}:{card.pid}", card.slots, alive, ", ".join(card.queues)])
    crew: Table | Text = workers if now.workers else Text("No worker is alive.", style="yellow")
    return Group(Text(f"Longshore · {place} · Ctrl-C ends", style="dim"), "", queues, "", crew)


def _table(titles: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for title in titles:
        is_number = title not in {"QUEUE", "OLDEST", "WORKER", "ALIVE FOR", "QUEUES"}
        table.add_column(title, justify="right" if is_number else "left", no_wrap=True)
    return table


def _add(table: Table, cells: Sequence[object]) -> None:
    shown = [printable(cell) for cell in cells]
    table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in shown))


def _ended(minute: Minute) -> int:
    return minute.completed + minute.failed + minute.retried
