"""This module plans jobs with all that is known here of their queue and task: options, and the rules that follow.

Whoever adds a job asks here, with or without the task's code: what the queue was told holds for every job of it, what
a task was told wherever the task is known.
"""

from collections.abc import Mapping
from typing import Any

from longshore.core.signature import Signature
from longshore.engine.plan import Plan
from longshore.engine.ruling import NOTHING, Clause, ruling
from longshore.flow.overrides import Overrides, look
from longshore.manager.limiting import limit_clauses
from longshore.manager.option_parsing import plan_job
from longshore.manager.options import QueueOptions, TaskOptions
from longshore.manager.runtime import Runtime
from longshore.manager.uniqueness import unique_clauses, unique_of

LOOK_SECONDS = 1.0
"""For so long a limit that was changed elsewhere may be unknown to who adds jobs."""
UNTOLD = TaskOptions()


def plan(runtime: Runtime, queue: str, name: str, words: Mapping[str, Any]) -> Plan:
    """The plan for jobs of this queue and name that these checked or unchecked `JobWords` are said of.

    Raises UnknownOption, InvalidOption, InvalidId, InvalidName, PayloadNotEncodable (metadata).
    """
    known = runtime.options_of(queue), runtime.registry.find(queue, name), runtime.overrides.version
    if words:
        return _plan(runtime, queue, name, {**known[0].defaults, **words})
    return runtime.plans.get(
        queue, name, made_of=known, make=lambda: _plan(runtime, queue, name, known[0].defaults)
    )


def _plan(runtime: Runtime, queue: str, name: str, told: Mapping[str, Any]) -> Plan:
    options = runtime.options_of(queue)
    handler = runtime.registry.find(queue, name)
    signature = None if handler is None else handler.signature
    task = UNTOLD if handler is None else runtime.told(handler)
    clauses = clauses_for(name, options, task, told, signature=signature, overrides=runtime.overrides)
    if not told and not clauses:
        return Plan(queue, name)
    defaults = signature.plain_defaults() if signature is not None and clauses else NOTHING
    planned = plan_job(queue, name, told, rules=ruling(queue, name, clauses, defaults=defaults))
    unique = unique_of(task, told)
    if unique is not None:
        planned.on_conflict = unique.on_conflict
    return planned


async def is_news(runtime: Runtime, connection: object | None) -> bool:
    """Looks about once a second whether limits were changed at run time; whether they were. Asked before jobs are added
    that have rules. Raises StoreUnavailable. In a caller's transaction it does not look: what waits for another
    connection has no place there, and what was known before holds."""
    overrides, now = runtime.overrides, runtime.clock.monotonic()
    if connection is not None or (
        overrides.looked_at is not None and now - overrides.looked_at < LOOK_SECONDS
    ):
        return False
    overrides.looked_at = now
    return await look((await runtime.engines.here()).store, overrides)


def clauses_for(
    name: str,
    queue: QueueOptions,
    task: TaskOptions,
    words: Mapping[str, Any],
    *,
    signature: Signature | None,
    overrides: Overrides,
) -> list[Clause]:
    """What was said of the queue, of the task and of the job, in the order in which it is asked for room.

    Each kind of rule has a function of its own that adds its clauses here. `signature` is that of the task, where it is
    known; names of arguments were checked against it when the task was defined, those of the job are checked here.
    """
    return [
        *limit_clauses(name, queue, task, words, signature=signature, overrides=overrides),
        *unique_clauses(name, queue, task, words, signature=signature),
    ]
