"""This module is `longshore workflows`: list, show, cancel and retry workflows."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from longshore.cli.connection import existing
from longshore.cli.options import json_option, run, url_option
from longshore.cli.showing import tries
from longshore.cli.tables import age, plain, print_facts, print_json, print_table, printable
from longshore.core.clock import SystemClock
from longshore.core.errors import LongshoreError
from longshore.core.states import State
from longshore.core.workflow_errors import WorkflowNotFound
from longshore.manager.job import AnyJob
from longshore.manager.manager import QueueManager
from longshore.manager.workflow import WorkflowRun
from longshore.workflows.record import Entry, Status
from longshore.workflows.restarting import MODES

TITLES = ("ID", "NAME", "STATUS", "STEPS", "DONE", "FAILED", "AGE")
STEP_TITLES = ("STEP", "STATE", "QUEUE", "TASK", "AFTER", "TRIES", "WHAT")
COMPLETED_IDS = 50


def _known_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The newest workflows, for the shell."""
    try:
        found = run(_list(ctx.params.get("url"), None, COMPLETED_IDS))
    except (LongshoreError, OSError, click.ClickException):
        return []  # a shell must not be told why
    return [
        CompletionItem(each.id, help=f"{each.name or ''} {each.status}")
        for each in found
        if each.id.startswith(incomplete)
    ]


workflow_id = click.argument("workflow_id", metavar="ID", shell_complete=_known_ids)


@click.group()
def workflows() -> None:
    """List, show, cancel, retry workflows."""


@workflows.command("list")
@click.option(
    "--status", type=click.Choice([each.value for each in Status]), help="Only those that stand so."
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, metavar="N", help="At most so many; 20 by default."
)
@json_option
@url_option
def list_(url: str | None, *, status: str | None, limit: int, as_json: bool) -> None:
    """List workflows, the newest first."""
    found = run(_list(url, status, limit))
    if as_json:
        print_json(
            [{key: value for key, value in each.to_dict().items() if key != "steps"} for each in found]
        )
        return
    now_ms = SystemClock().now_ms()
    empty = "No workflow was started here." if status is None else f"No workflow here is {status}."
    print_table(TITLES, [_row(each, now_ms) for each in found], empty=empty)


@workflows.command()
@workflow_id
@click.option("--mermaid", is_flag=True, help="Print a Mermaid diagram.")
@json_option
@url_option
def show(workflow_id: str, url: str | None, *, mermaid: bool, as_json: bool) -> None:
    """Show one workflow with its steps, each below what it waits for."""
    found = run(_one(url, workflow_id))
    if as_json:
        print_json(found.to_dict())
        return
    if mermaid:
        click.echo(found.to_mermaid(), nl=False)
        return
    print_facts(_facts(found, SystemClock().now_ms()))
    click.echo()
    rows = [_step_row(found, entry, depth) for entry, depth in by_depth(found.record.entries)]
    print_table(STEP_TITLES, rows, empty="")


@workflows.command()
@workflow_id
@url_option
def cancel(workflow_id: str, url: str | None) -> None:
    """Cancel all steps that are not over; those that run are asked to stop."""
    count = run(_act(url, workflow_id, lambda found: found.cancel()))
    why = "" if count else ": all are over"
    click.echo(printable(f"cancelled {count} steps of {workflow_id}{why}"))


@workflows.command()
@workflow_id
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="failed_and_downstream",
    show_default=True,
    help="Which steps get another life; all: a new run of the whole.",
)
@url_option
def retry(workflow_id: str, url: str | None, *, mode: Any) -> int:
    """Give steps another life: by default what failed, with all that waits for it."""
    count = run(_act(url, workflow_id, lambda found: found.retry(mode)))
    why = "" if count else ": none failed or was cancelled (--mode all runs the whole anew)"
    click.echo(printable(f"retried {count} steps of {workflow_id}{why}"))
    return 0 if count else 1


def by_depth(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, int]]:
    """The steps, each below the first that it waits for, with how deep it stands."""
    names = {entry.name for entry in entries}
    children: dict[str | None, list[Entry]] = {}
    for entry in entries:
        first = next((link.parent for link in entry.links if link.parent in names), None)
        children.setdefault(first, []).append(entry)
    waiting = [(entry, 0) for entry in reversed(children.get(None, []))]
    while waiting:
        entry, depth = waiting.pop()
        yield entry, depth
        waiting += [(child, depth + 1) for child in reversed(children.get(entry.name, []))]


def _row(found: WorkflowRun, now_ms: int) -> list[object]:
    counts = found.counts
    over = sum(count for state, count in counts.items() if state.is_terminal)
    return [
        found.id,
        found.name,
        found.status.value,
        len(found.record.entries),
        over,
        counts.get(State.FAILED, 0),
        age(found.record.created_ms, now_ms),
    ]


def _facts(found: WorkflowRun, now_ms: int) -> dict[str, object]:
    counts = ", ".join(f"{count} {state.value}" for state, count in sorted(found.counts.items()))
    return {
        "id": found.id,
        "name": found.name,
        "status": found.status.value,
        "steps": counts,
        "started": f"{age(found.record.created_ms, now_ms)} ago",
        "run": found.record.run if found.record.run > 1 else None,
        "correlation": found.correlation_id,
        "tags": ", ".join(found.tags),
        "metadata": plain(found.metadata) if found.metadata else None,
    }


def _step_row(found: WorkflowRun, entry: Entry, depth: int) -> list[object]:
    state = found.states[entry.name]
    job = found.steps.get(entry.name)
    after = ", ".join(
        link.parent if link.on.name == "SUCCESS" else f"{link.parent} ({link.on.name.lower()})"
        for link in entry.links
    )
    name = f"{'  ' * (depth - 1)}└ {entry.name}" if depth else entry.name
    shown = "gone" if state is None else state.value
    tried = "-" if job is None else tries(job)
    return [name, shown, entry.queue, entry.task, after or None, tried, _what(job, entry)]


def _what(job: AnyJob | None, entry: Entry) -> str:
    if job is not None and job.state is State.COMPLETED:
        return plain(job.value)
    if job is not None and job.error_message:
        return job.error_message
    return f"when {entry.when}" if entry.when else ""


async def _list(url: str | None, status: str | None, limit: int) -> list[WorkflowRun]:
    async with existing(url) as manager:
        return await manager.workflows.list(status=status, limit=limit)


async def _one(url: str | None, workflow_id: str) -> WorkflowRun:
    async with existing(url) as manager:
        return await _found(manager, workflow_id)


async def _act(url: str | None, workflow_id: str, act: Callable[[WorkflowRun], Awaitable[int]]) -> int:
    async with existing(url) as manager:
        return await act(await _found(manager, workflow_id))


async def _found(manager: QueueManager, workflow_id: str) -> WorkflowRun:
    found = await manager.workflows.get(workflow_id)
    if found is None:
        raise WorkflowNotFound(workflow_id)
    return found
