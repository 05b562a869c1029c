"""This module is `longshore queues`: how each stands, and pausing, resuming and cleaning them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import click

from longshore.cli.connection import existing
from longshore.cli.options import json_option, run, url_option
from longshore.cli.tables import age, moment, print_json, print_table, printable
from longshore.core.clock import SystemClock
from longshore.core.errors import UnknownQueue
from longshore.core.limit_errors import UnknownLimit
from longshore.core.limits import Concurrency, Limit, rate_from
from longshore.core.states import State
from longshore.flow import pausing
from longshore.flow.overrides import Overrides, look
from longshore.manager.figures import LimitState
from longshore.manager.manager import QueueManager
from longshore.store.replies import QueueCounts

SHOWN = (
    State.PENDING,
    State.HELD,
    State.RUNNING,
    State.SCHEDULED,
    State.RETRYING,
    State.COMPLETED,
    State.FAILED,
)
Action = Callable[[QueueManager, str], Awaitable[object]]
MINUTES = 5
"""Over which speeds are averaged."""
LIMIT_TEXT = 'a whole number, such as 4, for so many jobs at once, or a rate such as "100/minute"'


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


@queues.command()
@click.argument("name", metavar="QUEUE")
@json_option
@url_option
def limits(name: str, url: str | None, *, as_json: bool) -> None:
    """Show how the limits of a queue stand: for each key how much is used, and how many jobs wait."""
    found = run(_limits(url, name))
    if as_json:
        print_json([dict(each) for each in found])
        return
    titles = ["LIMIT", "KEY", "ALLOWS", "USED", "FREE", "HELD", "FREE IN"]
    print_table(
        titles, [_limit_row(each) for each in found], empty=f"No job of '{name}' is under a limit now."
    )


@queues.command("set-limit")
@click.argument("name", metavar="QUEUE")
@click.argument("limit", metavar="LIMIT")
@click.option(
    "--name", "rule", default=None, help="Which limit, as `limits` shows it, where there are several."
)
@url_option
def set_limit(name: str, limit: str, url: str | None, *, rule: str | None) -> None:
    """Change a limit in all processes: to a rate such as 100/minute, or to a number of jobs at once.

    It holds instead of what the code says until `reset-limit`.
    """
    read = Concurrency(int(limit)) if limit.isdecimal() else rate_from(limit, "LIMIT", LIMIT_TEXT)
    tuned = run(_set_limit(url, name, read, rule))
    reach = f"{tuned:,} in use were changed at once"
    if not tuned:
        reach = f"no job is under it: `longshore queues limits {name}` shows those in use"
    click.echo(f"limit '{rule or read.word}' of '{name}' is {limit} now; {reach}")


@queues.command("reset-limit")
@click.argument("name", metavar="QUEUE")
@click.argument("rule", metavar="LIMIT")
@url_option
def reset_limit(name: str, rule: str, url: str | None) -> None:
    """Let the code's limit hold again, for jobs that come from now on."""
    run(_reset_limit(url, name, rule))
    click.echo(printable(f"limit '{rule}' of '{name}' is what the code says"))


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


def _limit_row(state: LimitState) -> Sequence[object]:
    allows = f"{state.limit} at once" if state.per is None else f"{state.limit} per {state.per:g} s"
    free_in = "" if state.free_in is None else f"{state.free_in:.1f} s"
    return [state.name, state.key, allows, state.used, state.free, state.held, free_in]


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


async def _limits(url: str | None, name: str) -> list[LimitState]:
    async with existing(url) as manager:
        await _refuse_unknown(manager, [name])
        return await manager.get_limits(name)


async def _set_limit(url: str | None, name: str, limit: Limit, rule: str | None) -> int:
    async with existing(url) as manager:
        await _refuse_unknown(manager, [name])
        known = await _limit_names(manager, name)
        if rule is not None and known and rule not in known:
            raise UnknownLimit(rule, name, known)
        return await manager.set_limit(name, limit, name=rule)


async def _reset_limit(url: str | None, name: str, rule: str) -> None:
    async with existing(url) as manager:
        await _refuse_unknown(manager, [name])
        known = await _limit_names(manager, name)
        if rule not in known:
            raise UnknownLimit(rule, name, known)
        await manager.reset_limit(name, rule)


async def _limit_names(manager: QueueManager, queue: str) -> list[str]:
    """Of limits that jobs are under, and of those that were set at run time."""
    overrides = Overrides()
    await look(await manager.store(), overrides)
    found = {state.name for state in await manager.get_limits(queue)}
    return sorted(found | {override.rule for override in overrides.all() if override.queue == queue})


async def _refuse_unknown(manager: QueueManager, names: Sequence[str]) -> None:
    """A misspelt queue would be paused, and nobody would notice. Raises UnknownQueue."""
    known = [counts.queue for counts in await (await manager.store()).count(None)]
    for name in names:
        if name not in known:
            raise UnknownQueue(name, known)
