"""This package is Longshore: background work that is kept safe and gets done, from a notebook to a fleet."""

from longshore.core.context import bind_context, current_context
from longshore.core.errors import (
    Cancel,
    Discard,
    DrainTimeout,
    InvalidOption,
    InvalidTask,
    JobCancelled,
    JobConflict,
    JobFailed,
    JobNotFound,
    LongshoreError,
    PayloadError,
    RetryAt,
    SettingsError,
    Snooze,
    StoreUnavailable,
    UnknownOption,
    UsageError,
)
from longshore.core.events import Event
from longshore.core.priority import Priority
from longshore.core.reference import Reference
from longshore.core.retention import Retention
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.dlq.policy import DeadLetterPolicy
from longshore.dlq.shelf import DeadLetter
from longshore.manager.base_queue import BaseQueue
from longshore.manager.context import JobContext
from longshore.manager.figures import Health, QueueMetrics, Stats, Thresholds
from longshore.manager.job import Job
from longshore.manager.manager import QueueManager
from longshore.manager.queue import Queue
from longshore.manager.settings import Settings
from longshore.manager.task import Task

__all__ = [
    "BaseQueue",
    "Cancel",
    "DeadLetter",
    "DeadLetterPolicy",
    "Discard",
    "DrainTimeout",
    "Event",
    "Health",
    "InvalidOption",
    "InvalidTask",
    "Job",
    "JobCancelled",
    "JobConflict",
    "JobContext",
    "JobFailed",
    "JobNotFound",
    "LongshoreError",
    "PayloadError",
    "Priority",
    "Queue",
    "QueueManager",
    "QueueMetrics",
    "Reference",
    "Retention",
    "Retry",
    "RetryAt",
    "Settings",
    "SettingsError",
    "Snooze",
    "State",
    "Stats",
    "StoreUnavailable",
    "Task",
    "Thresholds",
    "UnknownOption",
    "UsageError",
    "bind_context",
    "current_context",
]
