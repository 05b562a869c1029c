"""This module is how one says which jobs are meant: by their ids, or by what they have in common."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from longshore.cli.failures import Misuse
from longshore.core.ids import parse_id
from longshore.core.states import State
from longshore.store.commands import JobQuery

Function = TypeVar("Function", bound=Callable[..., Any])


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about the jobs that are meant, as the options are called."""

    queue: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    text: str | None = None
    error: str | None = None
    reference: str | None = None
    correlation: str | None = None


def selecting(command: Function) -> Function:
    """Gives a command the options that `Wanted` has, as keyword arguments."""
    state = click.option(
        "--state",
        "-s",
        multiple=True,
        type=click.Choice([state.value for state in State]),
        metavar="STATE",
        help="In this state (may be repeated).",
    )
    return state(selecting_dead(command))


def selecting_dead(command: Function) -> Function:
    """The same without a state, for commands that are about one."""
    options = (
        click.option(
            "--queue", "-q", multiple=True, metavar="QUEUE", help="In this queue (may be repeated)."
        ),
        click.option("--name", "-n", multiple=True, metavar="TASK", help="Of this task (may be repeated)."),
        click.option("--tag", "-t", multiple=True, metavar="TAG", help="With this tag (all, if repeated)."),
        click.option("--text", metavar="TEXT", help="With this text in name, data, metadata or error."),
        click.option("--error", metavar="TEXT", help="With exactly this text in the error."),
        click.option("--reference", metavar="TYPE/ID", help="That belong to this thing of yours."),
        click.option("--correlation", metavar="ID", help="With this correlation id."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def query(wanted: Wanted, ids: Sequence[str] = ()) -> JobQuery:
    """The query for these jobs. Raises InvalidId."""
    return JobQuery(
        ids=tuple(map(parse_id, ids)) or None,
        queues=wanted.queue or None,
        names=wanted.name or None,
        states=tuple(map(State, wanted.state)) or None,
        tags=wanted.tag,
        text=wanted.text,
        error=wanted.error,
        reference=wanted.reference,
        correlation_id=wanted.correlation,
    )


def says_anything(wanted: Wanted) -> bool:
    """Whether any option was given."""
    return any(getattr(wanted, field) for field in wanted.__struct_fields__)


def query_to_change(wanted: Wanted, ids: Sequence[str]) -> JobQuery:
    """The query for jobs that are to be changed. Raises Misuse for both ways at once, and for neither: a forgotten
    argument must not mean all jobs."""
    filters = says_anything(wanted)
    if filters and ids:
        raise Misuse("Give ids or options that select jobs, not both.")
    if not filters and not ids:
        raise Misuse("Say which jobs: by ids, or by options such as --queue, --state, --error (see --help).")
    return query(wanted, ids)
