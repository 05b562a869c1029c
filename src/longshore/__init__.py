"""This package is Longshore: background work that is kept safe and gets done, from a notebook to a fleet.

A name is imported when it is used first, so that what needs no manager (`longshore --version`, shell completion) does
not wait for one. Type checkers read the imports; a test compares the two lists.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longshore.batch.grouping import Split
    from longshore.batch.results import ItemResult
    from longshore.batch.spool import FileStorage, Persistence
    from longshore.core.batch_errors import (
        InvalidAnswer,
        InvalidSplit,
        ItemFailed,
        QueueClosed,
        QueueFull,
    )
    from longshore.core.conflict_errors import LockLost, NotUnique
    from longshore.core.context import bind_context, current_context
    from longshore.core.errors import (
        DrainTimeout,
        InvalidOption,
        InvalidTask,
        JobCancelled,
        JobConflict,
        JobFailed,
        JobNotFound,
        LongshoreError,
        PayloadError,
        SettingsError,
        StoreUnavailable,
        UnknownOption,
        UsageError,
    )
    from longshore.core.events import Event
    from longshore.core.limit_errors import RateLimited
    from longshore.core.limits import Concurrency, Rate
    from longshore.core.priority import Priority
    from longshore.core.reference import Reference
    from longshore.core.retention import Retention
    from longshore.core.retry import Retry
    from longshore.core.states import State
    from longshore.core.step_errors import StepMismatch
    from longshore.core.task_signals import Cancel, Discard, RetryAt, Snooze
    from longshore.core.unique import Unique
    from longshore.core.workflow_errors import (
        InvalidWorkflow,
        WorkflowCancelled,
        WorkflowConflict,
        WorkflowFailed,
    )
    from longshore.cron.schedule import Schedule
    from longshore.dlq.letters import DeadLetter
    from longshore.dlq.policy import DeadLetterPolicy
    from longshore.manager.base_queue import BaseQueue
    from longshore.manager.batch_task import BatchTask
    from longshore.manager.batched import BatchedQueue
    from longshore.manager.context import JobContext
    from longshore.manager.figures import Health, LimitState, QueueMetrics, Stats, Thresholds
    from longshore.manager.job import Job
    from longshore.manager.lock import Lock
    from longshore.manager.manager import QueueManager
    from longshore.manager.memory_queues import InMemoryBatchQueue, InMemoryQueue
    from longshore.manager.queue import Queue
    from longshore.manager.recorded_steps import RecordedStep
    from longshore.manager.schedule_state import ScheduleState
    from longshore.manager.settings import Settings
    from longshore.manager.task import Task
    from longshore.manager.workflow import WorkflowRun
    from longshore.workflows.spec import Step, Workflow, chain, chord, group

__all__ = [
    "BaseQueue",
    "BatchTask",
    "BatchedQueue",
    "Cancel",
    "Concurrency",
    "DeadLetter",
    "DeadLetterPolicy",
    "Discard",
    "DrainTimeout",
    "Event",
    "FileStorage",
    "Health",
    "InMemoryBatchQueue",
    "InMemoryQueue",
    "InvalidAnswer",
    "InvalidOption",
    "InvalidSplit",
    "InvalidTask",
    "InvalidWorkflow",
    "ItemFailed",
    "ItemResult",
    "Job",
    "JobCancelled",
    "JobConflict",
    "JobContext",
    "JobFailed",
    "JobNotFound",
    "LimitState",
    "Lock",
    "LockLost",
    "LongshoreError",
    "NotUnique",
    "PayloadError",
    "Persistence",
    "Priority",
    "Queue",
    "QueueClosed",
    "QueueFull",
    "QueueManager",
    "QueueMetrics",
    "Rate",
    "RateLimited",
    "RecordedStep",
    "Reference",
    "Retention",
    "Retry",
    "RetryAt",
    "Schedule",
    "ScheduleState",
    "Settings",
    "SettingsError",
    "Snooze",
    "Split",
    "State",
    "Stats",
    "Step",
    "StepMismatch",
    "StoreUnavailable",
    "Task",
    "Thresholds",
    "Unique",
    "UnknownOption",
    "UsageError",
    "Workflow",
    "WorkflowCancelled",
    "WorkflowConflict",
    "WorkflowFailed",
    "WorkflowRun",
    "bind_context",
    "chain",
    "chord",
    "current_context",
    "group",
]

_HOMES = {
    "longshore.batch.grouping": ("Split",),
    "longshore.batch.results": ("ItemResult",),
    "longshore.batch.spool": ("FileStorage", "Persistence"),
    "longshore.core.batch_errors": (
        "InvalidAnswer",
        "InvalidSplit",
        "ItemFailed",
        "QueueClosed",
        "QueueFull",
    ),
    "longshore.core.conflict_errors": ("LockLost", "NotUnique"),
    "longshore.core.context": (
        "bind_context",
        "current_context",
    ),
    "longshore.core.errors": (
        "DrainTimeout",
        "InvalidOption",
        "InvalidTask",
        "JobCancelled",
        "JobConflict",
        "JobFailed",
        "JobNotFound",
        "LongshoreError",
        "PayloadError",
        "SettingsError",
        "StoreUnavailable",
        "UnknownOption",
        "UsageError",
    ),
    "longshore.core.events": ("Event",),
    "longshore.core.limit_errors": ("RateLimited",),
    "longshore.core.limits": ("Concurrency", "Rate"),
    "longshore.core.priority": ("Priority",),
    "longshore.core.reference": ("Reference",),
    "longshore.core.retention": ("Retention",),
    "longshore.core.retry": ("Retry",),
    "longshore.core.states": ("State",),
    "longshore.core.step_errors": ("StepMismatch",),
    "longshore.core.task_signals": (
        "Cancel",
        "Discard",
        "RetryAt",
        "Snooze",
    ),
    "longshore.core.unique": ("Unique",),
    "longshore.core.workflow_errors": (
        "InvalidWorkflow",
        "WorkflowCancelled",
        "WorkflowConflict",
        "WorkflowFailed",
    ),
    "longshore.cron.schedule": ("Schedule",),
    "longshore.dlq.policy": ("DeadLetterPolicy",),
    "longshore.dlq.letters": ("DeadLetter",),
    "longshore.manager.base_queue": ("BaseQueue",),
    "longshore.manager.batch_task": ("BatchTask",),
    "longshore.manager.batched": ("BatchedQueue",),
    "longshore.manager.context": ("JobContext",),
    "longshore.manager.figures": (
        "Health",
        "LimitState",
        "QueueMetrics",
        "Stats",
        "Thresholds",
    ),
    "longshore.manager.job": ("Job",),
    "longshore.manager.lock": ("Lock",),
    "longshore.manager.manager": ("QueueManager",),
    "longshore.manager.memory_queues": ("InMemoryBatchQueue", "InMemoryQueue"),
    "longshore.manager.queue": ("Queue",),
    "longshore.manager.recorded_steps": ("RecordedStep",),
    "longshore.manager.schedule_state": ("ScheduleState",),
    "longshore.manager.settings": ("Settings",),
    "longshore.manager.task": ("Task",),
    "longshore.manager.workflow": ("WorkflowRun",),
    "longshore.workflows.spec": (
        "Step",
        "Workflow",
        "chain",
        "chord",
        "group",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """The public name, from then on an attribute like any other."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'longshore' has no attribute '{name}'")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
