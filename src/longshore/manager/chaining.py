"""This module adds jobs with what follows them: `chain_to=` makes a workflow of them.

Jobs that are added together with the same `chain_to` share it: what follows runs once, after all of them, and finds all
their results. (One run for each of them is what a chain for each job would mean, and is never what a map-reduce wants.)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from longshore.core.durability import check_durability
from longshore.core.errors import UnusableConnection
from longshore.core.ids import format_id, parse_id
from longshore.core.job import JobRecord, NewJob
from longshore.manager import workflow_actions
from longshore.manager import workflow_records as records
from longshore.manager.runtime import Runtime
from longshore.workflows.spec import Parts, Step, Workflow, parts_of

CHAIN_WORDS = ("chain_to", "chainTo")
_NOT_OF_A_STEP = ("job_id", "jobId", "durability")


def without_chain(options: Mapping[str, Any]) -> tuple[dict[str, Any], Parts]:
    """Options of a job, and what is to follow it; None: nothing. Raises InvalidOption."""
    rest = dict(options)
    found = [parts_of(rest.pop(word)) for word in CHAIN_WORDS if word in rest]
    return rest, next(filter(None, found), None)


def head(queue: str, name: str, data: Any, words: Mapping[str, Any]) -> Step:
    """A job that others follow, as a step. Raises UnknownOption and InvalidOption."""
    return Step(
        queue, name, data, **{word: value for word, value in words.items() if word not in _NOT_OF_A_STEP}
    )


def refuse_connection(connection: object | None) -> None:
    """Raises UnusableConnection where jobs that others follow are to go into a transaction of the caller's."""
    if connection is not None:
        raise UnusableConnection(
            "chain_to= cannot go into a transaction of yours: what is kept of the chain is not written there. Add the "
            "job after the commit, or let it add what follows."
        )


async def add_chained(
    runtime: Runtime,
    heads: Step | Sequence[Step],
    follows: Parts,
    words: Mapping[str, Any],
    connection: object | None,
) -> list[NewJob | JobRecord]:
    """Adds the jobs and what follows them, and gives the jobs, or those that are there in their stead. What follows
    finds one result, or a list where a list was given. Raises UnusableConnection, and like `execute_workflow`."""
    refuse_connection(connection)
    told = words.get("job_id", words.get("jobId"))
    workflow = Workflow(
        id=None if told is None else format_id(parse_id(told)),
        steps=[heads if isinstance(heads, Step) else Workflow(steps=heads), *parts_of(follows)],
        in_order=True,
    )
    count = 1 if isinstance(heads, Step) else len(heads)
    asked = words.get("durability")
    started = await workflow_actions.start(
        runtime,
        workflow,
        durability=None if asked is None else check_durability(asked),
        head=None if told is None else parse_id(told),
    )
    if not started.is_older:
        return [*started.jobs[:count]]
    entries = started.record.entries[:count]
    found = await records.jobs_of(await runtime.engines.here(), [entry.job for entry in entries])
    return [found[entry.job] for entry in entries if entry.job in found]
