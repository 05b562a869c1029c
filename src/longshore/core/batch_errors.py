"""This module has the errors of batches, and of queues that hold their items in this process.

They are leaves of the tree in core/errors.py.
"""

from collections.abc import Sequence

from longshore.core.attempt_errors import AttemptError
from longshore.core.conflict_errors import added_too
from longshore.core.errors import LongshoreError, UsageError


class InvalidSplit(UsageError):
    """What a `Split` returned is no partition of the items it was given; they wait on as they were."""

    code = "invalid-split"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"The split of the waiting items is not valid: {problem}. Return lists of the items given, each item in "
            "one list at most; what is in none waits on."
        )


class InvalidAnswer(AttemptError):
    """The processor of a batch did not answer one result for each item, so the whole batch failed, retryably."""

    code = "invalid-answer"

    def __init__(self, answered: str, count: int) -> None:
        super().__init__(
            f"The processor answered {answered} for a batch of {count}. Return a list with one result for each item, "
            "in the order of the items."
        )


class ItemFailed(AttemptError):
    """An item of a batch failed, and its processor gave a text, or nothing, for the reason."""

    code = "item-failed"


class QueueFull(LongshoreError):
    """The queue holds as many items, or waiting jobs, as its `max_size` allows; this one was not taken, or made way for
    a newer one. `added` are the ids of those jobs of the same call that were added all the same."""

    code = "queue-full"

    def __init__(self, queue: str, max_size: int, *, holds: str = "items", added: Sequence[str] = ()) -> None:
        super().__init__(
            f"Queue '{queue}' is full: {max_size:,} {holds}. Add it later, raise max_size, or choose "
            "when_full='wait' or 'drop_oldest'."
        )
        self.queue: str = queue
        self.max_size: int = max_size
        self.added: tuple[str, ...] = tuple(added)

    def __str__(self) -> str:
        return super().__str__() + added_too(self.added)


class QueueClosed(LongshoreError):
    """The queue was closed and takes no more items."""

    code = "queue-closed"

    def __init__(self, queue: str) -> None:
        super().__init__(f"Queue '{queue}' is closed. Add items before `close`, or make a new queue.")
        self.queue: str = queue
