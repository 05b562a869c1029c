"""This module is `longshore move`: all jobs of one store, or of some queues, to another one."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click

from longshore.backends import open_store
from longshore.cli.failures import FAILED, Failure
from longshore.cli.options import json_option, run
from longshore.cli.progress import Progress
from longshore.cli.tables import print_json, print_table, printable
from longshore.core.clock import Clock, SystemClock, system_random
from longshore.core.errors import UnknownQueue
from longshore.core.events import Bus
from longshore.core.states import ORDER, State
from longshore.engine.engine import Engine
from longshore.manager.safety import refuse_unsafe
from longshore.manager.settings import load_settings, without_secrets
from longshore.moving.mover import Moved, Mover, Plan, Standing, standing
from longshore.store.contract import Store
from longshore.upkeep.rescuer import Rescuer

Row = tuple[str, State, int, int, int, int, int]
FORGETFUL = frozenset({"no-persistence", "snapshots-only", "fsync-never"})
"""Findings about a target that keeps acknowledged jobs less surely than people expect of a store."""
TITLES = ("QUEUE", "STATE", "WERE", "MOVED", "WERE THERE", "LEFT", "TARGET HAS")


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option(
    "--queue", "queues", multiple=True, metavar="QUEUE", help="Only this queue; may be given again."
)
@click.option("--history", is_flag=True, help="Jobs that ended well, too.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="For jobs that still run at FROM.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what there is to move.")
@click.option(
    "--give-up", is_flag=True, help="Take back what an interrupted move holds, and resume FROM's queues."
)
@json_option
def move(
    source: str,
    target: str,
    queues: tuple[str, ...],
    *,
    history: bool,
    wait_seconds: float,
    dry_run: bool,
    give_up: bool,
    as_json: bool,
) -> int:
    """Move jobs from the store FROM to the store TO.

    Waiting and scheduled jobs, dead letters, pauses and retentions go over; none is lost and none runs twice, whatever
    is killed meanwhile: run the same command again, and it goes on. Workers may run on both sides. FROM's queues are
    paused and stay so.
    """
    plan = Plan(queues=queues, history=history, wait_seconds=wait_seconds)
    if dry_run:
        stood, warnings = run(_look(source, target, plan))
        status = _print_plan(stood, plan, as_json=as_json)
        _print_warnings(warnings, as_json=as_json)
        return status
    if give_up:
        resumed = run(_give_up(source, target, plan))
        click.echo(f"taken back; resumed: {', '.join(resumed) or 'no queue'}")
        return 0
    moved, warnings = run(_move(source, target, plan))
    if as_json:
        print_json(as_plain(moved))
    else:
        _print_moved(moved, target)
    _print_warnings(warnings, as_json=as_json)
    return FAILED if moved.remaining else 0


def rows(moved: Moved) -> list[Row]:
    """The verification: what there was, and where it is now."""
    kinds = {*moved.before.jobs, *moved.left.jobs, *moved.tally.moved, *moved.tally.already}
    return [
        (
            *kind,
            moved.before.jobs.get(kind, 0),
            moved.tally.moved[kind],
            moved.tally.already[kind],
            moved.left.jobs.get(kind, 0),
            moved.target.jobs.get(kind, 0),
        )
        for kind in sorted(kinds, key=lambda kind: (kind[0], ORDER.index(kind[1])))
    ]


def as_plain(moved: Moved) -> dict[str, object]:
    """The outcome as JSON prints it."""
    words = ("queue", "state", "were", "moved", "were_there", "left", "target_has")
    return {
        "moved": moved.tally.moved.total(),
        "were_there": moved.tally.already.total(),
        "remaining": moved.remaining,
        "vanished": moved.vanished,
        "records": moved.records,
        "paused": moved.paused,
        "queues": [dict(zip(words, row, strict=True)) for row in rows(moved)],
    }


def _print_moved(moved: Moved, target: str) -> None:
    print_table(TITLES, rows(moved), empty="There was nothing to move.")
    click.echo(
        f"{moved.tally.moved.total():,} moved, each seen at the target before it went away at the source"
    )
    if moved.tally.already.total():
        click.echo(f"{moved.tally.already.total():,} were at the target already, which keeps its own")
    for fate in fates(moved):
        click.echo(f"{fate} at the source meanwhile")
    if moved.paused:
        click.echo(printable(f"Paused at the target, so nobody runs their jobs: {', '.join(moved.paused)}"))
    running = moved.left.of([State.RUNNING])
    if moved.remaining:
        why = f"{running:,} of them run" if running else "they were added meanwhile"
        click.echo(f"{moved.remaining:,} are left at the source: {why}. Run the same command again.")
    else:
        click.echo(f"Next: let everything that adds or runs jobs use {without_secrets(target)}")


def fates(moved: Moved) -> list[str]:
    """What became of the jobs that neither were moved nor are left, as far as the source still tells."""
    if not moved.vanished:
        return []
    ended = moved.grown([State.COMPLETED, State.SKIPPED])
    cancelled = moved.grown([State.CANCELLED])
    gone = moved.vanished - ended - cancelled
    if gone < 0 or moved.before.of([State.RUNNING]):  # nobody can tell which of them those are
        verb = "was" if moved.vanished == 1 else "were"
        return [f"{moved.vanished:,} ended or {verb} cancelled or deleted"]
    was = {number: "was" if number == 1 else "were" for number in (cancelled, gone)}
    told = [
        (ended, "ended"),
        (cancelled, f"{was[cancelled]} cancelled"),
        (gone, f"{was[gone]} deleted, or ended and {was[gone]} pruned,"),
    ]
    return [f"{number:,} {fate}" for number, fate in told if number]


def _print_warnings(warnings: Sequence[str], *, as_json: bool) -> None:
    for warning in [] if as_json else warnings:
        click.echo(printable(f"About the target: {warning}"))


def _print_plan(stood: tuple[Standing, Standing], plan: Plan, *, as_json: bool) -> int:
    source, target = stood
    found = [
        (*kind, number, target.jobs.get(kind, 0))
        for kind, number in sorted(
            source.jobs.items(), key=lambda each: (each[0][0], ORDER.index(each[0][1]))
        )
        if kind[1] in (*plan.states, State.RUNNING)
    ]
    if as_json:
        words = ("queue", "state", "source_has", "target_has")
        print_json(
            {
                "to_move": source.of(plan.states),
                "queues": [dict(zip(words, row, strict=True)) for row in found],
            }
        )
        return 0
    print_table(("QUEUE", "STATE", "SOURCE HAS", "TARGET HAS"), found, empty="There is nothing to move.")
    click.echo(f"{source.of(plan.states):,} jobs to move; nothing was changed")
    if running := source.of([State.RUNNING]):
        click.echo(f"{running:,} run, and would be waited for")
    return 0


async def _move(source: str, target: str, plan: Plan) -> tuple[Moved, list[str]]:
    clock = SystemClock()
    async with _both(source, target, plan) as (here, there):
        await there.open()
        warnings = await _checked(there)
        with Progress(sys.stderr, clock) as progress:
            mover = Mover(
                here, there, plan, clock, watch=lambda done, of: progress.move("moved", done, max(done, of))
            )
            async with _rescuing(here, clock):
                return await mover.run(), warnings


async def _checked(target: Store) -> list[str]:
    """What is to be known about the target. Raises UnsafeStore where workers would, and before anything is touched."""
    await refuse_unsafe(target, is_allowed=load_settings().unsafe_store)
    return [finding.problem for finding in await target.examine(contents=False) if finding.code in FORGETFUL]


@asynccontextmanager
async def _rescuing(store: Store, clock: Clock) -> AsyncIterator[None]:
    """Brings back the jobs of workers that are gone: at the source perhaps nobody else is left who does."""
    bus, random = Bus(), system_random()
    rescuer = Rescuer(
        Engine(store, bus=bus, clock=clock, random=random),
        find=lambda *_: None,
        lease_seconds=load_settings().lease,
        make_job=lambda record: record,
        bus=bus,
        clock=clock,
        random=random,
    )
    await rescuer.start()
    try:
        yield
    finally:
        await rescuer.stop()


async def _give_up(source: str, target: str, plan: Plan) -> Sequence[str]:
    async with _both(source, target, plan) as (here, there):
        await there.open()
        return await Mover(here, there, plan, SystemClock()).give_up()


async def _look(source: str, target: str, plan: Plan) -> tuple[tuple[Standing, Standing], list[str]]:
    async with _both(source, target, plan) as (here, there):
        if (await there.migrate(apply=False)).version == 0:
            return (await standing(here, plan), Standing({})), []
        await there.open()
        warnings = await _checked(there)
        return (await standing(here, plan), await standing(there, plan)), warnings


@asynccontextmanager
async def _both(source: str, target: str, plan: Plan) -> AsyncIterator[tuple[Store, Store]]:
    """Both stores; the source open, and only if it is there."""
    here, there = open_store(source), open_store(target)
    try:
        if (await here.migrate(apply=False)).version == 0:
            raise Failure(f"There is no store at {here.url}: nothing to move.")
        await here.open()
        known = {counts.queue for counts in await here.count(None)}
        if unknown := sorted(set(plan.queues) - known):
            raise UnknownQueue(unknown[0], known)
        yield here, there
    finally:
        await there.close()
        await here.close()
