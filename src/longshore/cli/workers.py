"""This module is `longshore workers`: who is alive and what each serves."""

import click
import msgspec

from longshore.cli.connection import existing
from longshore.cli.options import json_option, run, url_option
from longshore.cli.tables import age, print_json, print_table
from longshore.core.clock import SystemClock
from longshore.core.states import State
from longshore.manager.worker_cards import WorkerCard, workers_alive
from longshore.store.commands import SCAN_LIMIT, JobQuery


@click.group()
def workers() -> None:
    """List the workers that are alive."""


@workers.command("list")
@json_option
@url_option
def list_(url: str | None, *, as_json: bool) -> None:
    """List workers: where each runs, what it serves, how many jobs it holds now."""
    found = run(_alive(url))
    if as_json:
        print_json([{**msgspec.structs.asdict(card), "holds": holds} for card, holds in found])
        return
    now_ms = SystemClock().now_ms()
    rows = [_row(card, holds, now_ms) for card, holds in found]
    titles = ["HOST", "PID", "HOLDS", "SLOTS", "ALIVE FOR", "QUEUES", "TASKS"]
    print_table(titles, rows, empty="No worker is alive. Start one: longshore worker MODULE:MANAGER")


def _row(card: WorkerCard, holds: int, now_ms: int) -> list[object]:
    alive = age(card.started_ms, now_ms)
    return [card.host, str(card.pid), holds, card.slots, alive, ", ".join(card.queues), ", ".join(card.tasks)]


async def _alive(url: str | None) -> list[tuple[WorkerCard, int]]:
    async with existing(url) as manager:
        store = await manager.store()
        cards = await workers_alive(store)
        queries = [
            JobQuery(states=(State.RUNNING,), session=card.session, limit=SCAN_LIMIT) for card in cards
        ]
        pages = await store.scan(queries)
        return [(card, len(page.jobs)) for card, page in zip(cards, pages, strict=True)]
