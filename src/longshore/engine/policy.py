"""This module holds a task's policy for the end of its attempts, and how a single job may change it."""

from typing import Any, Literal

import msgspec

from longshore.core.job import Details
from longshore.core.payload import PAYLOAD_LIMIT_BYTES
from longshore.core.retry import Retry

MAX_CRASHES = 3
"""A job that took its worker down so often is a dead letter. Three, because one crash may be the machine's fault and
two may be its neighbour's (ADR 0003)."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a task wants done when its attempts end."""

    retry: Retry = msgspec.field(default_factory=Retry)
    timeout: float | None = None
    """Seconds for one attempt."""
    max_crashes: int = MAX_CRASHES
    keep_completed: bool = True
    """False: a completed or cancelled job is forgotten in the step that ends it."""
    keep_failed: bool = True
    dead_letter: str | None = None
    """The queue that gets a notice when a job fails for good."""
    on_bad_result: Literal["fail", "complete"] = "fail"
    """Whether a result that JSON cannot say fails the attempt, or completes the job without a result."""
    result_limit_bytes: int = PAYLOAD_LIMIT_BYTES

    def adapted(self, details: Details) -> "Policy":
        """The policy with what the job itself was given. Raises InvalidOption or UnknownOption for a retry policy
        that makes no sense, which only a foreign producer can have written."""
        changes: dict[str, Any] = {
            name: value
            for name in ("timeout", "max_crashes", "dead_letter")
            if (value := getattr(details, name)) is not None
        }
        if details.retry is not None:
            changes["retry"] = Retry.from_dict(details.retry)
        # of a workflow others read its result, and how it stands; a tick that is taken over must meet its job
        if details.workflow is not None or details.schedule is not None:
            changes["keep_completed"] = changes["keep_failed"] = True
        return msgspec.structs.replace(self, **changes) if changes else self
