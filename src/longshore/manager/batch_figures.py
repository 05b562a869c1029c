"""This module counts what a batched queue has done."""

import copy

import msgspec


class BatchStats(msgspec.Struct, kw_only=True):
    """The figures of a batched queue since it was made. What was added is waiting, delayed, running, completed,
    failed or dropped."""

    waiting: int = 0
    """Items that wait for their batch."""
    delayed: int = 0
    """Items that failed and wait for their next attempt."""
    running: int = 0
    """Items in batches that run."""
    added: int = 0
    """Items taken, those that came back from a snapshot among them."""
    completed: int = 0
    failed: int = 0
    """Items that failed for good."""
    dropped: int = 0
    """Items that were dropped for newer ones."""
    rejected: int = 0
    """Items that were refused because the queue was full; none of `added`."""
    retried: int = 0
    """Attempts that were followed by another one."""
    restored: int = 0
    """Items that came back from a snapshot."""
    batches: int = 0
    """Batches started."""

    def copy(self) -> "BatchStats":
        """One that counts no more."""
        return copy.copy(self)
