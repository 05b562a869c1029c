"""This module reads workflows that are written as plain data: the JSON of seed 003 as it is, and our own export.

{"id": …, "name": …, "steps": [{"queueName": …, "jobName": …, "data": …, "onSuccess": […], "onFailure": […]}],
 "metadata": {"correlationId": …, "tags": […]}}
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from longshore.core.errors import InvalidOption, UnknownOption
from longshore.workflows.spec import STEP_WORDS, Part, Step, Workflow, parts_of

_STEP = {
    "queueName": "queue",
    "jobName": "name",
    "onSuccess": "on_success",
    "onFailure": "on_failure",
    "onComplete": "on_complete",
    "chainTo": "chain_to",
    "onFailedDependency": "on_failed_dependency",
}
_WORKFLOW = {
    "correlationId": "correlation_id",
    "onSuccess": "on_success",
    "onFailure": "on_failure",
    "onComplete": "on_complete",
    "inOrder": "in_order",
}
_KNOWN_OF_STEP = (
    *("queue", "name", "data", "id", "after", "on_success", "on_failure", "on_complete", "chain_to", "when"),
    *("join", "on_failed_dependency", "options"),
)
_KNOWN_OF_WORKFLOW = (
    *("id", "name", "steps", "metadata", "correlation_id", "tags"),
    *("on_success", "on_failure", "on_complete", "in_order"),
)
_NAMES_OF_STEP = {"queue", "queueName", "jobName"}
_OPTIONS_OF_STEP = {"chainTo": "chain_to"}
_TIMES = ("at", "run_at", "scheduledAt", "scheduledFor", "scheduled_at", "scheduled_for")


def read_workflow(value: Workflow | Step | Mapping[str, Any]) -> Workflow:
    """A workflow from itself, from one step with all that follows it, or from plain data. Raises UnknownOption and
    InvalidOption."""
    if isinstance(value, Workflow):
        return value
    if isinstance(value, Step):
        return Workflow(steps=[value])
    if not isinstance(value, Mapping):
        raise InvalidOption("workflow", value, "a Workflow, a Step, or a dict with 'steps'")
    if "steps" not in value:
        if not value.keys() & _NAMES_OF_STEP:
            raise InvalidOption("workflow", value, "'steps' in it, or queueName and jobName of a single step")
        return Workflow(steps=[read_step(value)])
    told = {_WORKFLOW.get(key, key): each for key, each in value.items()}
    for key in told:
        if key not in _KNOWN_OF_WORKFLOW:
            raise UnknownOption(key, [*_KNOWN_OF_WORKFLOW, *_WORKFLOW], of="a workflow")
    return Workflow(**{str(key): each for key, each in told.items() if each is not None})


def read_part(value: Part) -> Step | Workflow | str:
    """A part of a workflow; a list is a group. Raises like `read_workflow`."""
    if isinstance(value, Step | Workflow | str):
        return value
    if isinstance(value, Mapping):
        return read_workflow(value) if "steps" in value else read_step(value)
    return Workflow(steps=value)


def is_list(value: Part) -> bool:
    """Whether what follows this part finds a list of results: it is a list, a group, or a chain that ends in one."""
    if isinstance(value, Step | str):
        return False
    if isinstance(value, Mapping):
        return "steps" in value and is_list(read_workflow(value))
    if isinstance(value, Workflow) and value.in_order:
        return bool(value.steps) and is_list(value.steps[-1])
    return True


def read_step(value: Mapping[str, Any]) -> Step:
    """A step from plain data. Raises UnknownOption and InvalidOption."""
    told: dict[str, Any] = {_STEP.get(key, key): each for key, each in value.items()}
    called = told.get("id") or told.get("name") or "?"
    options = told.pop("options", None) or {}
    if not isinstance(options, Mapping):
        raise InvalidOption("options", options, "a dict", of=f"step '{called}'")
    told |= {str(_OPTIONS_OF_STEP.get(key, key)): each for key, each in options.items()}
    for key in told:
        if key not in _KNOWN_OF_STEP and key not in STEP_WORDS:
            raise UnknownOption(key, [*_STEP, *_KNOWN_OF_STEP, *STEP_WORDS], of=f"step '{called}'")
    if "queue" not in told or "name" not in told:
        raise InvalidOption("steps", dict(value), "queueName and jobName in each step")
    told |= {key: _read_time(key, told[key]) for key in _TIMES if isinstance(told.get(key), str)}
    chained = told.pop("chain_to", None)
    if chained:
        follows = Workflow(steps=chained, in_order=True)
        told["on_success"] = [*parts_of(told.get("on_success")), follows]
    return Step(**{str(key): each for key, each in told.items() if each is not None})


def _read_time(option: str, text: str) -> datetime:
    """A time as JSON says it. That it has a time zone is checked with the other options."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidOption(option, text, "a time such as 2031-01-31T12:00:00Z") from None
