"""This module is `longshore jobs`: list, show, retry, cancel, delete, explain and signal jobs."""

from contextlib import suppress
from typing import Any

import click
import msgspec

from longshore.cli.changing import cancelled, change, deleted, records, retried
from longshore.cli.connection import existing
from longshore.cli.enqueue import parsed
from longshore.cli.options import json_option, run, url_option
from longshore.cli.selection import Wanted, query, query_to_change, selecting
from longshore.cli.showing import (
    STEP_TITLES,
    TITLES,
    as_listed,
    as_plain,
    facts,
    row,
    step_as_plain,
    step_row,
)
from longshore.cli.tables import age, print_facts, print_json, print_table, printable
from longshore.core.clock import SystemClock
from longshore.core.errors import InvalidId, JobNotFound
from longshore.core.states import State
from longshore.manager.explain import Explanation
from longshore.manager.job import AnyJob
from longshore.manager.recorded_steps import RecordedStep
from longshore.store.commands import JobQuery, Order


@click.group()
def jobs() -> None:
    """List, show, retry, cancel, delete, explain, signal jobs."""


@jobs.command("list")
@selecting
@click.option("--oldest", is_flag=True, help="Oldest first; otherwise newest first.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    metavar="N",
    help="At most so many; 20 by default.",
)
@json_option
@url_option
def list_(url: str | None, *, limit: int, oldest: bool, as_json: bool, **wanted: Any) -> None:
    """List jobs, newest first."""
    asked = query(Wanted(**wanted))
    found, more = run(find(url, asked, Order.OLDEST if oldest else Order.NEWEST, limit))
    if as_json:
        print_json([as_listed(job) for job in found])
        return
    now_ms = SystemClock().now_ms()
    print_table(TITLES, [row(job, now_ms) for job in found], empty="No such jobs.")
    if more:
        click.secho(f"… and more: --limit {limit * 5}, or select with --queue, --state, --text", dim=True)


@jobs.command()
@click.argument("job_id")
@json_option
@url_option
def show(job_id: str, url: str | None, *, as_json: bool) -> None:
    """Show one job with its steps, errors and logs."""
    job, steps = run(_one(url, job_id))
    if as_json:
        print_json(as_plain(job) | {"steps": [step_as_plain(step) for step in steps]})
        return
    now_ms = SystemClock().now_ms()
    print_facts(facts(job, now_ms))
    if steps:
        click.echo()
        print_table(STEP_TITLES, [step_row(step, now_ms) for step in steps], empty="")
    for failure in job.errors:
        click.secho(
            f"\nattempt {failure.attempt}, {age(failure.at_ms, now_ms)} ago, on {failure.worker}", bold=True
        )
        print_facts({"error": f"{failure.type}: {failure.message}", "": failure.traceback.strip()})
    if job.logs:
        click.secho("\nlog", bold=True)
        for line in job.logs:
            print_facts({f"{line.attempt}": line.text})


@jobs.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@selecting
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@url_option
def retry(ids: tuple[str, ...], url: str | None, *, yes: bool, **wanted: Any) -> int:
    """Run failed, cancelled, retrying or scheduled jobs now."""
    asked = query_to_change(Wanted(**wanted), ids)
    return change(url, asked, retried, "retried", ask=not (yes or ids))


@jobs.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@selecting
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@url_option
def cancel(ids: tuple[str, ...], url: str | None, *, yes: bool, **wanted: Any) -> int:
    """Cancel jobs; running ones are asked to stop."""
    asked = query_to_change(Wanted(**wanted), ids)
    return change(url, asked, cancelled, "cancelled", ask=not (yes or ids))


@jobs.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@selecting
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@url_option
def delete(ids: tuple[str, ...], url: str | None, *, yes: bool, **wanted: Any) -> int:
    """Forget jobs that are not running, with their errors and logs."""
    asked = query_to_change(Wanted(**wanted), ids)
    return change(url, asked, deleted, "deleted", ask=not (yes or ids))


@jobs.command()
@click.argument("job_id")
@json_option
@url_option
def explain(job_id: str, url: str | None, *, as_json: bool) -> None:
    """Say why a job is not running."""
    found = run(_explain(url, job_id))
    if as_json:
        print_json({"id": job_id, "code": found.code, "explanation": found.for_the_shell()})
    else:
        click.echo(printable(found.for_the_shell()))


@jobs.command("signal")
@click.argument("job_id")
@click.argument("event")
@click.option("--data", default="null", metavar="JSON", help="What `ctx.wait_for` returns; null by default.")
@url_option
def signal_(job_id: str, event: str, url: str | None, *, data: str) -> int:
    """Signal an event to a job that waits for it, or will."""
    is_told, awaited = run(_signal(url, job_id, event, parsed("--data", data)))
    if not is_told:
        click.secho(f"Job {job_id} is over; nobody waits for a signal.", fg="yellow", err=True)
        return 1
    click.echo(f"signalled {event}")
    if awaited is not None and event not in awaited:
        now = f" Now it waits for {' and '.join(awaited)}." if awaited else ""
        click.secho(
            printable(f"The signal is kept until the job waits for {event}.{now}"), fg="yellow", err=True
        )
    return 0


async def find(url: str | None, asked: JobQuery, order: Order, limit: int) -> tuple[list[AnyJob], bool]:
    """Up to `limit` jobs, and whether there are more."""
    async with existing(url) as manager:
        store = await manager.store()
        found = await records(store, msgspec.structs.replace(asked, order=order), limit + 1)
        return [AnyJob(manager.runtime, record) for record in found[:limit]], len(found) > limit


async def _one(url: str | None, job_id: str) -> tuple[AnyJob, list[RecordedStep]]:
    async with existing(url) as manager:
        job = await manager.get_job(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job, await job.steps()


async def _signal(url: str | None, job_id: str, event: str, data: Any) -> tuple[bool, list[str] | None]:
    """Whether anybody was told, and for which events the job waited; None of a workflow, and of a job that runs."""
    awaited = None
    async with existing(url) as manager:
        with suppress(InvalidId):
            job = await manager.get_job(job_id)
            if job is not None and job.state is not State.RUNNING:
                awaited = [step.event for step in await job.steps() if step.event and step.ended_at is None]
        return await manager.signal(job_id, event, data), awaited


async def _explain(url: str | None, job_id: str) -> Explanation:
    async with existing(url) as manager:
        job = await manager.get_job(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return await job.explain()
