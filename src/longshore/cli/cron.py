"""This module is `longshore cron`: schedules, when they tick next, and pausing, resuming, running, deleting them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import click
import msgspec

from longshore.cli.connection import existing
from longshore.cli.options import json_option, run, url_option
from longshore.cli.tables import print_json, print_table, printable
from longshore.core.schedule_errors import UnknownSchedule
from longshore.cron.zones import local
from longshore.manager.manager import QueueManager
from longshore.manager.schedule_state import Firing, ScheduleState
from longshore.manager.worker_cards import workers_alive

Action = Callable[[QueueManager, str], Awaitable[object]]


@click.group()
def cron() -> None:
    """List, show, pause, resume, run, delete schedules."""


@cron.command("list")
@json_option
@url_option
def list_(url: str | None, *, as_json: bool) -> None:
    """List schedules with their next ticks, in the time of their zones."""
    found, is_served = run(_all(url))
    if as_json:
        print_json([msgspec.to_builtins(state) for state in found])
        return
    titles = ["ID", "WHEN", "ZONE", "TASK", "NEXT", "LAST", "IS"]
    print_table(titles, [_row(state, is_served=is_served) for state in found], empty="No schedules here.")


@cron.command()
@click.argument("schedule_id", metavar="ID")
@json_option
@url_option
def show(schedule_id: str, url: str | None, *, as_json: bool) -> None:
    """Show a schedule, its next three ticks, and what became of the last ones, in the time of its zone."""
    state, is_served = run(_one(url, schedule_id))
    if as_json:
        print_json(msgspec.to_builtins(state))
        return
    for name, value in _lines(state, is_served=is_served):
        click.echo(printable(f"{name:<10} {value}"))
    rows = [_firing(firing, state.tz) for firing in state.history]
    print_table(["TICK", "ACTED ON", "JOB"], rows, empty="It has not ticked yet.")


@cron.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@url_option
def pause(ids: tuple[str, ...], url: str | None) -> None:
    """Let schedules tick no more until they are resumed; jobs that are there go on."""
    run(_for_each(url, ids, lambda manager, schedule_id: manager.schedules.pause(schedule_id)))
    click.echo(printable(f"paused: {', '.join(ids)}"))


@cron.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@url_option
def resume(ids: tuple[str, ...], url: str | None) -> None:
    """Let schedules tick again from now on."""
    run(_for_each(url, ids, lambda manager, schedule_id: manager.schedules.resume(schedule_id)))
    click.echo(printable(f"resumed: {', '.join(ids)}"))


@cron.command("run")
@click.argument("schedule_id", metavar="ID")
@url_option
def run_(schedule_id: str, url: str | None) -> None:
    """Add a job of a schedule now, and print its id."""
    click.echo(run(_run(url, schedule_id)))


@cron.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@url_option
def delete(ids: tuple[str, ...], url: str | None) -> None:
    """Forget schedules; their jobs stay. One that is in code comes back with the next worker."""
    run(_for_each(url, ids, lambda manager, schedule_id: manager.schedules.delete(schedule_id)))
    click.echo(printable(f"deleted: {', '.join(ids)}"))


def standing(state: ScheduleState, *, is_served: bool) -> str:
    """How it stands, in three words at most; `is_served`: whether any worker of the store is alive."""
    if state.is_paused:
        return "paused"
    if not state.next:
        return "over"
    if not is_served:
        return "no worker"
    return "not in code" if state.is_orphan else "ok"


def _row(state: ScheduleState, *, is_served: bool) -> Sequence[object]:
    following = _shown(state.next[0], state.tz) if state.next else "-"
    last = _shown(state.last, state.tz) if state.last else "-"
    return [
        state.id,
        state.when,
        state.tz,
        f"{state.queue}/{state.name}",
        following,
        last,
        standing(state, is_served=is_served),
    ]


def _lines(state: ScheduleState, *, is_served: bool) -> list[tuple[str, object]]:
    return [
        ("id", state.id),
        ("when", f"{state.when} ({state.tz})"),
        ("task", f"{state.queue}/{state.name}"),
        ("data", msgspec.json.encode(state.data).decode()),
        ("overlap", state.overlap),
        ("catch up", state.catch_up),
        ("jitter", f"{state.jitter:g} s"),
        ("made", "in code" if state.is_in_code else "at run time"),
        ("is", standing(state, is_served=is_served)),
        ("next", ", ".join(f"{tick:%Y-%m-%d %H:%M:%S%z}" for tick in state.next) or "-"),
    ]


def _firing(firing: Firing, zone: str) -> Sequence[object]:
    reason = firing.reason if firing.count == 1 else f"{firing.reason} ({firing.count})"
    said = " ".join(word for word in (firing.job_id, reason) if word)
    return [_shown(firing.tick, zone), _shown(firing.at, zone), said]


def _shown(at: datetime, zone: str) -> str:
    """A time as the clocks of the schedule's zone show it."""
    return f"{local(zone, int(at.timestamp())):%Y-%m-%d %H:%M:%S}"


async def _all(url: str | None) -> tuple[list[ScheduleState], bool]:
    """The schedules, and whether any worker is alive."""
    async with existing(url) as manager:
        return await manager.schedules.list(), bool(await workers_alive(await manager.store()))


async def _one(url: str | None, schedule_id: str) -> tuple[ScheduleState, bool]:
    listed, is_served = await _all(url)
    states = {state.id: state for state in listed}
    if schedule_id not in states:
        raise UnknownSchedule(schedule_id, states)
    return states[schedule_id], is_served


async def _run(url: str | None, schedule_id: str) -> str:
    async with existing(url) as manager:
        return (await manager.schedules.run_now(schedule_id)).id


async def _for_each(url: str | None, ids: Sequence[str], act: Action) -> None:
    """All of them, or none where one is not there. Raises UnknownSchedule."""
    async with existing(url) as manager:
        known = [state.id for state in await manager.schedules.list()]
        for schedule_id in ids:
            if schedule_id not in known:
                raise UnknownSchedule(schedule_id, known)
        for schedule_id in ids:
            await act(manager, schedule_id)
