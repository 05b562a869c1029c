"""This module plans jobs with all that is known here of their queue and task: options, and the rules that follow.

Whoever adds a job asks here, with or without the task's code: what the queue was told holds for every job of it, what
a task was told wherever the task is known.
"""

from collections.abc import Mapping
from typing import Any

from longshore.core.signature import Signature
from longshore.engine.plan import Plan
from longshore.engine.ruling import NOTHING, Clause, ruling
from longshore.manager.options import QueueOptions, TaskOptions
from longshore.manager.runtime import Runtime
from longshore.manager.words import plan_job

UNTOLD = TaskOptions()


def plan(runtime: Runtime, queue: str, name: str, words: Mapping[str, Any]) -> Plan:
    """The plan for jobs of this queue and name that these checked or unchecked `JobWords` are said of.

    Raises UnknownOption, InvalidOption, InvalidId, InvalidName, PayloadNotEncodable (metadata).
    """
    options = runtime.options_of(queue)
    told = {**options.defaults, **words}
    handler = runtime.registry.find(queue, name)
    signature = None if handler is None else handler.signature
    task = UNTOLD if handler is None else runtime.told(handler)
    clauses = clauses_for(name, options, task, told, signature)
    if not told and not clauses:
        return Plan(queue, name)
    defaults = signature.plain_defaults() if signature is not None and clauses else NOTHING
    return plan_job(queue, name, told, rules=ruling(queue, name, clauses, defaults=defaults))


def clauses_for(
    name: str,  # noqa: ARG001 - of the limits that follow
    queue: QueueOptions,  # noqa: ARG001
    task: TaskOptions,  # noqa: ARG001
    words: Mapping[str, Any],  # noqa: ARG001
    signature: Signature | None,  # noqa: ARG001
) -> list[Clause]:
    """What was said of the queue, of the task and of the job, in the order in which it is asked for room.

    Each kind of rule has a function of its own that adds its clauses here. `signature` is that of the task, where it is
    known; names of arguments were checked against it when the task was defined, those of the job are checked here.
    """
    return []
